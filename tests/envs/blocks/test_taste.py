"""What attracts a user, and how consuming moves it: the published equations by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from rlrec.arrays import Floats
from rlrec.envs.blocks.state import Consumed, Shown, State
from rlrec.envs.blocks.taste import InterestDrift, TopicTaste
from rlrec.errors import ConfigError


def consumed(users: list[int], topics: list[int]) -> Consumed:
    nothing = np.zeros(len(users), np.int64)
    return Consumed(np.array(users), nothing, nothing, np.array(topics), np.zeros(len(users)))


@pytest.mark.parametrize(
    ("interest", "draw", "moved"),
    [
        (0.0, 0.49, 0.3),  # 0.3 * 1 * 1, up with probability 1/2
        (0.0, 0.51, -0.3),
        (0.5, 0.74, 0.575),  # 0.3 * 0.5 * 0.5 = 0.075, up with probability 3/4
        (0.5, 0.76, 0.425),
        (-0.5, 0.24, -0.275),  # 0.3 * 0.5 * 1.5 = 0.225, up with probability 1/4
        (-0.5, 0.26, -0.725),
        (-0.9, 0.99, -0.957),  # 0.3 * 0.1 * 1.9 = 0.057
        (1.0, 0.99, 1.0),  # a settled interest stays
        (-1.0, 0.0, -1.0),
    ],
)
def test_interest_moves_by_the_published_step(interest: float, draw: float, moved: float) -> None:
    result = InterestDrift().moved(np.array([interest]), np.array([draw]))
    np.testing.assert_allclose(result, [moved], rtol=1e-12)


def test_interest_moves_up_as_often_as_published() -> None:
    n, interest = 40_000, 0.4
    draws = np.random.default_rng(2).random(n)
    ups = (InterestDrift().moved(np.full(n, interest), draws) > interest).mean()
    # 5 standard errors: a right drift fails at fewer than one seed in a million
    assert abs(ups - 0.7) < 5 * np.sqrt(0.7 * 0.3 / n)


@given(
    interests=hnp.arrays(np.float64, 8, elements=st.floats(-1, 1)),
    draws=hnp.arrays(np.float64, 8, elements=st.floats(0, 1, exclude_max=True)),
    rate=st.floats(0, 1),
)
def test_interests_stay_between_minus_one_and_one(
    interests: Floats, draws: Floats, rate: float
) -> None:
    moved = InterestDrift(rate=rate).moved(interests, draws)
    assert ((moved >= -1) & (moved <= 1)).all()
    furthest = rate * (1 - np.abs(interests)) * (1 - interests)
    assert (np.abs(moved - interests) <= furthest + 1e-15).all()


def test_rate_zero_switches_the_drift_off() -> None:
    interests = np.linspace(-1, 1, 9)
    moved = InterestDrift(rate=0.0).moved(interests, np.linspace(0, 0.99, 9))
    np.testing.assert_array_equal(moved, interests)


@pytest.mark.parametrize("rate", [-0.1, 1.5, np.nan])
def test_rates_out_of_range_are_refused(rate: float) -> None:
    with pytest.raises(ConfigError, match=r"must lie in 0\.\.1, got"):
        InterestDrift(rate=rate)


def test_tastes_begin_uniform_between_minus_one_and_one() -> None:
    state: State = {}
    TopicTaste(3, InterestDrift()).start(
        state, np.arange(2), np.array([[0.0, 0.5, 0.75], [0.25, 1.0, 0.0]])
    )
    np.testing.assert_allclose(state["tastes"], [[-1, 0, 0.5], [-0.5, 1, -1]])


def test_starting_some_users_leaves_the_others() -> None:
    taste = TopicTaste(2, InterestDrift())
    state: State = {}
    taste.start(state, np.arange(3), np.full((3, 2), 0.5))
    taste.start(state, np.array([1]), np.array([[1.0, 0.0]]))
    np.testing.assert_array_equal(state["tastes"], [[0, 0], [1, -1], [0, 0]])


def test_scores_are_the_interest_in_the_topic_shown() -> None:
    taste, state = TopicTaste(3, InterestDrift()), {"tastes": np.arange(6.0).reshape(2, 3)}
    shown = Shown(np.zeros((2, 2), np.int64), np.array([[2, 0], [1, 1]]))
    np.testing.assert_array_equal(taste.scores(state, shown), [[2, 0], [4, 4]])
    everything = Shown(None, np.array([[0, 2, 2, 1]]))
    np.testing.assert_array_equal(taste.scores(state, everything), [[0, 2, 2, 1], [3, 5, 5, 4]])


def test_only_the_topic_consumed_moves() -> None:
    taste = TopicTaste(3, InterestDrift())
    state: State = {"tastes": np.zeros((3, 3))}
    taste.consume(state, consumed([0, 2], [1, 2]), np.array([[0.1], [0.9]]))
    np.testing.assert_allclose(state["tastes"], [[0.0, 0.3, 0], [0.0, 0, 0], [0.0, 0, -0.3]])
