"""The distribution of the return under a target policy: its CDF, quantiles and CVaR.

The estimators leave terms for each point of a grid, the probability of a return at most there, so
each point has intervals as any estimate has; they are made one by one, as they are read. Read from
a raw CDF (it need neither rise nor end at 1), a `ReturnDistribution` then answers for means,
quantiles and tails.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Self, overload

import numpy as np

from rlrec.arrays import Bools, Floats
from rlrec.errors import ConfigError, DataError
from rlrec.evaluation.offline.resampling import Resamples
from rlrec.evaluation.offline.terms import Terms, normalised, one_term

_ROUNDING = 1e-12  # relative: a return that should equal a point counts as at most it


class PointTerms(Sequence[Terms]):
    """The terms of each point of a CDF, made when they are asked for.

    Terms of all points at once would hold points times sessions of numbers, which on
    `return_points` grows with the square of the log. So go through them one by one.

    Args:
        make: Terms of a point by its number.
        n_points: P.
    """

    def __init__(self, make: Callable[[int], Terms], n_points: int) -> None:
        self._make, self._numbers = make, range(n_points)

    def __len__(self) -> int:
        """Return how many points there are."""
        return len(self._numbers)

    @overload
    def __getitem__(self, number: int) -> Terms: ...

    @overload
    def __getitem__(self, number: slice) -> Sequence[Terms]: ...

    def __getitem__(self, number: int | slice) -> Terms | Sequence[Terms]:
        """Return the terms of a point, or of some, counted as in a list."""
        some = self._numbers[number]
        return self._make(some) if isinstance(some, int) else [self._make(each) for each in some]


def return_points(returns: Floats) -> Floats:
    """Return the points at which the CDF of a sample jumps: its returns, sorted, each once."""
    points: Floats = np.unique(returns)
    return points


def cdf_tis(returns: Floats, weights: Floats, points: Floats) -> Sequence[Terms]:
    """Return terms of mean(w 1[return <= point]) for each point. Unbiased.

    Args:
        returns: Shape (n,). Return of each session.
        weights: Shape (n,). Weight of each session, the product of its ratios.
        points: Shape (P,), rising.

    Reference:
        Chandak, Niekum, da Silva, Learned-Miller, Brunskill and Thomas, 2021, "Universal
        Off-Policy Evaluation".
    """
    below = _below(returns, points)
    return PointTerms(lambda point: one_term(weights * below(point), weights), len(points))


def cdf_sntis(returns: Floats, weights: Floats, points: Floats) -> Sequence[Terms]:
    """Return the same divided by the mean weight: rises from 0 to 1. Consistent."""
    below = _below(returns, points)
    return PointTerms(lambda point: normalised(weights * below(point), weights), len(points))


def cdf_dm(modelled: Floats, points: Floats) -> Sequence[Terms]:
    """Return terms of the modelled probability of a return at most each point.

    Args:
        modelled: Shape (n, P), that probability given how a session begins; or (n,), one modelled
            return a session, taken as certain.
        points: Shape (P,), rising.
    """
    model = _modelled(modelled, points)
    return PointTerms(lambda point: one_term(model(point)), len(points))


def cdf_dr(returns: Floats, weights: Floats, modelled: Floats, points: Floats) -> Sequence[Terms]:
    """Return the modelled probabilities corrected by weights. Unbiased whatever the model.

    Args:
        returns: Shape (n,).
        weights: Shape (n,).
        modelled: As for `cdf_dm`.
        points: Shape (P,), rising.

    Reference:
        Huang, Leqi, Lipton and Azizzadenesheli, 2021, "Off-Policy Risk Assessment in Contextual
        Bandits".
    """
    model, below = _modelled(modelled, points), _below(returns, points)

    def terms(point: int) -> Terms:
        expected = model(point)
        return one_term(expected + weights * (below(point) - expected), weights)

    return PointTerms(terms, len(points))


def cdf_sndr(returns: Floats, weights: Floats, modelled: Floats, points: Floats) -> Sequence[Terms]:
    """Return the same with the weights divided by their mean. Consistent."""
    model, below = _modelled(modelled, points), _below(returns, points)
    denominators = np.column_stack([np.ones(len(returns)), weights])

    def terms(point: int) -> Terms:
        expected = model(point)
        corrections = weights * (below(point) - expected)
        return Terms(np.column_stack([expected, corrections]), denominators, weights)

    return PointTerms(terms, len(points))


def cvar_terms(
    returns: Floats, weights: Floats, share: float, self_normalised: bool = True
) -> Terms:
    """Return terms of the mean of the lowest returns, a `share` of them, under the target.

    It is max over q of q - E[(q - return)+] / share, at its estimated maximiser, whose own error
    counts only to second order; so the intervals of the terms hold for it.

    Args:
        returns: Shape (n,).
        weights: Shape (n,). Weight of each session.
        share: Above 0, at most 1; 1 gives the mean.
        self_normalised: Divide by the mean weight.

    Reference:
        Rockafellar and Uryasev, 2000, "Optimization of Conditional Value-at-Risk".
    """
    _check_share("share", share)
    points = return_points(returns)
    cdf = cdf_sntis if self_normalised else cdf_tis
    level = ReturnDistribution.of(points, cdf_at_jumps(returns, weights, cdf is cdf_sntis))
    quantile = float(level.quantiles(np.array([share]))[0])
    short = weights * np.maximum(quantile - returns, 0.0) / share
    if self_normalised:
        return normalised(weights * quantile - short, weights)
    return one_term(quantile - short, weights)


def cdf_at_jumps(returns: Floats, weights: Floats, self_normalised: bool = True) -> Floats:
    """Return the raw CDF at `return_points`, at once for all of them, shape (P,)."""
    points, places = np.unique(returns, return_inverse=True)
    masses = np.bincount(places.ravel(), weights, len(points)).astype(np.float64)
    total = weights.sum() if self_normalised else float(len(weights))
    cdf: Floats = np.cumsum(masses) / total
    return cdf


@dataclass(frozen=True, eq=False)
class ReturnDistribution:
    """A distribution on the points of a grid.

    Each point has the probability between the point before and itself, the first one that of all
    below it too. On `return_points` this is exact; on a coarser grid returns are rounded up.
    """

    points: Floats
    """Shape (P,), rising."""
    cdf: Floats
    """Shape (..., P). Probability of a return at most each point: never falls, ends at 1."""

    @classmethod
    def of(cls, points: Floats, raw: Floats) -> Self:
        """Make a distribution of a raw CDF (..., P): kept in [0, 1], never falling, ending at 1.

        What a raw CDF lacks of 1 at the last point goes to that point.
        """
        _check_points(points)
        if raw.shape[-1:] != points.shape:
            raise DataError(f"the CDF must have shape (..., {len(points)}), got {raw.shape}")
        cdf = grid_cdf(raw)
        cdf[..., -1] = 1.0
        return cls(points, cdf)

    @property
    def masses(self) -> Floats:
        """Probability of each point, (..., P)."""
        return np.diff(self.cdf, axis=-1, prepend=0.0)

    @property
    def means(self) -> Floats:
        """Mean return, (...)."""
        means: Floats = (self.masses * self.points).sum(axis=-1)
        return means

    @property
    def variances(self) -> Floats:
        """Variance of the return, (...)."""
        off = self.points - np.expand_dims(self.means, -1)
        variances: Floats = (self.masses * off**2).sum(axis=-1)
        return variances

    def quantiles(self, shares: Floats) -> Floats:
        """Return the lowest points whose CDF reaches each share, (..., S).

        Args:
            shares: Shape (S,), each above 0 and at most 1.
        """
        for share in shares:
            _check_share("shares", float(share))
        # A share at a time: of many replicates on many points, all at once would be very large.
        first = [(self.cdf >= share * (1 - _ROUNDING)).argmax(axis=-1) for share in shares]
        quantiles: Floats = self.points[np.stack(first, axis=-1)]
        return quantiles

    def cvar(self, share: float) -> Floats:
        """Return the mean of the lowest returns, a `share` of them, (...).

        The point at which the share is reached counts with the part that is needed of it.
        """
        _check_share("share", share)
        lower = np.minimum(self.cdf, share)
        masses = np.diff(lower, axis=-1, prepend=0.0)
        cvar: Floats = (masses * self.points).sum(axis=-1) / share
        return cvar


def raw_cdf(terms: Sequence[Terms]) -> Floats:
    """Return the values of the terms of each point, shape (P,)."""
    return np.array([each.value for each in terms])


def grid_cdf(raw: Floats) -> Floats:
    """Return a raw CDF (..., P) kept in [0, 1] and never falling."""
    cdf: Floats = np.clip(np.maximum.accumulate(raw, axis=-1), 0.0, 1.0)
    return cdf


def resampled_cdf(terms: Sequence[Terms], resamples: Resamples) -> Floats:
    """Return the raw CDF in each of R replicates, shape (R, P).

    `ReturnDistribution.of(points, resampled_cdf(...))` then has quantiles and tails of each.
    """
    first = resamples.values(terms[0])
    raw = np.empty((len(first), len(terms)))
    for point, each in enumerate(terms):
        raw[:, point] = resamples.values(each)
    return raw


@dataclass(frozen=True, kw_only=True)
class GridSummary:
    """What the field's tool reports of a CDF on a grid; see `grid_summary`."""

    mean: float
    variance: float
    cvar: Floats
    """Shape (S,)."""
    median: float
    low: float
    """Quantile of `alpha`."""
    high: float
    """Quantile of 1 - `alpha`."""


def grid_summary(
    points: Floats, cdf: Floats, shares: Sequence[float] = (), alpha: float = 0.05
) -> GridSummary:
    """Summarise a CDF on a coarse grid in the conventions of published tables, to compare.

    The mass between two points counts at the right one; mass below the first point or lacking at
    the last one is left out; a tail takes in the whole of the interval that passes the share; a
    quantile is the middle of the interval after the first point beyond it, or the last point where
    there is none. `ReturnDistribution` on `return_points` has none of these roundings.

    Args:
        points: Shape (P,), rising.
        cdf: Shape (P,). Within 0 and 1, never falling.
        shares: Of the tails, each in (0, 1].
        alpha: In (0, 0.5).
    """
    _check_points(points)
    if cdf.shape != points.shape:
        raise DataError(f"cdf must have shape {points.shape}, got {cdf.shape}")
    masses = np.diff(cdf)
    mean = float((masses * points[1:]).sum())
    return GridSummary(
        mean=mean,
        variance=float((masses * (points[1:] - mean) ** 2).sum()),
        cvar=np.array([_grid_cvar(points, cdf, share) for share in shares]),
        median=_grid_quantile(points, cdf, 0.5),
        low=_grid_quantile(points, cdf, alpha),
        high=_grid_quantile(points, cdf, 1 - alpha),
    )


def _grid_cvar(points: Floats, cdf: Floats, share: float) -> float:
    _check_share("shares", share)
    beyond = np.flatnonzero(cdf[1:] > share)
    last = int(beyond[0]) + 1 if beyond.size else len(cdf) - 1
    masses = np.diff(cdf)[:last]
    total = float(cdf[last])
    return float((masses * points[1 : last + 1]).sum()) / total if total > 0 else math.nan


def _grid_quantile(points: Floats, cdf: Floats, share: float) -> float:
    beyond = np.flatnonzero(cdf > share)
    if not beyond.size or beyond[0] == len(points) - 1:
        return float(points[-1])
    return float((points[beyond[0]] + points[beyond[0] + 1]) / 2)


_Column = Callable[[int], Floats]
"""Returns a column (n,) of a point by its number."""


def _below(returns: Floats, points: Floats) -> _Column:
    """Return a function that gives 1 where a return is at most a point."""
    _check_points(points)
    return lambda point: _at_most(returns, float(points[point])).astype(np.float64)


def _at_most(returns: Floats, point: float) -> Bools:
    return returns <= point + _ROUNDING * max(1.0, abs(point))


def _modelled(modelled: Floats, points: Floats) -> _Column:
    if modelled.ndim == 1:
        return _below(modelled, points)
    _check_points(points)
    if modelled.shape[1:] != points.shape:
        raise DataError(
            f"modelled must have shape (n,) or (n, {len(points)}), got {modelled.shape}"
        )
    return lambda point: modelled[:, point]


def _check_points(points: Floats) -> None:
    if points.ndim != 1 or not points.size or not (np.diff(points) > 0).all():
        raise DataError("points must have shape (P,) and rise from each to the next")


def _check_share(name: str, share: float) -> None:
    if not 0 < share <= 1:
        raise ConfigError(f"{name} must be above 0 and at most 1, got {share!r}")
