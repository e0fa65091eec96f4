"""The part of an observation that follows from what was shown and what came back.

Environments keep it while users act, and `rebuild_observations` makes it again from a log, both
by this code, so that an agent sees the same thing in both worlds.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from rlrec.arrays import Floats32, Ints
from rlrec.data.recent import Recent

HISTORY_KEYS = (
    "history_items",
    "history_responses",
    "last_slate",
    "last_response",
    "topic_counts",
)
_RECENT = ("history_items", "history_responses")  # of which the last H are kept


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

    @classmethod
    def declared(
        cls, shapes: Mapping[str, tuple[int, ...]], slate_size: int, n_channels: int
    ) -> Self:
        """Return the history that an observation declares.

        Args:
            shapes: Shape a user of each observation key; other keys may be among them.
            slate_size: K.
            n_channels: R.
        """
        recent = shapes.get("history_items", shapes.get("history_responses", (1,)))
        return cls(
            keys=tuple(key for key in HISTORY_KEYS if key in shapes),
            slate_size=slate_size,
            n_channels=n_channels,
            n_topics=shapes.get("topic_counts", (1,))[0] - 1,
            length=recent[0],
        )


class History:
    """History of a batch of B users; each row starts empty.

    Args:
        n_users: B.
        shape: Keys and sizes.
    """

    def __init__(self, n_users: int, shape: HistoryShape) -> None:
        self.shape = shape
        empty = _empty(n_users, shape)
        self._arrays = {key: empty[key] for key in shape.keys if key not in _RECENT}
        recent = {key: empty[key] for key in shape.keys if key in _RECENT}
        self._recent = Recent(recent, shape.length, n_users, shape.slate_size) if recent else None

    def clear(self, rows: Ints) -> None:
        """Forget everything about some users: a new episode starts."""
        for array in self._arrays.values():
            array[rows] = 0
        if self._recent is not None:
            self._recent.clear(rows)

    def record(
        self, slates: Ints, responses: Floats32, topics: Ints, cells: Ints | None = None
    ) -> None:
        """Take in one step of all users.

        Args:
            slates: Shape (B, K). What was shown: item_index, or the position where documents are
                fresh and have no identity.
            responses: Shape (B, K, R). What came back; channel 0 above 0 means a response.
            topics: Shape (B, K). Topic of each slot.
            cells: Shape (F,). user * K + slot of each response, rising; by default found.
        """
        if cells is None:
            cells = np.flatnonzero(responses[:, :, 0] > 0)  # by user, then in slate order
        if len(cells):
            self._take_in(cells, slates, responses, topics)
        elif "topic_counts" in self._arrays:
            self._arrays["topic_counts"][:, -1] += 1
        if "last_slate" in self._arrays:
            np.add(slates, 1, out=self._arrays["last_slate"])
        if "last_response" in self._arrays:
            self._arrays["last_response"][:] = responses

    def observe(self, rows: Ints | slice = slice(None)) -> dict[str, NDArray[Any]]:
        """Return copies of the declared keys for some users, by default for all."""
        recent = {} if self._recent is None else self._recent.observe(rows)
        kept = self._arrays
        if isinstance(rows, slice):
            return {k: kept[k][rows].copy() if k in kept else recent[k] for k in self.shape.keys}
        return {k: kept[k].take(rows, 0) if k in kept else recent[k] for k in self.shape.keys}

    def first(self, n_users: int) -> "History":
        """Return the history of the first `n_users` users; it shares memory with this one."""
        part = History(0, self.shape)
        part._arrays = {key: array[:n_users] for key, array in self._arrays.items()}
        part._recent = None if self._recent is None else self._recent.first(n_users)
        return part

    def restore(self, observed: dict[str, NDArray[Any]]) -> None:
        """Take back what `observe` returned earlier."""
        for key, array in self._arrays.items():
            array[:] = observed[key]
        if self._recent is not None:
            self._recent.restore(observed)

    def _take_in(self, cells: Ints, slates: Ints, responses: Floats32, topics: Ints) -> None:
        """Count and keep F responses, 1 or more."""
        users = cells // slates.shape[1]
        counts = np.bincount(users, minlength=len(slates))
        if "topic_counts" in self._arrays:
            self._count(users, topics.take(cells), counts)
        if self._recent is not None:
            values = responses.reshape(-1, responses.shape[2]).take(cells, axis=0)
            items = slates.take(cells) + 1
            newest: dict[str, NDArray[Any]] = {"history_items": items, "history_responses": values}
            self._recent.append(users, counts, newest)

    def _count(self, users: Ints, topics: Ints, counts: Ints) -> None:
        """Count F responses, given by user and topic; `counts` has shape (B,)."""
        topic_counts = self._arrays["topic_counts"]
        cells = users * topic_counts.shape[1] + topics
        np.add.at(topic_counts.reshape(-1), cells, np.float32(1.0))  # on one axis, where it is fast
        topic_counts[:, -1] += counts == 0


def _empty(n_users: int, shape: HistoryShape) -> dict[str, NDArray[Any]]:
    channels = shape.n_channels
    return {
        "history_items": np.zeros((n_users, shape.length), np.int64),
        "history_responses": np.zeros((n_users, shape.length, channels), np.float32),
        "last_slate": np.zeros((n_users, shape.slate_size), np.int64),
        "last_response": np.zeros((n_users, shape.slate_size, channels), np.float32),
        "topic_counts": np.zeros((n_users, shape.n_topics + 1), np.float32),
    }
