"""The items that can be recommended."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from rlrec.data import Catalogue
from rlrec.errors import DataError


def make_catalogue(**changes: Any) -> Catalogue:
    parts: dict[str, Any] = {
        "item_ids": [30, 10, 20],
        "topics": [0, 1, 1],
        "features": [[1.0, 0.0], [0.0, 1.0], [0.5, 0.5]],
        "topic_names": ("news", "sport"),
        **changes,
    }
    return Catalogue(**parts)


def test_counts_follow_from_the_arrays() -> None:
    made = make_catalogue()
    assert (made.n_items, made.n_topics) == (3, 2)
    assert str(made.topics.dtype) == "int64" and str(made.features.dtype) == "float32"


def test_arrays_are_read_only_copies() -> None:
    topics = np.array([0, 1, 1])
    made = make_catalogue(topics=topics)
    topics[0] = 1
    assert made.topics[0] == 0
    for array in (made.item_ids, made.topics, made.features):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1


@pytest.mark.parametrize(
    "changes",
    [
        {"item_ids": [30, 10, 21]},
        {"topics": [0, 1, 0]},
        {"features": [[1.0, 0.0], [0.0, 1.0], [0.5, 0.6]]},
        {"topic_names": ("news", "games")},
    ],
)
def test_the_fingerprint_changes_with_the_items(changes: dict[str, Any]) -> None:
    made = make_catalogue()
    assert replace(made).fingerprint == made.fingerprint
    assert replace(made, titles=("a", "b", "c")).fingerprint == made.fingerprint
    assert make_catalogue(**changes).fingerprint != made.fingerprint


def test_index_of_finds_rows_of_ids_in_any_order() -> None:
    np.testing.assert_array_equal(
        make_catalogue().index_of(np.array([10, 30, 20, 10])), [1, 0, 2, 1]
    )
    strings = make_catalogue(item_ids=["c", "a", "b"])
    np.testing.assert_array_equal(strings.index_of(np.array(["b", "c"])), [2, 0])


def test_index_of_names_the_first_unknown_id() -> None:
    with pytest.raises(DataError, match="2 of 3 are not, the first at position 1"):
        make_catalogue().index_of(np.array([10, 99, 5]))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"item_ids": [], "topics": [], "features": np.zeros((0, 2))}, "at least one item"),
        ({"topics": [0, 1]}, "one row for each of 3 items"),
        ({"features": [[1.0], [0.0]]}, "one row for each of 3 items"),
        ({"features": [1.0, 0.0, 0.5]}, "one row for each of 3 items"),
        ({"topics": [0, 1, 2]}, r"topics must lie in 0\.\.1, got 0\.\.2"),
        ({"topics": [0, -1, 1]}, r"topics must lie in 0\.\.1, got -1\.\.1"),
        ({"item_ids": [10, 10, 20]}, "unique"),
        ({"titles": ("a", "b")}, "titles must be none or 3, got 2"),
    ],
)
def test_parts_that_do_not_fit_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        make_catalogue(**changes)
