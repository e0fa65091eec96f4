"""Trends: the path of popularity against its known moments, and what users make of it."""

import math
from typing import Any

import numpy as np
import pytest

from rlrec.envs.blocks.calendar import Calendar, Succession
from rlrec.envs.blocks.priors import Uniform
from rlrec.envs.blocks.state import Shown, State
from rlrec.envs.blocks.trends import PopularityPath, Trends
from rlrec.errors import ConfigError

STANDING = Calendar.standing(500, 60, 10)
HANDED_OVER = Calendar(Succession(np.array([0, 0]), np.array([-2, 3])), 6, 4.0, 2)


def path(calendar: Calendar = STANDING, seed: int = 0, **settings: Any) -> PopularityPath:
    known = {"persistence": 0.8, "sd": 1.5, "age_decay": 0.0}
    return PopularityPath(calendar, **{**known, **settings}, rng=np.random.default_rng(seed))


def test_log_popularity_has_its_stationary_variance_at_every_moment() -> None:
    values = path().log_popularity
    errors = 5 * 1.5**2 * math.sqrt(2 / 500)  # 5 standard errors of 500 items
    assert np.abs((values[[0, 30, 59]] ** 2).mean(axis=1) - 1.5**2).max() < errors


def test_log_popularity_is_correlated_from_moment_to_moment_as_stated() -> None:
    now, next_ = path().log_popularity[:-1].ravel(), path().log_popularity[1:].ravel()
    correlation = np.corrcoef(now, next_)[0, 1]
    # 5 standard errors of 29,500 pairs, whose products are correlated (factor (1 + p^2)/(1 - p^2))
    assert abs(correlation - 0.8) < 5 * (1 - 0.8**2) * math.sqrt(1.64 / 0.36 / 29_500)


def test_popularity_falls_with_age_and_starts_anew_with_the_next_item() -> None:
    values = path(HANDED_OVER, sd=0.0, age_decay=2.0).log_popularity[:, 0]
    np.testing.assert_allclose(values, [-1.0, -1.5, -2.0, 0.0, -0.5, -1.0])


def test_recent_popularity_is_a_running_mean_of_earlier_moments_with_a_history() -> None:
    made = path(HANDED_OVER, sd=0.0, age_decay=2.0, memory=0.5)
    # ages -2: 0 -> moments 0, 1, 2: halves of what came before, -0.5 at age 1 and so on
    expected = [-0.25, -0.625, -1.0625, 0.0, 0.0, -0.25]
    np.testing.assert_allclose(made.recent[:, 0], expected)


def test_recent_popularity_tells_of_the_popularity_to_come() -> None:
    made = path(persistence=0.95)
    assert np.corrcoef(made.recent[30:].ravel(), made.log_popularity[30:].ravel())[0, 1] > 0.7


def test_users_follow_trends_as_much_as_they_conform() -> None:
    made = path(HANDED_OVER, sd=0.0, age_decay=2.0)
    state = {"moment": np.array([1, 4]), "conformity": np.array([2.0, 0.0])}
    block = Trends(HANDED_OVER, made)
    shown = Shown(np.array([[0], [1]]), np.zeros((2, 1), np.int64))
    np.testing.assert_allclose(block.adjust(state, shown, np.ones((2, 1))), [[-2.0], [1.0]])


def test_the_whole_catalogue_is_adjusted_like_its_items() -> None:
    calendar = Calendar.standing(3, 20, 5)
    block = Trends(calendar, path(calendar))
    state = {"moment": np.array([2, 9]), "conformity": np.array([1.0, 0.5])}
    every = np.tile(np.arange(3), (2, 1))
    one = block.adjust(state, Shown(every, every), np.zeros((2, 3)))
    other = block.adjust(state, Shown(None, every[:1]), np.zeros((2, 3)))
    np.testing.assert_array_equal(one, other)


def test_conformity_is_each_users_own() -> None:
    block, state = Trends(STANDING, path(), Uniform(0.2, 0.6)), State()
    block.start(state, np.arange(3), np.array([[0.0], [0.5], [0.75]]))
    np.testing.assert_allclose(state["conformity"], [0.2, 0.4, 0.5])


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"persistence": 1.2}, r"persistence of trends must lie in 0\.\.1"),
        ({"memory": -0.1}, "memory of trends"),
        ({"sd": -1.0}, "sd of trends must be 0 or more"),
        ({"age_decay": np.nan}, "age_decay of trends"),
    ],
)
def test_wrong_paths_are_refused(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        path(**settings)


def test_a_negative_conformity_is_refused() -> None:
    with pytest.raises(ConfigError, match="conformity must be 0 or more"):
        Trends(STANDING, path(), -0.5)
