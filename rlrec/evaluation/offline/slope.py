"""Choosing how much bias to take for less variance, from the log alone.

SLOPE walks candidates from the widest interval to the narrowest and stops before the first that
does not overlap the earlier ones: from there on bias shows. The other criterion adds an estimate
of squared bias to the variance. Neither can mend a log without overlap: there both pick heavy
clipping, and the estimate is biased.

References:
    Su, Srinath and Krishnamurthy, 2020, "Adaptive Estimator Selection for Off-Policy Evaluation".
    Su, Dimakopoulou, Krishnamurthy and Dudik, 2020, "Doubly Robust Off-Policy Evaluation with
    Shrinkage".
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from rlrec.arrays import Floats, Ints
from rlrec.errors import ConfigError, DataError
from rlrec.evaluation.offline.bandit import TunableEstimator
from rlrec.evaluation.offline.bandit_sample import BanditSample
from rlrec.evaluation.offline.intervals import student_t_margin
from rlrec.evaluation.offline.terms import Terms

OVERLAP = math.sqrt(6.0) - 1.0
"""How much of an earlier candidate's half-width counts as overlap."""

Criterion = Literal["slope", "mse", "mse_bound"]


def first_break(values: Floats, widths: Floats) -> int:
    """Return how many of the first candidates overlap all before them, 1 or more.

    Args:
        values: Shape (m,). Estimates, the least biased (widest) first.
        widths: Shape (m,). Half-widths of their intervals.
    """
    for i in range(1, len(values)):
        reach = widths[i] + OVERLAP * widths[:i]
        if not (np.abs(values[:i] - values[i]) <= reach).all():
            return i
    return len(values)


def slope(values: Floats, widths: Floats) -> int:
    """Return which candidate SLOPE takes; of equally wide ones the one named first.

    Args:
        values: Shape (m,). Estimates.
        widths: Shape (m,). Half-widths of their intervals, in any order.
    """
    values, widths = np.asarray(values, np.float64), np.asarray(widths, np.float64)
    if values.ndim != 1 or values.shape != widths.shape or not len(values):
        raise DataError(f"slope needs values and widths (m,), got {values.shape}, {widths.shape}")
    if not (np.isfinite(values).all() and np.isfinite(widths).all()):
        raise DataError("slope needs finite values and widths: a candidate has none")
    order: Ints = np.argsort(widths, kind="stable")[::-1]
    return int(order[first_break(values[order], widths[order]) - 1])


@dataclass(frozen=True)
class Tuned:
    """An estimator whose `lambda_` is chosen anew on every sample; nothing is kept between them.

    Intervals of its terms do not know of the choice: they are those of the chosen `lambda_`.
    """

    make: Callable[[float], TunableEstimator]
    """Estimator of a `lambda_`, such as the class `ClippedIPS`."""
    lambdas: Sequence[float]
    """Candidates, one or more."""
    criterion: Criterion = "slope"
    """`slope`, or `mse`: variance plus squared bias as estimated; `mse_bound`: plus a bound of the
    bias, which is careful where weights are large."""
    delta: float = 0.1
    """Chance of error in each interval or bound, in (0, 1)."""

    def __post_init__(self) -> None:
        if not len(self.lambdas):
            raise ConfigError("lambdas must name one candidate or more, got none")
        if self.criterion not in ("slope", "mse", "mse_bound"):
            raise ConfigError(
                f"criterion must be 'slope', 'mse' or 'mse_bound', got {self.criterion!r}"
            )
        if not 0 < self.delta < 1:
            raise ConfigError(f"delta must lie between 0 and 1, got {self.delta!r}")
        self._candidates()

    @property
    def name(self) -> str:
        """What it is called in tables and on the command line: `clipped_ips=slope`."""
        return f"{self._candidates()[0].key}={self.criterion}"

    def choose(self, sample: BanditSample) -> TunableEstimator:
        """Return the candidate that the sample speaks for."""
        candidates = self._candidates()
        if self.criterion != "slope":
            bound = self.criterion == "mse_bound"
            delta = self.delta
            scores = [mse(one, sample, bound, delta) for one in candidates]
            return candidates[int(np.argmin(scores))]
        units = [one.terms(sample).numerators.sum(axis=1) for one in candidates]
        values = np.array([one.mean() for one in units])
        widths = np.array([student_t_margin(one, self.delta) for one in units])
        return candidates[slope(values, widths)]

    def terms(self, sample: BanditSample) -> Terms:
        """Return the terms of the candidate chosen, a unit a round."""
        return self.choose(sample).terms(sample)

    def _candidates(self) -> list[TunableEstimator]:
        return [self.make(lambda_) for lambda_ in self.lambdas]


def mse(
    estimator: TunableEstimator, sample: BanditSample, bound: bool = False, delta: float = 0.1
) -> float:
    """Return variance plus squared bias of an estimate, as the sample tells them.

    Args:
        estimator: Whose bias is what its weights leave out: mean of (w - weight used) times what
            they multiply.
        sample: Of n rounds.
        bound: Add to the bias how far a mean of importance weights may stray (Bernstein).
        delta: Chance of error of that bound.
    """
    weights = sample.weights
    left_out = (weights - estimator.used(weights)) * estimator.corrected(sample)
    bias = abs(float(left_out.mean()))
    n = sample.n_rounds
    if bound:
        logarithm = math.log(2.0 / delta)
        bias += math.sqrt(2.0 * float((weights**2).mean()) * logarithm / n)
        bias += 2.0 * float(weights.max()) * logarithm / (3.0 * n)
    units = estimator.terms(sample).numerators.sum(axis=1)
    return float(units.var()) / n + bias**2
