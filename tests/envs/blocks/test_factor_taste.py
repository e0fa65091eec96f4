"""Tastes and items as vectors: scores, the pull of what is consumed, and wrong arguments."""

import math
from typing import Any

import numpy as np
import pytest

from rlrec.envs.blocks.factor_taste import FactorTaste
from rlrec.envs.blocks.state import Consumed, Shown, State
from rlrec.errors import ConfigError

VECTORS = np.array([[1.0, 0.0], [0.0, 1.0], [0.6, 0.8]])


def consumed(users: list[int], items: list[int]) -> Consumed:
    nothing = np.zeros(len(users), np.int64)
    return Consumed(np.array(users), nothing, np.array(items), nothing, np.zeros(len(users)))


def test_the_score_is_the_dot_product() -> None:
    taste, state = FactorTaste(VECTORS), {"tastes": np.array([[2.0, -1.0], [0.5, 0.5]])}
    slates = np.array([[2, 0], [1, 2]])
    scores = taste.scores(state, Shown(slates, np.zeros_like(slates)))
    np.testing.assert_allclose(scores, [[0.4, 2.0], [0.5, 0.7]])
    everything = taste.scores(state, Shown(None, np.zeros((1, 3), np.int64)))
    np.testing.assert_allclose(everything, [[2.0, -1.0, 0.4], [0.5, 0.5, 0.7]])


def test_tastes_begin_as_normals_of_the_given_spread() -> None:
    n, taste, state = 20_000, FactorTaste(VECTORS, sd=1.5), State()
    taste.start(state, np.arange(n), np.random.default_rng(0).random((n, 2)))
    # 5 standard errors of 40,000 numbers
    assert abs(state["tastes"].mean()) < 5 * 1.5 / math.sqrt(2 * n)
    assert abs(state["tastes"].std() - 1.5) < 5 * 1.5 / math.sqrt(4 * n)


def test_what_is_consumed_pulls_the_taste_each_item_in_turn() -> None:
    taste, state = FactorTaste(VECTORS, influence=0.5), {"tastes": np.zeros((3, 2))}
    taste.consume(state, consumed([0, 0, 2], [0, 1, 2]), np.empty((3, 0)))
    np.testing.assert_allclose(state["tastes"], [[0.25, 0.5], [0.0, 0.0], [0.3, 0.4]])


def test_without_influence_consuming_changes_nothing() -> None:
    taste, state = FactorTaste(VECTORS), {"tastes": np.ones((1, 2))}
    taste.consume(state, consumed([0], [2]), np.empty((1, 0)))
    np.testing.assert_array_equal(state["tastes"], [[1.0, 1.0]])


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"vectors": np.zeros(3)}, r"shape \(items, factors\), got shape \(3,\)"),
        ({"vectors": np.array([[np.nan]])}, "finite"),
        ({"sd": -1.0}, "sd of tastes must be 0 or more"),
        ({"influence": 1.5}, r"influence must lie in 0\.\.1"),
    ],
)
def test_wrong_arguments_are_refused(arguments: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        FactorTaste(**{"vectors": VECTORS, **arguments})
