"""Liking what was better than expected: the equations by hand."""

import numpy as np
import pytest

from rlrec.arrays import Floats
from rlrec.envs.blocks import Consumed, Event, OperantConditioning, Shown, State
from rlrec.errors import ConfigError

N_USERS = 2


def consuming(users: list[int], topics: list[int], quality: list[float]) -> Event:
    nothing = np.zeros(len(users), np.int64)
    consumed = Consumed(np.array(users), nothing, nothing, np.array(topics), np.array(quality))
    shown = Shown(np.zeros((N_USERS, 1), np.int64), np.zeros((N_USERS, 1), np.int64))
    return Event(shown, None, consumed, np.zeros((N_USERS, 1, 1), np.float32), np.zeros(N_USERS))


def begun(block: OperantConditioning) -> State:
    state: State = {}
    block.start(state, np.arange(N_USERS), np.zeros((N_USERS, 0)))
    return state


def scores(block: OperantConditioning, state: State) -> Floats:
    shown = Shown(np.array([[0, 1]] * N_USERS), np.array([[0, 1]] * N_USERS))
    return block.adjust(state, shown, np.zeros((N_USERS, 2)))


def test_liking_follows_quality_above_expectation() -> None:
    block = OperantConditioning(n_topics=2, rate=0.5, adaptation=0.25)
    state = begun(block)
    block.update(state, consuming([0], [1], [2.0]), np.zeros((N_USERS, 0)))
    np.testing.assert_allclose(scores(block, state), [[0.0, 1.0], [0.0, 0.0]])
    np.testing.assert_allclose(state["expected_quality"], [0.5, 0.0])
    block.update(state, consuming([0, 1], [1, 0], [0.0, -1.0]), np.zeros((N_USERS, 0)))
    np.testing.assert_allclose(scores(block, state), [[0.0, 0.75], [-0.5, 0.0]])


def test_several_items_of_a_slate_act_in_turn() -> None:
    block = OperantConditioning(n_topics=2, rate=0.5, adaptation=0.5)
    together, apart = begun(block), begun(block)
    block.update(together, consuming([0, 0, 1], [1, 1, 0], [1.0, 3.0, 1.0]), np.zeros((2, 0)))
    for event in (consuming([0, 1], [1, 0], [1.0, 1.0]), consuming([0], [1], [3.0])):
        block.update(apart, event, np.zeros((2, 0)))
    np.testing.assert_array_equal(together["liking"], apart["liking"])
    np.testing.assert_allclose(together["liking"], [[0, 0.5 + 0.5 * 2.5], [0.5, 0]])


def test_what_is_always_the_same_ends_in_no_further_liking() -> None:
    block = OperantConditioning(n_topics=2, rate=0.1, adaptation=0.2, limit=10.0)
    state = begun(block)
    for _ in range(200):
        block.update(state, consuming([0], [0], [1.0]), np.zeros((2, 0)))
    # rate times the sum of surprises 0.8**n is rate / adaptation
    np.testing.assert_allclose(state["liking"][0, 0], 0.1 / 0.2, rtol=1e-9)
    np.testing.assert_allclose(state["expected_quality"][0], 1.0, rtol=1e-9)


def test_liking_stays_within_its_limit() -> None:
    block = OperantConditioning(n_topics=1, rate=1.0, adaptation=0.0, limit=2.0)
    state = begun(block)
    for quality, limit in ((1e9, 2.0), (-1e9, -2.0)):
        block.update(state, consuming([0], [0], [quality]), np.zeros((2, 0)))
        assert state["liking"][0, 0] == limit


def test_without_rate_scores_stay() -> None:
    block = OperantConditioning(n_topics=2, rate=0.0)
    state = begun(block)
    block.update(state, consuming([0], [0], [5.0]), np.zeros((2, 0)))
    assert not scores(block, state).any()


@pytest.mark.parametrize("name", ["rate", "adaptation"])
@pytest.mark.parametrize("value", [-0.1, 1.1, float("nan")])
def test_rates_outside_0_to_1_are_refused(name: str, value: float) -> None:
    with pytest.raises(ConfigError, match=rf"{name} must lie in 0\.\.1, got {value}"):
        OperantConditioning(n_topics=2, **{name: value})


@pytest.mark.parametrize("limit", [0.0, -1.0, float("inf")])
def test_a_limit_of_zero_or_infinity_is_refused(limit: float) -> None:
    with pytest.raises(ConfigError, match="limit must be above 0 and finite"):
        OperantConditioning(n_topics=2, limit=limit)
