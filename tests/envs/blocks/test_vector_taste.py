"""Vector tastes: their prior, exact scores, the scale of the best item."""

import math
from typing import Any

import numpy as np
import pytest

from rlrec.arrays import Floats
from rlrec.envs.blocks import FewTopics, ItemVectors, Sameness, Shown, VectorTaste
from rlrec.envs.blocks.scanning import LogisticAttraction
from rlrec.envs.blocks.state import State
from rlrec.errors import ConfigError


def some_items(n_items: int = 40, n_topics: int = 6) -> ItemVectors:
    rng = np.random.default_rng(3)
    dense = rng.random((n_items, n_topics)) * (rng.random((n_items, n_topics)) < 0.4)
    dense[:, 0] += 0.1
    return ItemVectors(dense / np.sqrt((dense**2).sum(axis=1, keepdims=True)))


def started(taste: VectorTaste, n_users: int) -> State:
    state: State = {}
    draws = np.random.default_rng(5).random((n_users, taste.n_initial_draws))
    taste.start(state, np.arange(n_users), draws)
    return state


def shown(items: Any) -> Shown:
    return Shown(np.asarray(items), np.zeros_like(items))


def everything() -> Shown:
    return Shown(None, np.zeros((1, 40), np.int64))


@pytest.mark.parametrize("scale", ["best_item", "item_norm"])
def test_scores_are_dot_products_divided_by_the_scale(scale: Any) -> None:
    items = some_items()
    taste = VectorTaste(items, scale=scale)
    state = started(taste, 50)
    products = state["tastes"] @ items.dense.T
    best = products.max(axis=1, keepdims=True) if scale == "best_item" else 1.0
    np.testing.assert_allclose(taste.scores(state, everything()), products / best, rtol=1e-12)


def test_a_score_is_the_same_in_any_slate_and_batch() -> None:
    taste = VectorTaste(some_items())
    state = started(taste, 30)
    every = taste.scores(state, everything())
    slates = np.random.default_rng(0).integers(40, size=(30, 7))
    scores = taste.scores(state, shown(slates))
    np.testing.assert_array_equal(scores, np.take_along_axis(every, slates, axis=1))
    for row in range(30):
        alone = {key: array[row : row + 1] for key, array in state.items()}
        np.testing.assert_array_equal(
            taste.scores(alone, shown(slates[row : row + 1]))[0], scores[row]
        )


def test_bored_topics_count_nothing() -> None:
    items = some_items()
    taste = VectorTaste(items)
    state = started(taste, 5)
    state["bored_topics"] = np.zeros((5, 6), bool)
    state["bored_topics"][2, [0, 3]] = True
    tastes = np.where(state["bored_topics"], 0.0, state["tastes"])
    expected = tastes @ items.dense.T / state["taste_scale"][:, None]
    np.testing.assert_allclose(taste.scores(state, everything()), expected, rtol=1e-12)


def test_moving_a_taste_brings_it_to_length_one_and_its_scale_along() -> None:
    items = some_items()
    taste = VectorTaste(items)
    state = started(taste, 4)
    before = state["tastes"].copy()
    taste.move(state, np.array([2]), np.array([[3.0, 0, 4.0, 0, 0, 0]]))
    np.testing.assert_allclose(state["tastes"][2], [0.6, 0, 0.8, 0, 0, 0])
    np.testing.assert_array_equal(state["tastes"][[0, 1, 3]], before[[0, 1, 3]])
    best = (items.dense @ state["tastes"].T).max(axis=0)
    np.testing.assert_allclose(state["taste_scale"], best, rtol=1e-12)


def test_who_likes_no_item_at_all_gives_every_item_the_score_0() -> None:
    items = ItemVectors(np.array([[0.6, 0.8, 0.0], [1.0, 0.0, 0.0]]))
    taste = VectorTaste(items, FewTopics(fewest=1, most=1))
    state = started(taste, 40)
    likes_nothing = state["tastes"][:, 2] == 1.0
    assert 5 < likes_nothing.sum() < 35
    scores = taste.scores(state, Shown(None, np.zeros((1, 2), np.int64)))
    np.testing.assert_array_equal(scores[likes_nothing], 0.0)
    np.testing.assert_allclose(scores[~likes_nothing].max(axis=1), 1.0)


def first_tastes(n_users: int, n_topics: int, **values: Any) -> Floats:
    prior = FewTopics(**values)
    draws = np.random.default_rng(1).random((n_users, prior.n_draws(n_topics)))
    return prior.drawn(draws, n_topics)


def test_tastes_like_three_to_five_topics_as_often_as_drawing_again_would() -> None:
    n_users = 20_000
    liked = first_tastes(n_users, 10) > 0
    chances = np.array([math.comb(10, n) * 0.4**n * 0.6 ** (10 - n) for n in (3, 4, 5)])
    chances /= chances.sum()
    # 5 standard errors of shares among 20,000 users
    for n, chance in zip((3, 4, 5), chances, strict=True):
        error = math.sqrt(chance * (1 - chance) / n_users)
        assert abs((liked.sum(axis=1) == n).mean() - chance) < 5 * error
    assert set(liked.sum(axis=1).tolist()) == {3, 4, 5}
    share = (chances * [3, 4, 5]).sum() / 10
    errors = math.sqrt(share * (1 - share) / n_users)
    assert (np.abs(liked.mean(axis=0) - share) < 5 * errors).all()


def test_the_weights_of_a_taste_are_alike() -> None:
    # The largest of n uniforms is as likely to be any: checked for the first of two, by symmetry.
    tastes = first_tastes(20_000, 2, fewest=2, most=2)
    first_is_larger = (tastes[:, 0] > tastes[:, 1]).mean()
    assert abs(first_is_larger - 0.5) < 5 * 0.5 / math.sqrt(20_000)
    np.testing.assert_allclose((tastes**2).sum(axis=1), 1.0)


def test_with_few_topics_all_are_liked() -> None:
    assert (first_tastes(50, 2) > 0).all()


@pytest.mark.parametrize(
    ("dense", "words"),
    [
        ([[0.6, 0.8], [1.0, 1.0]], "1 of 2 do not, the first is item 1"),
        ([[-0.6, 0.8]], "no entry below 0"),
        ([[math.nan, 0.8]], "length 1"),
        ([1.0], r"must have shape \(N, T\), got \(1,\)"),
    ],
)
def test_items_that_are_no_unit_vectors_are_refused(dense: Any, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        ItemVectors(np.array(dense))


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"share": 0.0}, "share must lie in"),
        ({"fewest": 4, "most": 3}, "1 <= fewest <= most must hold"),
        ({"fewest": 0}, "fewest must be a whole number of 1 or more, got 0"),
        ({"fewest": 3.5}, "fewest must be a whole number of 1 or more, got 3.5"),
        ({"most": float("inf")}, "most must be a whole number of 1 or more, got inf"),
    ],
)
def test_wrong_priors_are_refused(values: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        FewTopics(**values)


def test_an_unknown_scale_is_refused() -> None:
    with pytest.raises(ConfigError, match="scale of scores must be one of"):
        VectorTaste(some_items(), scale="mean")  # type: ignore[arg-type]


def test_a_slate_of_one_topic_is_clicked_less_by_the_penalty() -> None:
    attraction = LogisticAttraction(8.0, 0.3)
    sameness = Sameness(attraction, 5, penalty=2.5, too_many=3)
    slates = Shown(np.zeros((3, 4), np.int64), np.array([[1, 1, 0, 1], [1, 2, 3, 1], [4, 4, 4, 4]]))
    scores = np.random.default_rng(0).uniform(-2.0, 2.0, (3, 4))
    scores[2, 1] = -np.inf
    before = attraction.of(scores)
    after = attraction.of(sameness.adjust({}, slates, scores.copy()))
    np.testing.assert_allclose(after[[0, 2]], before[[0, 2]] / 2.5, rtol=1e-9)
    np.testing.assert_array_equal(after[1], before[1])


def test_without_a_penalty_sameness_changes_nothing() -> None:
    sameness = Sameness(LogisticAttraction(), 5)
    slates = Shown(np.zeros((1, 4), np.int64), np.ones((1, 4), np.int64))
    scores = np.array([[0.1, 0.2, 0.3, 0.4]])
    np.testing.assert_array_equal(sameness.adjust({}, slates, scores.copy()), scores)


@pytest.mark.parametrize("penalty", [0.9, math.nan, math.inf])
def test_a_penalty_below_one_is_refused(penalty: float) -> None:
    with pytest.raises(ConfigError, match="penalty of sameness must be 1 or more"):
        Sameness(LogisticAttraction(), 5, penalty)


@pytest.mark.parametrize(("share", "n_liked"), [(1e-320, 200), (1.0 - 2.0**-53, 400)])
def test_tastes_are_drawn_at_any_share(share: float, n_liked: int) -> None:
    prior = FewTopics(share=share, fewest=200, most=400)
    draws = np.random.default_rng(0).random((5, prior.n_draws(1000)))
    tastes = prior.drawn(draws, 1000)
    np.testing.assert_array_equal((tastes > 0).sum(axis=1), n_liked)
