"""Satisfaction: the recursion by hand, its rest, its neutral setting and its extremes."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit

from rlrec.envs.blocks import Event, Satisfaction, State
from rlrec.errors import ConfigError

StepWith = Callable[..., Event]


def begun(block: Satisfaction, n_users: int = 2, seed: int = 0) -> State:
    state: State = {}
    draws = np.random.default_rng(seed).random((n_users, block.n_initial_draws))
    block.start(state, np.arange(n_users), draws)
    return state


def halves(n_users: int = 2) -> Any:
    """Return draws of the median: no noise."""
    return np.full((n_users, 1), 0.5)


def test_quality_moves_the_mood_and_what_is_not_renewed_wears_off(step_with: StepWith) -> None:
    block = Satisfaction(sensitivity=0.5, set_point=1.0, memory=0.6, noise=0.1)
    state = begun(block)
    np.testing.assert_allclose(state["satisfaction"], expit(1.0))
    block.update(state, step_with([0, 1, 1], [1.0, -1.0, -0.5], 2), halves())
    np.testing.assert_allclose(state["mood"], [1.5, 0.25])
    block.update(state, step_with([0], [1.0], 2), halves())
    np.testing.assert_allclose(state["mood"], [1.0 + 0.6 * 0.5 + 0.5, 1.0 - 0.6 * 0.75])
    np.testing.assert_allclose(state["satisfaction"], expit(state["mood"]))


def test_a_quality_one_is_used_to_pleases_less(step_with: StepWith) -> None:
    block = Satisfaction(
        sensitivity=1.0, set_point=0.0, memory=0.0, noise=0.0, expectation_rate=0.5
    )
    state = begun(block)
    moods = []
    for _ in range(3):
        block.update(state, step_with([0], [0.8], 2), halves())
        moods.append(state["mood"].copy())
    np.testing.assert_allclose(moods, [[0.8, 0.0], [0.4, 0.0], [0.2, 0.0]])
    np.testing.assert_allclose(state["expectation"], [0.7, 0.0])


def test_time_away_takes_satisfaction_back_to_its_set_point(step_with: StepWith) -> None:
    block = Satisfaction(
        sensitivity=1.0, set_point=-1.0, memory=1.0, noise=0.0, recovery_hours=10.0
    )
    state = begun(block, 3)
    block.update(state, step_with([0, 1, 2], [2.0, 2.0, 2.0], 3), halves(3))
    block.rest(state, np.array([0, 2]), np.array([10.0, 1e5]))
    np.testing.assert_allclose(state["mood"], [-1.0 + 2.0 / np.e, 1.0, -1.0])
    np.testing.assert_allclose(state["satisfaction"], expit(state["mood"]))


def test_noise_has_the_stated_spread(step_with: StepWith) -> None:
    n = 40_000
    block = Satisfaction(sensitivity=2.0, set_point=0.0, memory=1.0, noise=0.3)
    state = begun(block, n)
    draws = np.random.default_rng(5).random((n, 1))
    block.update(state, step_with([], [], n), draws)
    assert abs(state["mood"].mean()) < 5 * 0.6 / np.sqrt(n)  # 5 standard errors
    assert abs(state["mood"].std() - 0.6) < 5 * 0.6 / np.sqrt(2 * n)


def test_without_sensitivity_satisfaction_stays_as_it_is(step_with: StepWith) -> None:
    block = Satisfaction(sensitivity=0.0)
    state = begun(block, 50)
    before = state["satisfaction"].copy()
    for seed in range(5):
        draws = np.random.default_rng(seed).random((50, 1))
        block.update(state, step_with(range(50), [-1.0] * 50, 50), draws)
        block.rest(state, np.arange(50), np.full(50, 30.0))
    np.testing.assert_allclose(state["satisfaction"], before, rtol=1e-12)


@given(
    sensitivity=st.floats(0, 1e6),
    set_point=st.floats(-30, 30),
    memory=st.floats(0, 1),
    noise=st.floats(0, 1e6),
    rate=st.floats(0, 1),
    hours=st.floats(1e-3, 1e300),
    quality=st.floats(-1e6, 1e6),
)
def test_satisfaction_is_a_share_at_any_parameters(
    step_with: StepWith, quality: float, hours: float, rate: float, **parameters: Any
) -> None:
    block = Satisfaction(recovery_hours=hours, expectation_rate=rate, **parameters)
    state = begun(block)
    for draw in (0.0, 1.0 - 2.0**-53):
        block.update(state, step_with([0, 0], [quality, -quality], 2), np.full((2, 1), draw))
        block.rest(state, np.arange(2), np.array([0.0, 87600.0]))
        assert np.isfinite(state["mood"]).all() and np.isfinite(state["expectation"]).all()
        assert ((state["satisfaction"] >= 0) & (state["satisfaction"] <= 1)).all()


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"sensitivity": -1.0}, "sensitivity"),
        ({"set_point": float("nan")}, "set_point"),
        ({"memory": 1.1}, "memory"),
        ({"expectation_rate": -0.1}, "expectation_rate"),
        ({"noise": -0.1}, "noise"),
        ({"recovery_hours": 0.0}, "recovery_hours"),
    ],
)
def test_wrong_settings_are_refused(parameters: dict[str, float], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        Satisfaction(**parameters)
