"""Estimates with 95 % intervals, normal on the scale on which a parameter was searched for."""

from collections.abc import Callable, Mapping, Sequence
from typing import Literal, NamedTuple

import numpy as np
from scipy.special import expit
from scipy.stats import norm

from rlrec.arrays import Floats
from rlrec.evaluation import Estimate

Scale = Literal["plain", "log", "logit"]
_REACH = float(norm.ppf(0.975))
_BACK: dict[Scale, Callable[[Floats], Floats]] = {
    "plain": lambda values: values,
    "log": lambda values: np.exp(np.minimum(values, 700.0)),  # beyond is no number
    "logit": expit,
}


class Prior(NamedTuple):
    """What is thought of a parameter before the log: normal on the scale of the search."""

    scale: Scale
    mean: float
    """On that scale."""
    sd: float
    least: float = -np.inf
    """Below which no value is possible."""

    def is_told(self, error: float) -> bool:
        """Return whether a log says so much that no more than half the doubt is left."""
        return error <= 0.5 * self.sd

    def doubt(self, found: Estimate) -> str:
        """Return in words how little the log tells."""
        before = estimate_on(self.scale, self.mean, self.sd, 0)
        return (
            f"the log hardly tells it: {found.low:.3g} to {found.high:.3g}, where "
            f"{before.low:.3g} to {before.high:.3g} was thought before (95 %)"
        )


def estimate_on(scale: Scale, value: float, error: float, n: int) -> Estimate:
    """Return an estimate whose interval is symmetric on a scale, and holds no impossible value.

    Args:
        scale: `log` of parameters above 0, `logit` of shares.
        value: On that scale.
        error: Its standard error there; that of the result is half its interval over 1.96.
        n: Observations behind it.
    """
    ends = np.array([value, value - _REACH * error, value + _REACH * error])
    middle, low, high = (float(end) for end in _BACK[scale](ends))
    return Estimate(middle, low, high, (high - low) / (2 * _REACH), n)


def prior_loss(point: Floats, means: Floats, sds: Floats) -> tuple[float, Floats]:
    """Return the negative logarithm of a normal prior, less a constant, and its slope, (n,).

    Args:
        point: Shape (n,). On the scales of the parameters.
        means: Shape (n,).
        sds: Shape (n,).
    """
    away = (point - means) / sds
    return 0.5 * float(away @ away), away / sds


def moments(priors: Sequence[Prior]) -> tuple[Floats, Floats]:
    """Return means and standard deviations of n priors, (n,) each."""
    return np.array([prior.mean for prior in priors]), np.array([prior.sd for prior in priors])


class Told(NamedTuple):
    """What a log tells of parameters, and what it hardly tells."""

    values: dict[str, float]
    """Of all."""
    estimates: dict[str, Estimate]
    """Of those that the log tells."""
    doubts: dict[str, str]
    """Of the others, whose values are nearly those of the prior: why they are no estimates."""
    hardly: dict[str, Estimate]
    """Of the others, with their wide intervals."""


def what_is_told(priors: Mapping[str, Prior], point: Floats, errors: Floats, n: int) -> Told:
    """Return the estimates of parameters.

    Args:
        priors: By name, n parameters.
        point: Shape (n,). The likeliest, on their scales.
        errors: Shape (n,). Their standard errors there.
        n: Observations behind them.
    """
    found = Told({}, {}, {}, {})
    for (name, prior), value, error in zip(priors.items(), point, errors, strict=True):
        estimate = estimate_on(prior.scale, float(value), float(error), n)
        estimate = estimate._replace(low=max(estimate.low, prior.least))
        found.values[name] = estimate.value
        if prior.is_told(float(error)):
            found.estimates[name] = estimate
        else:
            found.doubts[name], found.hardly[name] = prior.doubt(estimate), estimate
    return found
