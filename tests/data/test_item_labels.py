"""Labels of items."""

import numpy as np
import pytest

from rlrec.data import item_labels
from rlrec.data.item_labels import label_items

LISTS = [["10", "2"], ["2"], [], ["b", "2"]]


def test_labels_are_flags_and_the_rarest_is_the_topic() -> None:
    found = label_items(LISTS)
    assert found.names == ("2", "10", "b", "unknown")  # numbers by size, then words
    assert found.flags.tolist() == [[1, 1, 0, 0], [1, 0, 0, 0], [0, 0, 0, 1], [1, 0, 1, 0]]
    assert found.topics.tolist() == [1, 0, 3, 2]


def test_items_may_share_lists_and_count_each() -> None:
    which = np.array([0, 1, 0, 3, 0, 0])
    shared, written_out = label_items(LISTS, which), label_items([LISTS[row] for row in which])
    assert shared.topics.tolist() == written_out.topics.tolist()
    assert shared.flags[:, :3].tolist() == written_out.flags.tolist()
    many_of_ten = label_items([["10", "2"], ["2"]], np.array([0, 0, 0, 1]))
    assert many_of_ten.topics.tolist() == [1, 1, 1, 0]
    ties = label_items([["10", "2"]], np.array([0, 0]))
    assert ties.topics.tolist() == [0, 0]


def test_too_many_flags_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(item_labels, "MOST_FLAGS", 15)
    found = label_items(LISTS)
    assert found.flags.shape == (4, 0)
    assert found.topics.tolist() == [1, 0, 3, 2]
