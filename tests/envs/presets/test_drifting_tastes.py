"""Drifting tastes: the oracle is optimal, knowledge grows old, and all can be switched off."""

import json
import math
from itertools import pairwise
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from rlrec.arrays import Floats, Ints, Observations
from rlrec.envs import MyopicOracle, UserSimulator, make_simulator
from rlrec.errors import ConfigError, UnknownNameError
from rlrec.policy import RandomPolicy
from rlrec.slates import SlateDraw, top_slates

ENV_ID = "rlrec/DriftingTastes-v0"
STILL: dict[str, Any] = {
    "lifetime": None,
    "drift_sd": 0.0,
    "set_point_sd": 0.0,
    "trend_sd": 0.0,
    "age_decay": 0.0,
}


class FrozenTastes(MyopicOracle):
    """Knows the tastes users had when the visit began, and all else as it is."""

    def _choose(self, users: Ints) -> Ints:
        state = self._bound().state_of()
        if not self._bound().steps.any():
            self._known = state["tastes"].copy()
        true, state["tastes"] = state["tastes"], self._known
        chosen = super()._choose(users)
        state["tastes"] = true
        return chosen


class Fashionable(RandomPolicy):
    """Shows what was popular of late, which is openly seen."""

    def act(
        self, observations: Observations, rng: np.random.Generator, deterministic: bool = False
    ) -> SlateDraw:
        recent = observations["candidate_features"][:, :, 1].astype(np.float64)
        slates = top_slates(recent, self.slate_size)
        return SlateDraw(slates, np.zeros(slates.shape))


class Hesitant(MyopicOracle):
    """The best slate, but for its last item, which is random."""

    def _choose(self, users: Ints) -> Ints:
        slates = super()._choose(users)
        slates[:, -1] = (slates.sum(axis=1) * 7 + 3) % self._bound().n_choices
        return slates


def users(n_users: int = 5, **arguments: Any) -> UserSimulator:
    return make_simulator(ENV_ID, n_users, **arguments)


def returns(policy: Any, n_users: int = 1000, seed: int = 5, **arguments: Any) -> Floats:
    """Return what each user's first visit brings."""
    simulator = users(n_users, **arguments)
    observations = simulator.reset(seed)
    bound = policy.bind(simulator) if hasattr(policy, "bind") else policy
    rng, total = np.random.default_rng(seed), np.zeros(n_users)
    for _ in range(simulator.arguments["max_steps"]):
        step = simulator.step(bound.act(observations, rng).slates)
        total += step.rewards
        observations = step.observations
    assert step.truncated.all()
    return total


def standard_error(values: Floats) -> float:
    return float(values.std(ddof=1) / math.sqrt(values.size))


@pytest.fixture(scope="module")
def of_the_oracle() -> Floats:
    return returns(MyopicOracle())


@pytest.mark.parametrize(
    ("arguments", "floor", "reference"),
    [({}, 23.5, 60.2), ({"choice": "position_based"}, 22.5, 112.3)],
    ids=["logit", "position_based"],
)
def test_floor_and_reference_are_as_stated(
    arguments: dict[str, Any], floor: float, reference: float
) -> None:
    for policy, stated in ((RandomPolicy(50, 5), floor), (MyopicOracle(), reference)):
        values = returns(policy, **arguments)
        # Both of 1000 users: 4 standard errors of the difference.
        assert abs(values.mean() - stated) < 4 * math.sqrt(2) * standard_error(values)


@pytest.mark.parametrize(
    "policy",
    [RandomPolicy(50, 5), Fashionable(50, 5), FrozenTastes(), Hesitant()],
    ids=lambda policy: type(policy).__name__,
)
def test_nothing_beats_knowing_the_tastes(policy: Any, of_the_oracle: Floats) -> None:
    lost = of_the_oracle - returns(policy)  # the same 1000 users
    assert lost.mean() > 5 * standard_error(lost)


def test_what_is_shown_moves_no_taste_and_no_offer() -> None:
    worlds = [users(50), users(50)]
    rng = np.random.default_rng(0)
    for world in worlds:
        world.reset(1)
    for _ in range(120):  # over the end of a visit
        for world in worlds:
            slates = rng.permuted(np.tile(np.arange(50), (50, 1)), axis=1)[:, :5]
            world.step(slates)
        one, other = (world.latent_state() for world in worlds)
        assert one.keys() == other.keys()
        for key in one:
            np.testing.assert_array_equal(one[key], other[key])


def test_with_influence_what_is_shown_matters() -> None:
    worlds = [users(50, influence=0.2), users(50, influence=0.2)]
    for number, world in enumerate(worlds):
        world.reset(1)
        for _ in range(10):
            world.step(np.tile(np.arange(5) + 20 * number, (50, 1)))
    one, other = (world.latent_state()["tastes"] for world in worlds)
    assert (one != other).mean() > 0.5


def test_the_regret_of_frozen_tastes_grows_with_the_drift() -> None:
    regrets = []
    for sd in (0.0, 0.15, 0.3, 0.6):
        arguments: dict[str, Any] = {"drift_sd": sd, "set_point_sd": 0.0}
        regrets.append(returns(MyopicOracle(), **arguments) - returns(FrozenTastes(), **arguments))
    assert not regrets[0].any()
    for less, more in pairwise(regrets):
        assert (more - less).mean() > 4 * standard_error(more - less)  # the same 1000 users


def test_regret_builds_up_within_the_visit() -> None:
    simulator, frozen = users(2000), FrozenTastes()
    simulator.reset(7)
    bound, oracle, lost = frozen.bind(simulator), MyopicOracle().bind(simulator), []
    rng = np.random.default_rng(0)
    for _ in range(40):
        slates = bound.act({}, rng).slates
        best = simulator.expected_reward(oracle.act({}, rng).slates)
        lost.append(best - simulator.expected_reward(slates))
        simulator.step(slates)
    assert not lost[0].any() and np.min(lost) >= -1e-12
    first, last = lost[2], lost[39]
    assert (last - first).mean() > 5 * standard_error(last - first)


def test_exactly_the_items_of_the_moment_are_on_offer() -> None:
    simulator = users(300, n_items=120, n_candidates=12, lifetime=20.0, max_steps=30)
    observations = simulator.reset(2)
    changes = 0
    for _ in range(29):
        before = observations
        observations = simulator.step(np.tile(np.arange(5), (300, 1))).observations
        ordered = np.sort(observations["candidates"], axis=1)
        assert (np.diff(ordered, axis=1) > 0).all()
        came = observations["candidates"] != before["candidates"]
        features = observations["candidate_features"]
        assert (features[came] == 0.0).all()  # new: without age and without fame
        older = features[~came][:, 0] - before["candidate_features"][~came][:, 0]
        np.testing.assert_allclose(older, 1 / 20, atol=1e-6)
        assert (observations["candidates"][came] > before["candidates"][came]).all()
        changes += int(came.sum())
    share = changes / (29 * 300 * 12)
    assert abs(share - 1 / 20) < 0.005  # within a tenth of what a mean lifetime of 20 makes


def test_users_visit_the_world_at_different_times_of_their_own() -> None:
    moments = users(1000)
    moments.reset(0)
    first = moments.latent_state()["moment"]
    assert len(set(first.tolist())) > 300
    moments.next_episode(np.arange(1000))
    assert (moments.latent_state()["moment"] != first).mean() > 0.9


def test_recent_popularity_tells_those_who_conform_apart() -> None:
    conforming = returns(Fashionable(50, 5), conformity=1.0)
    aloof = returns(Fashionable(50, 5), conformity=0.0)
    chance = returns(RandomPolicy(50, 5), conformity=0.0)
    assert conforming.mean() - aloof.mean() > 10 * standard_error(conforming - aloof)
    assert abs((aloof - chance).mean()) < 5 * standard_error(aloof - chance)


def test_switched_off_it_is_a_static_catalogue() -> None:
    simulator = users(20, **STILL, n_candidates=15)
    observations = simulator.reset(3)
    assert "candidates" not in observations and "candidate_features" not in observations
    assert simulator.catalogue is not None and simulator.catalogue.n_items == 15
    slates = np.tile(np.arange(5), (20, 1))
    stated, state = simulator.expected_reward(slates), simulator.latent_state()
    for _ in range(60):
        simulator.step(slates)
    np.testing.assert_array_equal(simulator.expected_reward(slates), stated)
    for key, array in simulator.latent_state().items():
        np.testing.assert_array_equal(array, state[key])


def test_items_without_arrivals_still_have_trends() -> None:
    simulator = users(20, lifetime=None, n_candidates=15)
    observations = simulator.reset(3)
    np.testing.assert_array_equal(observations["candidates"], np.tile(np.arange(15), (20, 1)))
    assert not observations["candidate_features"][:, :, 0].any()
    assert observations["candidate_features"][:, :, 1].std() > 0.1


def test_another_catalogue_seed_is_another_world_and_trends_leave_the_items_alone() -> None:
    one, calm, other = users(), users(trend_sd=0.1), users(catalogue_seed=1)
    assert one.catalogue is not None and calm.catalogue is not None and other.catalogue is not None
    assert one.catalogue.fingerprint == calm.catalogue.fingerprint != other.catalogue.fingerprint


def test_its_arguments_survive_json_and_make_it_again() -> None:
    first = users(drift_sd=[0.1, 0.5], conformity=0.3, choice="position_based")
    again = users(**json.loads(json.dumps(first.arguments)))
    assert again.arguments == first.arguments
    one, other = first.reset(2), again.reset(2)
    for key in one:
        np.testing.assert_array_equal(one[key], other[key])


def test_it_is_made_by_gymnasium_with_candidates() -> None:
    env = gym.make(ENV_ID, n_candidates=9, n_items=90, slate_size=3)
    seen, _ = env.reset(seed=1)
    assert seen["candidates"].shape == (9,) and seen["candidate_features"].shape == (9, 2)
    assert isinstance(env.action_space, gym.spaces.MultiDiscrete)
    np.testing.assert_array_equal(env.action_space.nvec, [9, 9, 9])


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"n_items": 49}, "n_items must be a whole number of 50 or more"),
        ({"n_candidates": 0}, "n_candidates"),
        ({"n_topics": 1}, "n_topics must be a whole number of 2 or more"),
        ({"slate_size": 51}, r"slate_size must be a whole number in 1\.\.50"),
        ({"lifetime": 0.2}, "lifetime must be 1 or more and finite"),
        ({"lifetime": 2.0}, "longer than a visit of 100 steps"),
        ({"taste_sd": -1.0}, "taste_sd must be 0 or more"),
        ({"drift_persistence": 1.2}, r"drift_persistence must lie in 0\.\.1"),
        ({"drift_sd": -0.1}, "drift_sd must be 0 or more"),
        ({"drift_sd": [0.1, 0.2, 0.3]}, r"drift_sd must be a number or \[low, high\]"),
        ({"drift_sd": [0.5, 0.1]}, "drift_sd must be \\[low, high\\] with low at most high"),
        ({"set_point_sd": "slow"}, r"set_point_sd must be a number"),
        ({"influence": 2.0}, r"influence must lie in 0\.\.1"),
        ({"trend_persistence": -1.0}, "trend_persistence must lie"),
        ({"trend_sd": np.inf}, "trend_sd must be"),
        ({"age_decay": -1.0}, "age_decay must be"),
        ({"conformity": -0.5}, "conformity must be 0 or more"),
        ({"nothing_score": np.nan}, "nothing_score|offset"),
        ({"choice": "position_based", "examination_decay": 2.0}, "examination_decay must lie"),
        ({"catalogue_seed": -1}, "catalogue_seed"),
        ({"max_steps": None}, "max_steps"),
    ],
)
def test_wrong_arguments_are_refused(arguments: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        users(**arguments)


def test_an_unknown_choice_is_answered_with_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'position_based'"):
        users(choice="position-based")
