"""Whether logged propensities fit what was shown: a check that needs no policy to judge.

If p is the probability of what is shown, then the mean over rows of 1[item = k] / p(item) is 1 for
each item k that is always on offer, and that of 1 / p the number of items; the same within every
part of the rows that is chosen by what was observed. Means well above that are impossible by
chance. Means below are not told of: the rows that would raise them may be rare.

Errors are over users, to which some imagined ones are added that brought nothing: in a small log a
mean may lie above 1 with hardly any spread.
"""

import math
from dataclasses import dataclass

import numpy as np
from scipy import stats

from rlrec.arrays import Bools, Floats, Ints
from rlrec.evaluation.offline.resampling import MOST_CLUSTERS

_CHANCE = 1e-6
"""Of a false alarm in a log, by the normal approximation."""
_LEAST_GAP = 0.05
"""A mean no further above what it should be is let pass: propensities may be rounded."""
_MOST_COLUMNS = 20
_MOST_ITEMS = 1000
"""Items, the first ones, that are looked at one by one."""


@dataclass(frozen=True, eq=False)
class InverseSums:
    """Sums of 1 / p over the rows of clusters of users, for a slot with n items to choose from."""

    of_items: Floats
    """Shape (C, J). By item shown, of the first J items."""
    of_all: Floats
    """Shape (C,)."""
    n_rows: Floats
    """Shape (C,)."""
    n_left: float
    """What 1 / p averages to, at most."""
    where: str = ""
    """Which rows and slot, for the message."""

    def plus(self, other: "InverseSums") -> "InverseSums":
        """Return the sums of these rows and of others."""
        return InverseSums(
            self.of_items + other.of_items,
            self.of_all + other.of_all,
            self.n_rows + other.n_rows,
            self.n_left,
            self.where,
        )


def inverse_sums(
    clusters: Ints,
    items: Ints,
    propensities: Floats,
    n_items: int,
    n_left: float | None = None,
    where: str = "",
) -> InverseSums:
    """Return the sums of rows.

    Args:
        clusters: Shape (n,). Of each row, in 0..MOST_CLUSTERS - 1.
        items: Shape (n,). What was shown.
        propensities: Shape (n,). Of that item, given what stands above it.
        n_items: Items there are.
        n_left: Items to choose from; by default all.
        where: For the message.
    """
    inverse = 1.0 / propensities
    n_told = min(n_items, _MOST_ITEMS)
    told = items < n_told
    cells = clusters[told] * n_told + items[told]
    sums = np.bincount(cells, inverse[told], MOST_CLUSTERS * n_told).astype(np.float64)
    return InverseSums(
        sums.reshape(MOST_CLUSTERS, n_told),
        np.bincount(clusters, inverse, MOST_CLUSTERS).astype(np.float64),
        np.bincount(clusters, minlength=MOST_CLUSTERS).astype(np.float64),
        float(n_items if n_left is None else n_left),
        where,
    )


def row_sums(
    users: Ints,
    slates: Ints,
    given_prefix: Floats | None,
    log_joint: Floats,
    n_items: int,
    observed: Floats | None = None,
) -> list[InverseSums]:
    """Return the sums of a log: of each slot, and of first slots by what was observed.

    Args:
        users: Shape (n,). Numbered from 0.
        slates: Shape (n, K).
        given_prefix: Shape (n, K). Propensity of each slot given those above; None where only that
            of the slate is known.
        log_joint: Shape (n,). Logarithm of the propensity of the slate.
        n_items: Items (or candidates) in each row.
        observed: Shape (n, D). What the logging policy may have looked at; rows are divided at the
            median of each of the first 20 columns.
    """
    clusters = users % MOST_CLUSTERS
    if given_prefix is None:
        # With all orders of the other slots alike, 1 / p counts them.
        rest = math.lgamma(n_items) - math.lgamma(n_items - slates.shape[1] + 1)
        first = np.exp(log_joint + rest)
        return [inverse_sums(clusters, slates[:, 0], first, n_items)]
    found = [
        inverse_sums(
            clusters,
            slates[:, slot],
            given_prefix[:, slot],
            n_items,
            n_items - slot,
            f" in slot {slot}" if slot else "",
        )
        for slot in range(slates.shape[1])
    ]
    for where, rows in _halves(observed):
        first = given_prefix[rows, 0]
        found.append(inverse_sums(clusters[rows], slates[rows, 0], first, n_items, None, where))
    return found


def propensity_doubt(sums: list[InverseSums]) -> str:
    """Return how propensities disagree with what was shown, "" where they do not."""
    n_means = sum(1 + each.of_items.shape[1] for each in sums)
    limit = float(stats.norm.isf(_CHANCE / max(n_means, 1)))
    found: list[tuple[float, str]] = []
    for each in sums:
        if each.n_rows.sum() == 0:
            continue
        whole = each.of_all[:, None] / each.n_left
        means, errors = _means(np.concatenate([whole, each.of_items], axis=1), each.n_rows, limit)
        off = (means - 1.0) / errors
        wrong = np.flatnonzero((means > 1.0 + _LEAST_GAP) & (off > limit))
        if wrong.size:
            worst = int(wrong[off[wrong].argmax()])
            told = f"item {worst - 1} was shown {means[worst]:.3g} times as often as they say"
            if worst == 0:
                told = f"they are too low by a factor of {means[0]:.3g} on average"
            found.append((float(off[worst]), told + each.where))
    if not found:
        return ""
    off_by, told = max(found)
    return f"the propensities do not fit the log: {told} ({off_by:.0f} standard errors)"


def _means(totals: Floats, n_rows: Floats, limit: float) -> tuple[Floats, Floats]:
    """Return means a row and their standard errors, (J,), of sums over clusters (C, J)."""
    real = n_rows > 0
    totals, n_rows = totals[real], n_rows[real]
    n_imagined = math.ceil(limit**2)
    size = float(n_rows.mean())
    n_clusters, n = len(n_rows) + n_imagined, float(n_rows.sum()) + n_imagined * size
    means = totals.sum(axis=0) / n
    spread = ((totals - means * n_rows[:, None]) ** 2).sum(axis=0) + n_imagined * (
        means * size
    ) ** 2
    errors = np.sqrt(spread * n_clusters / (n_clusters - 1)) / n
    return means, np.maximum(errors, np.finfo(np.float64).tiny)


def _halves(observed: Floats | None) -> list[tuple[str, Bools]]:
    found = []
    if observed is not None:
        for column in range(min(observed.shape[1], _MOST_COLUMNS)):
            values = observed[:, column]
            high = values > np.median(values)
            if not high.any():  # more than half the rows have the largest value
                high = values >= np.median(values)
            for word, rows in (("high", high), ("low", ~high)):
                found.append((f" where observed column {column} is {word}", rows))
    return found
