"""Tastes that move on their own: the known moments of the process, and coming back."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlrec.arrays import Floats
from rlrec.envs.blocks.block import Block
from rlrec.envs.blocks.drift import HedonicAdaptation, TasteDrift
from rlrec.envs.blocks.priors import Normal, Uniform
from rlrec.envs.blocks.state import Consumed, Event, Shown, State
from rlrec.errors import ConfigError

NOBODY = np.zeros(0, np.int64)
EVENT = Event(
    Shown(np.zeros((1, 1), np.int64), np.zeros((1, 1), np.int64)),
    None,
    Consumed(NOBODY, NOBODY, NOBODY, NOBODY, np.zeros(0)),
    np.zeros((1, 1, 1), np.float32),
    np.zeros(1),
)


def begun(drift: Block, tastes: Floats, seed: int = 0) -> tuple[State, np.random.Generator]:
    rng = np.random.default_rng(seed)
    state: State = {"tastes": tastes.copy()}
    drift.start(state, np.arange(len(tastes)), rng.random((len(tastes), drift.n_initial_draws)))
    return state, rng


def step(drift: Block, state: State, rng: np.random.Generator, n_steps: int = 1) -> None:
    for _ in range(n_steps):
        drift.update(state, EVENT, rng.random((len(state["tastes"]), drift.n_step_draws)))


def test_a_step_is_the_stated_equation() -> None:
    drift = TasteDrift(n_factors=2, persistence=0.5, sd=0.2, set_point_sd=0.1)
    state = {
        "tastes": np.array([[3.0, 1.0]]),
        "set_points": np.array([[1.0, 1.0]]),
        "drift_persistence": np.array([[0.5]]),
        "drift_sd": np.array([[0.2]]),
        "drift_set_point_sd": np.array([[0.1]]),
    }
    one = 0.8413447460685429  # the normal quantile there is 1
    drift.update(state, EVENT, np.array([[0.5, one, one, 0.5]]))
    np.testing.assert_allclose(state["tastes"], [[2.0, 1.2]])  # towards the old set-point
    np.testing.assert_allclose(state["set_points"], [[1.1, 1.0]])


@pytest.mark.parametrize("n_steps", [0, 40])
def test_around_the_set_point_the_variance_is_stationary(n_steps: int) -> None:
    n, persistence, sd = 20_000, 0.9, 0.3
    drift = TasteDrift(n_factors=1, persistence=persistence, sd=sd)
    state, rng = begun(drift, np.full((n, 1), 2.0))
    step(drift, state, rng, n_steps)
    away, variance = state["tastes"] - 2.0, sd**2 / (1 - persistence**2)
    # 5 standard errors of n = 20,000
    assert abs(away.mean()) < 5 * math.sqrt(variance / n)
    assert abs(away.var() - variance) < 5 * variance * math.sqrt(2 / n)


@pytest.mark.parametrize("lag", [1, 5])
def test_the_correlation_with_an_earlier_taste_is_a_power_of_the_persistence(lag: int) -> None:
    n, persistence = 20_000, 0.9
    drift = TasteDrift(n_factors=1, persistence=persistence, sd=0.3)
    state, rng = begun(drift, np.zeros((n, 1)))
    before = state["tastes"].copy()
    step(drift, state, rng, lag)
    expected = persistence**lag
    correlation = np.corrcoef(before[:, 0], state["tastes"][:, 0])[0, 1]
    assert abs(correlation - expected) < 5 * (1 - expected**2) / math.sqrt(n)  # standard errors


def test_a_set_point_wanders_as_far_as_the_root_of_time() -> None:
    n, n_steps = 20_000, 25
    drift = TasteDrift(n_factors=1, sd=0.0, set_point_sd=0.1)
    state, rng = begun(drift, np.zeros((n, 1)))
    step(drift, state, rng, n_steps)
    expected = 0.1 * math.sqrt(n_steps)
    assert abs(state["set_points"].std() - expected) < 5 * expected / math.sqrt(2 * n)


def test_a_random_walk_begins_at_the_set_point() -> None:
    state, _ = begun(TasteDrift(n_factors=3, persistence=1.0, sd=0.5), np.ones((10, 3)))
    np.testing.assert_array_equal(state["tastes"], np.ones((10, 3)))


def test_rates_belong_to_the_user() -> None:
    drift = TasteDrift(n_factors=1, persistence=Uniform(0.2, 0.8), sd=Uniform(0.1, 0.3))
    state, _ = begun(drift, np.zeros((1000, 1)))
    for key, low, high in (("drift_persistence", 0.2, 0.8), ("drift_sd", 0.1, 0.3)):
        assert low <= state[key].min() < low + 0.02 and high - 0.02 < state[key].max() <= high


def test_switched_off_it_draws_and_changes_nothing() -> None:
    drift = TasteDrift(n_factors=2, sd=0.0, set_point_sd=0.0)
    assert drift.is_off and drift.n_initial_draws == drift.n_step_draws == 0
    state, rng = begun(drift, np.ones((3, 2)))
    step(drift, state, rng)
    np.testing.assert_array_equal(state["tastes"], np.ones((3, 2)))
    assert state.keys() == {"tastes"}


def test_a_drift_that_only_some_users_have_is_not_off() -> None:
    assert not TasteDrift(n_factors=1, sd=Uniform(0.0, 0.1)).is_off
    assert not TasteDrift(n_factors=1, sd=Normal(-3.0, 1.0)).is_off


@given(
    persistence=st.floats(0, 1),
    sd=st.floats(0, 1e3),
    set_point_sd=st.floats(0, 1e3),
    seed=st.integers(0, 99),
)
def test_tastes_stay_finite_at_any_rates(
    persistence: float, sd: float, set_point_sd: float, seed: int
) -> None:
    drift = TasteDrift(n_factors=2, persistence=persistence, sd=sd, set_point_sd=set_point_sd)
    state, rng = begun(drift, np.full((3, 2), 1e3), seed)
    step(drift, state, rng, 20)
    assert np.isfinite(state["tastes"]).all()


def test_adaptation_brings_a_moved_taste_back_by_the_same_share_each_step() -> None:
    block = HedonicAdaptation(retention=0.8)
    state, rng = begun(block, np.array([[1.0, -1.0]]))
    state["tastes"] += 10.0
    step(block, state, rng, 3)
    np.testing.assert_allclose(state["tastes"], [[1.0 + 10 * 0.8**3, -1.0 + 10 * 0.8**3]])


def test_full_retention_keeps_what_moved_the_taste() -> None:
    block = HedonicAdaptation(retention=1.0)
    state, rng = begun(block, np.array([[1.0]]))
    state["tastes"] += 10.0
    step(block, state, rng, 3)
    np.testing.assert_array_equal(state["tastes"], [[11.0]])


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"n_factors": 0}, "n_factors"),
        ({"persistence": 1.1}, r"persistence must lie in 0\.\.1"),
        ({"persistence": Uniform(0.5, 2.0)}, "persistence"),
        ({"sd": -0.1}, "sd of drift must be 0 or more"),
        ({"set_point_sd": np.inf}, "set_point_sd of drift"),
    ],
)
def test_wrong_rates_are_refused(arguments: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        TasteDrift(**{"n_factors": 1, **arguments})


def test_a_wrong_retention_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"retention must lie in 0\.\.1, got 1\.5"):
        HedonicAdaptation(retention=1.5)
