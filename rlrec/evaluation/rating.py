"""Metrics of predicted ratings: how far off, and right or wrong about a threshold."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from rlrec.arrays import Floats, Ints
from rlrec.errors import DataError


class RatingMetrics(NamedTuple):
    """Errors of predicted ratings, in the unit of the ratings."""

    rmse: float
    mae: float
    n: int


class ThresholdMetrics(NamedTuple):
    """Ratings at or above a threshold are positive: how often that was foreseen."""

    precision: float
    """Share of predicted positives that are positive; nan if none was predicted."""
    recall: float
    """Share of positives that were predicted; nan if there are none."""
    f1: float
    """Harmonic mean of precision and recall; nan if there are neither positives nor predictions."""
    confusion: Ints
    """Shape (2, 2). Rows are the truth, columns the prediction, negative before positive:
    [[true negatives, false positives], [false negatives, true positives]]."""


def rating_metrics(predicted: ArrayLike, true: ArrayLike) -> RatingMetrics:
    """Return root mean squared and mean absolute error of predicted ratings.

    Args:
        predicted: Shape (n,). Already clipped to the scale, if they are to be.
        true: Shape (n,).

    Raises:
        DataError: Shapes differ, there is nothing to compare, or a value is nan.
    """
    guesses, truths = _checked(predicted, true)
    errors = guesses - truths
    return RatingMetrics(
        float(np.sqrt(np.mean(errors**2))), float(np.mean(np.abs(errors))), errors.size
    )


def threshold_metrics(predicted: ArrayLike, true: ArrayLike, threshold: float) -> ThresholdMetrics:
    """Return how well predictions tell ratings at or above `threshold` from those below.

    Args:
        predicted: Shape (n,).
        true: Shape (n,).
        threshold: In the unit of the ratings; equal counts as positive.

    Raises:
        DataError: Shapes differ, there is nothing to compare, or a value is nan.
    """
    guesses, truths = (values >= threshold for values in _checked(predicted, true))
    confusion = np.bincount(2 * truths + guesses, minlength=4).reshape(2, 2).astype(np.int64)
    (_, false_positives), (false_negatives, hits) = confusion.tolist()
    return ThresholdMetrics(
        _share(hits, hits + false_positives),
        _share(hits, hits + false_negatives),
        _share(2 * hits, 2 * hits + false_positives + false_negatives),
        confusion,
    )


def _share(part: int, whole: int) -> float:
    return part / whole if whole else float("nan")


def _checked(predicted: ArrayLike, true: ArrayLike) -> tuple[Floats, Floats]:
    guesses, truths = np.asarray(predicted, np.float64), np.asarray(true, np.float64)
    if guesses.shape != truths.shape or guesses.ndim != 1 or guesses.size == 0:
        raise DataError(
            f"predicted and true ratings need one shape (n,) with n >= 1, got {guesses.shape} and "
            f"{truths.shape}"
        )
    for name, values in (("predicted", guesses), ("true", truths)):
        wrong = np.flatnonzero(np.isnan(values))
        if wrong.size:
            raise DataError(f"{name} ratings must be numbers, the one at row {wrong[0]} is nan")
    return guesses, truths
