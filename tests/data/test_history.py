"""The history of users, kept while they act."""

import numpy as np
import pytest

from rlrec.arrays import Floats32, Ints
from rlrec.data import HISTORY_KEYS, History, HistoryShape

SHAPE = HistoryShape(slate_size=3, n_channels=2, n_topics=4, length=3)


def slates(*rows: list[int]) -> Ints:
    return np.array(rows, dtype=np.int64)


def responses(*rows: list[float]) -> Floats32:
    """Return responses whose second channel is ten times the first."""
    first = np.array(rows, dtype=np.float32)
    return np.stack([first, 10 * first], axis=2)


def test_a_new_history_is_empty() -> None:
    observed = History(2, SHAPE).observe()
    assert tuple(observed) == HISTORY_KEYS
    assert all(not array.any() for array in observed.values())
    shapes = {key: array.shape for key, array in observed.items()}
    assert shapes == {
        "history_items": (2, 3),
        "history_responses": (2, 3, 2),
        "last_slate": (2, 3),
        "last_response": (2, 3, 2),
        "topic_counts": (2, 5),
    }


def test_a_response_is_kept_newest_last_and_counted_by_topic() -> None:
    history = History(2, SHAPE)
    history.record(
        slates([5, 6, 7], [0, 1, 2]), responses([0, 1, 0], [0, 0, 0]), slates([1, 2, 3], [0, 0, 0])
    )
    observed = history.observe()
    np.testing.assert_array_equal(observed["history_items"], [[0, 0, 7], [0, 0, 0]])
    np.testing.assert_array_equal(observed["history_responses"][0], [[0, 0], [0, 0], [1, 10]])
    np.testing.assert_array_equal(observed["topic_counts"], [[0, 0, 1, 0, 0], [0, 0, 0, 0, 1]])
    np.testing.assert_array_equal(observed["last_slate"], [[6, 7, 8], [1, 2, 3]])
    np.testing.assert_array_equal(observed["last_response"][0], [[0, 0], [1, 10], [0, 0]])


def test_several_responses_to_a_slate_are_kept_in_its_order() -> None:
    history = History(1, SHAPE)
    history.record(slates([5, 6, 7]), responses([2, 0, 3]), slates([1, 1, 1]))
    observed = history.observe()
    np.testing.assert_array_equal(observed["history_items"], [[0, 6, 8]])
    np.testing.assert_array_equal(observed["history_responses"][0, :, 0], [0, 2, 3])
    np.testing.assert_array_equal(observed["topic_counts"], [[0, 2, 0, 0, 0]])


def test_the_oldest_responses_are_forgotten_first() -> None:
    history = History(1, SHAPE)
    for item in range(5):
        history.record(slates([item, 8, 9]), responses([1, 0, 0]), slates([0, 0, 0]))
    np.testing.assert_array_equal(history.observe()["history_items"], [[3, 4, 5]])


def test_users_do_not_see_each_other() -> None:
    rng = np.random.default_rng(3)
    both, alone = History(2, SHAPE), History(1, SHAPE)
    for _ in range(20):
        shown = rng.integers(9, size=(2, 3))
        came = responses(*rng.integers(2, size=(2, 3)).tolist())
        topics = rng.integers(4, size=(2, 3))
        both.record(shown, came, topics)
        alone.record(shown[1:], came[1:], topics[1:])
        for key, array in alone.observe().items():
            np.testing.assert_array_equal(both.observe(np.array([1]))[key], array)


def test_clearing_forgets_only_the_named_users() -> None:
    history = History(2, SHAPE)
    history.record(
        slates([5, 6, 7], [5, 6, 7]), responses([1, 0, 0], [1, 0, 0]), slates([0] * 3, [0] * 3)
    )
    history.clear(np.array([0]))
    observed = history.observe()
    assert all(not array[0].any() and array[1].any() for array in observed.values())


def test_what_was_observed_stays_as_it_was() -> None:
    history = History(1, SHAPE)
    before = history.observe()
    history.record(slates([5, 6, 7]), responses([1, 0, 0]), slates([0, 0, 0]))
    assert all(not array.any() for array in before.values())


def test_restoring_goes_back_to_what_was_observed() -> None:
    history = History(1, SHAPE)
    history.record(slates([5, 6, 7]), responses([1, 0, 0]), slates([0, 0, 0]))
    before = history.observe()
    history.record(slates([1, 2, 3]), responses([1, 1, 0]), slates([0, 0, 0]))
    history.restore(before)
    for key, array in history.observe().items():
        np.testing.assert_array_equal(array, before[key])


def test_the_first_users_share_memory_with_the_whole() -> None:
    history = History(3, SHAPE)
    part = history.first(2)
    part.record(
        slates([5, 6, 7], [1, 2, 3]), responses([1, 0, 0], [0, 1, 0]), slates([0] * 3, [1] * 3)
    )
    np.testing.assert_array_equal(
        history.observe()["history_items"], [[0, 0, 6], [0, 0, 3], [0, 0, 0]]
    )
    assert part.observe()["topic_counts"].shape == (2, 5)


@pytest.mark.parametrize("key", HISTORY_KEYS)
def test_each_key_can_stand_alone(key: str) -> None:
    whole = History(1, SHAPE)
    one = History(1, HistoryShape(keys=(key,), slate_size=3, n_channels=2, n_topics=4, length=3))
    for history in (whole, one):
        history.record(slates([5, 6, 7]), responses([1, 0, 1]), slates([0, 1, 3]))
    assert tuple(one.observe()) == (key,)
    np.testing.assert_array_equal(one.observe()[key], whole.observe()[key])
