"""Where the items on offer come from."""

import numpy as np
import pytest
from scipy.stats import norm

from rlrec.data import Catalogue
from rlrec.envs.blocks.state import State
from rlrec.envs.documents import TopicDocuments
from rlrec.envs.items import CatalogueItems, FreshDocuments, ItemQuality
from rlrec.envs.presets.interest_evolution import topic_means


@pytest.fixture
def catalogue_items() -> CatalogueItems:
    catalogue = Catalogue(
        item_ids=np.arange(4),
        topics=np.array([1, 0, 2, 1]),
        features=np.zeros((4, 0), np.float32),
        topic_names=("a", "b", "c"),
    )
    return CatalogueItems(catalogue, ItemQuality(np.array([0.1, 0.2, 0.3, 0.4])))


def test_a_catalogue_shows_items_with_their_topics(catalogue_items: CatalogueItems) -> None:
    shown = catalogue_items.shown({}, np.array([[3, 2], [0, 1]]))
    np.testing.assert_array_equal(shown.topics, [[1, 2], [1, 0]])
    np.testing.assert_array_equal(catalogue_items.offer({}).topics, [[1, 0, 2, 1]])


def test_quality_belongs_to_the_item(catalogue_items: CatalogueItems) -> None:
    quality = catalogue_items.quality({}, np.array([5, 6]), np.array([3, 0]))
    np.testing.assert_array_equal(quality, [0.4, 0.1])


def test_fresh_documents_are_the_inverse_distribution_of_their_draws() -> None:
    means = np.array([-1.0, 0.0, 5.0, 6.0])
    items = FreshDocuments(2, TopicDocuments(means, 0.1))
    state: State = {}
    draws = np.array([[0.0, 0.99, 0.5, 0.975], [0.26, 0.51, 0.025, 0.5]])
    items.draw(state, np.arange(2), draws)
    np.testing.assert_array_equal(state["candidate_topics"], [[0, 3], [1, 2]])
    expected = means[[[0, 3], [1, 2]]] + 0.1 * norm.ppf([[0.5, 0.975], [0.025, 0.5]])
    np.testing.assert_allclose(state["candidate_quality"], expected, rtol=1e-12)


def test_the_smallest_draw_gives_a_finite_quality() -> None:
    items = FreshDocuments(1, TopicDocuments(np.zeros(2), 1.0))
    state: State = {}
    items.draw(state, np.arange(1), np.zeros((1, 2)))
    assert np.isfinite(state["candidate_quality"]).all()


def test_fresh_documents_have_the_published_distribution() -> None:
    n, means = 50_000, topic_means()
    items = FreshDocuments(1, TopicDocuments(means, 0.1))
    state: State = {}
    items.draw(state, np.arange(n), np.random.default_rng(4).random((n, 2)))
    topics, quality = state["candidate_topics"][:, 0], state["candidate_quality"][:, 0]
    shares = np.bincount(topics, minlength=20) / n
    # 5 standard errors in each comparison: a right offer fails at one seed in 80,000
    assert np.abs(shares - 0.05).max() < 5 * np.sqrt(0.05 * 0.95 / n)
    noise = quality - means[topics]
    assert abs(noise.mean()) < 5 * 0.1 / np.sqrt(n)
    assert abs(noise.std() - 0.1) < 5 * 0.1 / np.sqrt(2 * n)


def test_candidates_are_seen_by_their_topics_one_hot() -> None:
    items = FreshDocuments(2, TopicDocuments(np.zeros(3), 0.1))
    state: State = {}
    items.draw(state, np.arange(1), np.array([[0.1, 0.9, 0.5, 0.5]]))
    seen = items.observe(state, slice(None))["candidate_features"]
    np.testing.assert_array_equal(seen, [[[1, 0, 0], [0, 0, 1]]])
    assert items.spaces()["candidate_features"].shape == (2, 3)


def test_slates_of_fresh_documents_name_positions() -> None:
    items = FreshDocuments(3, TopicDocuments(np.zeros(5), 0.1))
    state: State = {
        "candidate_topics": np.array([[4, 2, 0], [1, 1, 3]]),
        "candidate_quality": np.array([[0.1, 0.2, 0.3], [0.4, 0.5, 0.6]]),
    }
    shown = items.shown(state, np.array([[2, 0], [1, 2]]))
    np.testing.assert_array_equal(shown.topics, [[0, 4], [1, 3]])
    quality = items.quality(state, np.array([1]), np.array([2]))
    np.testing.assert_array_equal(quality, [0.6])
