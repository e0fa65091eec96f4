"""The exact best slate for users who scan it from the top and may stop on the way."""

import numpy as np

from rlrec.arrays import Bools, Floats, Ints
from rlrec.slates import top_slates


def best_scanned_slates(worth: Floats, goes_on: Floats, slate_size: int) -> Ints:
    """Return the slates with the largest expected worth, in the order in which to show them.

    A slate (i, j, ...) is worth w_i + c_i * (w_j + c_j * (...)). Swapping two neighbours shows that
    items must come in the order of w / (1 - c), whichever are chosen; which ones is found by going
    through all items in this order from the last, keeping the best value of every number of slots.
    It takes N steps of arrays of B x K, so it is made for catalogues, not for millions of items.

    Args:
        worth: Shape (B, N). Expected worth w of an item that is looked at.
        goes_on: Shape (B, N). P(looks on | looked at the item), c in 0..1.
        slate_size: K, at most N.

    Returns:
        Shape (B, K).
    """
    order = top_slates(_precedence(worth, goes_on), worth.shape[1])
    takes = _takes(
        np.take_along_axis(worth, order, axis=1).T,
        np.take_along_axis(goes_on, order, axis=1).T,
        slate_size,
    )
    return np.take_along_axis(order, _first_taken(takes), axis=1)


def _precedence(worth: Floats, goes_on: Floats) -> Floats:
    """Return w / (1 - c); items that never stop the scan come first if they are worth something."""
    stops = 1.0 - goes_on
    precedence = np.where(worth > 0, np.inf, np.where(worth < 0, -np.inf, 0.0))
    np.divide(worth, stops, out=precedence, where=stops > 0)
    return precedence


def _takes(worth: Floats, goes_on: Floats, slate_size: int) -> Bools:
    """Return whether item i is taken by who has k + 1 slots left for it and later ones, (N, K, B).

    `worth` and `goes_on` have shape (N, B), items in the order in which they may be shown.
    """
    n_items, n_users = worth.shape
    takes = np.zeros((n_items, slate_size, n_users), bool)
    values = np.full((slate_size + 1, n_users), -np.inf)  # of k slots filled with later items
    values[0] = 0.0
    for item in range(n_items - 1, -1, -1):
        most = min(slate_size, n_items - item)
        with_item = worth[item] + goes_on[item] * values[:most]
        takes[item, :most] = with_item > values[1 : most + 1]
        np.maximum(values[1 : most + 1], with_item, out=values[1 : most + 1])
    return takes


def _first_taken(takes: Bools) -> Ints:
    """Return the items that fill K slots when `takes` is followed from the first on, (B, K)."""
    n_items, slate_size, n_users = takes.shape
    slates = np.zeros((n_users, slate_size), np.int64)
    users, left = np.arange(n_users), np.full(n_users, slate_size)
    for item in range(n_items):
        taken = (left > 0) & takes[item, left - 1, users]
        slates[taken, slate_size - left[taken]] = item
        left -= taken
    return slates
