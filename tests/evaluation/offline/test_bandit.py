"""Bandit estimators: unbiased where they claim it, exact on the logging policy, strict."""

import logging
import math

import numpy as np
import pytest

from rlrec.errors import ConfigError, DataError, UnknownNameError
from rlrec.evaluation.offline.bandit import (
    DM,
    DR,
    IPS,
    SNDR,
    SNIPS,
    BanditEstimator,
    ClippedDR,
    ClippedIPS,
    DRos,
    Replay,
    SubGaussianDR,
    SubGaussianIPS,
    SwitchDR,
    sub_gaussian,
)
from rlrec.evaluation.offline.bandit_menu import FIXED, GRIDS, TUNABLE, bandit_estimator
from rlrec.evaluation.offline.bandit_sample import BanditSample
from rlrec.evaluation.offline.evaluate import evaluate_samples
from rlrec.evaluation.offline.mips import MIPS, SNMIPSOfMarginals
from rlrec.evaluation.offline.mrdr import MRDR
from tests.evaluation.offline.bandit_problem import CLICKS, CONTEXTS, LOGGING, Q_HAT, TARGET, Bandit

EMBEDDING_PROBS = np.array([[[1.0], [0.0]], [[0.25], [0.75]], [[0.0], [1.0]]])  # (A, C, D)
UNBIASED: list[BanditEstimator] = [
    IPS(),
    DR(),
    ClippedIPS(math.inf),
    ClippedDR(math.inf),
    SwitchDR(math.inf),
    DRos(math.inf),
    SubGaussianIPS(0.0),
    SubGaussianDR(0.0),
]
BIASED: list[BanditEstimator] = [
    DM(),
    ClippedIPS(1.5),
    ClippedDR(1.5),
    SwitchDR(1.5),
    DRos(1.5),
    SubGaussianIPS(0.5),
    SubGaussianDR(0.5),
]


@pytest.mark.parametrize("estimator", UNBIASED, ids=repr)
def test_the_expectation_over_all_logs_is_the_truth(estimator: BanditEstimator) -> None:
    assert Bandit().expectation(estimator, 1) == pytest.approx(Bandit().truth, abs=1e-12)
    assert Bandit().expectation(estimator, 2) == pytest.approx(Bandit().truth, abs=1e-12)


@pytest.mark.parametrize("estimator", BIASED, ids=repr)
def test_enumeration_tells_biased_estimators_from_unbiased_ones(estimator: BanditEstimator) -> None:
    assert abs(Bandit().expectation(estimator, 1) - Bandit().truth) > 0.01


def test_mrdr_is_unbiased_though_it_fits_its_model_to_the_same_log() -> None:
    expectation = Bandit().expectation(MRDR(ridge=0.1), 2, folds=np.array([0, 1]))
    assert expectation == pytest.approx(Bandit().truth, abs=1e-12)


def test_mips_is_unbiased_where_rewards_depend_on_the_embedding() -> None:
    # Rewards by category of the embedding alone, so an action earns its mean over categories;
    # enumerated with the category drawn beside the action.
    by_category = np.array([[0.2, 0.9], [0.7, 0.3]])  # (contexts, C)
    total, truth = 0.0, 0.0
    for context, action, category in np.ndindex(2, 3, 2):
        chance = CONTEXTS[context] * EMBEDDING_PROBS[action, category, 0]
        reward = by_category[context, category]
        truth += chance * TARGET[context, action] * reward
        if not chance:
            continue
        one = Bandit().sample(
            np.array([context]),
            np.array([action]),
            np.array([reward]),
            embeddings=np.array([[category]]),
            embedding_probs=EMBEDDING_PROBS,
        )
        total += chance * LOGGING[context, action] * MIPS().terms(one).value
    assert total == pytest.approx(truth, abs=1e-12)


def test_embeddings_that_tell_actions_apart_give_ips() -> None:
    sample = Bandit().drawn(50, 0)
    assert sample.actions is not None
    marked = Bandit().drawn(
        50, 0, embeddings=sample.actions[:, None], embedding_probs=np.eye(3)[:, :, None]
    )
    for estimator, same in ((MIPS(), IPS()), (SNMIPSOfMarginals(), SNIPS())):
        assert estimator.terms(marked).value == pytest.approx(same.terms(sample).value)


def test_replay_of_many_uniform_rounds_is_the_truth() -> None:
    target_actions = np.array([1, 0])
    truth = float(CONTEXTS @ CLICKS[[0, 1], target_actions])
    n, rng = 400_000, np.random.default_rng(3)
    contexts = (rng.random(n) > CONTEXTS[0]).astype(np.int64)
    actions = rng.integers(3, size=n)
    rewards = (rng.random(n) < CLICKS[contexts, actions]).astype(np.int64)
    uniform = Bandit(np.full((2, 3), 1 / 3), np.eye(3)[target_actions])
    terms = Replay().terms(uniform.sample(contexts, actions, rewards))
    # 5 standard errors of a mean over about n / 3 matches
    error = float(terms.influences().std()) / math.sqrt(n)
    assert abs(terms.value - truth) < 5 * error


def test_replay_of_given_actions_is_replay_of_probabilities_of_0_and_1() -> None:
    certain = Bandit(np.full((2, 3), 1 / 3), np.eye(3)[[1, 0]]).drawn(300, 1)
    assert certain.target_distribution is not None
    given = Bandit(np.full((2, 3), 1 / 3), np.eye(3)[[1, 0]]).drawn(
        300, 1, target_actions=certain.target_distribution.argmax(axis=1)
    )
    assert Replay().terms(given).value == Replay().terms(certain).value
    matches = certain.target_probs == 1
    assert Replay().terms(certain).value == certain.rewards[matches].mean()


def test_replay_refuses_a_policy_that_draws() -> None:
    with pytest.raises(DataError, match="does not draw"):
        Replay().terms(Bandit().drawn(20, 0))


def test_replay_warns_where_logging_was_not_uniform(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        Replay().terms(Bandit(target=np.eye(3)[[1, 0]]).drawn(50, 0))
    assert "uniform logging" in caplog.text


def test_replay_is_in_doubt_where_it_keeps_rounds_of_a_context_more_often() -> None:
    # Clicks in the first context alone, where the target's action is logged with .9, else .1.
    logging, target = np.array([[0.9, 0.1, 0.0], [0.9, 0.1, 0.0]]), np.eye(3)[[0, 1]]
    clicks = np.array([[1.0, 1.0, 1.0], [0.0, 0.0, 0.0]])
    sample = Bandit(logging, target, clicks).drawn(20_000, 0)
    terms = Replay().terms(sample)
    share = 0.9 * CONTEXTS[0] / (0.9 * CONTEXTS[0] + 0.1 * CONTEXTS[1])
    error = float(terms.influences().std()) / math.sqrt(20_000)
    assert abs(terms.value - share) < 5 * error  # of the rounds kept,
    assert terms.value - CONTEXTS[0] > 50 * error  # far from the truth,
    assert terms.weights is not None
    assert terms.weights.mean() == pytest.approx(1, abs=0.1)  # and no weight tells it
    assert Replay().doubt(sample).endswith("with propensities from 0.1 to 0.9; use snips")


@pytest.mark.parametrize(("spread", "is_in_doubt"), [(0.0009, False), (0.0011, True)])
def test_replay_takes_nearly_equal_propensities_as_equal(spread: float, is_in_doubt: bool) -> None:
    rng = np.random.default_rng(1)
    actions, rewards = rng.integers(2, size=50), rng.random(50)
    # Those of rounds it drops may be anything.
    propensities = np.where(actions == 1, 0.2 * (1 + spread * np.arange(50) / 49), 0.7)
    propensities[0], propensities[-1], actions[0], actions[-1] = 0.2, 0.2 * (1 + spread), 1, 1
    sample = BanditSample(
        rewards=rewards, propensities=propensities, target_probs=(actions == 1).astype(float)
    )
    assert bool(Replay().doubt(sample)) == is_in_doubt
    nothing = BanditSample(rewards=rewards, propensities=propensities, target_probs=np.zeros(50))
    assert Replay().doubt(nothing) == ""  # its weights say enough


@pytest.mark.parametrize(
    "estimator",
    [
        IPS(),
        SNIPS(),
        MIPS(),
        SNMIPSOfMarginals(),
        ClippedIPS(1.0),
        SubGaussianIPS(0.7),
    ],
    ids=repr,
)
def test_the_logging_policy_itself_is_worth_its_mean_reward(estimator: BanditEstimator) -> None:
    sample = Bandit(target=LOGGING).drawn(
        60, 2, embeddings=np.zeros((60, 1), np.int64), embedding_probs=np.ones((3, 1, 1))
    )
    assert estimator.terms(sample).value == pytest.approx(sample.rewards.mean(), rel=1e-12)


@pytest.mark.parametrize(
    "estimator", [DR(), SNDR(), ClippedDR(1.0), SwitchDR(1.0), SubGaussianDR(0.7)], ids=repr
)
def test_a_model_of_contexts_alone_leaves_dr_the_mean_reward_of_the_logging_policy(
    estimator: BanditEstimator,
) -> None:
    q_hat = np.repeat(np.random.default_rng(0).random((60, 1)), 3, axis=1)
    sample = Bandit(target=LOGGING).drawn(60, 2, q_hat=q_hat)
    assert estimator.terms(sample).value == pytest.approx(sample.rewards.mean(), rel=1e-12)


def test_a_perfect_model_makes_dm_and_dr_agree_without_noise() -> None:
    certain = Bandit(clicks=np.array([[0.0, 1.0, 0.0], [1.0, 0.0, 1.0]]))
    sample = certain.drawn(40, 4)
    assert sample.actions is not None
    assert sample.logging_distribution is not None
    contexts = (sample.logging_distribution[:, 0] < 0.3).astype(np.int64)
    perfect = certain.drawn(40, 4, q_hat=certain.clicks[contexts])
    assert DR().terms(perfect).value == DM().terms(perfect).value


@pytest.mark.parametrize("key", [key for key in TUNABLE if key.endswith("ips")])
def test_used_weights_are_kept_parts_of_the_importance_weights(key: str) -> None:
    sample = Bandit().drawn(200, 5)
    for lambda_ in GRIDS[key]:
        kept = TUNABLE[key](lambda_).terms(sample).weights
        assert kept is not None
        assert (kept >= 0).all()
        assert (kept <= sample.weights).all()


@pytest.mark.parametrize("key", ["clipped_dr", "switch_dr", "dr_os", "sub_gaussian_dr"])
def test_doubly_robust_forms_are_judged_by_the_weights_before_they_are_shrunk(key: str) -> None:
    sample = Bandit().drawn(2_000, 5)
    estimators = [TUNABLE[key](lambda_) for lambda_ in GRIDS[key]]
    for estimator in (*estimators, bandit_estimator(key, tune="slope")):
        np.testing.assert_array_equal(estimator.terms(sample).weights, sample.weights)
    results = evaluate_samples({"target": [sample]}, [f"{key}=1", f"{key}=slope", f"{key}=mse"])
    for found in results.estimates:
        assert found.verdict.word == "supported", found.verdict.reason


def test_where_no_weight_is_left_the_model_speaks_alone() -> None:
    sample = Bandit().drawn(2_000, 5)
    results = evaluate_samples({"target": [sample]}, ["switch_dr=0", "dr_os=0", "dm"])
    for found in results.estimates:
        assert found.verdict.word == "model only"
        assert found.value == DM().terms(sample).value


def test_a_log_without_overlap_is_no_matter_of_the_model_alone() -> None:
    third = np.tile([0.0, 0.0, 1.0], (2, 1))
    sample = Bandit(logging=np.tile([0.5, 0.5, 0.0], (2, 1)), target=third).drawn(200, 5)
    np.testing.assert_array_equal(SwitchDR(0.0).terms(sample).weights, np.zeros(200))


def test_the_strongest_sub_gaussian_weight_still_tells_that_mass_is_left_out() -> None:
    weights = np.array([0.0, 0.5, 20.0])
    np.testing.assert_array_equal(sub_gaussian(weights, 1.0), [0.0, 1.0, 1.0])
    kept = SubGaussianIPS(1.0).terms(Bandit().drawn(5_000, 6)).weights
    assert kept is not None
    assert kept.mean() < 0.8


def test_lambda_for_an_estimator_that_does_not_use_it_is_refused() -> None:
    for name in FIXED:
        with pytest.raises(ConfigError, match="does not use lambda_"):
            bandit_estimator(name, 1.0)
        with pytest.raises(ConfigError, match="does not use lambda_"):
            bandit_estimator(name, tune="slope")


@pytest.mark.parametrize("name", TUNABLE)
def test_lambda_is_given_or_tuned_but_not_both_or_neither(name: str) -> None:
    assert bandit_estimator(name, 0.5).name == f"{name}=0.5"
    assert bandit_estimator(name, tune="slope").name == f"{name}=slope"
    for given in ({}, {"lambda_": 0.5, "tune": "slope"}):
        with pytest.raises(ConfigError, match="needs either"):
            bandit_estimator(name, **given)  # type: ignore[arg-type]


def test_a_name_that_is_not_known_gets_a_hint() -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'snips'"):
        bandit_estimator("snip")


@pytest.mark.parametrize("lambda_", [-0.1, math.nan])
@pytest.mark.parametrize("name", TUNABLE)
def test_lambda_must_be_0_or_more(name: str, lambda_: float) -> None:
    with pytest.raises(ConfigError, match="lambda_"):
        TUNABLE[name](lambda_)


def test_sub_gaussian_lambda_is_at_most_1() -> None:
    with pytest.raises(ConfigError, match=r"0\.\.1"):
        SubGaussianIPS(1.1)


@pytest.mark.parametrize("name", [*FIXED, *TUNABLE])
def test_what_is_missing_is_named(name: str) -> None:
    estimator = bandit_estimator(name) if name in FIXED else bandit_estimator(name, 0.5)
    sample = Bandit().drawn(30, 7)
    bare = type(sample)(
        rewards=sample.rewards,
        propensities=sample.propensities,
        target_probs=sample.target_probs,
    )
    if "ips" in name and "mips" not in name:
        assert math.isfinite(estimator.terms(bare).value)
        return
    with pytest.raises(DataError, match=r"need"):
        estimator.terms(bare)


def test_dm_is_the_mean_model_value() -> None:
    sample = Bandit().drawn(30, 8)
    assert sample.logging_distribution is not None
    contexts = (sample.logging_distribution[:, 0] < 0.3).astype(np.int64)
    expected = (TARGET * Q_HAT).sum(axis=1)[contexts].mean()
    assert DM().terms(sample).value == pytest.approx(expected)
