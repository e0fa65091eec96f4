"""Exposure that builds up, and the satisfaction that follows from it."""

import math

import numpy as np

from rlrec.arrays import Floats, Ints
from rlrec.envs.blocks import Sensitisation
from rlrec.envs.blocks.state import Consumed, Event, Shown, State


def event_of(users: Ints, scores: Floats, n_users: int) -> Event:
    nothing = np.zeros(len(users), np.int64)
    shown = np.zeros((n_users, 2), np.int64)
    consumed = Consumed(users, nothing, nothing, nothing, scores)
    responses = np.zeros((n_users, 2, 2), np.float32)
    return Event(Shown(shown, shown), None, consumed, responses, np.zeros(n_users))


def test_exposure_begins_uniform_and_comes_to_rest_at_what_is_consumed() -> None:
    n, block = 20_000, Sensitisation(memory=0.6, noise=0.2)
    rng, state = np.random.default_rng(0), State()
    block.start(state, np.arange(n), rng.random((n, 1)))
    assert state["exposure"].min() > -1.25 and state["exposure"].max() < 1.25
    # Uniform on +-1.25; 5 standard errors
    assert abs(state["exposure"].std() - 1.25 / math.sqrt(3)) < 5 * 1.25 / math.sqrt(n)
    for _ in range(60):
        event = event_of(np.arange(n), np.full(n, 0.9), n)
        block.update(state, event, rng.random((n, 1)))
    sd = 0.2 / math.sqrt(1 - 0.36)  # of a first-order autoregression
    assert abs(state["exposure"].mean() - -0.8 / 0.4) < 5 * sd / math.sqrt(n)
    assert abs(state["exposure"].std() - sd) < 5 * sd / math.sqrt(2 * n)


def test_the_mean_of_several_items_counts_and_nothing_consumed_changes_nothing() -> None:
    block, state = Sensitisation(noise=0.0), State(exposure=np.array([1.0, 1.0, 1.0]))
    event = event_of(np.array([0, 0, 2]), np.array([1.0, 0.5, 0.0]), 3)
    block.update(state, event, np.full((3, 1), 0.3))
    np.testing.assert_allclose(state["exposure"], [0.7 - 0.5, 1.0, 0.7 + 1.0])


def test_satisfaction_is_finite_at_any_exposure() -> None:
    satisfaction = Sensitisation(sensitivity=5.0).satisfaction(np.array([-1e6, 0.0, 1e6]))
    np.testing.assert_array_equal(satisfaction, [0.0, 0.5, 1.0])
