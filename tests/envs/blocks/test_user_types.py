"""Users of several types, and users without tastes."""

from typing import Any

import numpy as np
import pytest

from rlrec.envs.blocks import SameForAll, UserTypes
from rlrec.envs.blocks.shares import Shares
from rlrec.envs.blocks.state import Shown, State
from rlrec.errors import ConfigError


def test_kinds_are_drawn_by_their_shares_and_none_without_a_share() -> None:
    shares = Shares("shares", [0.25, 0.0, 0.75])
    np.testing.assert_array_equal(shares.of(np.array([0.0, 0.2499, 0.25, 0.9999])), [0, 0, 2, 2])


@pytest.mark.parametrize("values", [[0.5, 0.6], [1.5, -0.5]])
def test_shares_that_are_no_probabilities_are_refused(values: list[float]) -> None:
    with pytest.raises(ConfigError, match="types must be 0 or more and sum to 1"):
        Shares("types", values)


@pytest.mark.parametrize("values", [[], [[1.0]], [np.nan, 1.0], "x", None, {"a": 1}, [True]])
def test_shares_that_are_no_numbers_are_refused_by_name(values: Any) -> None:
    with pytest.raises(ConfigError, match=r"types.* must be"):
        Shares("types", values)


@pytest.mark.parametrize("affinities", ["x", [[0.0], [1.0, 2.0]], [[0.0, 1.0]], [["a"], ["b"]], 3])
def test_affinities_that_are_no_table_are_refused(affinities: Any) -> None:
    with pytest.raises(ConfigError, match="affinities"):
        UserTypes([0.5, 0.5], affinities, sd=0.0)


def test_users_of_a_type_without_spread_are_alike() -> None:
    taste, state = UserTypes([0.5, 0.5], [[0.0, 1.0], [2.0, 3.0]], sd=0.0), State()
    taste.start(state, np.arange(2), np.array([[0.1, 0.3, 0.9], [0.6, 0.2, 0.5]]))
    np.testing.assert_allclose(state["tastes"], np.exp([[0.0, 1.0], [2.0, 3.0]]))
    shown = Shown(np.array([[5, 6], [7, 8]]), np.array([[1, 0], [1, 1]]))
    expected = np.exp([[1.0, 0.0], [3.0, 3.0]])
    np.testing.assert_allclose(taste.scores(state, shown), expected)


def test_without_tastes_every_item_scores_the_same() -> None:
    state = State(exposure=np.zeros(4))
    shown = Shown(None, np.zeros((1, 6), np.int64))
    np.testing.assert_array_equal(SameForAll().scores(state, shown), np.zeros((4, 6)))
    assert SameForAll().observe(state, np.array([1, 2])).shape == (2, 0)
