"""The search for near items: exact where nothing is left out, close where something is."""

import numpy as np
import pytest
import torch
from gymnasium import spaces

from rlrec.agents.networks import ItemKnowledge
from rlrec.agents.proto.item_embeddings import ItemEmbeddings, known_directions
from rlrec.agents.proto.nearest_items import ItemTree, top_of
from rlrec.arrays import Floats32
from rlrec.data import Catalogue
from rlrec.errors import ConfigError

SPACE = spaces.Dict({"user": spaces.Box(0.0, 1.0, (2,))})


def directions(n_items: int, size: int = 8, seed: int = 0) -> Floats32:
    """Return random vectors of length 1 around 40 centres."""
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(40, size))
    vectors = centres[rng.integers(40, size=n_items)] + 0.5 * rng.normal(size=(n_items, size))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors.astype(np.float32)


def queries(vectors: Floats32, n: int = 200) -> torch.Tensor:
    rng = np.random.default_rng(1)
    near = vectors[rng.integers(len(vectors), size=n)]
    return torch.from_numpy((near + 0.2 * rng.normal(size=near.shape)).astype(np.float32))


def exactly(vectors: Floats32, asked: torch.Tensor, n: int) -> torch.Tensor:
    return top_of(asked.double() @ torch.from_numpy(vectors).double().T, n)


@pytest.mark.parametrize("n_items", [1, 5, 32, 33, 1_000, 3_001])
def test_a_beam_that_holds_all_clusters_is_exact(n_items: int) -> None:
    vectors = directions(n_items)
    n, asked = min(5, n_items), queries(vectors)
    tree = ItemTree(vectors, beam=10_000)
    assert torch.equal(tree(asked, n), exactly(vectors, asked, n))
    assert tree.fewest <= n_items


def test_a_tree_holds_every_item_once() -> None:
    leaves = ItemTree(directions(3_001), beam=4).leaves.flatten()
    held = leaves[leaves < 3_001]
    assert torch.equal(held.sort().values, torch.arange(3_001))


def test_a_narrow_beam_misses_few_of_many_items_and_little_nearness() -> None:
    vectors = directions(20_000)
    asked = queries(vectors)
    exact, found = exactly(vectors, asked, 10), ItemTree(vectors, beam=16)(asked, 10)
    shared = (exact[:, :, None] == found[:, None]).any(dim=2).double().mean()
    assert shared > 0.8
    table = torch.from_numpy(vectors)
    lost = torch.einsum("bd,bnd->bn", asked, table[exact] - table[found]).mean()
    assert 0.0 <= lost < 0.01
    assert (found.sort(dim=1).values.diff(dim=1) > 0).all()  # none twice


def test_ties_go_to_the_lower_index_whoever_else_is_asked_for() -> None:
    vectors = np.tile(np.eye(3, dtype=np.float32), (7, 1))  # items 0, 3, 6, ... are alike
    asked = torch.tensor([[0.3, 0.1, 0.9], [1.0, 0.2, 0.1]])
    for items in (ItemTree(vectors, 8), ItemEmbeddings(SPACE, knowledge(vectors), None, 8)):
        found = nearest(items, asked, 4)
        assert found.tolist() == [[2, 5, 8, 11], [0, 3, 6, 9]]
        assert torch.equal(nearest(items, asked[1:], 4), found[1:])


def test_many_items_are_looked_for_in_a_tree_as_long_as_it_holds_enough() -> None:
    vectors = directions(2_000)
    items = ItemEmbeddings(SPACE, knowledge(vectors), None, beam=1)
    assert items.tree is not None and items.tree.fewest < 100
    asked = queries(vectors, 5)
    assert torch.equal(nearest(items, asked, 100), exactly(vectors, asked, 100))
    assert torch.equal(nearest(items, asked, 3), items.tree(asked, 3))


def test_vectors_have_length_one_and_hold_topics_once() -> None:
    topics = np.array([0, 1, 1, 2])
    extra = np.array([[3.0], [0.0], [1.0], [2.0]], np.float32)
    ones = np.eye(3, dtype=np.float32)[topics]
    for features in (extra, np.hstack([extra, ones])):
        catalogue = Catalogue(
            item_ids=np.arange(4), topics=topics, features=features, topic_names=("a", "b", "c")
        )
        found = known_directions(ItemKnowledge(features), catalogue)
        assert found.shape == (4, 4)
        np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1.0, rtol=1e-6)
        assert found[0, 0] == pytest.approx(3.0 / np.sqrt(10.0))


def test_items_known_by_one_number_stay_apart() -> None:
    numbers = np.array([[0.1], [0.5], [0.9]], np.float32)
    space = spaces.Dict({"candidate_features": spaces.Box(0.0, 1.0, (3, 1))})
    items = ItemEmbeddings(space, ItemKnowledge(), None, beam=8)
    seen = {"candidate_features": torch.from_numpy(numbers)[None]}
    assert items.size == 2
    asked = items.offered(seen)[:, 1:2]
    assert items.nearest(seen, asked, 1).tolist() == [[[1]]]
    table = known_directions(ItemKnowledge(None, numbers), None)
    np.testing.assert_allclose(table, items.offered(seen)[0].numpy(), rtol=1e-6)


@pytest.mark.parametrize("factors", [np.full((4, 2), np.nan, np.float32), np.ones(4, np.float32)])
def test_vectors_that_are_none_are_refused(factors: Floats32) -> None:
    with pytest.raises(ConfigError, match="item_factors must be finite"):
        known_directions(ItemKnowledge(None, factors), None)


def knowledge(factors: Floats32) -> ItemKnowledge:
    return ItemKnowledge(None, factors)


def nearest(items: ItemTree | ItemEmbeddings, asked: torch.Tensor, n: int) -> torch.Tensor:
    if isinstance(items, ItemTree):
        found: torch.Tensor = items(asked, n)
        return found
    return items.nearest({}, asked[:, None], n)[:, 0]
