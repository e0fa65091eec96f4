"""What an estimator leaves of a log: sums over units, from which value and intervals follow.

Every estimator here is a sum of ratios of means over units (a round, a slate, a session),

    value = sum over terms j of mean(numerator_j) / mean(denominator_j),

with denominators of 1 where nothing is normalised. So IPS has one term w r over 1, SNIPS w r over
w, SNDR the two terms V over 1 and w (r - q) over w, weighted per-decision estimates one term a
step. Resampling units, the delta method and diagnostics then are the same code for all.
"""

from dataclasses import dataclass

import numpy as np

from rlrec.arrays import Floats
from rlrec.errors import DataError


@dataclass(frozen=True)
class Terms:
    """Terms of an estimator for n units."""

    numerators: Floats
    """Shape (n, J)."""
    denominators: Floats | None = None
    """Shape (n, J), 0 or more; None for ones."""
    weights: Floats | None = None
    """Shape (n,). Importance weight of each unit, whose mean should be 1; None where none is used
    (direct method)."""

    def __post_init__(self) -> None:
        if self.numerators.ndim != 2 or not len(self.numerators):
            raise DataError(f"numerators must have shape (n, J), got {self.numerators.shape}")
        if self.denominators is not None and self.denominators.shape != self.numerators.shape:
            raise DataError(
                f"denominators must have the shape of numerators {self.numerators.shape}, "
                f"got {self.denominators.shape}"
            )

    @property
    def n_units(self) -> int:
        """Number of units."""
        return len(self.numerators)

    @property
    def value(self) -> float:
        """The estimate; nan where all denominators of a term are 0."""
        return float(ratio_sums(self.numerators.sum(axis=0), self._denominator_sums()))

    def influences(self) -> Floats:
        """Return what each unit adds to the estimate, less the estimate, shape (n,).

        Their mean is 0, and their standard deviation over sqrt(n) is the standard error of the
        estimate by the delta method.
        """
        numerator = self.numerators.mean(axis=0)
        if self.denominators is None:
            centred: Floats = (self.numerators - numerator).sum(axis=1)
            return centred
        denominator = self.denominators.mean(axis=0)
        with np.errstate(invalid="ignore", divide="ignore"):
            ratio = numerator / denominator
            shares = (self.numerators - ratio * self.denominators) / denominator
        influences: Floats = shares.sum(axis=1)
        return influences

    def _denominator_sums(self) -> Floats:
        if self.denominators is None:
            return np.full(self.numerators.shape[1], float(self.n_units))
        sums: Floats = self.denominators.sum(axis=0)
        return sums


def ratio_sums(numerators: Floats, denominators: Floats) -> Floats:
    """Return the sums over the last axis of numerators over denominators, (..., J) to (...)."""
    with np.errstate(invalid="ignore", divide="ignore"):
        ratios: Floats = (numerators / denominators).sum(axis=-1)
    return ratios


def one_term(values: Floats, weights: Floats | None = None) -> Terms:
    """Return terms of a plain mean of values (n,)."""
    return Terms(values[:, None], None, weights)


def normalised(values: Floats, weights: Floats) -> Terms:
    """Return terms of sum(values) / sum(weights), both (n,)."""
    return Terms(values[:, None], weights[:, None], weights)
