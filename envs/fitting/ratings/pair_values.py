"""A number for each pair of a person and an item, from factors of both."""

from functools import cached_property
from typing import NamedTuple

import numpy as np

from rlrec.arrays import Floats, Floats32, Ints

LARGEST_TABLE = 2**24
"""Pairs of persons and items (64 MiB) up to which all values are worked out once and looked up."""


class PairValues:
    """Inner products of the factors of persons and items, clipped.

    Small worlds are kept as a table. Larger ones, whose table would not fit into memory, are
    multiplied out where they are asked for; which of the two it is never depends on the batch.

    Args:
        persons: Shape (P, D).
        items: Shape (N, D).
        bounds: Lowest and highest value.
        largest_table: Pairs up to which a table is kept; by default LARGEST_TABLE.
    """

    def __init__(
        self,
        persons: Floats,
        items: Floats,
        bounds: tuple[float, float] = (-np.inf, np.inf),
        largest_table: int | None = None,
    ) -> None:
        self._persons = persons
        self._items = np.ascontiguousarray(items)
        self._bounds = bounds
        most = LARGEST_TABLE if largest_table is None else largest_table
        self.has_table = len(persons) * len(items) <= most

    def of_pairs(self, persons: Ints, items: Ints) -> Floats:
        """Return the values of F pairs, shape (F,)."""
        return self.of_slates(persons, items[:, None])[:, 0]

    def of_slates(self, persons: Ints, slates: Ints) -> Floats:
        """Return the values of slates (B, K) for B persons, shape (B, K)."""
        if self.has_table:
            cells = slates + (persons * len(self._items))[:, None]
            looked_up: Floats = self._table.ravel()[cells].astype(np.float64)
            return looked_up
        # A sum along the last axis, unlike einsum and BLAS, rounds alike in batches of any size.
        products = self._items[slates] * self._persons[persons][:, None, :]
        return self._clipped(products.sum(axis=2))

    def of_all(self, persons: Ints) -> Floats:
        """Return the values of all items for B persons, shape (B, N)."""
        if self.has_table:
            rows: Floats = self._table[persons].astype(np.float64)
            return rows
        return self._clipped(self._persons[persons] @ self._items.T)

    @cached_property
    def _table(self) -> Floats32:
        table = self._clipped(self._persons @ self._items.T).astype(np.float32)
        return np.ascontiguousarray(table)

    def _clipped(self, values: Floats) -> Floats:
        return np.clip(values, *self._bounds)


class PairFactors(NamedTuple):
    """Factors whose inner products are values of pairs."""

    persons: Floats
    """Shape (P, D)."""
    items: Floats
    """Shape (N, D)."""


def standardised(persons: Floats, items: Floats) -> PairFactors:
    """Return factors whose products have mean 0 and sd 1 over the items, for each person.

    A person whose products are the same for all items gets factors of 0.

    Args:
        persons: Shape (P, D).
        items: Shape (N, D).
    """
    centred = items - items.mean(axis=0)
    covariance = centred.T @ centred / len(items)
    spread = np.sqrt(np.maximum(((persons @ covariance) * persons).sum(axis=1), 0.0))
    factor = np.divide(1.0, spread, out=np.zeros_like(spread), where=spread > 1e-12)
    return PairFactors(persons * factor[:, None], centred)
