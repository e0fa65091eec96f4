"""Whether logged propensities fit what was shown: a check that needs no policy to judge.

If p is the probability of what is shown, then the mean over rows of 1[item = k] / p(item) is 1 for
each item k that is always on offer, and that of 1 / p the number of items; the same within every
part of the rows that is chosen by what was observed. Means well above that are impossible by
chance. Means below are not told of: the rows that would raise them may be rare.
"""

import numpy as np
from scipy import stats

from rlrec.arrays import Bools, Floats, Ints

_CHANCE = 1e-6
"""Of a false alarm in a log, by the normal approximation."""
_LEAST_GAP = 0.05
"""A mean no further above what it should be is let pass: propensities may be rounded."""
_LEAST_ROWS = 30
"""Rows that a mean rests on."""
_MOST_COLUMNS = 20
_MOST_ITEMS = 1000
"""Items, the most frequent ones, that are looked at one by one."""


def propensity_doubt(
    choices: Ints, propensities: Floats, n_choices: int, observed: Floats | None = None
) -> str:
    """Return how propensities disagree with what was shown, "" where they do not.

    Args:
        choices: Shape (n,). What was shown (in the first slot), in 0..n_choices - 1.
        propensities: Shape (n,). In (0, 1].
        n_choices: Number of what may be shown, the same in each row.
        observed: Shape (n, D). What the logging policy may have looked at; rows are divided at the
            median of each of the first 20 columns.
    """
    inverse = 1.0 / propensities
    parts: list[tuple[str, Bools]] = [("", np.ones(len(choices), bool)), *_halves(observed)]
    counts = np.bincount(choices, minlength=n_choices)
    items = np.argsort(-counts, kind="stable")[:_MOST_ITEMS]
    items = items[counts[items] >= _LEAST_ROWS]
    limit = float(stats.norm.isf(_CHANCE / (len(parts) + len(items))))
    told = [(where, *_mean(inverse[rows] / n_choices)) for where, rows in parts]
    found = [
        (
            (mean - 1.0) / error,
            f"they are too low by a factor of {mean:.3g} on average{where}",
        )
        for where, mean, error in told
        if _is_above(mean, error, limit)
    ]
    sums = np.bincount(choices, inverse, n_choices)[items] / len(choices)
    squares = np.bincount(choices, inverse**2, n_choices)[items] / len(choices)
    errors = np.sqrt(np.maximum(squares - sums**2, 0.0) / len(choices))
    found += [
        ((mean - 1.0) / error, f"item {item} was shown {mean:.3g} times as often as they say")
        for item, mean, error in zip(items.tolist(), sums, errors, strict=True)
        if _is_above(mean, error, limit)
    ]
    if not found:
        return ""
    errors_off, worst = max(found)
    return f"the propensities do not fit the log: {worst} ({errors_off:.0f} standard errors)"


def _is_above(mean: float, error: float, limit: float) -> bool:
    return mean > 1.0 + _LEAST_GAP and mean - 1.0 > limit * error > 0


def _mean(values: Floats) -> tuple[float, float]:
    if len(values) < _LEAST_ROWS:
        return 1.0, np.inf
    return float(values.mean()), float(values.std(ddof=1) / np.sqrt(len(values)))


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
