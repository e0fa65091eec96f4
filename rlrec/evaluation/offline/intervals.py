"""Intervals of estimates, all from the same terms.

`bootstrap` (of users), `delta` and `student_t` hold for many users and any estimator. `bootstrap`
allows for variances that rest on few users, as they do under heavy weights: its percentiles are
stretched by Student's t.
`hoeffding` and `empirical_bernstein` hold for any number, but for plain means alone, and need the
range of what a unit can add, given from outside the log. They are wide.

No interval sees units that were never logged: an estimate without support needs a verdict, not an
interval.

References:
    Hoeffding, 1963. Maurer and Pontil, 2009, "Empirical Bernstein Bounds and Sample-Variance
    Penalization". Thomas, Theocharous and Ghavamzadeh, 2015, "High-Confidence Off-Policy
    Evaluation". Bell and McCaffrey, 2002, "Bias Reduction in Standard Errors for Linear Regression
    with Multi-Stage Samples", on quantiles of t with the degrees of freedom a variance has.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy import stats

from rlrec.arrays import Floats, Ints
from rlrec.errors import ConfigError, DataError, UnknownNameError, nearest_hint
from rlrec.evaluation.offline.resampling import Replicates, Resamples
from rlrec.evaluation.offline.terms import Terms

METHODS = ("bootstrap", "delta", "student_t", "empirical_bernstein", "hoeffding")
RANGED = ("empirical_bernstein", "hoeffding")
"""Those that need the range of what a unit can add."""


class Interval(NamedTuple):
    """Where the true value lies, with the confidence that was asked for."""

    lower: float
    """nan where the data cannot tell."""
    upper: float


def confidence_interval(
    terms: Terms,
    method: str = "bootstrap",
    confidence: float = 0.95,
    *,
    resamples: Resamples | None = None,
    users: Ints | None = None,
    value_range: tuple[float, float] | None = None,
) -> Interval:
    """Return a two-sided interval of an estimate.

    Args:
        terms: Of the estimate.
        method: One of `METHODS`.
        confidence: In (0, 1).
        resamples: For `bootstrap` (and only there): they hold the users.
        users: Shape (n,). For the other methods, who each unit belongs to; a user's units are not
            independent. None where each unit is its own.
        value_range: For `hoeffding` and `empirical_bernstein` (and only there), the least and the
            most that a unit can add, as known without looking at the log: for IPS, 0 and the
            largest possible weight times the largest reward.

    Raises:
        UnknownNameError: The method is not known.
        ConfigError: An argument is missing, or given to a method that does not use it.
        DataError: A unit lies outside `value_range`.
    """
    if method not in METHODS:
        raise UnknownNameError(f"no interval is called {method!r}.{nearest_hint(method, METHODS)}")
    if (value_range is not None) != (method in RANGED):
        use = "needs" if method in RANGED else "does not use"
        raise ConfigError(
            f"interval {method!r} {use} value_range (contribution_range of evaluate_offline): the "
            f"least and the most that a unit can add, known without the log (used by "
            f"{' and '.join(RANGED)})"
        )
    if (resamples is not None) != (method == "bootstrap"):
        use = "needs" if method == "bootstrap" else "does not use"
        raise ConfigError(f"interval {method!r} {use} resamples")
    if resamples is not None:
        if users is not None:
            raise ConfigError("resamples already hold the users: make Resamples(users, n_units)")
        return bootstrap_interval(terms, resamples, confidence)
    if value_range is None:
        interval = delta_interval if method == "delta" else student_t_interval
        return interval(terms, confidence, users)
    bounded = hoeffding_interval if method == "hoeffding" else empirical_bernstein_interval
    return bounded(terms, value_range, confidence, users)


def bootstrap_interval(terms: Terms, resamples: Resamples, confidence: float = 0.95) -> Interval:
    """Return the interval of bootstrap replicates, ratios re-normalised inside each.

    nan where a replicate has no value (its weights are all 0).
    """
    return stretched_interval(resamples.of(terms), confidence)


def stretched_interval(replicates: Replicates, confidence: float = 0.95) -> Interval:
    """Return the percentile interval of `Replicates.stretched`."""
    _tail(confidence)
    return percentile_interval(replicates.stretched(confidence), confidence)


def percentile_interval(replicates: Floats, confidence: float = 0.95) -> Interval:
    """Return the middle part of replicates (R,)."""
    tail = _tail(confidence)
    lower, upper = np.quantile(replicates, [tail, 1.0 - tail])
    return Interval(float(lower), float(upper))


def delta_interval(terms: Terms, confidence: float = 0.95, users: Ints | None = None) -> Interval:
    """Return the normal interval from the influence of each user."""
    error, _ = standard_error(terms, users)
    return _around(terms.value, float(stats.norm.isf(_tail(confidence))) * error)


def student_t_interval(
    terms: Terms, confidence: float = 0.95, users: Ints | None = None
) -> Interval:
    """Return Student's t interval from the influence of each user; nan for one user."""
    tail = _tail(confidence)
    error, n_users = standard_error(terms, users)
    if n_users < 2:
        return Interval(math.nan, math.nan)
    return _around(terms.value, float(stats.t.isf(tail, n_users - 1)) * error)


def standard_error(terms: Terms, users: Ints | None = None) -> tuple[float, int]:
    """Return the standard error by the delta method, and the number of users it is over."""
    sums, _ = _by_user(terms.influences(), users)
    n_users = len(sums)
    if n_users < 2:
        return math.nan, n_users
    spread = float(np.sum(sums**2)) * n_users / (n_users - 1)
    return math.sqrt(spread) / terms.n_units, n_users


def hoeffding_interval(
    terms: Terms,
    value_range: tuple[float, float],
    confidence: float = 0.95,
    users: Ints | None = None,
) -> Interval:
    """Return Hoeffding's interval for units of users within a given range."""
    tail = _tail(confidence)
    values = _bounded_units(terms, value_range)
    sums, sizes = _by_user(values, users)
    width = value_range[1] - value_range[0]
    # A user's sum of m units spans m widths; with one unit each this is width sqrt(ln/2n).
    reach = width * math.sqrt(float(np.sum(sizes**2)) * -math.log(tail) / 2.0) / len(values)
    return _around(float(sums.sum()) / len(values), reach)


def empirical_bernstein_interval(
    terms: Terms,
    value_range: tuple[float, float],
    confidence: float = 0.95,
    users: Ints | None = None,
) -> Interval:
    """Return the interval of Maurer and Pontil for units of users within a given range.

    Where users have several units, the largest user's number of them enters the range.
    """
    tail = _tail(confidence)
    values = _bounded_units(terms, value_range)
    sums, sizes = _by_user(values - value_range[0], users)
    per_unit = len(sums) / len(values)
    width = (value_range[1] - value_range[0]) * float(sizes.max()) * per_unit
    reach = empirical_bernstein_margin(sums * per_unit, width, tail)
    return _around(float(values.mean()), reach)


def hoeffding_margin(n: int, width: float, delta: float) -> float:
    """Return by how much the mean of n values within a width may exceed its expectation.

    One-sided, with probability 1 - delta or more; two sides take delta / 2 each.
    """
    return width * math.sqrt(-math.log(delta) / (2.0 * n))


def empirical_bernstein_margin(values: Floats, width: float, delta: float) -> float:
    """Return the one-sided margin of Maurer and Pontil; nan for one value.

    Args:
        values: Shape (n,).
        width: Of the range they can take.
        delta: Chance of error, in (0, 1).
    """
    n = len(values)
    if n < 2:
        return math.nan
    logarithm = math.log(2.0 / delta)
    spread = math.sqrt(2.0 * logarithm * float(values.var()) / (n - 1))
    return 7.0 * width * logarithm / (3.0 * (n - 1)) + spread


def student_t_margin(values: Floats, delta: float) -> float:
    """Return the one-sided margin of Student's t; nan for one value."""
    n = len(values)
    if n < 2:
        return math.nan
    return float(stats.t.isf(delta, n - 1)) * math.sqrt(float(values.var()) / (n - 1))


class FrozenBootstrap(NamedTuple):
    """What public packages report: ratios are not re-normalised inside a replicate."""

    mean: float
    """Of the replicates."""
    lower: float
    upper: float


def frozen_bootstrap(
    terms: Sequence[Terms],
    n_replicates: int = 1000,
    seed: int = 12345,
    confidence: float = 0.95,
) -> list[FrozenBootstrap]:
    """Return the intervals of public packages, to compare numbers with theirs.

    Each term's denominator is frozen at its mean over the whole log, units are resampled whether
    or not they share a user, and every estimator meets the same draws of numpy's older generator.
    A poor interval of self-normalised estimators: use `bootstrap_interval`.

    Args:
        terms: Of several estimates on the same units.
        n_replicates: 1 or more.
        seed: Of the draws.
        confidence: In (0, 1).
    """
    tail = _tail(confidence)
    if n_replicates < 1:
        raise ConfigError(f"n_replicates must be 1 or more, got {n_replicates!r}")
    values = np.stack([_frozen(one) for one in terms], axis=1)  # (n, number of estimates)
    n = len(values)
    rng = np.random.RandomState(seed)
    means = np.empty((n_replicates, values.shape[1]))
    for replicate in range(n_replicates):
        counts = np.bincount(rng.randint(0, n, size=n), minlength=n).astype(np.float64)
        means[replicate] = counts @ values / n
    lower, upper = np.percentile(means, [100.0 * tail, 100.0 * (1.0 - tail)], axis=0)
    return [
        FrozenBootstrap(float(means[:, j].mean()), float(lower[j]), float(upper[j]))
        for j in range(len(terms))
    ]


def _frozen(terms: Terms) -> Floats:
    if terms.denominators is None:
        values: Floats = terms.numerators.sum(axis=1)
        return values
    with np.errstate(invalid="ignore", divide="ignore"):
        shares: Floats = (terms.numerators / terms.denominators.mean(axis=0)).sum(axis=1)
    return shares


def _by_user(values: Floats, users: Ints | None) -> tuple[Floats, Floats]:
    """Return the sum and the number of values of each user."""
    if users is None:
        return values, np.ones(len(values))
    if users.shape != values.shape:
        raise DataError(f"users must have shape {values.shape}, got {users.shape}")
    numbers = np.unique(users, return_inverse=True)[1]
    sums = np.bincount(numbers, values).astype(np.float64)
    return sums, np.bincount(numbers).astype(np.float64)


def _bounded_units(terms: Terms, value_range: tuple[float, float]) -> Floats:
    least, most = value_range
    if not (math.isfinite(least) and math.isfinite(most) and least < most):
        raise ConfigError(f"value_range must be two finite numbers that rise, got {value_range!r}")
    if terms.denominators is not None:
        raise ConfigError(
            "hoeffding and empirical_bernstein hold for plain means; this estimate divides by "
            "means of its own. Use bootstrap, delta or student_t"
        )
    values: Floats = terms.numerators.sum(axis=1)
    outside = np.flatnonzero(~((values >= least) & (values <= most)))
    if outside.size:
        raise DataError(
            f"units must add between {least:g} and {most:g} (value_range); {outside.size} of "
            f"{len(values)} do not, the first is row {outside[0]}: {values[outside[0]]:g}"
        )
    return values


def _tail(confidence: float) -> float:
    if not 0 < confidence < 1:
        raise ConfigError(f"confidence must lie between 0 and 1, got {confidence!r}")
    return 0.5 - confidence / 2.0


def _around(centre: float, reach: float) -> Interval:
    return Interval(centre - reach, centre + reach)
