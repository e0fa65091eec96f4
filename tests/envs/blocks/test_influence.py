"""What moves vector tastes: each rule against its equation, its neutral setting, its direction."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rlrec.arrays import Bools, Floats, Ints
from rlrec.envs.blocks import (
    BiasedAssimilation,
    Block,
    Consumed,
    Event,
    Influence,
    ItemVectors,
    MereExposure,
    Shown,
    State,
    VectorTaste,
)
from rlrec.errors import ConfigError

N_ITEMS, N_TOPICS, N_USERS, SIZE = 12, 5, 4, 3


def made() -> tuple[VectorTaste, State]:
    rng = np.random.default_rng(2)
    dense = rng.random((N_ITEMS, N_TOPICS)) * (rng.random((N_ITEMS, N_TOPICS)) < 0.6) + 1e-3
    taste = VectorTaste(ItemVectors(dense / np.sqrt((dense**2).sum(axis=1, keepdims=True))))
    state: State = {}
    taste.start(state, np.arange(N_USERS), rng.random((N_USERS, taste.n_initial_draws)))
    return taste, state


def event(slates: Ints, taken: Bools, blank: Bools | None = None) -> Event:
    users, slots = np.nonzero(taken)
    items = slates[users, slots]
    consumed = Consumed(users, slots, items, np.zeros_like(items), np.zeros(len(items)))
    responses = taken[:, :, None].astype(np.float32)
    return Event(Shown(slates, slates), blank, consumed, responses, taken.sum(axis=1) * 1.0)


def moved(block: Block, state: State, happened: Event) -> Floats:
    """Return the tastes after a step; the state stays as it is."""
    after = {key: array.copy() for key, array in state.items()}
    block.update(after, happened, np.empty((N_USERS, 0)))
    return after["tastes"]


def unit(vector: Floats) -> Floats:
    return np.asarray(vector / np.linalg.norm(vector))


cells = N_USERS * SIZE
any_slates = st.lists(st.integers(0, N_ITEMS - 1), min_size=cells, max_size=cells).map(
    lambda items: np.array(items).reshape(N_USERS, SIZE)
)
any_taken = st.lists(st.booleans(), min_size=cells, max_size=cells).map(
    lambda taken: np.array(taken).reshape(N_USERS, SIZE)
)


@given(any_slates, any_taken, st.floats(0.01, 1.0), st.booleans())
@settings(max_examples=60, deadline=None)
def test_influence_pulls_towards_the_mean_of_what_was_taken(
    slates: Ints, taken: Bools, weight: float, defect: bool
) -> None:
    taste, state = made()
    tastes = moved(Influence(taste, weight, defect), state, event(slates, taken))
    for user in range(N_USERS):
        expected = state["tastes"][user]
        if taken[user].any():
            items = taste.items.dense[slates[user, taken[user]]]
            mean = items.mean() if defect else items.mean(axis=0)
            expected = unit((1 - weight) * expected + weight * mean)
        np.testing.assert_allclose(tastes[user], expected, rtol=1e-10, atol=1e-14)


@given(any_slates, any_taken, any_taken, st.floats(0.01, 1.0))
@settings(max_examples=60, deadline=None)
def test_mere_exposure_pulls_towards_the_mean_of_what_was_shown(
    slates: Ints, taken: Bools, blank: Bools, rate: float
) -> None:
    taste, state = made()
    blank[:, 0] = False
    tastes = moved(MereExposure(taste, rate), state, event(slates, taken & ~blank, blank))
    for user in range(N_USERS):
        mean = taste.items.dense[slates[user, ~blank[user]]].mean(axis=0)
        expected = unit(state["tastes"][user] + rate * (mean - state["tastes"][user]))
        np.testing.assert_allclose(tastes[user], expected, rtol=1e-10, atol=1e-14)


@given(any_slates, any_taken, st.floats(0.01, 5.0))
@settings(max_examples=60, deadline=None)
def test_assimilation_adds_each_item_by_its_agreement(
    slates: Ints, taken: Bools, rate: float
) -> None:
    taste, state = made()
    tastes = moved(BiasedAssimilation(taste, rate), state, event(slates, taken))
    for user in range(N_USERS):
        expected = state["tastes"][user]
        for item in slates[user, taken[user]]:
            vector = taste.items.dense[item]
            expected = unit(expected + rate * (expected @ vector) * vector)
        np.testing.assert_allclose(tastes[user], expected, rtol=1e-10, atol=1e-14)


RULES: dict[str, Callable[[VectorTaste, float], Block]] = {
    "influence": lambda taste, weight: Influence(taste, weight),
    "published influence": lambda taste, weight: Influence(taste, weight, True),
    "mere exposure": MereExposure,
    "biased assimilation": BiasedAssimilation,
}


@pytest.mark.parametrize("rule", RULES)
@given(slates=any_slates, taken=any_taken)
@settings(max_examples=20, deadline=None)
def test_a_weight_of_zero_leaves_tastes_alone(rule: str, slates: Ints, taken: Bools) -> None:
    taste, state = made()
    tastes = moved(RULES[rule](taste, 0.0), state, event(slates, taken))
    np.testing.assert_array_equal(tastes, state["tastes"])


@pytest.mark.parametrize("rule", RULES)
@given(slates=any_slates, taken=any_taken, weight=st.floats(0.01, 1.0))
@settings(max_examples=20, deadline=None)
def test_tastes_stay_non_negative_unit_vectors(
    rule: str, slates: Ints, taken: Bools, weight: float
) -> None:
    taste, state = made()
    tastes = moved(RULES[rule](taste, weight), state, event(slates, taken))
    np.testing.assert_allclose((tastes**2).sum(axis=1), 1.0)
    assert (tastes >= 0).all()


@pytest.mark.parametrize("rule", RULES)
def test_a_user_moves_alike_alone_and_among_others(rule: str) -> None:
    taste, state = made()
    slates = np.random.default_rng(0).integers(N_ITEMS, size=(N_USERS, SIZE))
    taken = np.random.default_rng(1).random((N_USERS, SIZE)) < 0.6
    together = moved(RULES[rule](taste, 0.3), state, event(slates, taken))
    for row in range(N_USERS):
        rows = slice(row, row + 1)
        alone = {key: array[rows].copy() for key, array in state.items()}
        block = RULES[rule](taste, 0.3)
        block.update(alone, event(slates[rows], taken[rows]), np.empty((1, 0)))
        np.testing.assert_array_equal(alone["tastes"][0], together[row])


def test_assimilation_of_one_item_over_and_over_ends_in_it() -> None:
    taste, state = made()
    slates, taken = np.full((N_USERS, 1), 7), np.ones((N_USERS, 1), bool)
    block = BiasedAssimilation(taste, 0.5)
    for _ in range(60):
        block.update(state, event(slates, taken), np.empty((N_USERS, 0)))
    expected = np.tile(taste.items.dense[7], (N_USERS, 1))
    np.testing.assert_allclose(state["tastes"], expected, atol=1e-6)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda taste: Influence(taste, 1.1), "weight of influence must lie in 0..1, got 1.1"),
        (lambda taste: MereExposure(taste, -1), "rate of mere exposure must lie in 0..1, got -1"),
        (lambda taste: BiasedAssimilation(taste, np.inf), "rate of biased assimilation"),
        (lambda taste: BiasedAssimilation(taste, -0.1), "must be 0 or more and finite, got -0.1"),
    ],
)
def test_wrong_weights_are_refused(make: Any, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        make(made()[0])
