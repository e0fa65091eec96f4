"""Blocks in which every user responded to every item, or nearly so: the truth is known there."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rlrec.arrays import Floats, Ints
from rlrec.data.log import InteractionLog
from rlrec.data.log_columns import response_column
from rlrec.data.ratings import Ratings
from rlrec.errors import DataError, UnknownNameError, nearest_hint


class ObservedBlock(NamedTuple):
    """What each of U users thinks of each of N items.

    Stability: experimental.
    """

    user_ids: NDArray[Any]
    """Shape (U,). The data set's own labels."""
    item_index: Ints
    """Shape (N,). Rows of the catalogue, ascending."""
    values: Floats
    """Shape (U, N). NaN where a user did not respond to an item."""

    @property
    def density(self) -> float:
        """Share of the cells that are known, in (0, 1]."""
        return float(np.isfinite(self.values).mean())


def fully_observed(ratings: Ratings) -> ObservedBlock:
    """Return the users who rated every item of the catalogue, with all their ratings.

    Raises:
        DataError: There is no such user.
    """
    matrix = ratings.matrix(binary=True)
    complete = np.flatnonzero(np.diff(matrix.indptr) == ratings.n_items)
    if not complete.size:
        raise DataError(
            f"no user rated all {ratings.n_items:,} items of the catalogue; the most that one "
            f"rated are {int(np.diff(matrix.indptr).max(initial=0)):,}"
        )
    values = ratings.matrix()[complete].toarray()
    return ObservedBlock(ratings.user_ids[complete], np.arange(ratings.n_items), values)


def block_of_log(log: InteractionLog, channel: str) -> ObservedBlock:
    """Return a log of single items as a block: the last response of each user to each item.

    Args:
        log: With slates of one item, of few enough users and items that all pairs fit in memory.
        channel: The response.

    Raises:
        UnknownNameError: The log has no such channel.
        DataError: Slates have several items.
    """
    if log.metadata.slate_size != 1:
        raise DataError(f"a block needs slates of one item, got {log.metadata.slate_size}")
    if channel not in log.metadata.response_channels:
        hint = nearest_hint(channel, log.metadata.response_channels)
        raise UnknownNameError(f"no response channel is called {channel!r}.{hint}")
    rows = log.columns(("user_id", "slate", response_column(channel)))
    user_ids, users = np.unique(rows["user_id"], return_inverse=True)
    item_index, items = np.unique(rows["slate"][:, 0], return_inverse=True)
    values = np.full((len(user_ids), len(item_index)), np.nan)
    values[users, items] = rows[response_column(channel)][:, 0]  # of repeated cells, the last
    return ObservedBlock(user_ids, item_index, values)
