"""Whether a log can support an estimate, judged by the importance weights behind it."""

import math
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from rlrec.arrays import Floats, Ints
from rlrec.errors import ConfigError, DataError

Word = Literal["supported", "unsupported", "model only"]

SUPPORTED: Final = "supported"
UNSUPPORTED: Final = "unsupported"
MODEL_ONLY: Final = "model only"


@dataclass(frozen=True, kw_only=True)
class Thresholds:
    """What an estimate must meet to be called supported."""

    effective_sample_size: float = 100.0
    """Fewest equally weighted units that the weights must be worth, 0 or more. With fewer,
    bootstrap intervals miss the truth far too often: the units that matter were never sampled."""
    weight_errors: float = 4.0
    """Most standard errors by which the mean weight may lie off 1, above 0."""
    weight_gap: float = 0.02
    """A mean weight no further off 1 than this passes in any case, 0 or more."""
    unsupported_share: float = 0.05
    """Most of the target policy's mass that may lie where the log has none, 0 to 1. What is less
    widens intervals by what it could be worth."""
    n_users: int = 30
    """Fewest users in the log, 1 or more: they are what is resampled. Users of very different
    weight count for fewer, (sum of weights)^2 / (sum of squares)."""

    def __post_init__(self) -> None:
        rules = {
            "effective_sample_size must be 0 or more": self.effective_sample_size >= 0,
            "weight_errors must be above 0": self.weight_errors > 0,
            "weight_gap must be 0 or more": self.weight_gap >= 0,
            "unsupported_share must lie in 0..1": 0 <= self.unsupported_share <= 1,
            "n_users must be 1 or more": self.n_users >= 1,
        }
        for rule, holds in rules.items():
            if not holds:
                raise ConfigError(f"{rule}, got {getattr(self, rule.split()[0])!r}")


@dataclass(frozen=True, kw_only=True)
class WeightSums:
    """Sums over the units of each user (or block of users), from which weights are judged."""

    weights: Floats
    """Shape (C,). Sum of the weights of each user's units."""
    squares: Floats
    """Shape (C,). Sum of their squares."""
    n_units: Floats
    """Shape (C,). Number of units."""
    largest: float
    """Of all weights."""


@dataclass(frozen=True, kw_only=True)
class Diagnostics:
    """What the importance weights of an estimate say about it; nan where it has none."""

    effective_sample_size: float
    """(sum of weights)^2 / (sum of squares): equally weighted units they are worth."""
    largest_weight: float
    mean_weight: float
    """1 in expectation wherever the log has support."""
    mean_weight_error: float
    """Its standard error over users."""
    effective_users: float
    """(sum of the users' weights)^2 / (sum of squares): equal users they are worth."""

    @property
    def missing(self) -> float:
        """Most of the policy's mass that the log plausibly lacks, 0 to 1.

        The mean weight is 1 less that mass. 0 where it is within two standard errors of 1.
        """
        return _at_most(1.0 - self.mean_weight, self.mean_weight_error)


NO_WEIGHTS = Diagnostics(
    effective_sample_size=math.nan,
    largest_weight=math.nan,
    mean_weight=math.nan,
    mean_weight_error=math.nan,
    effective_users=math.nan,
)


@dataclass(frozen=True, kw_only=True)
class Support:
    """How much of what a policy does lies where the log has none of it."""

    share: float
    """Of its mass, 0 to 1; nan where unknown."""
    error: float
    """Standard error of the share; 0 where it is known exactly."""

    @property
    def missing(self) -> float:
        """Most that the share plausibly is; 0 where it is within two standard errors of 0."""
        return _at_most(self.share, self.error)


UNKNOWN_SUPPORT = Support(share=math.nan, error=math.nan)


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """Whether the log supports an estimate, and why (not)."""

    word: Word
    """`model only`: rests on a fitted model alone, whose error no interval here knows."""
    reason: str


def weight_sums(weights: Floats, users: Ints) -> WeightSums:
    """Return the sums of weights (n,) over users (n,), numbered from 0 without gaps."""
    if weights.shape != users.shape:
        raise DataError(f"weights and users need one shape, got {weights.shape}, {users.shape}")
    n_users = int(users.max()) + 1
    return WeightSums(
        weights=summed(users, weights, n_users),
        squares=summed(users, weights**2, n_users),
        n_units=summed(users, np.ones(len(users)), n_users),
        largest=float(weights.max()),
    )


def diagnose(sums: WeightSums) -> Diagnostics:
    """Return what the weights say, from their sums over users."""
    total, n_units = float(sums.weights.sum()), float(sums.n_units.sum())
    squares, n_users = float(sums.squares.sum()), len(sums.weights)
    mean, error = clustered_mean(sums.weights, sums.n_units)
    if n_users < 2:
        error = math.nan
    return Diagnostics(
        effective_sample_size=total * total / squares if squares > 0 else 0.0,
        largest_weight=sums.largest,
        mean_weight=total / n_units,
        mean_weight_error=error if math.isfinite(mean) else math.nan,
        effective_users=_worth(sums.weights) if total > 0 else float(n_users),
    )


def clustered_mean(totals: Floats, counts: Floats) -> tuple[float, float]:
    """Return a mean over units and its standard error over users, of sums (C,) and counts (C,)."""
    n_users, n_units = len(totals), float(counts.sum())
    mean = float(totals.sum()) / n_units
    if n_users < 2:
        return mean, math.nan
    spread = float(np.sum((totals - mean * counts) ** 2)) * n_users / (n_users - 1)
    return mean, math.sqrt(spread) / n_units


def share_without_support(ratios: Floats, n_rows: Floats) -> Support:
    """Return the share of a policy's mass where the logging policy has none.

    The expected ratio of target to logging probability is the target's mass within the support of
    the logging policy, so what it lacks of 1 is the mass outside.

    Args:
        ratios: Shape (C,). Sum over the rows of each user of target over logging probability of
            the slate.
        n_rows: Shape (C,). Rows of each user.
    """
    mean, error = clustered_mean(ratios, n_rows)
    return Support(share=max(0.0, 1.0 - mean), error=error)


def judge(
    diagnostics: Diagnostics,
    support: Support,
    n_users: int,
    thresholds: Thresholds,
    value: float,
) -> Verdict:
    """Return whether an estimate is supported.

    Args:
        diagnostics: Of its weights; without weights, only support and number of users count.
        support: Of the target policy; it fails where its share is beyond the threshold by more
            than two standard errors.
        n_users: In the log.
        thresholds: What must be met.
        value: The estimate; not finite is unsupported.
    """
    reasons = list(_doubts(diagnostics, thresholds))
    slack = 2 * support.error if math.isfinite(support.error) else 0.0
    if support.share - slack > thresholds.unsupported_share:
        reasons.append(
            f"{support.share:.0%} of what the policy does has no support in the log, more than "
            f"{thresholds.unsupported_share:.0%}"
        )
    if n_users < thresholds.n_users:
        reasons.append(f"the log has {n_users} users, fewer than {thresholds.n_users}")
    elif diagnostics.effective_users < thresholds.n_users:
        reasons.append(
            f"the weights of the {n_users} users are worth {diagnostics.effective_users:.3g} equal "
            f"ones, fewer than {thresholds.n_users}"
        )
    if not math.isfinite(value):
        reasons.append("no estimate can be computed")
    if reasons:
        return Verdict(word=UNSUPPORTED, reason="; ".join(reasons))
    if math.isnan(diagnostics.mean_weight):
        return Verdict(word=MODEL_ONLY, reason="the interval leaves out the model's own error")
    return Verdict(word=SUPPORTED, reason="")


def doubted(verdict: Verdict, doubt: str) -> Verdict:
    """Return the verdict on an estimate that there is a doubt about; "" for none."""
    if not doubt:
        return verdict
    earlier = (verdict.reason,) if verdict.word == UNSUPPORTED else ()
    return Verdict(word=UNSUPPORTED, reason="; ".join([*earlier, doubt]))


def judge_interval(verdict: Verdict, lower: float, upper: float) -> Verdict:
    """Return the verdict once the interval is known: without one, nothing is supported."""
    if verdict.word == UNSUPPORTED or lower < upper:
        return verdict
    told = "no interval can be computed"
    if lower == upper:
        told = "no resample gives another value, so the log tells nothing of the error"
    return Verdict(word=UNSUPPORTED, reason=told)


def _doubts(diagnostics: Diagnostics, thresholds: Thresholds) -> list[str]:
    if math.isnan(diagnostics.mean_weight):
        return []
    doubts = []
    worth, needed = diagnostics.effective_sample_size, thresholds.effective_sample_size
    if worth < needed:
        doubts.append(f"the effective sample size is {worth:.3g}, below {needed:g}")
    off, error = abs(diagnostics.mean_weight - 1.0), diagnostics.mean_weight_error
    if 1.0 - diagnostics.mean_weight - 2 * error > thresholds.unsupported_share:
        doubts.append(
            f"the mean weight is {diagnostics.mean_weight:.3g}, so the log lacks more than "
            f"{thresholds.unsupported_share:.0%} of what the policy does, or its propensities are "
            f"wrong"
        )
        return doubts
    # A mean without spread that is not 1 (no logged action has any weight) is off beyond doubt.
    if off > thresholds.weight_gap and not off <= thresholds.weight_errors * error:
        doubts.append(
            f"the mean weight is {diagnostics.mean_weight:.3g}, more than "
            f"{thresholds.weight_errors:g} standard errors ({error:.2g}) off 1"
        )
    return doubts


def widened(
    interval: tuple[float, float], missing: float, value: float, possible: tuple[float, float]
) -> tuple[float, float]:
    """Return an interval that also holds what the log lacks, within what is possible.

    Args:
        interval: Of what the log has.
        missing: Mass of the policy that the log lacks, 0 to 1.
        value: The estimate, which stays inside.
        possible: Lowest and highest value of a unit.
    """
    reach = missing * (possible[1] - possible[0]) if missing else 0.0
    lower = min(max(interval[0] - reach, possible[0]), possible[1])
    upper = max(min(interval[1] + reach, possible[1]), possible[0])
    if math.isnan(interval[0] + interval[1]):
        return interval
    return min(lower, value), max(upper, value)


def _at_most(share: float, error: float) -> float:
    slack = 2.0 * error if math.isfinite(error) else 0.0
    return min(share + slack, 1.0) if share > slack else 0.0


def _worth(weights: Floats) -> float:
    """Return (sum)^2 / (sum of squares) of weights, not all 0."""
    return float(weights.sum()) ** 2 / float((weights**2).sum())


def summed(groups: Ints, values: Floats, n_groups: int) -> Floats:
    """Return the sum of values (n,) in each of the groups 0..n_groups - 1."""
    return np.bincount(groups, values, n_groups).astype(np.float64)
