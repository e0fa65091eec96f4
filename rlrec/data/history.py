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
            slates: Shape (B, K). What was shown: item_index, or the position where documents are
                fresh and have no identity.
            responses: Shape (B, K, R). What came back; channel 0 above 0 means a response.
            topics: Shape (B, K). Topic of each slot.
        """
        cells = np.flatnonzero(responses[:, :, 0] > 0)  # by user, then in slate order
        users = cells // slates.shape[1]
        counts = np.bincount(users, minlength=len(slates))
        if "topic_counts" in self._arrays:
            self._count(users, topics.take(cells), counts)
        if "history_items" in self._arrays or "history_responses" in self._arrays:
            values = responses.reshape(-1, responses.shape[2]).take(cells, axis=0)
            self._append(users, slates.take(cells) + 1, values, counts)
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

    def _count(self, users: Ints, topics: Ints, counts: Ints) -> None:
        """Count F responses, given by user and topic; `counts` has shape (B,)."""
        topic_counts = self._arrays["topic_counts"]
        cells = users * topic_counts.shape[1] + topics
        np.add.at(topic_counts.reshape(-1), cells, np.float32(1.0))  # on one axis, where it is fast
        topic_counts[:, -1] += counts == 0

    def _append(self, users: Ints, items: Ints, responses: Floats32, counts: Ints) -> None:
        """Put F responses at the end of their users' histories, in order."""
        newest: dict[str, NDArray[Any]] = {"history_items": items, "history_responses": responses}
        # A user's first responses, then the second ones, and so on: each user once at a time.
        ranks = np.arange(len(users)) - (np.cumsum(counts) - counts)[users]
        for rank in range(int(counts.max(initial=0))):
            now = slice(None) if len(users) == np.count_nonzero(counts) else ranks == rank
            for key, values in newest.items():
                if key in self._arrays:
                    _push(self._arrays[key], users[now], values[now])


def _push(history: NDArray[Any], users: Ints, newest: NDArray[Any]) -> None:
    """Shift the rows of some users one place to the left and put `newest` last."""
    history[users, :-1] = history[users, 1:]
    history[users, -1] = newest


def _empty(n_users: int, shape: HistoryShape) -> dict[str, NDArray[Any]]:
    channels = shape.n_channels
    return {
        "history_items": np.zeros((n_users, shape.length), np.int64),
        "history_responses": np.zeros((n_users, shape.length, channels), np.float32),
        "last_slate": np.zeros((n_users, shape.slate_size), np.int64),
        "last_response": np.zeros((n_users, shape.slate_size, channels), np.float32),
        "topic_counts": np.zeros((n_users, shape.n_topics + 1), np.float32),
    }
