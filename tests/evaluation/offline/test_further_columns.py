"""All estimators by name in the one call, on logs whose truth is known."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rlrec.arrays import Floats, Ints, Observations
from rlrec.data import InteractionLog, LogMetadata
from rlrec.envs import make_simulator
from rlrec.errors import ConfigError, DataError, PropensityError
from rlrec.evaluation.offline import (
    Embeddings,
    Learning,
    SlotDraws,
    TargetProbabilities,
    WeightLearning,
    evaluate_offline,
)
from rlrec.evaluation.offline.estimator_menu import known_names
from rlrec.evaluation.offline.slate_probabilities import plackett_luce_marginals
from rlrec.policy import RandomPolicy, SlatePolicy
from rlrec.slates import SlateDraw, plackett_luce_log_probs, sample_plackett_luce

A, K = 5, 3
APPEAL = np.array([[0.9, 0.6, 0.5, 0.3, 0.1], [0.1, 0.4, 0.3, 0.7, 0.8]])
"""Chance of a click on each item in each of two contexts, at the top slot."""
FADING = np.array([1.0, 0.6, 0.3])
"""What is left of it further down."""
OF_SLATES = ["iips", "sniips", "pi", "wpi", "cascade_dr"]
MARGINALISED = ["sam_is", "sam_snis", "sm_is", "sm_snis", "sam_dr", "sam_sndr", "sm_dr", "sm_sndr"]


class Ranking:
    """Plackett-Luce slates by logits of the observed context."""

    def __init__(self, sharpness: float) -> None:
        self.logits = sharpness * (APPEAL - 0.5)

    def act(
        self, observations: Observations, rng: np.random.Generator, deterministic: bool = False
    ) -> SlateDraw:
        return sample_plackett_luce(self._of(observations), K, rng)

    def log_probs(self, observations: Observations, slates: Ints) -> Floats:
        return plackett_luce_log_probs(self._of(observations), slates)

    def _of(self, observations: Observations) -> Floats:
        logits: Floats = self.logits[observations["context"][:, 0].astype(int)]
        return logits


LOGGING, TARGET = Ranking(-0.5), Ranking(1.5)


def clicks_on(policy: Ranking, contexts: tuple[int, ...] = (0, 1)) -> float:
    """Return the true clicks a slate in equally likely contexts."""
    some = list(contexts)
    shown = plackett_luce_marginals(policy.logits[some], K)  # (contexts, K, A)
    return float((shown * APPEAL[some][:, None] * FADING[:, None]).sum() / len(some))


def slates(n_rows: int, seed: int, policy: Ranking = LOGGING) -> InteractionLog:
    """Return a log of slates whose clicks depend on context, item and slot alone."""
    rng = np.random.default_rng(seed)
    contexts = rng.integers(2, size=n_rows)
    observations = {"context": contexts[:, None].astype(np.float32)}
    draw = policy.act(observations, rng)
    chances = APPEAL[contexts[:, None], draw.slates] * FADING
    clicks = (rng.random(chances.shape) < chances).astype(np.float32)
    return InteractionLog.from_columns(
        {
            "user_id": np.arange(n_rows) // 2,
            "episode_id": np.arange(n_rows),
            "step": np.zeros(n_rows, np.int64),
            "slate": draw.slates,
            "response.click": clicks,
            "reward": clicks.sum(axis=1).astype(np.float64),
            "terminated": np.ones(n_rows, bool),
            "truncated": np.zeros(n_rows, bool),
            "context": observations["context"],
            "log_propensity": draw.log_probs.sum(axis=1),
            "propensity_given_prefix": np.exp(draw.log_probs),
        },
        LogMetadata(slate_size=K, response_channels=("click",)),
    )


@pytest.mark.parametrize("draws", [SlotDraws(), SlotDraws(most_slates=0)], ids=["all", "drawn"])
@pytest.mark.parametrize("estimator", OF_SLATES)
def test_slate_estimators_meet_the_truth(estimator: str, draws: SlotDraws) -> None:
    learning = Learning(slots=draws)
    (found,) = evaluate_offline(
        TARGET,
        slates(4_000, seed=1),
        estimators=[estimator],
        logging_policy=LOGGING,
        learning=learning,
    ).estimates
    # half a nominal interval of 95 % is 1.96 standard errors: the truth lies within 4 of them
    reach = 4 / 1.96 * (found.upper - found.lower) / 2
    assert (
        abs(found.value - clicks_on(TARGET)) < reach < 0.2 < clicks_on(TARGET) - clicks_on(LOGGING)
    )
    assert found.verdict.word == "supported"


@pytest.mark.parametrize("draws", [SlotDraws(), SlotDraws(most_slates=0)], ids=["all", "drawn"])
@pytest.mark.parametrize("estimator", ["iips", "sniips", "pi", "wpi", "lips", "snlips"])
def test_slate_estimators_of_the_logging_policy_are_the_mean_reward(
    estimator: str, draws: SlotDraws
) -> None:
    log = slates(600, seed=2)
    (found,) = evaluate_offline(
        LOGGING,
        log,
        estimators=[estimator],
        logging_policy=LOGGING,
        learning=Learning(slots=draws),
    ).estimates
    # pi inverts moments numerically, the others divide equal numbers
    assert found.value == pytest.approx(log.column("reward").mean(), rel=1e-6)


def test_groups_of_slates_stand_for_slates_where_contexts_do_not_matter() -> None:
    log = slates(6_000, seed=3)
    same = log.columns()
    same["context"] = np.zeros_like(same["context"])
    rng = np.random.default_rng(4)
    draw = LOGGING.act({"context": same["context"]}, rng)
    clicks = rng.random(draw.slates.shape) < APPEAL[0][draw.slates] * FADING
    same |= {
        "slate": draw.slates,
        "response.click": clicks.astype(np.float32),
        "reward": clicks.sum(axis=1).astype(np.float64),
        "log_propensity": draw.log_probs.sum(axis=1),
        "propensity_given_prefix": np.exp(draw.log_probs),
    }
    log = InteractionLog.from_columns(same, log.metadata)
    results = evaluate_offline(TARGET, log, estimators=["lips", "ips"], logging_policy=LOGGING)
    lips, ips = results["policy", "lips"], results["policy", "ips"]
    truth = clicks_on(TARGET, contexts=(0,))
    assert abs(lips.value - truth) < 0.06  # ten groups of sixty slates leave a bias of this size
    assert lips.upper - lips.lower < ips.upper - ips.lower


def test_estimated_probabilities_of_slots_are_told() -> None:
    log = slates(300, seed=5)
    drawn = Learning(slots=SlotDraws(most_slates=0))
    told = evaluate_offline(
        TARGET, log, estimators=["iips"], logging_policy=LOGGING, learning=drawn
    ).facts.caveats
    assert len(told) == 1 and "estimated from 32 drawn slates a row" in told[0]
    exact = evaluate_offline(TARGET, log, estimators=["iips"], logging_policy=LOGGING)
    assert exact.facts.caveats == ()


def test_the_logging_policy_stands_in_for_propensities() -> None:
    log = slates(300, seed=6)
    bare = InteractionLog.from_columns(
        {name: values for name, values in log.columns().items() if "propensity" not in name},
        log.metadata,
    )
    known = evaluate_offline(TARGET, log, estimators=["ips", "rips"])
    stated = evaluate_offline(TARGET, bare, estimators=["ips", "rips"], logging_policy=LOGGING)
    np.testing.assert_allclose(stated.table()["value"], known.table()["value"], rtol=1e-6)


def test_whole_slates_need_no_rewards_of_slots() -> None:
    log = slates(500, seed=13)
    columns = log.columns()
    columns["reward"] = columns["reward"] ** 2
    del columns["propensity_given_prefix"]
    log = InteractionLog.from_columns(columns, log.metadata)
    names = ["pi", "lips", "sips", "snsips"]
    values = evaluate_offline(LOGGING, log, estimators=names, logging_policy=LOGGING).table()
    np.testing.assert_allclose(values["value"], columns["reward"].mean(), rtol=1e-6)
    evaluate_offline(LOGGING, log, estimators=["sips"])  # the joint propensity is enough
    for name in ("rips", "iips", "cascade_dr"):
        with pytest.raises(DataError, match="no response channel sums to the reward"):
            evaluate_offline(LOGGING, log, estimators=[name], logging_policy=LOGGING)


def test_another_policy_than_that_of_the_log_is_refused() -> None:
    with pytest.raises(PropensityError, match=r"policy that wrote the log.*the first is row 0"):
        evaluate_offline(
            TARGET, slates(50, seed=7), estimators=["iips"], logging_policy=Ranking(0.7)
        )


@pytest.mark.parametrize("estimator", ["iips", "sniips", "pi", "wpi", "lips", "snlips"])
def test_without_the_logging_policy_the_message_asks_for_it(estimator: str) -> None:
    with pytest.raises(ConfigError, match=f"{estimator}.*give that policy as `logging_policy`"):
        evaluate_offline(TARGET, slates(50, seed=8), estimators=[estimator])


def test_arrays_of_probabilities_cannot_be_asked_for_other_slates() -> None:
    log = slates(50, seed=9)
    with pytest.raises(ConfigError, match="must be a SlatePolicy, not an array"):
        evaluate_offline(
            TargetProbabilities(np.full((50, K), 0.3)),
            log,
            estimators=["iips"],
            logging_policy=LOGGING,
        )
    with pytest.raises(ConfigError, match="logging_policy must be the policy itself"):
        evaluate_offline(TARGET, log, logging_policy=np.full((50, K), 0.3))


def test_too_many_slates_are_refused_by_name() -> None:
    users = make_simulator("rlrec/TopicBoredom-v0", 60, n_items=60, slate_size=3, n_steps=1)
    policy = RandomPolicy(60, 3)
    log = InteractionLog.record(policy, users, 60, seed=1)
    with pytest.raises(ConfigError, match=r"estimator 'pi' asks .* all 205,320 slates"):
        evaluate_offline(policy, log, estimators=["pi"], logging_policy=policy, users=users)


def test_fresh_candidates_have_slots_but_no_groups() -> None:
    users = make_simulator(
        "rlrec/InterestEvolution-v0", 300, max_steps=1, slate_size=3, n_candidates=6
    )
    policy = RandomPolicy(6, 3)
    log = InteractionLog.record(policy, users, 300, seed=2)
    names = ["iips", "sniips", "pi", "wpi", "cascade_dr"]
    results = evaluate_offline(policy, log, estimators=names, logging_policy=policy, users=users)
    # a model fitted to other users is not exact, and cancels but for its own noise
    mean = log.column("reward").mean()
    np.testing.assert_allclose(results.table()["value"][:4], mean, rtol=1e-6)
    assert results["policy", "cascade_dr"].value == pytest.approx(mean, rel=0.1)
    with pytest.raises(DataError, match="positions among candidates"):
        evaluate_offline(policy, log, estimators=["lips"], logging_policy=policy, users=users)


@pytest.mark.parametrize("estimator", ["mrdr", "cascade_dr", "iips", "pi", "lips", "mips"])
def test_rounds_of_single_choices_have_them_all(bandit: Any, estimator: str) -> None:
    log = bandit.log(6_000)
    contexts = log.column("context")[:, 0].astype(int)
    every = Learning(embeddings=Embeddings(of_choices=np.arange(3)[:, None]))
    values = {}
    for name, policy in (("policy", bandit.target), ("array", bandit.target.table[contexts])):
        (found,) = evaluate_offline(
            policy, log, estimators=[estimator], logging_policy=bandit.logging, learning=every
        ).estimates
        values[name] = found.value
        reach = 4 / 1.96 * (found.upper - found.lower) / 2
        # groups of choices mix what pays in one context with what pays in the other
        slack = 0.15 if estimator == "lips" else 0.0
        assert abs(found.value - bandit.value(bandit.target)) < reach + slack
        assert reach < 0.07
    assert values["policy"] == pytest.approx(values["array"], rel=1e-9)


def test_embeddings_that_are_no_function_of_the_choice_have_learned_weights(bandit: Any) -> None:
    log = bandit.log(8_000)
    # a picture that tells choice 2 from the others nine times in ten
    rng = np.random.default_rng(1)
    seen = (log.column("slate")[:, 0] == 2) ^ (rng.random(8_000) < 0.1)
    pictures = Embeddings(of_rows=seen[:, None].astype(np.int64))
    results = evaluate_offline(
        bandit.target,
        log,
        estimators=["mips", "ips"],
        learning=Learning(embeddings=pictures),
    )
    mips, ips = results["policy", "mips"], results["policy", "ips"]
    assert mips.diagnostics.mean_weight == pytest.approx(1.0, abs=0.02)
    assert mips.diagnostics.effective_sample_size > ips.diagnostics.effective_sample_size


def test_embeddings_must_be_given_where_there_is_no_catalogue(bandit: Any) -> None:
    with pytest.raises(ConfigError, match=r"give learning=Learning\(embeddings=Embeddings"):
        evaluate_offline(bandit.target, bandit.log(100), estimators=["mips"])


def test_every_choice_is_needed_by_some_that_slates_do_not_have() -> None:
    log = slates(60, seed=10)
    for name, words in (("mrdr", "slates of 3; use dr"), ("snmips", "use mips")):
        learning = Learning(embeddings=Embeddings(of_choices=np.zeros((A, 1), np.int64)))
        with pytest.raises(ConfigError, match=words):
            evaluate_offline(
                TARGET, log, estimators=[name], logging_policy=LOGGING, learning=learning
            )


@pytest.mark.parametrize("method", ["minimax", "regression"])
@pytest.mark.parametrize("estimator", [*MARGINALISED, "drl"])
def test_learned_weights_of_states_meet_the_truth(
    visits: Any, bandit: Any, estimator: str, method: Any
) -> None:
    log = visits.record(bandit.logging, 3_000, seed=11)
    (found,) = evaluate_offline(
        bandit.target,
        log,
        estimators=[estimator],
        discount=0.9,
        learning=Learning(weights=WeightLearning(method=method)),
    ).estimates
    # 6,000 sessions of which context and step are the whole state; 4 standard errors
    reach = 4 / 1.96 * (found.upper - found.lower) / 2
    assert abs(found.value - visits.value(bandit.target, 0.9)) < reach < 0.25
    assert found.verdict.word == "supported"


def test_weights_of_states_vary_less_than_those_of_paths(visits: Any, bandit: Any) -> None:
    log = visits.record(bandit.logging, 2_000, seed=12)
    results = evaluate_offline(bandit.target, log, estimators=["pdis", "sm_is", "sam_is"])
    widths = {each.estimator: each.upper - each.lower for each in results.estimates}
    assert widths["sam_is"] < 0.9 * widths["pdis"]
    assert widths["sm_is"] < widths["pdis"]


def test_every_name_answers_or_says_what_to_give(visits: Any, bandit: Any) -> None:
    """No name leads to an error about arrays, which a log does not have."""
    table = bandit.logging
    users = make_simulator("rlrec/TopicBoredom-v0", 60, n_items=6, slate_size=2, n_steps=1)
    random: SlatePolicy = RandomPolicy(6, 2)
    logs = [
        (visits.record(table, 40, seed=1), table, None),
        (bandit.log(100), table, None),
        (InteractionLog.record(random, users, 60, seed=1), random, users),
    ]
    unanswered = {}
    for number, (log, policy, observed) in enumerate(logs):
        for name in known_names(bool(log.column("step").any())):
            tuned = "=0.5" if name.startswith(("clipped", "switch", "dr_os", "sub_")) else ""
            try:
                evaluate_offline(
                    policy,
                    log,
                    estimators=[name + tuned],
                    logging_policy=policy,
                    users=observed,
                    n_replicates=100,
                )
            except (ConfigError, DataError) as error:
                unanswered[number, name] = str(error)
                assert "Sample" not in str(error)
    assert set(unanswered) == {
        *((1, name) for name in ("mips", "snmips", "replay")),
        *((2, name) for name in ("mrdr", "snmips", "replay")),
    }


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: WeightLearning(method="guess"), "must be one of"),  # type: ignore[arg-type]
        (lambda: WeightLearning(penalty=-1.0), "penalty must be 0 or more"),
        (lambda: WeightLearning(n_folds=1), "n_folds 2 or more"),
        (lambda: Embeddings(), "either of_choices or of_rows"),
    ],
)
def test_bad_settings_are_refused(make: Any, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        make()


def test_the_model_of_slots_narrows_what_prefix_weights_leave() -> None:
    results = evaluate_offline(TARGET, slates(4_000, seed=14), estimators=["rips", "cascade_dr"])
    widths = {each.estimator: each.upper - each.lower for each in results.estimates}
    assert widths["cascade_dr"] < 0.8 * widths["rips"]


def test_the_table_of_the_docs_has_every_name() -> None:
    text = (Path(__file__).parents[3] / "docs" / "architecture.md").read_text(encoding="utf-8")
    table = text.split("## Offline evaluation")[1].split("| name |")[1].split("\n\n")[0]
    cells = [line.split("|")[1] for line in table.splitlines()[2:]]
    listed = {name.split("=")[0] for cell in cells for name in re.findall(r"`([^`]+)`", cell)}
    assert listed == {*known_names(is_sessions=False), *known_names(is_sessions=True)}
