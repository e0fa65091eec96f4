"""Ratings in the order of their file."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from rlrec.data import Catalogue, HistoryShape, Ratings, rebuild_observations
from rlrec.errors import DataError, PropensityError


@pytest.fixture
def ratings(catalogue: Catalogue) -> Ratings:
    """Ratings of three users; the first of them rated item 4 twice, the later rating first."""
    return Ratings(
        user_ids=np.array(["ann", "bob", "eve"]),
        user_index=np.array([1, 0, 0, 2, 0]),
        item_index=np.array([5, 4, 2, 0, 4]),
        values=np.array([3.0, 5.0, 1.5, 2.0, 4.0]),
        timestamps=np.array([50, 90, 20, 10, 30]),
        catalogue=catalogue,
    )


def test_the_matrix_holds_the_latest_rating_of_each_cell(ratings: Ratings) -> None:
    np.testing.assert_array_equal(
        ratings.matrix().toarray(),
        [[0, 0, 1.5, 0, 5, 0], [0, 0, 0, 0, 0, 3], [2, 0, 0, 0, 0, 0]],
    )


def test_the_matrix_of_some_rows_keeps_its_shape(ratings: Ratings) -> None:
    matrix = ratings.matrix(np.array([4, 0]), binary=True)
    assert matrix.shape == (3, 6)
    np.testing.assert_array_equal(np.argwhere(matrix.toarray() == 1), [[0, 4], [1, 5]])
    assert matrix.nnz == 2


def test_without_times_the_later_row_of_a_cell_counts(ratings: Ratings) -> None:
    assert replace(ratings, timestamps=None).matrix()[0, 4] == 4.0


def test_places_count_what_the_user_rated_before(ratings: Ratings) -> None:
    assert ratings.places().tolist() == [0, 2, 0, 0, 1]
    assert replace(ratings, timestamps=None).places().tolist() == [0, 0, 1, 0, 2]


def test_a_subset_keeps_users_and_items(ratings: Ratings) -> None:
    part = ratings.subset(np.array([3, 1]))
    assert (len(part), part.n_users, part.n_items, part.n_rated_items) == (2, 3, 6, 2)
    np.testing.assert_array_equal(part.values, [2.0, 5.0])


def test_the_log_is_ordered_by_user_and_time(ratings: Ratings) -> None:
    log = ratings.to_log()
    np.testing.assert_array_equal(log.column("user_id"), ["ann", "ann", "ann", "bob", "eve"])
    np.testing.assert_array_equal(log.column("timestamp"), [20, 30, 90, 50, 10])
    np.testing.assert_array_equal(log.column("step"), [0, 1, 2, 0, 0])
    np.testing.assert_array_equal(log.column("slate"), [[2], [4], [4], [5], [0]])
    np.testing.assert_array_equal(log.column("reward"), [1.5, 4, 5, 3, 2])
    np.testing.assert_array_equal(log.response("rating")[:, 0], log.column("reward"))
    np.testing.assert_array_equal(log.column("truncated"), [False, False, True, True, True])
    assert not log.column("terminated").any()


def test_the_log_belongs_to_the_catalogue_and_has_no_propensities(ratings: Ratings) -> None:
    log = ratings.to_log()
    assert log.metadata.catalogue_fingerprint == ratings.catalogue.fingerprint
    with pytest.raises(PropensityError):
        log.require_propensities()


def test_histories_are_rebuilt_from_ratings(ratings: Ratings) -> None:
    shape = HistoryShape(slate_size=1, n_channels=1, n_topics=3, length=2)
    rebuilt = rebuild_observations(ratings.to_log(), ratings.catalogue, shape)
    np.testing.assert_array_equal(
        rebuilt["history_items"], [[0, 0], [0, 3], [3, 5], [0, 0], [0, 0]]
    )
    np.testing.assert_array_equal(rebuilt["topic_counts"][2], [0, 1, 1, 0])


def test_the_summary_tells_rated_items_and_the_catalogue(ratings: Ratings) -> None:
    assert ratings.summary() == "5 ratings by 3 users of 4 items (catalogue of 6), mean 3.10"


@pytest.mark.parametrize(
    "changes", [{"values": np.ones(4)}, {"timestamps": np.arange(6)}, {"item_index": np.arange(3)}]
)
def test_columns_of_different_length_are_refused(ratings: Ratings, changes: dict[str, Any]) -> None:
    with pytest.raises(DataError, match="columns of equal length"):
        replace(ratings, **changes)


def test_no_ratings_are_refused(ratings: Ratings) -> None:
    with pytest.raises(DataError, match="one or more rows"):
        ratings.subset(np.array([], dtype=np.int64))
