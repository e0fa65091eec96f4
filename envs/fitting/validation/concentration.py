"""How unevenly items are taken."""

import numpy as np

from rlrec.arrays import Floats


def gini(counts: Floats) -> float:
    """Return the Gini coefficient of how often items were taken: 0 for all alike, 1 for one alone.

    Reference:
        Gini, 1912, "Variabilita e mutabilita".
    """
    ordered = np.sort(np.asarray(counts, np.float64))
    total, n = ordered.sum(), len(ordered)
    if total == 0:
        return 0.0
    return float((2 * np.arange(1, n + 1) - n - 1) @ ordered / (n * total))


def zipf_slope(counts: Floats) -> float:
    """Return the slope of the logarithm of the counts over that of their rank; nan for few.

    By least squares over items taken at all.
    """
    taken = np.sort(np.asarray(counts, np.float64))[::-1]
    taken = taken[taken > 0]
    if len(taken) < 3:
        return float("nan")
    ranks = np.log(np.arange(1, len(taken) + 1))
    return float(np.polyfit(ranks, np.log(taken), 1)[0])
