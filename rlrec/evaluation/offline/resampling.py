"""Bootstrap over users: counts drawn once serve all estimators and policies."""

from typing import NamedTuple, Self

import numpy as np
from scipy import stats

from rlrec.arrays import Floats, Ints
from rlrec.errors import DataError
from rlrec.evaluation.offline.scalars import check_whole
from rlrec.evaluation.offline.terms import Terms, ratio_sums

MOST_CLUSTERS = 1000
"""Clusters resampled; where there are more users, whole users are dealt into so many blocks."""


class Replicates(NamedTuple):
    """An estimate (or a difference of two), and how it comes out of each bootstrap replicate."""

    value: float
    """Of the log itself."""
    values: Floats
    """Shape (R,). In each replicate; nan where its weights are all 0."""
    influences: Floats
    """Shape (C,). What each cluster adds to the estimate, up to a factor that all share."""

    def minus(self, other: Self) -> "Replicates":
        """Return the difference from another estimate on the same resamples."""
        return Replicates(
            self.value - other.value,
            self.values - other.values,
            self.influences - other.influences,
        )

    @property
    def effective_clusters(self) -> float:
        """Number of clusters that the spread rests on, 1 to C.

        (sum of squared influences)^2 / (sum of their fourth powers): C where all have the same
        size, a third of it for normal ones.
        """
        squares = self.influences**2
        total = float(squares.sum())
        return total**2 / float((squares**2).sum()) if total > 0 else float(len(squares))

    def stretched(self, confidence: float = 0.95) -> Floats:
        """Return the replicates moved off the estimate, where few clusters decide their spread.

        Replicates show the spread of the log for the true one. Under heavy weights it comes from
        few clusters, and is itself uncertain, so distances from the estimate grow by the ratio of a
        quantile of Student's t, with `effective_clusters` - 1 degrees of freedom (1 at least), to
        that of the normal. Where many clusters count about the same, that is hardly more than 1.

        Args:
            confidence: At which the two quantiles are compared, in (0, 1).
        """
        tail = 0.5 - confidence / 2.0
        freedom = max(self.effective_clusters - 1.0, 1.0)
        stretch = float(stats.t.isf(tail, freedom) / stats.norm.isf(tail))
        moved: Floats = self.value + stretch * (self.values - self.value)
        return moved


class Resamples:
    """Bootstrap replicates of a log whose rows belong to users.

    Users (clusters) are resampled with replacement, since a user's rows are not independent. With
    more users than `most_clusters` they are first dealt at random into that many blocks of whole
    users, which costs little and changes the interval little. The counts are drawn once, so
    estimators and policies are compared on the same replicates.

    Args:
        users: Shape (n,). Cluster of each unit, any whole numbers; None makes each unit its own.
        n_units: n.
        n_replicates: R, 2 or more.
        seed: Of the draws.
        most_clusters: Blocks at most, 2 or more.
    """

    def __init__(
        self,
        users: Ints | None,
        n_units: int,
        n_replicates: int = 1000,
        seed: int = 0,
        most_clusters: int = MOST_CLUSTERS,
    ) -> None:
        check_whole("n_replicates", n_replicates, 2)
        check_whole("seed", seed, 0)
        check_whole("most_clusters", most_clusters, 2)
        rng = np.random.default_rng(seed)
        self._blocks = _blocks(users, n_units, most_clusters, rng)
        self.n_clusters = int(self._blocks.max()) + 1
        shares = np.full(self.n_clusters, 1.0 / self.n_clusters)
        counts = rng.multinomial(self.n_clusters, shares, size=n_replicates)
        self._counts: Floats = counts.astype(np.float64)  # (R, C)

    def of(self, terms: Terms) -> Replicates:
        """Return an estimate with its replicates."""
        influences = self._block_sums(terms.influences()[:, None])[:, 0]
        return Replicates(terms.value, self.values(terms), influences)

    def values(self, terms: Terms) -> Floats:
        """Return the estimate in each replicate, re-normalised inside it, shape (R,)."""
        if terms.n_units != len(self._blocks):
            raise DataError(
                f"these resamples are of {len(self._blocks)} units, the terms of {terms.n_units}"
            )
        numerators = self._counts @ self._block_sums(terms.numerators)
        if terms.denominators is None:
            sizes = np.bincount(self._blocks, minlength=self.n_clusters).astype(np.float64)
            denominators = (self._counts @ sizes)[:, None]
        else:
            denominators = self._counts @ self._block_sums(terms.denominators)
        return ratio_sums(numerators, denominators)

    def _block_sums(self, values: Floats) -> Floats:
        return np.stack(
            [np.bincount(self._blocks, column, self.n_clusters) for column in values.T], axis=1
        )


def _blocks(users: Ints | None, n_units: int, most_clusters: int, rng: np.random.Generator) -> Ints:
    """Return the block of each unit, numbered from 0 without gaps."""
    if users is None:
        clusters = np.arange(n_units)
    else:
        if users.shape != (n_units,):
            raise DataError(f"users must have shape ({n_units},), got {users.shape}")
        clusters = np.unique(users, return_inverse=True)[1].astype(np.int64)
    n_clusters = int(clusters.max()) + 1
    if n_clusters <= most_clusters:
        return clusters
    dealt = np.arange(n_clusters) % most_clusters
    rng.shuffle(dealt)
    return dealt[clusters]
