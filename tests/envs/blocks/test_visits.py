"""Visits: the order of things at the end of one, and the chain from satisfaction to life."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from rlrec.arrays import Floats
from rlrec.envs.blocks import DayAndDevice, Event, Patience, Returning, Satisfaction, State, Visits

StepWith = Callable[..., Event]


def visits(**parts: Any) -> Visits:
    """Return visits in which chance plays no part but where draws let it."""
    defaults: dict[str, Any] = {
        "satisfaction": Satisfaction(
            sensitivity=1.0, set_point=0.0, memory=1.0, noise=0.0, recovery_hours=10.0
        ),
        "patience": Patience(
            base=0.0, fatigue_weight=0.0, relief=0.0, step_cost=1.0, idle_cost=0.0, tiring=1.0
        ),
        "returning": Returning(base_gap_hours=10.0, pull=0.0, spread=0.0, tolerance_hours=100.0),
        "context": DayAndDevice(n_topics=2, step_minutes=60.0, device_stay=1.0),
    }
    return Visits(**{**defaults, **parts})


def begun(block: Visits, n_users: int, seed: int = 0) -> State:
    state: State = {}
    draws = np.random.default_rng(seed).random((n_users, block.n_initial_draws))
    block.start(state, np.arange(n_users), draws)
    return state


def draws(ends: list[float], churns: list[float]) -> Floats:
    """Return the draws of a step: noise, end of the visit, gap, churn, device."""
    half = np.full(len(ends), 0.5)
    return np.column_stack([half, ends, half, churns, half])


def test_a_visit_that_ends_leads_to_the_next_one_or_to_none(step_with: StepWith) -> None:
    block = visits()
    state = begun(block, 3)
    state["hour"][:] = 20.0
    # The first goes on, the second comes back, the third never does.
    block.update(state, step_with([0, 1, 2], [1.0] * 3, 3), draws([0.9, 0.1, 0.1], [0.5, 0.5, 0.0]))
    np.testing.assert_array_equal(block.has_left(state), [False, False, True])
    np.testing.assert_array_equal(state["visit"], [1, 2, 1])
    np.testing.assert_array_equal(state["visit_steps"], [1, 0, 1])
    np.testing.assert_allclose(state["gap_hours"], [0.0, 10.0, 0.0])
    np.testing.assert_allclose(state["hour"], [21.0, 7.0, 21.0])
    np.testing.assert_allclose(state["fatigue"], [1.0, 0.0, 1.0])
    np.testing.assert_allclose(state["mood"], [1.0, math.exp(-1.0), 1.0])


def test_context_tells_hour_device_gap_step_and_visit(step_with: StepWith) -> None:
    block = visits()
    state = begun(block, 2)
    state["hour"][:], state["device"][:] = 5.0, [0, 1]
    block.update(state, step_with([], [], 2), draws([0.9, 0.1], [0.5, 0.5]))
    seen = block.observe(state, slice(None))["context"]
    assert seen.dtype == np.float32 and seen.shape[1:] == block.spaces()["context"].shape
    first = [1.0, 0.0, 1.0, 0.0, 0.0, 1.0, 1.0]
    second = [math.sin(16 / 12 * math.pi), math.cos(16 / 12 * math.pi), 0, 1, math.log(11), 0, 2]
    np.testing.assert_allclose(seen, np.array([first, second]), atol=1e-6)


def test_a_churn_rate_is_the_stated_one(step_with: StepWith) -> None:
    n = 40_000
    block = visits()
    state = begun(block, n)
    rng = np.random.default_rng(8)
    block.update(state, step_with([], [], n), draws([0.0] * n, list(rng.random(n))))
    p = 1.0 - math.exp(-0.1)
    # 5 standard errors of n = 40,000 visits
    assert abs(block.has_left(state).mean() - p) < 5 * math.sqrt(p * (1 - p) / n)


def lives(step_with: StepWith, set_point: float, n: int = 2000) -> dict[str, Floats]:
    """Return gaps, and lengths and visits of the lives, of users of a lasting satisfaction."""
    block = visits(
        satisfaction=Satisfaction(sensitivity=0.0, set_point=set_point),
        patience=Patience(base=-1.0, relief=2.0),
        returning=Returning(base_gap_hours=40.0, pull=2.0, spread=0.8, tolerance_hours=100.0),
    )
    state, rng, nothing = begun(block, n), np.random.default_rng(9), step_with([], [], n)
    length, count, alive = np.zeros(n), np.zeros(n), np.ones(n, bool)
    gaps: list[Floats] = []
    while alive.any():
        before = state["visit"].copy()
        block.update(state, nothing, rng.random((n, 5)))
        length += alive
        gaps.append(state["gap_hours"][alive & (state["visit"] > before)])
        count[alive] = state["visit"][alive]
        alive &= ~block.has_left(state)
    return {"length": length, "visits": count, "gaps": np.concatenate(gaps)}


@pytest.mark.parametrize(("name", "sign"), [("gaps", -1), ("length", 1), ("visits", 1)])
def test_the_satisfied_come_back_sooner_and_stay_longer(
    step_with: StepWith, name: str, sign: int
) -> None:
    low, high = lives(step_with, -2.0)[name], lives(step_with, 2.0)[name]
    # 2,000 users each; the difference is beyond 5 standard errors.
    error = math.hypot(low.std() / math.sqrt(low.size), high.std() / math.sqrt(high.size))
    assert sign * (high.mean() - low.mean()) > 5 * error
