"""The time budget of a visit, by hand."""

from dataclasses import replace

import numpy as np
import pytest

from rlrec.arrays import Floats
from rlrec.envs.blocks.leaving import TimeBudget
from rlrec.envs.blocks.response import WatchTime
from rlrec.envs.blocks.state import Consumed, Event, Shown, State
from rlrec.errors import ConfigError


def consumed(users: list[int], quality: list[float]) -> Consumed:
    nothing = np.zeros(len(users), np.int64)
    return Consumed(np.array(users, np.int64), nothing, nothing, nothing, np.array(quality))


def event(taken: Consumed, n_users: int) -> Event:
    topics = np.zeros((n_users, 1), np.int64)
    responses = np.zeros((n_users, 1, 2), np.float32)
    return Event(Shown(topics, topics), None, taken, responses, np.zeros(n_users))


def left_after(budget: list[float], users: list[int], quality: list[float]) -> Floats:
    rule, state = TimeBudget(), {"budget": np.array(budget)}
    rule.update(state, event(consumed(users, quality), len(budget)), np.empty((len(budget), 0)))
    left: Floats = state["budget"]
    return left


def test_a_visit_begins_with_200_minutes() -> None:
    state: State = {}
    TimeBudget().start(state, np.arange(2), np.empty((2, 0)))
    np.testing.assert_array_equal(state["budget"], [200, 200])
    assert not TimeBudget().has_left(state).any()


def test_taking_nothing_costs_half_a_minute() -> None:
    np.testing.assert_array_equal(left_after([200.0, 3.0], [], []), [199.5, 2.5])


def test_an_item_costs_four_minutes_net_of_its_bonus() -> None:
    left = left_after([200.0] * 3, [0, 1, 2], [0.0, 3.0, -3.0])
    bonus = 0.9 / 3.4 * 4 * 3
    np.testing.assert_allclose(left, [196, 196 + bonus, 196 - bonus])


def test_the_last_item_is_watched_for_what_is_left_and_its_bonus_is_cut_alike() -> None:
    left = left_after([3.0, 1.0], [0, 1], [1.0, -1.0])
    np.testing.assert_allclose(left, [0.9 / 3.4 * 3.0, -0.9 / 3.4 * 1.0])


def test_a_visit_ends_at_zero() -> None:
    state = {"budget": np.array([0.0, -0.1, 1e-9])}
    np.testing.assert_array_equal(TimeBudget().has_left(state), [True, True, False])


def test_the_cost_of_a_whole_item_is_what_spending_charges() -> None:
    quality = np.array([-3.0, 0.0, 2.5])
    left = left_after([200.0] * 3, [0, 1, 2], quality.tolist())
    np.testing.assert_allclose(TimeBudget().cost(quality), 200.0 - left)


def test_minutes_watched_come_back_as_click_and_watch_time() -> None:
    state: State = {"budget": np.array([9.0, 7.0, 0.5])}
    given = WatchTime(TimeBudget())
    yielded = given.respond(state, consumed([0, 2], [0.0, 0.0]), np.empty((2, 0)))
    assert yielded.channels.dtype == np.float32
    np.testing.assert_array_equal(yielded.channels, [[1, 4], [1, 0.5]])
    np.testing.assert_array_equal(yielded.rewards, [4, 0.5])
    everything = Shown(None, np.zeros((1, 5), np.int64))
    np.testing.assert_array_equal(given.expected(state, everything), [[4], [4], [0.5]])


def test_two_items_of_one_slate_are_both_charged() -> None:
    np.testing.assert_allclose(left_after([200.0, 200.0], [1, 1], [0.0, 3.4]), [199.5, 192 + 3.6])


@pytest.mark.parametrize("name", ["initial", "item_length", "idle_cost"])
@pytest.mark.parametrize("value", [0.0, -1.0, np.nan])
def test_times_must_be_above_zero(name: str, value: float) -> None:
    with pytest.raises(ConfigError, match=f"{name} of the time budget must be above 0"):
        replace(TimeBudget(), **{name: value})  # type: ignore[arg-type]


@pytest.mark.parametrize("value", [-0.1, np.nan])
def test_a_negative_bonus_is_refused(value: float) -> None:
    with pytest.raises(ConfigError, match="bonus of the time budget must be 0 or more"):
        TimeBudget(bonus=value)
