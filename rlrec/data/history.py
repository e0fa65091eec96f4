"""The part of an observation that follows from what was shown and what came back.

Environments keep it while users act, and `rebuild_observations` makes it again from a log, both
by this code, so that an agent sees the same thing in both worlds.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rlrec.arrays import Floats32, Ints

HISTORY_KEYS = (
    "history_items",
    "history_responses",
    "last_slate",
    "last_response",
    "topic_counts",
)


@dataclass(frozen=True, kw_only=True)
class HistoryShape:
    """Which history keys an observation has, and their sizes."""

    keys: tuple[str, ...] = HISTORY_KEYS
    """Subset of HISTORY_KEYS."""
    slate_size: int
    """K."""
    n_channels: int
    """R; channel 0 says whether there was a response at all."""
    n_topics: int
    """T."""
    length: int = 20
    """H, items kept in `history_items` and `history_responses`."""


class History:
    """History of a batch of B users; each row starts empty.

    Args:
        n_users: B.
        shape: Keys and sizes.
    """

    def __init__(self, n_users: int, shape: HistoryShape) -> None:
        self.shape = shape
        self._arrays: dict[str, NDArray[Any]] = {
            key: array for key, array in _empty(n_users, shape).items() if key in shape.keys
        }

    def clear(self, rows: Ints) -> None:
        """Forget everything about some users: a new episode starts."""
        for array in self._arrays.values():
            array[rows] = 0

    def record(self, slates: Ints, responses: Floats32, topics: Ints) -> None:
        """Take in one step of all users.

        Args:
            slates: Shape (B, K). What was shown: item_index, or position among the candidates.
            responses: Shape (B, K, R). What came back; channel 0 above 0 means a response.
            topics: Shape (B, K). Topic of each slot.
        """
        responded = responses[:, :, 0] > 0
        counts = responded.sum(axis=1)
        if "topic_counts" in self._arrays:
            self._count(responded, counts, topics)
        if "history_items" in self._arrays or "history_responses" in self._arrays:
            self._append(slates, responses, responded, counts)
        if "last_slate" in self._arrays:
            np.add(slates, 1, out=self._arrays["last_slate"])
        if "last_response" in self._arrays:
            self._arrays["last_response"][:] = responses

    def observe(self, rows: Ints | slice = slice(None)) -> dict[str, NDArray[Any]]:
        """Return copies of the declared keys for some users, by default for all."""
        return {key: np.array(array[rows]) for key, array in self._arrays.items()}

    def first(self, n_users: int) -> "History":
        """Return the history of the first `n_users` users; it shares memory with this one."""
        part = History(0, self.shape)
        part._arrays = {key: array[:n_users] for key, array in self._arrays.items()}
        return part

    def restore(self, observed: dict[str, NDArray[Any]]) -> None:
        """Take back what `observe` returned earlier."""
        for key, array in self._arrays.items():
            array[:] = observed[key]

    def _count(self, responded: NDArray[np.bool_], counts: Ints, topics: Ints) -> None:
        topic_counts = self._arrays["topic_counts"]
        users, slots = np.nonzero(responded)
        np.add.at(topic_counts, (users, topics[users, slots]), 1.0)
        topic_counts[:, -1] += counts == 0

    def _append(
        self, slates: Ints, responses: Floats32, responded: NDArray[np.bool_], counts: Ints
    ) -> None:
        most = int(counts.max(initial=0))
        if most == 0:
            return
        # Slots with a response first, in slate order; with one response argmax is the cheap way.
        order = (
            responded.argmax(axis=1)[:, None]
            if most == 1
            else np.argsort(~responded, axis=1, kind="stable")
        )
        rows = np.arange(len(slates))
        for rank in range(most):
            fresh, slots = counts > rank, order[:, rank]
            if "history_items" in self._arrays:
                _push(self._arrays["history_items"], slates[rows, slots] + 1, fresh)
            if "history_responses" in self._arrays:
                _push(self._arrays["history_responses"], responses[rows, slots], fresh)


def _push(history: NDArray[Any], newest: NDArray[Any], fresh: NDArray[np.bool_]) -> None:
    """Shift the rows named by `fresh` one place to the left and put `newest` last."""
    moved = np.flatnonzero(fresh)
    if moved.size == 0:
        return
    kept = history[moved, 1:]
    history[moved, :-1] = kept
    history[moved, -1] = newest[moved]


def _empty(n_users: int, shape: HistoryShape) -> dict[str, NDArray[Any]]:
    channels = shape.n_channels
    return {
        "history_items": np.zeros((n_users, shape.length), np.int64),
        "history_responses": np.zeros((n_users, shape.length, channels), np.float32),
        "last_slate": np.zeros((n_users, shape.slate_size), np.int64),
        "last_response": np.zeros((n_users, shape.slate_size, channels), np.float32),
        "topic_counts": np.zeros((n_users, shape.n_topics + 1), np.float32),
    }
