"""Aspects of behaviour, of any group of persons, and how far two groups are from one another."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, Protocol, Self

import numpy as np
from scipy.sparse import csr_array, vstack
from scipy.stats import ks_2samp

from rlrec.arrays import Floats, Ints

FEWEST = 20
"""Looks behind a rate, or values of a sample, from which it is compared."""


class Rates(NamedTuple):
    """Shares in a few situations, such as the click rate of each slot."""

    values: Floats
    """Shape (n,); nan where too little was seen."""
    labels: tuple[str, ...]


class Sample(NamedTuple):
    """One number for each visit, person, item or gap."""

    values: Floats
    """Shape (n,)."""


Aspect = Rates | Sample


def distance(one: Aspect, other: Aspect) -> float:
    """Return how far two groups are from one another in an aspect; nan where too little was seen.

    Of rates the root mean squared difference over the mean rate of both; of samples the
    Kolmogorov-Smirnov statistic, the largest difference of their distribution functions, 0 to 1.
    """
    if isinstance(one, Rates) and isinstance(other, Rates):
        both = np.isfinite(one.values) & np.isfinite(other.values)
        if not both.any():
            return float("nan")
        a, b = one.values[both], other.values[both]
        mean = float(np.mean([a, b]))
        return float(np.sqrt(np.mean((a - b) ** 2)) / mean) if mean > 0 else 0.0
    if min(len(one.values), len(other.values)) < FEWEST:
        return float("nan")
    return float(ks_2samp(one.values, other.values, method="asymp").statistic)


class ByPerson(Protocol):
    """What each of P persons adds to an aspect."""

    def of(self, persons: Ints) -> Aspect:
        """Return the aspect of some persons, given by their rows, without repeats."""
        ...

    def joined(self, other: Self) -> Self:
        """Return the same of these persons and, after them, those of another log."""
        ...


@dataclass(frozen=True, eq=False)
class RatesByPerson:
    """Rates: hits over looks, or over the hits that were expected."""

    hits: Floats
    """Shape (P, n)."""
    looks: Floats
    """Shape (P, n)."""
    labels: tuple[str, ...]
    is_relative: bool = False
    """Whether all are told as multiples of the first, which has no label."""

    def of(self, persons: Ints) -> Rates:
        """Return hits of all over looks of all."""
        hits, looks = self.hits[persons].sum(axis=0), self.looks[persons].sum(axis=0)
        rates = np.where(looks >= FEWEST, hits / np.maximum(looks, 1e-300), np.nan)
        if not self.is_relative:
            return Rates(rates, self.labels)
        return Rates(rates[1:] / (rates[0] if rates[0] > 0 else np.nan), self.labels)

    def joined(self, other: RatesByPerson) -> RatesByPerson:
        """Return the rates of both."""
        hits, looks = np.vstack([self.hits, other.hits]), np.vstack([self.looks, other.looks])
        return RatesByPerson(hits, looks, self.labels, self.is_relative)


@dataclass(frozen=True, eq=False)
class ValuesByPerson:
    """A sample of one or more numbers of each person, such as the length of each visit."""

    values: Floats
    """Shape (m,)."""
    owners: Ints
    """Shape (m,). Row of the person."""
    n_persons: int

    def of(self, persons: Ints) -> Sample:
        """Return the numbers of these persons."""
        is_meant = np.zeros(self.n_persons, bool)
        is_meant[persons] = True
        return Sample(self.values[is_meant[self.owners]])

    def joined(self, other: ValuesByPerson) -> ValuesByPerson:
        """Return the numbers of both."""
        values = np.concatenate([self.values, other.values])
        owners = np.concatenate([self.owners, self.n_persons + other.owners])
        return ValuesByPerson(values, owners, self.n_persons + other.n_persons)


@dataclass(frozen=True, eq=False)
class CountsByPerson:
    """How often each person took each item; a sample of items."""

    counts: csr_array
    """Shape (P, N)."""

    def of(self, persons: Ints) -> Sample:
        """Return how often each item was taken, over the mean of that, (N,)."""
        totals = self.totals(persons)
        return Sample(totals / max(float(totals.mean()), 1e-300))

    def totals(self, persons: Ints) -> Floats:
        """Return how often these persons took each item, (N,)."""
        weights = np.bincount(persons, minlength=self.counts.shape[0]).astype(np.float64)
        totals: Floats = self.counts.T @ weights
        return totals

    def joined(self, other: CountsByPerson) -> CountsByPerson:
        """Return the counts of both."""
        return CountsByPerson(_stacked(self.counts, other.counts))


@dataclass(frozen=True, eq=False)
class SharesByPerson:
    """What share of all that was taken each item, topic or rating has."""

    counts: csr_array
    """Shape (P, n)."""
    labels: tuple[str, ...]

    def of(self, persons: Ints) -> Rates:
        """Return the shares, (n,)."""
        totals = CountsByPerson(self.counts).totals(persons)
        n = totals.sum()
        return Rates(totals / n if n >= FEWEST else np.full(len(totals), np.nan), self.labels)

    def joined(self, other: SharesByPerson) -> SharesByPerson:
        """Return the counts of both."""
        return SharesByPerson(_stacked(self.counts, other.counts), self.labels)


@dataclass(frozen=True, eq=False)
class ItemMeansByPerson:
    """Mean rating of each item that was rated often enough; a sample of items."""

    sums: csr_array
    """Shape (P, N)."""
    counts: csr_array
    """Shape (P, N)."""
    least: int
    """Ratings of an item by the persons looked at, from which it counts."""

    def of(self, persons: Ints) -> Sample:
        """Return the means."""
        sums = CountsByPerson(self.sums).totals(persons)
        counts = CountsByPerson(self.counts).totals(persons)
        is_told = counts >= self.least
        return Sample(sums[is_told] / counts[is_told])

    def joined(self, other: ItemMeansByPerson) -> ItemMeansByPerson:
        """Return the ratings of both."""
        sums, counts = _stacked(self.sums, other.sums), _stacked(self.counts, other.counts)
        return ItemMeansByPerson(sums, counts, self.least)


def _stacked(one: csr_array, other: csr_array) -> csr_array:
    return csr_array(vstack([one, other]))
