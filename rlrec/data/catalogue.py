"""The items that can be recommended."""

import hashlib
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from rlrec.arrays import Floats32, Ints
from rlrec.errors import DataError


@dataclass(frozen=True, eq=False)
class Catalogue:
    """Items by row number (`item_index`, 0..n_items-1). Frozen; arrays are made read-only.

    Stability: stable.
    """

    item_ids: NDArray[Any]
    """Shape (N,). The data set's own labels, unique; integers or strings."""
    topics: Ints
    """Shape (N,). Main topic of each item, in 0..n_topics-1."""
    features: Floats32
    """Shape (N, D). What is openly known of each item; D may be 0."""
    topic_names: tuple[str, ...]
    """One name a topic."""
    titles: tuple[str, ...] = field(default=())
    """One title an item, or empty."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "item_ids", np.array(self.item_ids))
        object.__setattr__(self, "topics", np.array(self.topics, dtype=np.int64))
        object.__setattr__(self, "features", np.array(self.features, dtype=np.float32))
        for array in (self.item_ids, self.topics, self.features):
            array.setflags(write=False)
        self._check()

    @classmethod
    def of_ids(cls, item_ids: NDArray[Any], titles: tuple[str, ...] = ()) -> Self:
        """Return a catalogue of items of which no more is known: one topic "all", no features.

        Args:
            item_ids: Shape (N,). Unique.
            titles: One an item, or empty.
        """
        n_items = len(item_ids)
        return cls(
            item_ids=item_ids,
            topics=np.zeros(n_items, np.int64),
            features=np.zeros((n_items, 0), np.float32),
            topic_names=("all",),
            titles=titles,
        )

    @property
    def n_items(self) -> int:
        """Number of items, N."""
        return int(self.item_ids.shape[0])

    @property
    def n_topics(self) -> int:
        """Number of topics, T."""
        return len(self.topic_names)

    @cached_property
    def fingerprint(self) -> str:
        """16 hex digits that change with the ids, topics or features of the items."""
        digest = hashlib.sha256()
        for part in ("\n".join(map(str, self.item_ids.tolist())), "\n".join(self.topic_names)):
            digest.update(part.encode())
        digest.update(self.topics.tobytes())
        digest.update(self.features.tobytes())
        return digest.hexdigest()[:16]

    def index_of(self, item_ids: NDArray[Any]) -> Ints:
        """Return the item_index of each id; raises DataError at the first unknown one."""
        order = np.argsort(self.item_ids, kind="stable")
        position = np.searchsorted(self.item_ids, item_ids, sorter=order)
        index = order[np.minimum(position, self.n_items - 1)]
        wrong = np.flatnonzero(self.item_ids[index] != item_ids)
        if wrong.size:
            raise DataError(
                f"every item id must be in the catalogue; {wrong.size} of {len(item_ids)} are not, "
                f"the first at position {wrong[0]}: {item_ids[wrong[0]]!r}"
            )
        return index.astype(np.int64, copy=False)

    def _check(self) -> None:
        if self.n_items == 0:
            raise DataError("a catalogue needs at least one item, got none")
        if self.topics.shape != (self.n_items,) or self.features.shape[:-1] != (self.n_items,):
            raise DataError(
                f"topics and features need one row for each of {self.n_items} items, got shapes "
                f"{self.topics.shape} and {self.features.shape}"
            )
        if self.topics.min() < 0 or self.topics.max() >= self.n_topics:
            raise DataError(
                f"topics must lie in 0..{self.n_topics - 1}, got "
                f"{self.topics.min()}..{self.topics.max()}"
            )
        if len(np.unique(self.item_ids)) != self.n_items:
            raise DataError("item ids must be unique within a catalogue")
        if self.titles and len(self.titles) != self.n_items:
            raise DataError(f"titles must be none or {self.n_items}, got {len(self.titles)}")
