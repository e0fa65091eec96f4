"""Blocks in which every user responded to every item."""

from dataclasses import replace

import numpy as np
import pytest

from rlrec.data import Catalogue, Ratings, block_of_log, fully_observed
from rlrec.errors import DataError, UnknownNameError


@pytest.fixture
def ratings() -> Ratings:
    """Ratings of two items: ann rated both, one of them twice, bob one."""
    return Ratings(
        user_ids=np.array(["ann", "bob"]),
        user_index=np.array([0, 1, 0, 0]),
        item_index=np.array([0, 1, 1, 0]),
        values=np.array([3.0, 1.0, 0.0, 5.0]),
        timestamps=None,
        catalogue=Catalogue.of_ids(np.array([10, 20])),
    )


def test_only_those_who_rated_all_items_are_in_the_block(ratings: Ratings) -> None:
    block = fully_observed(ratings)
    assert block.user_ids.tolist() == ["ann"]
    assert block.values.tolist() == [[5, 0]]  # the later rating, and a rating of 0


def test_a_catalogue_that_nobody_rated_whole_is_refused(ratings: Ratings) -> None:
    wider = replace(ratings, catalogue=Catalogue.of_ids(np.array([10, 20, 30])))
    with pytest.raises(DataError, match=r"no user rated all 3 items .* one rated are 2"):
        fully_observed(wider)


def test_a_log_is_a_block_with_holes(ratings: Ratings) -> None:
    block = block_of_log(ratings.to_log(), "rating")
    np.testing.assert_array_equal(block.values, [[5, 0], [np.nan, 1]])
    assert block.density == 0.75
    with pytest.raises(UnknownNameError, match="Did you mean 'rating'"):
        block_of_log(ratings.to_log(), "ratings")
