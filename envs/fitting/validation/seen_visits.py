"""How long each visit of a log would have been seen, had it not ended before."""

import numpy as np

from rlrec.arrays import Bools, Floats, Ints

UNBOUNDED = np.iinfo(np.int64).max
"""Window of a visit that is never cut off."""


def seen_windows(lengths: Ints, is_cut: Bools, rng: np.random.Generator) -> Ints:
    """Return the number of steps (V,) after which each visit would have been cut off.

    That of a visit which was cut off is its length. Of one that ended it is drawn from the
    product-limit estimate of the windows, given that it is not shorter than the visit: `UNBOUNDED`
    where the log does not say when longer visits are cut off. Right where how long a visit may be
    seen does not depend on when its user leaves.

    Args:
        lengths: Shape (V,). Steps of each visit, 1 or more.
        is_cut: Shape (V,). Whether the log ends it before its user left.
        rng: Of the draws.

    Reference:
        Kaplan and Meier, 1958, "Nonparametric Estimation from Incomplete Observations".
    """
    cuts, n_cut = np.unique(lengths[is_cut], return_counts=True)
    windows = np.where(is_cut, lengths, UNBOUNDED)
    if not len(cuts):
        return windows
    ended = np.flatnonzero(~is_cut)
    n_longer = len(lengths) - np.searchsorted(np.sort(lengths), cuts, side="right")
    left: Floats = np.append(1.0, np.cumprod(n_longer / (n_longer + n_cut)))
    before = left[np.searchsorted(cuts, lengths[ended], side="left")]
    place = np.searchsorted(-left[1:], -rng.random(len(ended)) * before, side="left")
    windows[ended] = np.append(cuts, UNBOUNDED)[place]
    return windows
