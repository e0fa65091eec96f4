"""Means, intervals and comparisons over users, seeds and tasks.

Reference:
    Agarwal, Schwarzer, Castro, Courville and Bellemare, 2021, "Deep Reinforcement Learning at the
    Edge of the Statistical Precipice".
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from rlrec.arrays import Floats
from rlrec.errors import ConfigError, DataError


class Estimate(NamedTuple):
    """A number estimated from n observations, with its interval."""

    value: float
    low: float
    """Lower end of the interval; nan where n is too small to tell."""
    high: float
    standard_error: float
    n: int
    """Independent observations: users or seeds."""


def mean_interval(values: ArrayLike, confidence: float = 0.95) -> Estimate:
    """Return the mean of independent values with its normal interval.

    Uses Student's t with n - 1 degrees of freedom: for thousands of users the normal interval, for
    ten seeds the wider one that it takes.

    Args:
        values: Shape (n,). One value a user or seed, n at least 1.
        confidence: In (0, 1).
    """
    _check_confidence(confidence)
    sample = np.asarray(values, dtype=np.float64)
    if sample.ndim != 1 or sample.size == 0:
        raise DataError(f"a mean needs values of shape (n,) with n >= 1, got shape {sample.shape}")
    n, mean = sample.size, float(sample.mean())
    if n == 1:
        return Estimate(mean, math.nan, math.nan, math.nan, n)
    error = float(sample.std(ddof=1)) / math.sqrt(n)
    reach = float(stats.t.ppf(0.5 + confidence / 2, df=n - 1)) * error
    return Estimate(mean, mean - reach, mean + reach, error, n)


def paired_difference(a: ArrayLike, b: ArrayLike, confidence: float = 0.95) -> Estimate:
    """Return the mean of `a - b` with its interval, when both met the same users or seeds.

    With tasks as columns, each seed's difference is averaged over the tasks first, so that the
    interval holds whether or not the tasks of a seed are related.

    Args:
        a: Shape (n,) or (n_seeds, n_tasks).
        b: The same shape; row i belongs with row i of `a`.
        confidence: In (0, 1).
    """
    first, second = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    if first.shape != second.shape or first.ndim not in (1, 2):
        raise DataError(
            f"paired values need equal shapes (n,) or (n_seeds, n_tasks), got {first.shape} and "
            f"{second.shape}"
        )
    return mean_interval((first - second).reshape(len(first), -1).mean(axis=1), confidence)


def interquartile_mean(scores: ArrayLike) -> float:
    """Return the mean of the middle half of all scores, seeds and tasks pooled.

    As `scipy.stats.trim_mean(scores, 0.25, axis=None)`: of n scores the floor(n / 4) lowest and as
    many highest are dropped, whole scores only, and the mean of the rest is taken. Less moved by
    single seeds than the mean, and with smaller intervals than the median.

    Args:
        scores: Shape (n_seeds, n_tasks) or any other, not empty.
    """
    pooled = np.asarray(scores, dtype=np.float64).reshape(1, -1)
    if pooled.size == 0:
        raise DataError("an interquartile mean needs at least one score, got none")
    return float(_interquartile_means(pooled)[0])


def _interquartile_means(rows: Floats) -> Floats:
    """Return the interquartile mean of each row (m, n)."""
    n = rows.shape[1]
    means: Floats = np.sort(rows, axis=1)[:, n // 4 : n - n // 4].mean(axis=1)
    return means


def stratified_bootstrap_interval(
    scores: ArrayLike,
    statistic: Callable[[Floats], float] = interquartile_mean,
    n_resamples: int = 2_000,
    rng: np.random.Generator | None = None,
    confidence: float = 0.95,
) -> Estimate:
    """Return a statistic of scores over seeds and tasks with its percentile bootstrap interval.

    Each resample draws, for every task on its own, n_seeds of its seeds with replacement. The
    interval is too narrow by a factor of about sqrt((n_seeds - 1) / n_seeds): 5 % with ten seeds.

    Args:
        scores: Shape (n_seeds, n_tasks); (n_seeds,) is one task.
        statistic: Takes scores of shape (n_seeds, n_tasks).
        n_resamples: 1 or more.
        rng: Source of the resamples; by default one with seed 0, so that a table repeats.
        confidence: In (0, 1).
    """
    _check_confidence(confidence)
    matrix = _seeds_by_tasks(scores)
    if n_resamples < 1:
        raise ConfigError(f"n_resamples must be 1 or more, got {n_resamples!r}")
    rng = np.random.default_rng(0) if rng is None else rng
    if statistic is interquartile_mean:  # all at once: tables hold hundreds of them
        seeds = rng.integers(len(matrix), size=(n_resamples, *matrix.shape))
        parts = np.take_along_axis(matrix[None], seeds, axis=1)
        resampled = _interquartile_means(parts.reshape(n_resamples, -1))
    else:
        resampled = np.array([statistic(_resampled(matrix, rng)) for _ in range(n_resamples)])
    low, high = np.quantile(resampled, [0.5 - confidence / 2, 0.5 + confidence / 2])
    error = float(resampled.std(ddof=1)) if n_resamples > 1 else math.nan
    return Estimate(float(statistic(matrix)), float(low), float(high), error, len(matrix))


def probability_of_improvement(a: ArrayLike, b: ArrayLike) -> float:
    """Return the probability that a run of `a` beats a run of `b` on a task drawn at random.

    The mean over tasks of P(a > b) + P(a = b) / 2 over all pairs of seeds (the Mann-Whitney U
    statistic divided by the number of pairs). 0.5 means no difference.

    Args:
        a: Shape (n_seeds, n_tasks); (n_seeds,) is one task.
        b: Shape (n_other_seeds, n_tasks).
    """
    first, second = _seeds_by_tasks(a), _seeds_by_tasks(b)
    if first.shape[1] != second.shape[1]:
        raise DataError(
            f"both need scores on the same tasks, got {first.shape[1]} and {second.shape[1]} tasks"
        )
    pairs = first[:, None, :] - second[None, :, :]  # (n_seeds, n_other_seeds, n_tasks)
    return float(((pairs > 0) + 0.5 * (pairs == 0)).mean())


def probability_interval(
    a: ArrayLike,
    b: ArrayLike,
    n_resamples: int = 2_000,
    rng: np.random.Generator | None = None,
    confidence: float = 0.95,
) -> Estimate:
    """Return `probability_of_improvement` with its stratified percentile bootstrap interval.

    Each resample draws, for every task on its own, the seeds of `a` and those of `b`.

    Args:
        a: Shape (n_seeds, n_tasks); (n_seeds,) is one task.
        b: Shape (n_other_seeds, n_tasks).
        n_resamples: 1 or more.
        rng: Source of the resamples; by default one with seed 0, so that a table repeats.
        confidence: In (0, 1).
    """
    _check_confidence(confidence)
    first, second = _seeds_by_tasks(a), _seeds_by_tasks(b)
    value = probability_of_improvement(first, second)
    if n_resamples < 1:
        raise ConfigError(f"n_resamples must be 1 or more, got {n_resamples!r}")
    rng = np.random.default_rng(0) if rng is None else rng
    resampled = [
        probability_of_improvement(_resampled(first, rng), _resampled(second, rng))
        for _ in range(n_resamples)
    ]
    low, high = np.quantile(resampled, [0.5 - confidence / 2, 0.5 + confidence / 2])
    error = float(np.std(resampled, ddof=1)) if n_resamples > 1 else math.nan
    return Estimate(value, float(low), float(high), error, min(len(first), len(second)))


def performance_profile(scores: ArrayLike, thresholds: ArrayLike) -> Floats:
    """Return the share of runs that score above each threshold, averaged over tasks.

    Args:
        scores: Shape (n_seeds, n_tasks); (n_seeds,) is one task.
        thresholds: Shape (n,).

    Returns:
        Shape (n,), each in 0..1; falls as thresholds rise.
    """
    matrix, levels = _seeds_by_tasks(scores), np.asarray(thresholds, dtype=np.float64)
    if levels.ndim != 1:
        raise DataError(f"thresholds need shape (n,), got {levels.shape}")
    shares: Floats = (matrix[:, :, None] > levels).mean(axis=(0, 1))
    return shares


def _resampled(matrix: Floats, rng: np.random.Generator) -> Floats:
    """Return as many seeds of each task, drawn with replacement."""
    seeds = rng.integers(len(matrix), size=matrix.shape)
    return np.take_along_axis(matrix, seeds, axis=0)


def _seeds_by_tasks(scores: ArrayLike) -> Floats:
    matrix = np.asarray(scores, dtype=np.float64)
    if matrix.ndim == 1:
        matrix = matrix[:, None]
    if matrix.ndim != 2 or matrix.size == 0:
        raise DataError(
            f"scores need shape (n_seeds, n_tasks) with at least one of each, got {matrix.shape}"
        )
    return matrix


def _check_confidence(confidence: float) -> None:
    if not 0 < confidence < 1:
        raise ConfigError(f"confidence must lie between 0 and 1, got {confidence!r}")
