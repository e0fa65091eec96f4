"""Items as non-negative unit vectors over topics, most of whose entries are 0."""

from functools import cached_property

import numpy as np
from scipy.spatial import cKDTree

from rlrec.arrays import Floats, Ints
from rlrec.envs.blocks.state import summed
from rlrec.errors import ConfigError


class ItemVectors:
    """N items, each a non-negative unit vector over T topics.

    Scores are sums over the J topics an item has at most, in a fixed order, so that a user's score
    is the same in every batch.

    Args:
        dense: Shape (N, T). Rows of length 1, no entry below 0.
    """

    def __init__(self, dense: Floats) -> None:
        dense = np.array(dense, dtype=np.float64)
        if dense.ndim != 2 or not dense.size:
            raise ConfigError(f"item vectors must have shape (N, T), got {dense.shape}")
        lengths = np.sqrt((dense * dense).sum(axis=1))
        wrong = np.flatnonzero(~((np.abs(lengths - 1.0) < 1e-6) & (dense >= 0).all(axis=1)))
        if wrong.size:
            raise ConfigError(
                f"item vectors must have length 1 and no entry below 0; {wrong.size} of "
                f"{len(dense)} do not, the first is item {wrong[0]}: {dense[wrong[0]]}"
            )
        self.dense = dense
        self.n_items, self.n_topics = dense.shape
        n_kept = int((dense > 0).sum(axis=1).max())
        kept = np.argsort(-dense, axis=1, kind="stable")[:, :n_kept]
        self._topics = np.ascontiguousarray(kept.T)  # (J, N)
        self._weights = np.ascontiguousarray(np.take_along_axis(dense, kept, axis=1).T)

    @property
    def main_topics(self) -> Ints:
        """Topic of the largest entry of each item, the first of equal ones. Shape (N,)."""
        topics: Ints = self._topics[0].astype(np.int64)
        return topics

    def scores(self, vectors: Floats, items: Ints | None) -> Floats:
        """Return the dot products of each user's vector with the items before that user.

        Args:
            vectors: Shape (B, T).
            items: Shape (B, n), item_index; None for all items.

        Returns:
            Shape (B, n), or (B, N).
        """
        if items is None:
            every: Floats = vectors.take(self._topics[0], axis=1)
            every *= self._weights[0]
            for topics, weights in zip(self._topics[1:], self._weights[1:], strict=True):
                every += vectors.take(topics, axis=1) * weights
            return every
        cells = self._topics.take(items, axis=1)  # (J, B, n)
        if len(vectors) > 1:
            cells += np.arange(0, vectors.size, self.n_topics)[:, None]
        parts = vectors.take(cells)
        parts *= self._weights.take(items, axis=1)
        scores: Floats = parts[0]
        for part in parts[1:]:
            scores += part
        return scores

    def sums(self, users: Ints, items: Ints, n_users: int) -> Floats:
        """Return the sum of the vectors of F items, by user, (n_users, T); `users` rise."""
        cells = self._topics.take(items, axis=1) + users * self.n_topics
        weights = self._weights.take(items, axis=1)
        size = n_users * self.n_topics
        return summed(cells.reshape(-1), weights.reshape(-1), size).reshape(n_users, self.n_topics)

    def best_scores(self, vectors: Floats) -> Floats:
        """Return the largest dot product of each vector with any item, (F,).

        Args:
            vectors: Shape (F, T). Unit vectors: the item nearest to one has the largest product.
        """
        if not len(vectors):
            return np.zeros(0)
        nearest: Ints = np.asarray(self._tree.query(vectors)[1])
        return self.scores(vectors, nearest[:, None])[:, 0]

    @cached_property
    def _tree(self) -> cKDTree:
        return cKDTree(self.dense)
