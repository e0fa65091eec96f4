"""The world's time: who is alive when, and where visits begin."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlrec.envs.blocks.calendar import Calendar, Succession
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


def drawn(seed: int = 0, **arguments: Any) -> Calendar:
    settings = {"n_items": 60, "n_places": 6, "lifetime": 8.0, "spread": 0.5, "visit_length": 10}
    return Calendar.drawn(**{**settings, **arguments}, rng=np.random.default_rng(seed))


def test_items_take_their_places_at_the_stated_moments() -> None:
    succession = Succession(np.array([0, 1, 1, 0]), np.array([-2, 0, 3, 4]))
    calendar = Calendar(succession, n_moments=6, lifetime=4.0, visit_length=2)
    expected = [[0, 1], [0, 1], [0, 1], [0, 2], [3, 2], [3, 2]]
    np.testing.assert_array_equal(calendar.alive, expected)
    ages = np.array([[2, 0], [3, 1], [4, 2], [5, 0], [0, 1], [1, 2]])
    np.testing.assert_allclose(calendar.relative_ages(), ages / 4.0)


@given(
    seed=st.integers(0, 10_000),
    n_places=st.integers(1, 8),
    more=st.integers(0, 40),
    lifetime=st.floats(1, 12),
    spread=st.floats(0, 1),
)
def test_at_every_moment_each_place_holds_another_item_and_each_item_lives_once(
    seed: int, n_places: int, more: int, lifetime: float, spread: float
) -> None:
    calendar = drawn(
        seed,
        n_items=n_places + more,
        n_places=n_places,
        lifetime=lifetime,
        spread=spread,
        visit_length=0,
    )
    alive = calendar.alive
    assert alive.shape == (calendar.n_moments, n_places)
    assert (np.diff(np.sort(alive, axis=1), axis=1) > 0).all()  # M different items, always
    assert set(alive.ravel().tolist()) == set(range(n_places + more))  # all of them, some time
    for item in range(n_places + more):
        moments, places = np.nonzero(alive == item)
        arrival = max(int(calendar.succession.arrivals[item]), 0)
        assert (np.diff(moments) == 1).all() and len(set(places.tolist())) == 1  # without a gap
        assert moments[0] == arrival and places[0] == calendar.succession.places[item]


def test_lifetimes_lie_in_their_range() -> None:
    calendar = drawn(n_items=600, lifetime=20.0, spread=0.5)
    moments = np.bincount(calendar.alive.ravel(), minlength=600)
    inner = moments[6:-30]  # neither there before the calendar nor at its end
    assert 10 <= inner.min() < 12 and 28 < inner.max() <= 30
    assert abs(inner.mean() - 20) < 5 * inner.std() / np.sqrt(inner.size)  # standard errors


def test_items_of_the_beginning_have_lived_before() -> None:
    arrivals = drawn(n_places=50, n_items=60, lifetime=20.0).succession.arrivals[:50]
    assert arrivals.max() <= 0 and arrivals.min() < -10


def test_nothing_arrives_on_a_standing_calendar() -> None:
    calendar = Calendar.standing(4, 30, 10)
    np.testing.assert_array_equal(calendar.alive, np.tile(np.arange(4), (30, 1)))
    assert not calendar.relative_ages().any()


def test_visits_begin_at_any_moment_that_leaves_room_and_go_with_time() -> None:
    n, calendar, state = 40_000, Calendar.standing(2, 25, 5), State()
    calendar.start(state, np.arange(n), np.random.default_rng(1).random((n, 1)))
    counts = np.bincount(state["moment"])
    assert counts.size == 20  # the last one ends its fifth step at moment 24
    # 5 standard errors for each of 20 moments
    assert np.abs(counts / n - 0.05).max() < 5 * np.sqrt(0.05 * 0.95 / n)
    before = state["moment"].copy()
    for _ in range(5):
        calendar.update(state, EVENT, np.empty((n, 0)))
    np.testing.assert_array_equal(state["moment"], before + 5)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"n_items": 5}, "n_items must be a whole number of 6 or more"),
        ({"lifetime": 0.5}, "lifetime must be 1 or more and finite"),
        ({"lifetime": np.inf}, "lifetime"),
        ({"spread": 1.5}, r"spread of lifetimes must lie in 0\.\.1"),
        ({"visit_length": 1000}, "longer than a visit of 1000 steps"),
    ],
)
def test_wrong_calendars_are_refused(arguments: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        drawn(**arguments)
