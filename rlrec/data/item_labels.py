"""Labels of items, of which each may have several: genres, tags, categories."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from rlrec.arrays import Bools, Floats32, Ints

UNKNOWN = "unknown"
"""The label of an item that has none."""

MOST_FLAGS = 100_000_000


class LabelledItems(NamedTuple):
    """Items by label."""

    names: tuple[str, ...]
    """T labels, numbers by size and before words."""
    flags: Floats32
    """Shape (N, T). 1 where the item has the label; (N, 0) for more than `MOST_FLAGS` flags."""
    topics: Ints
    """Shape (N,). Of the labels of each item, the one that fewest items have."""


def label_items(labels: Sequence[Sequence[str]], which: Ints | None = None) -> LabelledItems:
    """Return items by their labels; an item without any gets "unknown".

    Args:
        labels: Lists of labels.
        which: Shape (N,). List of each item; by default the items have one each, in this order.
    """
    which = np.arange(len(labels)) if which is None else which
    filled = [tuple(given) or (UNKNOWN,) for given in labels]
    names = sorted({name for given in filled for name in given}, key=_order)
    places = {name: place for place, name in enumerate(names)}
    flags = np.zeros((len(filled), len(names)), bool)
    for row, given in enumerate(filled):
        flags[row, [places[name] for name in given]] = True
    topics = rarest(flags, np.bincount(which, minlength=len(filled)))[which]
    is_large = len(which) * len(names) > MOST_FLAGS
    kept = np.zeros((len(which), 0)) if is_large else flags[which]
    return LabelledItems(tuple(names), kept.astype(np.float32), topics)


def rarest(flags: Bools, n_items: Ints | None = None) -> Ints:
    """Return, of the labels in each row (N, T), the one that fewest items have; ties to the first.

    Args:
        flags: Shape (N, T).
        n_items: Shape (N,). Items that a row stands for, by default one.
    """
    weights = np.ones(len(flags), np.int64) if n_items is None else n_items
    sizes = np.where(flags, weights @ flags, weights.sum() + 1)
    found: Ints = sizes.argmin(axis=1)
    return found


def _order(name: str) -> tuple[bool, int, str]:
    return (False, int(name), "") if name.isdecimal() else (True, 0, name)
