import numpy as np
from scipy.sparse import csr_array

from rlrec.baselines import ItemKNN

INTERACTIONS = csr_array(np.array([[1.0, 1, 0, 0], [1, 1, 0, 1], [0, 1, 1, 0]]))


def test_cosine_similarities_equal_the_ones_by_hand() -> None:
    similarities = ItemKNN("cosine", n_neighbours=4).fit(INTERACTIONS).similarities.toarray()
    root = np.sqrt
    expected = [
        [1, 2 / root(6), 0, 1 / root(2)],
        [2 / root(6), 1, 1 / root(3), 1 / root(3)],
        [0, 1 / root(3), 1, 0],
        [1 / root(2), 1 / root(3), 0, 1],
    ]
    np.testing.assert_allclose(similarities, expected, atol=1e-12)


def test_tfidf_weighs_users_by_how_few_items_they_took() -> None:
    # idf of a user = log(items / (1 + taken)): log(4/3), 0, log(4/3); user 1 does not count.
    similarities = ItemKNN("tfidf", n_neighbours=4).fit(INTERACTIONS).similarities.toarray()
    expected = [1, 1 / np.sqrt(2), 0, 0]
    np.testing.assert_allclose(similarities[0], expected, atol=1e-12)


def test_scores_add_up_the_similarities_of_the_history() -> None:
    model = ItemKNN("cosine", n_neighbours=4).fit(INTERACTIONS)
    expected = model.similarities.toarray()[[0, 2]].sum(axis=0)
    history = csr_array(np.array([[1.0, 0, 1, 0]]))
    np.testing.assert_allclose(model.fold_in(history)[0], expected)


def test_one_neighbour_is_the_item_itself() -> None:
    similarities = ItemKNN("cosine", n_neighbours=1).fit(INTERACTIONS).similarities
    np.testing.assert_allclose(similarities.toarray(), np.eye(4), atol=1e-12)


def test_an_item_nobody_took_is_like_no_other() -> None:
    interactions = csr_array(np.array([[1.0, 1, 0], [1, 0, 0]]))
    similarities = ItemKNN("tfidf", n_neighbours=3).fit(interactions).similarities.toarray()
    assert np.isfinite(similarities).all()
    assert not similarities[2].any() and not similarities[:, 2].any()
