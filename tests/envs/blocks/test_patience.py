"""Patience: fatigue by hand, hazards against many draws, the neutral setting and extremes."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit

from rlrec.envs.blocks import Event, Patience, State
from rlrec.errors import ConfigError

StepWith = Callable[..., Event]
TIRING = {"step_cost": 0.1, "idle_cost": 0.5, "poor_cost": 2.0, "tiring": 1.0}


def begun(block: Patience, n_users: int, satisfaction: float = 0.5) -> State:
    state: State = {"satisfaction": np.full(n_users, satisfaction)}
    block.start(state, np.arange(n_users), np.full((n_users, 1), 0.5))
    return state


def test_steps_idleness_and_poor_items_tire(step_with: StepWith) -> None:
    block = Patience(**TIRING)
    state = begun(block, 4)
    step = step_with([0, 1, 2, 2], [1.0, -0.5, -1.0, -1.0], 4)
    for _ in range(2):
        block.update(state, step, np.ones((4, 1)))
    np.testing.assert_allclose(state["fatigue"], [0.2, 2.2, 8.2, 1.2])


def test_fatigue_grows_with_how_fast_a_user_tires_and_rest_ends_it(step_with: StepWith) -> None:
    block = Patience(**{**TIRING, "tiring": 3.0})
    state = begun(block, 2)
    block.update(state, step_with([], [], 2), np.array([[0.0], [1.0]]))
    np.testing.assert_allclose(state["fatigue"], 1.8)
    np.testing.assert_array_equal(block.has_left(state), [True, False])
    block.rest(state, np.array([0]))
    np.testing.assert_allclose(state["fatigue"], [0.0, 1.8])
    assert not block.has_left(state).any()


@pytest.mark.parametrize(("satisfaction", "fatigue"), [(0.1, 0.0), (0.9, 0.0), (0.5, 3.0)])
def test_visits_end_as_often_as_the_hazard_says(
    step_with: StepWith, satisfaction: float, fatigue: float
) -> None:
    n = 50_000
    block = Patience(base=-1.0, fatigue_weight=0.7, relief=2.0, **TIRING)
    state = begun(block, n, satisfaction)
    state["fatigue"][:] = fatigue
    draws = np.random.default_rng(3).random((n, 1))
    block.update(state, step_with(range(n), [0.0] * n, n), draws)
    p = expit(-1.0 + 0.7 * (fatigue + 0.1) - 2.0 * satisfaction)
    # 5 standard errors of n = 50,000 visits
    assert abs(block.has_left(state).mean() - p) < 5 * math.sqrt(p * (1 - p) / n)


def test_without_a_base_visits_never_end(step_with: StepWith) -> None:
    block = Patience(base=None)
    state = begun(block, 3)
    state["fatigue"][:] = 1e6
    block.update(state, step_with([], [], 3), np.zeros((3, 1)))
    assert not block.has_left(state).any()


def test_without_relief_patience_needs_no_satisfaction(step_with: StepWith) -> None:
    block = Patience(relief=0.0, base=0.0, fatigue_weight=0.0)
    state: State = {}
    block.start(state, np.arange(2), np.full((2, 1), 0.5))
    block.update(state, step_with([], [], 2), np.array([[0.49], [0.51]]))
    np.testing.assert_array_equal(block.has_left(state), [True, False])


@given(
    base=st.one_of(st.none(), st.floats(-1e6, 1e6)),
    fatigue_weight=st.floats(0, 1e6),
    relief=st.floats(0, 1e6),
    step_cost=st.floats(0, 1e6),
    idle_cost=st.floats(0, 1e6),
    poor_cost=st.floats(0, 1e6),
    tiring=st.floats(0, 1e6),
)
def test_hazards_are_probabilities_at_any_parameters(
    step_with: StepWith, **parameters: Any
) -> None:
    block = Patience(**parameters)
    state = begun(block, 2)
    for _ in range(3):
        block.update(state, step_with([0], [-1e6], 2), np.ones((2, 1)))
    hazard = block.hazard(state["fatigue"], state["satisfaction"])
    assert np.isfinite(state["fatigue"]).all()
    assert ((hazard >= 0) & (hazard <= 1)).all()


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"base": float("inf")}, "base"),
        ({"fatigue_weight": -1.0}, "fatigue_weight"),
        ({"relief": float("nan")}, "relief"),
        ({"idle_cost": -0.1}, "idle_cost"),
        ({"tiring": -1.0}, "tiring"),
    ],
)
def test_wrong_settings_are_refused(parameters: dict[str, float], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        Patience(**parameters)
