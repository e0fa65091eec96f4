"""Observations made again from a log."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rlrec.arrays import Ints
from rlrec.data.catalogue import Catalogue
from rlrec.data.history import History, HistoryShape
from rlrec.data.log import InteractionLog
from rlrec.data.log_columns import OBSERVED_KEYS
from rlrec.errors import CatalogueMismatchError, ConfigError


def rebuild_observations(
    log: InteractionLog, catalogue: Catalogue | None, shape: HistoryShape
) -> dict[str, NDArray[Any]]:
    """Return the observation before each row of a log, as its environment gave it.

    The history keys are kept by `History`, the code environments use, for all episodes in step;
    the stored keys (`user`, `context`, `candidates`, `candidate_features`) come from the log.

    Args:
        log: Whose rows to rebuild; loaded whole.
        catalogue: The items; may be None where the log has `candidate_features`, whose first
            columns are then the topics, one-hot.
        shape: Which history keys, and their sizes.

    Returns:
        Arrays with a leading axis of rows, by the observation keys of `docs/architecture.md`.

    Raises:
        ConfigError: `shape` has another slate size or number of channels than the log.
        CatalogueMismatchError: Topics are needed, and no fitting catalogue is given.
    """
    stored = [key for key in OBSERVED_KEYS if log.has(key)]
    return {**log.columns(stored), **rebuild_histories(log, catalogue, shape).before}


class Histories(NamedTuple):
    """The history keys of all episodes of a log."""

    before: dict[str, NDArray[Any]]
    """Before each row, arrays with a leading axis of rows."""
    at_end: dict[str, NDArray[Any]]
    """After the last row of each episode, arrays with a leading axis of episodes, in log order."""


def rebuild_histories(
    log: InteractionLog, catalogue: Catalogue | None, shape: HistoryShape
) -> Histories:
    """Return the history keys before each row and at the end of each episode.

    Arguments and errors are those of `rebuild_observations`.
    """
    _check_shape(log, shape)
    slates, responses = _items(log), log.responses()
    topics = _topics(log, slates, catalogue, shape)
    starts = np.flatnonzero(log.column("step") == 0)
    lengths = np.diff(np.append(starts, log.n_rows))
    longest_first = np.argsort(-lengths, kind="stable")
    starts, lengths = starts[longest_first], lengths[longest_first]
    history = History(len(starts), shape)
    observed = {
        key: np.empty((log.n_rows, *array.shape[1:]), array.dtype)
        for key, array in history.observe(slice(0, 0)).items()
    }
    for step in range(int(lengths[0])):
        # Episodes that are over stand at the end, so those still running are the first ones.
        n_running = int(np.searchsorted(-lengths, -step))
        running = history.first(n_running)
        rows = starts[:n_running] + step
        for key, array in running.observe().items():
            observed[key][rows] = array
        running.record(slates[rows], responses[rows], topics[rows])
    # An episode that is over is not touched again: each row stands as its last step left it.
    in_log_order = np.argsort(longest_first)
    return Histories(observed, history.observe(in_log_order))


def _check_shape(log: InteractionLog, shape: HistoryShape) -> None:
    expected = (log.metadata.slate_size, len(log.metadata.response_channels))
    if (shape.slate_size, shape.n_channels) != expected:
        raise ConfigError(
            f"{log.name} has slates of {expected[0]} and {expected[1]} response channels, but the "
            f"history shape has {shape.slate_size} and {shape.n_channels}"
        )


def _items(log: InteractionLog) -> Ints:
    """Return slates as item_index (n_rows, K); as positions where documents have no identity."""
    slates = log.column("slate")
    if log.has("candidates"):
        return np.take_along_axis(log.column("candidates"), slates, axis=1)
    return slates


def _topics(
    log: InteractionLog, items: Ints, catalogue: Catalogue | None, shape: HistoryShape
) -> Ints:
    """Return the topic of each slot, (n_rows, K)."""
    if "topic_counts" not in shape.keys:
        return np.zeros_like(items)
    if log.has("candidate_features") and not log.has("candidates"):
        one_hot = log.column("candidate_features")[:, :, : shape.n_topics]
        topics: Ints = np.argmax(one_hot, axis=2)
        return np.take_along_axis(topics, items, axis=1)
    if catalogue is None:
        raise CatalogueMismatchError(
            f"topic_counts of {log.name} need the topics of its items; give its catalogue"
        )
    if items.max() >= catalogue.n_items:
        raise CatalogueMismatchError(
            f"{log.name} shows item {items.max()}, but the catalogue has {catalogue.n_items} items"
        )
    topics_shown: Ints = catalogue.topics[items]
    return topics_shown
