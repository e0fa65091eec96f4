"""How recommendations spread over the items."""

import numpy as np

from rlrec.arrays import Floats, Ints


def shown_counts(slates: Ints, n_items: int) -> Ints:
    """Return how often each item is shown; entries below 0 are empty places. Shape (n_items,)."""
    return np.bincount(slates[slates >= 0], minlength=n_items).astype(np.int64, copy=False)


def coverage(counts: Ints | Floats) -> float:
    """Return the share of items, in [0, 1], that are shown at least once.

    Args:
        counts: Shape (N,). How often each item is shown.
    """
    return float(np.mean(np.asarray(counts) > 0))


def gini(counts: Ints | Floats) -> float:
    """Return the Gini coefficient of how often items are shown.

    0 when all N items are shown equally often, (N - 1) / N when only one is shown; nan when
    nothing is shown.

    Args:
        counts: Shape (N,), 0 or more. Items that are never shown count.

    Reference:
        Fleder and Hosanagar, 2009, "Blockbuster Culture's Next Rise or Fall".
    """
    ordered = np.sort(np.asarray(counts, dtype=np.float64))
    n_items, total = ordered.size, ordered.sum()
    if total == 0:
        return float("nan")
    ranks = np.arange(1, n_items + 1)
    return float(((2 * ranks - n_items - 1) * ordered).sum() / (n_items * total))
