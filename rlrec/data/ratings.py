"""Ratings of items by users, in the order of their file."""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from rlrec.arrays import Floats, Ints
from rlrec.data.catalogue import Catalogue
from rlrec.data.log import InteractionLog, LogMetadata
from rlrec.errors import DataError


@dataclass(frozen=True, eq=False)
class Ratings:
    """One row a rating, in file order; users and items as row numbers.

    Stability: stable.
    """

    user_ids: NDArray[Any]
    """Shape (U,). The data set's own labels, ascending; integers or strings."""
    user_index: Ints
    """Shape (n,). Row number in `user_ids` of who rated."""
    item_index: Ints
    """Shape (n,). Row number in the catalogue of what was rated."""
    values: Floats
    """Shape (n,). The ratings; all 1 where the data only say that something happened."""
    timestamps: Ints | None
    """Shape (n,). Unix seconds; None where unknown."""
    catalogue: Catalogue
    is_ordered: bool = False
    """Whether the rows of each user stand in the order of time though it is not known when."""

    def __post_init__(self) -> None:
        columns = [self.user_index, self.item_index, self.values]
        columns += [] if self.timestamps is None else [self.timestamps]
        if len({column.shape for column in columns}) != 1 or not len(self.values):
            raise DataError(
                f"ratings need one or more rows, and columns of equal length, got shapes "
                f"{[column.shape for column in columns]}"
            )

    @property
    def n_users(self) -> int:
        """Number of users, U."""
        return len(self.user_ids)

    @property
    def n_items(self) -> int:
        """Number of items of the catalogue, N, rated or not."""
        return self.catalogue.n_items

    @cached_property
    def n_rated_items(self) -> int:
        """Number of items with at least one rating."""
        return len(np.unique(self.item_index))

    def __len__(self) -> int:
        return len(self.values)

    def matrix(self, rows: Ints | None = None, binary: bool = False) -> csr_matrix[np.float64]:
        """Return ratings as a sparse matrix of users and items.

        Args:
            rows: Positions of the ratings to take, by default all.
            binary: Put 1 for each rated item.

        Returns:
            Shape (U, N). Of an item a user rated more than once, the latest rating.
        """
        part = self if rows is None else self.subset(rows)
        order = part.by_user_and_time()
        cell = part.user_index[order] * self.n_items + part.item_index[order]
        cells, from_end = np.unique(cell[::-1], return_index=True)
        values = np.ones(len(cells)) if binary else part.values[order][::-1][from_end]
        users, items = np.divmod(cells, self.n_items)
        return csr_matrix((values, (users, items)), shape=(self.n_users, self.n_items))

    def subset(self, rows: Ints) -> Self:
        """Return some of the ratings, with the same users and catalogue."""
        return replace(
            self,
            user_index=self.user_index[rows],
            item_index=self.item_index[rows],
            values=self.values[rows],
            timestamps=None if self.timestamps is None else self.timestamps[rows],
        )

    def by_user_and_time(self) -> Ints:
        """Return the rows ordered by user, then time, then place in the file."""
        times = np.zeros(len(self), np.int64) if self.timestamps is None else self.timestamps
        return np.lexsort((times, self.user_index))  # stable, so ties stay in file order

    def places(self) -> Ints:
        """Return how many earlier ratings of the same user there are to each, shape (n,)."""
        order = self.by_user_and_time()
        users = self.user_index[order]
        starts = np.append(True, users[1:] != users[:-1])
        rank = np.arange(len(users))
        places = np.empty(len(users), np.int64)
        places[order] = rank - np.maximum.accumulate(np.where(starts, rank, 0))
        return places

    def to_log(self) -> InteractionLog:
        """Return the ratings as a log: slates of one item, one episode a user, reward = rating.

        There are no propensities, and the channel "rating" counts as a response where above 0.
        """
        order = self.by_user_and_time()
        users, values = self.user_index[order], self.values[order]
        columns = {
            "user_id": self.user_ids[users],
            "episode_id": users,
            "step": self.places()[order],
            "slate": self.item_index[order, None],
            "response.rating": values[:, None],
            "reward": values,
            "terminated": np.zeros(len(users), bool),
            "truncated": np.append(users[1:] != users[:-1], True),
        }
        if self.timestamps is not None:
            columns["timestamp"] = self.timestamps[order]
        metadata = LogMetadata(
            slate_size=1,
            response_channels=("rating",),
            catalogue_fingerprint=self.catalogue.fingerprint,
            n_topics=self.catalogue.n_topics,
            logging_policy="unknown (ratings)",
        )
        return InteractionLog.from_columns(columns, metadata)

    def summary(self) -> str:
        """Return the counts and the mean as a line of text."""
        rated = self.n_rated_items
        items = f"{self.n_items:,} items"
        if rated < self.n_items:
            items = f"{rated:,} items (catalogue of {self.n_items:,})"
        return (
            f"{len(self):,} ratings by {self.n_users:,} users of {items}, "
            f"mean {self.values.mean():.2f}"
        )
