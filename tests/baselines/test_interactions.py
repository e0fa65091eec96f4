import numpy as np

from rlrec.baselines import BiasedSVD, Popularity
from rlrec.data import Catalogue
from rlrec.data.ratings import Ratings


def ratings() -> Ratings:
    """User 7 rated item 1 twice; nobody rated item 2."""
    return Ratings(
        user_ids=np.array([7, 9]),
        user_index=np.array([0, 0, 1, 0]),
        item_index=np.array([1, 0, 1, 1]),
        values=np.array([2.0, 5.0, 4.0, 3.0]),
        timestamps=np.array([10, 11, 12, 13]),
        catalogue=Catalogue(
            item_ids=np.array([4, 5, 6]),
            topics=np.zeros(3, dtype=np.int64),
            features=np.zeros((3, 0), dtype=np.float32),
            topic_names=("all",),
        ),
    )


def test_each_rated_item_of_a_user_is_one_interaction() -> None:
    model = Popularity().fit(ratings())
    np.testing.assert_array_equal(model.interactions.toarray(), [[1, 1, 0], [0, 1, 0]])
    assert model.slate_size is None


def test_a_model_of_ratings_learns_from_the_latest_of_each_item() -> None:
    model = BiasedSVD(factors=1).fit(ratings())
    assert model.mean == 4.0
    assert (len(model.user_bias), len(model.item_bias)) == (2, 3)


def test_the_log_of_ratings_gives_the_same_interactions() -> None:
    model = Popularity().fit(ratings().to_log(), ratings().catalogue)
    np.testing.assert_array_equal(model.popularity, [1, 3, 0])
