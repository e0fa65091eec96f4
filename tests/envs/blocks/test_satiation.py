"""Satiation by topic: the published recursion by hand, its noise, and its settings."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlrec.arrays import Floats
from rlrec.envs.blocks import Consumed, Event, Satiation, Shown, State
from rlrec.envs.blocks.priors import LogNormal, Uniform
from rlrec.errors import ConfigError


def consuming(users: list[int], topics: list[int], n_users: int = 2) -> Event:
    """Return a step in which users take items of these topics, all of quality 0."""
    nothing = np.zeros(len(users), np.int64)
    consumed = Consumed(
        np.array(users, np.int64),
        nothing,
        nothing,
        np.array(topics, np.int64),
        np.zeros(len(users)),
    )
    shown = Shown(np.zeros((n_users, 1), np.int64), np.zeros((n_users, 1), np.int64))
    return Event(shown, None, consumed, np.zeros((n_users, 1, 1), np.float32), np.zeros(n_users))


def begun(block: Satiation, n_users: int = 2, seed: int = 0) -> State:
    state: State = {}
    draws = np.random.default_rng(seed).random((n_users, block.n_initial_draws))
    block.start(state, np.arange(n_users), draws)
    return state


def no_draws(n_users: int = 2) -> Floats:
    return np.zeros((n_users, 0))


def test_satiation_grows_with_what_is_consumed_and_rebounds() -> None:
    block = Satiation(n_topics=2, strength=0.5, memory=0.6)
    state = begun(block)
    block.update(state, consuming([0, 0, 1], [1, 1, 0]), no_draws())
    np.testing.assert_allclose(state["satiation"], [[0.0, 1.2], [0.6, 0.0]])
    block.update(state, consuming([0], [1]), no_draws())
    np.testing.assert_allclose(state["satiation"], [[0.0, 0.6 * 2.2], [0.36, 0.0]])
    block.update(state, consuming([], []), no_draws())
    np.testing.assert_allclose(state["satiation"], [[0.0, 0.36 * 2.2], [0.216, 0.0]])


def test_a_score_loses_its_topics_satiation_times_its_strength() -> None:
    block = Satiation(n_topics=2, strength=0.5, memory=1.0)
    state = begun(block)
    block.update(state, consuming([0, 0, 1], [1, 1, 0]), no_draws())
    slate = Shown(np.array([[5, 6], [5, 6]]), np.array([[0, 1], [1, 0]]))
    np.testing.assert_allclose(
        block.adjust(state, slate, np.ones((2, 2))), np.array([[1, 0], [1, 0.5]])
    )
    catalogue = Shown(None, np.array([[1, 1, 0]]))
    adjusted = block.adjust(state, catalogue, np.zeros((2, 3)))
    np.testing.assert_allclose(adjusted, np.array([[-1, -1, 0], [0, 0, -0.5]]))


def test_the_spread_of_noisy_satiation_is_that_of_its_recursion() -> None:
    n, memory, noise = 20_000, 0.6, 0.3
    block = Satiation(n_topics=1, memory=memory, noise=noise)
    state = begun(block, n)
    rng = np.random.default_rng(3)
    for _ in range(30):  # 0.6**60 of the beginning is left in the variance
        block.update(state, consuming([], [], n), rng.random((n, block.n_step_draws)))
    variance = noise**2 / (1 - memory**2)
    # 5 standard errors of a variance of n normals: a right one fails at one seed in a million
    assert abs(state["satiation"].var() - variance) < 5 * variance * np.sqrt(2 / n)
    assert abs(state["satiation"].mean()) < 5 * np.sqrt(variance / n)


def test_strength_and_memory_are_drawn_for_each_user_and_topic() -> None:
    block = Satiation(n_topics=3, strength=LogNormal(0.5, 0.4), memory=Uniform(0.2, 0.4))
    state = begun(block, 1000)
    assert state["satiation_strength"].shape == state["satiation_memory"].shape == (1000, 3)
    assert np.unique(state["satiation_strength"]).size == 3000
    memory = state["satiation_memory"]
    assert 0.2 <= memory.min() < 0.205 and 0.395 < memory.max() <= 0.4


def test_without_strength_scores_stay() -> None:
    block = Satiation(n_topics=2, strength=0.0)
    state = begun(block)
    block.update(state, consuming([0, 0, 1], [1, 1, 0]), no_draws())
    slate = Shown(np.array([[0, 1]] * 2), np.array([[0, 1]] * 2))
    np.testing.assert_array_equal(block.adjust(state, slate, np.ones((2, 2))), np.ones((2, 2)))


@given(
    memory=st.floats(0, 1),
    strength=st.floats(0, 1e3),
    n_taken=st.integers(1, 5),
    seed=st.integers(0),
)
def test_satiation_stays_within_its_geometric_bound(
    memory: float, strength: float, n_taken: int, seed: int
) -> None:
    block = Satiation(n_topics=2, memory=memory, strength=strength)
    state = begun(block)
    n_steps, rng = 40, np.random.default_rng(seed)
    for _ in range(n_steps):
        block.update(
            state, consuming([0] * n_taken, rng.integers(2, size=n_taken).tolist()), no_draws()
        )
    bound = n_taken * (memory ** np.arange(1, n_steps + 1)).sum()
    assert (state["satiation"] >= 0).all() and (state["satiation"] <= bound * (1 + 1e-9)).all()


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"strength": -0.1}, "strength must be 0 or more and finite, got -0.1"),
        ({"strength": float("nan")}, "strength must be 0 or more and finite, got nan"),
        ({"memory": 1.5}, r"memory must lie in 0\.\.1, got 1\.5"),
        ({"memory": Uniform(0.0, 2.0)}, r"memory must lie in 0\.\.1, got Uniform"),
        ({"noise": -1.0}, "noise must be 0 or more and finite, got -1.0"),
        ({"n_topics": 0}, "n_topics must be a whole number of 1 or more, got 0"),
    ],
)
def test_settings_out_of_range_are_refused(settings: dict[str, float], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        Satiation(**{"n_topics": 2, **settings})  # type: ignore[arg-type]
