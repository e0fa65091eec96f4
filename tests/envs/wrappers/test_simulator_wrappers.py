"""Worse features, abnormal users, other rewards and candidates, around any simulator."""

import json
from typing import Any

import numpy as np
import pytest

from rlrec.agents import SlateQ, SlateQConfig
from rlrec.baselines import EASE
from rlrec.data import InteractionLog
from rlrec.envs import MyopicOracle, make_simulator, make_wrapped_simulator
from rlrec.envs.adapters import users_from_function
from rlrec.envs.sb3 import SlateVecEnv
from rlrec.envs.wrappers import (
    AbnormalUsers,
    FeatureNoise,
    MissingFeatures,
    Preselected,
    RewardFromChannels,
    SimulatorWrapper,
)
from rlrec.errors import ConfigError, SlateError, TruthError, UnknownNameError
from rlrec.evaluation import rollout
from rlrec.policy import MixturePolicy, RandomPolicy
from rlrec.simulation import SteppedSimulator
from rlrec.testing import ENVIRONMENT_CHECKS
from rlrec.testing.traces import any_slates, assert_same_trace, play

ENV_ID = "rlrec/InterestEvolution-v0"
SMALL: dict[str, Any] = {"n_items": 20, "slate_size": 3, "max_steps": 25}
OPEN: dict[str, Any] = {**SMALL, "tastes_observed": True}


def users(n_users: int = 20, first_user: int = 0, **arguments: Any) -> SteppedSimulator:
    return make_simulator(ENV_ID, n_users, first_user, **(arguments or SMALL))


def odd(value: Any) -> Any:
    """Return a value of a type that is not allowed where it goes."""
    return value


def clickers(n_users: int = 20, first_user: int = 0) -> SteppedSimulator:
    """Return users who may take several items, and say with which probability."""
    return users_from_function(
        lambda state, slates, draws: draws < 0.3,
        lambda n, draws: {"taste": draws},
        n_users,
        first_user,
        items=8,
        slate_size=3,
        max_steps=5,
        choice_probabilities=lambda state, slates: _independent(slates, 0.3),
    )


def _independent(slates: Any, p: float) -> Any:
    first = [[item not in row[:k] for k, item in enumerate(row)] for row in slates.tolist()]
    clicks = np.where(first, p, 0.0)
    return np.column_stack([clicks, np.prod(1 - clicks, axis=1)])


FRESH: dict[str, Any] = {"max_steps": 25}
CASES: dict[str, Any] = {
    "nothing": lambda n, f: SimulatorWrapper(users(n, f)),
    "noise on tastes": lambda n, f: FeatureNoise(users(n, f, **OPEN), 0.5),
    "noise on documents": lambda n, f: FeatureNoise(users(n, f, **FRESH), 2.0),
    "missing tastes": lambda n, f: MissingFeatures(users(n, f, **OPEN), 0.3, fill=-2.0),
    "missing documents": lambda n, f: MissingFeatures(
        users(n, f, **FRESH), 0.3, ["candidate_features"]
    ),
    "always click": lambda n, f: AbnormalUsers(users(n, f), 0.4, "always_click", 2.0),
    "never click": lambda n, f: AbnormalUsers(users(n, f, **FRESH), 0.4, "never_click"),
    "random clicks": lambda n, f: AbnormalUsers(users(n, f, **FRESH), 0.4, "random", 0.5),
    "always all": lambda n, f: AbnormalUsers(clickers(n, f), 0.4, "always_click"),
    "random several": lambda n, f: AbnormalUsers(clickers(n, f), 0.4, "random"),
    "other rewards": lambda n, f: RewardFromChannels(users(n, f), {"click": 1.0}),
    "random candidates": lambda n, f: Preselected(users(n, f), None, 7),
    "abnormal users of candidates": lambda n, f: AbnormalUsers(
        Preselected(users(n, f), None, 7), 0.4, "random"
    ),
    "two of a kind, and more": lambda n, f: MissingFeatures(
        FeatureNoise(FeatureNoise(AbnormalUsers(users(n, f, **OPEN), 0.2), 0.1), 0.1), 0.1
    ),
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("check", ENVIRONMENT_CHECKS, ids=lambda check: check.__name__)
def test_wrapped_environments_keep_the_contract(check: Any, case: str) -> None:
    check(CASES[case])


@pytest.mark.parametrize(
    "switched_off",
    [
        lambda inner: SimulatorWrapper(inner),
        lambda inner: FeatureNoise(inner, 0.0),
        lambda inner: MissingFeatures(inner, 0.0),
        lambda inner: AbnormalUsers(inner, 0.0),
        lambda inner: RewardFromChannels(inner, {"watch_time": 1.0}),
    ],
    ids=["wrapper", "noise", "gaps", "abnormal", "rewards"],
)
def test_switched_off_a_wrapper_changes_nothing(switched_off: Any) -> None:
    slates = any_slates(users(), 40)
    expected = play(users(**OPEN), slates)
    assert_same_trace(play(switched_off(users(**OPEN)), slates), expected, "switched off")


def test_noise_has_the_spread_it_is_given_and_is_new_at_each_step() -> None:
    plain, noisy = users(500, **OPEN), FeatureNoise(users(500, **OPEN), 0.5)
    differences = [noisy.reset(0)["user"] - plain.reset(0)["user"]]
    for shown in any_slates(plain, 4):
        seen = noisy.step(shown).observations["user"]
        differences.append(seen - plain.step(shown).observations["user"])
    off = np.stack(differences)  # 5 moments of 500 users and 20 topics: n = 50,000
    assert abs(off.mean()) < 5 * 0.5 / np.sqrt(off.size)
    assert abs(off.std() - 0.5) < 5 * 0.5 / np.sqrt(2 * off.size)
    pairs = off[:-1] * off[1:]  # 40,000 products, whose standard error is 0.25 / 200
    assert abs(pairs.mean()) < 5 * 0.25 / np.sqrt(pairs.size)


def test_noise_of_two_wrappers_adds_up() -> None:
    plain = users(500, **OPEN)
    noisy = FeatureNoise(FeatureNoise(users(500, **OPEN), 0.3), 0.4)
    off = noisy.reset(0)["user"] - plain.reset(0)["user"]
    # 10,000 numbers: the variance is 0.25 with a standard error of 0.25 sqrt(2 / n).
    assert abs(off.var() - 0.25) < 5 * 0.25 * np.sqrt(2 / off.size)


def test_numbers_are_missing_at_the_rate_given() -> None:
    plain, gaps = users(500, **OPEN), MissingFeatures(users(500, **OPEN), 0.3, fill=9.0)
    seen, true = gaps.reset(0)["user"], plain.reset(0)["user"]
    missing = seen == 9.0
    np.testing.assert_array_equal(seen[~missing], true[~missing])
    assert abs(missing.mean() - 0.3) < 5 * np.sqrt(0.3 * 0.7 / missing.size)  # n = 10,000


def test_topics_that_a_log_could_not_give_back_are_left_out() -> None:
    assert "topic_counts" in users(**FRESH).observation_spaces
    assert "topic_counts" not in FeatureNoise(users(**FRESH), 0.1).observation_spaces
    assert "topic_counts" in FeatureNoise(users(**FRESH), 0.1, ["user"]).observation_spaces
    assert "topic_counts" in FeatureNoise(users(**OPEN), 0.1).observation_spaces


@pytest.mark.parametrize("kind", ["always_click", "never_click", "random"])
@pytest.mark.parametrize("make", [users, clickers], ids=["one item", "several"])
def test_abnormal_users_respond_as_they_are_called(kind: str, make: Any) -> None:
    plain, wrapped = make(400), AbnormalUsers(make(400), 0.5, kind, click_reward=3.0)
    plain.reset(0)
    wrapped.reset(0)
    odd = wrapped.is_abnormal
    assert abs(odd.mean() - 0.5) < 5 * 0.5 / np.sqrt(400)
    slates = np.tile([2, 0, 2], (400, 1))
    before, after = plain.step(slates), wrapped.step(slates)
    np.testing.assert_array_equal(after.responses[~odd], before.responses[~odd])
    np.testing.assert_array_equal(after.rewards[~odd], before.rewards[~odd])
    clicks = after.responses[odd, :, 0]
    np.testing.assert_array_equal(after.rewards[odd], 3.0 * clicks.sum(axis=1))
    np.testing.assert_array_equal(after.observations["last_response"][odd, :, 0], clicks)
    assert not clicks[:, 2].any()
    several = make is clickers
    if kind == "always_click":
        assert clicks[:, 0].all() and (clicks[:, 1] == several).all()
    elif kind == "never_click":
        assert not clicks.any()
    else:
        p = 1 / 2 if several else 1 / 3  # two open slots and nothing
        error = np.sqrt(p * (1 - p) / len(clicks))
        assert (abs(clicks[:, :2].mean(axis=0) - p) < 5 * error).all()


def test_who_is_abnormal_is_drawn_anew_for_each_episode() -> None:
    wrapped = AbnormalUsers(users(300), 0.5, "random")
    wrapped.reset(0)
    first = wrapped.is_abnormal
    for shown in any_slates(wrapped, 25):
        step = wrapped.step(shown)
    assert step.finished.size == 300
    changed = wrapped.is_abnormal != first
    assert abs(changed.mean() - 0.5) < 5 * 0.5 / np.sqrt(300)


def test_rewards_are_the_weighted_sum_of_what_came_back() -> None:
    wrapped = RewardFromChannels(users(50), {"click": -1.0, "watch_time": 0.5})
    wrapped.reset(0)
    for shown in any_slates(wrapped, 5):
        step = wrapped.step(shown)
        expected = (step.responses * [-1.0, 0.5]).sum(axis=(1, 2))
        np.testing.assert_allclose(step.rewards, expected)
    assert not wrapped.states("expected_reward") and wrapped.states("choice_probabilities")
    with pytest.raises(TruthError, match="on `wrapped`"):
        wrapped.expected_reward(shown)


def test_candidates_are_the_best_of_the_retrieval_policy() -> None:
    plain = users(100)
    log = InteractionLog.record(RandomPolicy(20, 3), plain, 2000, seed=1)
    ease = EASE(slate_size=6).fit(log, plain.catalogue)
    wrapped = Preselected(users(), ease, 6)
    observations = wrapped.reset(0)
    for shown in any_slates(wrapped, 30):
        rng = np.random.default_rng(0)
        without = {key: value for key, value in observations.items() if key != "candidates"}
        best = ease.act(without, rng, deterministic=True).slates
        np.testing.assert_array_equal(observations["candidates"], best)
        step = wrapped.step(shown)
        items = np.take_along_axis(best, shown, axis=1) + 1
        observations = step.observations
        going = np.setdiff1d(np.arange(20), step.finished)
        np.testing.assert_array_equal(observations["last_slate"][going], items[going])
    ranker = EASE(slate_size=3).fit(log, plain.catalogue)
    results = rollout({"EASE": ranker, "random": RandomPolicy(6, 3)}, wrapped, 20, seed=3)
    assert results.policies["EASE"].returns.shape == (20,)
    agent = SlateQ(SlateVecEnv(wrapped), SlateQConfig(hidden=8, learning_starts=40), seed=0)
    assert agent.action_space.nvec.tolist() == [6, 6, 6]  # type: ignore[attr-defined]


def test_all_random_candidates_are_offered_equally_often() -> None:
    wrapped = Preselected(users(2000), None, 5)
    candidates = wrapped.reset(0)["candidates"]
    assert (np.diff(np.sort(candidates, axis=1), axis=1) > 0).all()
    share = np.bincount(candidates.ravel(), minlength=20) / 2000
    assert (abs(share - 0.25) < 5 * np.sqrt(0.25 * 0.75 / 2000)).all()  # n = 2000 users


def test_oracles_read_the_truth_through_wrappers_that_pass_slates_on() -> None:
    plain, noisy = users(30, **OPEN), FeatureNoise(users(30, **OPEN), 1.0)
    returns = [
        rollout({"oracle": MyopicOracle()}, world, 30, seed=2).policies["oracle"].returns
        for world in (plain, noisy)
    ]
    np.testing.assert_array_equal(returns[1], returns[0])
    with pytest.raises(TypeError, match="got Preselected"):
        MyopicOracle().bind(Preselected(users(), None, 5))


def test_arguments_make_the_same_wrapped_users_again() -> None:
    wrapped = FeatureNoise(AbnormalUsers(users(**OPEN), 0.3, "never_click"), 0.2)
    told = json.loads(json.dumps(wrapped.arguments))
    again = make_wrapped_simulator(wrapped.env_id, 20, **told)
    slates = any_slates(wrapped, 30)
    assert_same_trace(play(again, slates), play(wrapped, slates), "made again")
    assert again.arguments == wrapped.arguments


@pytest.mark.parametrize(
    ("made", "words"),
    [
        (lambda: users(n_items=30), "n_items is 30, was 20"),
        (lambda: make_simulator("rlrec/TopicBoredom-v0", 20), "of rlrec/Inter.* in rlrec/TopicB"),
        (lambda: AbnormalUsers(users(), 0.5), "wrappers is .*AbnormalUsers.*, was None"),
    ],
)
def test_a_snapshot_of_bare_users_fits_no_others(made: Any, words: str) -> None:
    simulator = users()
    simulator.reset(0)
    with pytest.raises(ConfigError, match=words):
        made().restore(simulator.snapshot())


@pytest.mark.parametrize(
    ("made", "words"),
    [
        (users, "wrappers is None, was .*AbnormalUsers"),
        (lambda: AbnormalUsers(users(), 0.25), "0.25.*was.*0.5"),
        (lambda: RewardFromChannels(users(), {"click": 1.0}), "RewardFromChannels.*was.*Abnormal"),
        (lambda: AbnormalUsers(AbnormalUsers(users(), 0.5), 0.5), "AbnormalUsers"),
    ],
)
def test_a_snapshot_of_wrapped_users_fits_no_other_wrappers(made: Any, words: str) -> None:
    wrapped = AbnormalUsers(users(), 0.5)
    wrapped.reset(0)
    moment = wrapped.snapshot()
    AbnormalUsers(users(), 0.5).restore(moment)
    with pytest.raises(ConfigError, match=words):
        made().restore(moment)
    with pytest.raises(ConfigError, match="a dict cannot be restored"):
        made().restore({})


@pytest.mark.parametrize(
    ("wrapper", "words"),
    [
        ({"name": "FeatureNoises", "sd": 1.0}, "Did you mean 'FeatureNoise'"),
        ({"name": "FeatureNoise", "sigma": 1.0}, "no setting 'sigma'"),
        ({"name": "MissingFeatures", "rte": 1.0}, "Did you mean 'rate'"),
        ({"name": "FeatureNoise"}, "needs the setting 'sd'"),
        ({"sd": 1.0}, "called None"),
        ("AbnormalUsers", "a name and settings of each.*got 'AbnormalUsers'"),
        ({"name": "Preselected", "retrieval": "EASE", "n_candidates": 5}, "yourself"),
    ],
)
def test_a_wrapper_that_cannot_be_made_is_refused(wrapper: Any, words: str) -> None:
    with pytest.raises((ConfigError, UnknownNameError), match=words):
        make_wrapped_simulator(ENV_ID, 2, wrappers=[wrapper], **OPEN)


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda: FeatureNoise(users(**OPEN), -1.0), ConfigError, "sd"),
        (lambda: FeatureNoise(users(), 1.0), ConfigError, "observes"),
        (lambda: FeatureNoise(users(**OPEN), 1.0, ["last_slate"]), ConfigError, "last_slate"),
        (lambda: FeatureNoise(users(**OPEN), 1.0, "user"), ConfigError, "a list"),
        (lambda: MissingFeatures(users(**OPEN), 1.5), ConfigError, "rate"),
        (lambda: MissingFeatures(users(**OPEN), 0.5, fill=np.nan), ConfigError, "fill"),
        (lambda: AbnormalUsers(users(), 2.0), ConfigError, "share"),
        (lambda: AbnormalUsers(users(), 0.5, "never"), UnknownNameError, "never_click"),
        (lambda: AbnormalUsers(users(), 0.5, click_reward=np.inf), ConfigError, "click_reward"),
        (lambda: RewardFromChannels(users(), {}), ConfigError, "got none"),
        (lambda: RewardFromChannels(users(), {"clik": 1.0}), UnknownNameError, "'click'"),
        (lambda: RewardFromChannels(users(), {"click": np.nan}), ConfigError, "finite"),
        (lambda: Preselected(users(), None, 2), ConfigError, "n_candidates"),
        (lambda: Preselected(users(), None, 21), ConfigError, "n_candidates"),
        (lambda: Preselected(users(**FRESH), None, 5), ConfigError, "whole catalogue"),
        (lambda: Preselected(users(), MyopicOracle(), 5), ConfigError, "MyopicOracle"),
        (
            lambda: Preselected(users(), MixturePolicy([RandomPolicy(20, 5)], [1.0]), 5),
            ConfigError,
            "mixture",
        ),
        (lambda: Preselected(users(), RandomPolicy(20, 5), 5).reset(0), ConfigError, "draws"),
        (lambda: Preselected(users(), RandomPolicy(20, 4), 5).reset(0), SlateError, "slates of 5"),
        (lambda: AbnormalUsers(users(), odd("a")), ConfigError, "share must be a number, got 'a'"),
        (lambda: AbnormalUsers(users(), True), ConfigError, "share.*got True"),
        (lambda: AbnormalUsers(users(), 0.5, odd(None)), UnknownNameError, "called None"),
        (
            lambda: AbnormalUsers(users(), 0.5, click_reward=odd("x")),
            ConfigError,
            "click_reward must be a number, got 'x'",
        ),
        (lambda: FeatureNoise(users(**OPEN), odd("a")), ConfigError, "sd must be a number"),
        (lambda: FeatureNoise(users(**OPEN), 1e300), ConfigError, "sd.*1e\\+30, got 1e\\+300"),
        (lambda: FeatureNoise(users(**OPEN), 1.0, odd(3)), ConfigError, "keys must be a list"),
        (lambda: MissingFeatures(users(**OPEN), 0.1, fill=1e300), ConfigError, "fill"),
        (lambda: RewardFromChannels(users(), odd(["click"])), ConfigError, "by channel, such as"),
        (
            lambda: RewardFromChannels(users(), {"click": odd("a")}),
            ConfigError,
            "weight of 'click'",
        ),
        (lambda: RewardFromChannels(users(), {odd(1): 1.0}), UnknownNameError, "no response"),
        (lambda: Preselected(users(), odd("ease"), 10), ConfigError, "make_baseline.*got 'ease'"),
        (lambda: AbnormalUsers(odd(SlateVecEnv(users())), 0.5), ConfigError, "users.simulator"),
        (lambda: AbnormalUsers(odd("x"), 0.5), ConfigError, "a simulator of users, got str"),
    ],
)
def test_settings_out_of_range_are_refused(make: Any, error: Any, words: str) -> None:
    with pytest.raises(error, match=words):
        make()
