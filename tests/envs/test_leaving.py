"""The time budget of a visit, by hand."""

from dataclasses import replace

import numpy as np
import pytest

from rlrec.arrays import Floats
from rlrec.envs.leaving import TimeBudget, WatchTime
from rlrec.envs.taste import Consumed, State
from rlrec.errors import ConfigError


def consumed(users: list[int], quality: list[float]) -> Consumed:
    nothing = np.zeros(len(users), np.int64)
    return Consumed(np.array(users, np.int64), nothing, nothing, np.array(quality))


def left_after(budget: list[float], users: list[int], quality: list[float]) -> Floats:
    rule, state = TimeBudget(), {"budget": np.array(budget)}
    taken = consumed(users, quality)
    rule.spend(state, taken, rule.watch_time(state, taken.users))
    left: Floats = state["budget"]
    return left


def test_a_visit_begins_with_200_minutes() -> None:
    state: State = {}
    TimeBudget().start(state, np.arange(2))
    np.testing.assert_array_equal(state["budget"], [200, 200])
    assert not TimeBudget().has_ended(state).any()


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
    np.testing.assert_array_equal(TimeBudget().has_ended(state), [True, True, False])


def test_the_cost_of_a_whole_item_is_what_spending_charges() -> None:
    quality = np.array([-3.0, 0.0, 2.5])
    left = left_after([200.0] * 3, [0, 1, 2], quality.tolist())
    np.testing.assert_allclose(TimeBudget().cost(quality), 200.0 - left)


def test_minutes_watched_come_back_as_click_and_watch_time() -> None:
    responses = WatchTime().responses(np.array([4.0, 0.5]))
    assert responses.dtype == np.float32
    np.testing.assert_array_equal(responses, [[1, 4], [1, 0.5]])


@pytest.mark.parametrize("name", ["initial", "item_length", "idle_cost"])
@pytest.mark.parametrize("value", [0.0, -1.0, np.nan])
def test_times_must_be_above_zero(name: str, value: float) -> None:
    with pytest.raises(ConfigError, match=f"{name} of the time budget must be above 0"):
        replace(TimeBudget(), **{name: value})  # type: ignore[arg-type]


@pytest.mark.parametrize("value", [-0.1, np.nan])
def test_a_negative_bonus_is_refused(value: float) -> None:
    with pytest.raises(ConfigError, match="bonus of the time budget must be 0 or more"):
        TimeBudget(bonus=value)
