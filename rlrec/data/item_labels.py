"""Labels of items, of which each may have several: genres, tags, categories."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from rlrec.arrays import Bools, Floats32, Ints

UNKNOWN = "unknown"
"""The label of an item that has none."""


class LabelledItems(NamedTuple):
    """Items by label."""

    names: tuple[str, ...]
    """T labels, numbers by size and before words."""
    flags: Floats32
    """Shape (N, T). 1 where the item has the label."""
    topics: Ints
    """Shape (N,). Of the labels of each item, the one that fewest items have."""


def label_items(labels: Sequence[Sequence[str]]) -> LabelledItems:
    """Return N items by their labels; an item without any gets "unknown"."""
    filled = [tuple(given) or (UNKNOWN,) for given in labels]
    names = sorted({name for given in filled for name in given}, key=_order)
    places = {name: place for place, name in enumerate(names)}
    flags = np.zeros((len(filled), len(names)), bool)
    for item, given in enumerate(filled):
        flags[item, [places[name] for name in given]] = True
    return LabelledItems(tuple(names), flags.astype(np.float32), rarest(flags))


def rarest(flags: Bools) -> Ints:
    """Return, of each item's labels (N, T), the one that fewest items have; ties to the first."""
    n_items = np.where(flags, flags.sum(axis=0), len(flags) + 1)
    found: Ints = n_items.argmin(axis=1)
    return found


def _order(name: str) -> tuple[bool, int, str]:
    return (False, int(name), "") if name.isdecimal() else (True, 0, name)
