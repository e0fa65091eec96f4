"""How a parameter differs between users: a prior, drawn by its inverse distribution function."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from scipy.special import ndtri

from rlrec.arrays import Floats
from rlrec.envs.arguments import LARGEST, MOST_LOG_SD, check_number
from rlrec.errors import ConfigError

_LEAST = 2.0**-54  # a uniform of 0 would give minus infinity


class Prior(Protocol):
    """A distribution of a parameter over users; each value takes one uniform."""

    def of(self, uniforms: Floats) -> Floats:
        """Return values for uniforms in [0, 1), of the same shape."""
        ...


@dataclass(frozen=True)
class Fixed:
    """The same value for all users."""

    value: float

    def __post_init__(self) -> None:
        check_number("value of a prior", self.value)

    def of(self, uniforms: Floats) -> Floats:
        """Return the value."""
        return np.full(uniforms.shape, float(self.value))


@dataclass(frozen=True)
class Uniform:
    """Uniform between two values."""

    low: float
    high: float

    def __post_init__(self) -> None:
        for name in ("low", "high"):
            check_number(name, getattr(self, name))
        if not self.low <= self.high:
            raise ConfigError(f"low must be finite and at most high, got {self!r}")

    def of(self, uniforms: Floats) -> Floats:
        """Return low + (high - low) * uniform."""
        return self.low + (self.high - self.low) * uniforms


@dataclass(frozen=True)
class Normal:
    """Normal with a mean and a standard deviation."""

    mean: float
    sd: float

    def __post_init__(self) -> None:
        check_number("mean", self.mean)
        check_number("sd", self.sd, 0.0)

    def of(self, uniforms: Floats) -> Floats:
        """Return the quantiles of the normal distribution."""
        return self.mean + self.sd * standard_normals(uniforms)


@dataclass(frozen=True)
class LogNormal:
    """exp of a normal; `median` is the median and `sigma` the spread of the logarithm."""

    median: float
    sigma: float

    def __post_init__(self) -> None:
        check_number("median", self.median, 0.0, above=True)
        check_number("sigma", self.sigma, 0.0, MOST_LOG_SD)

    def of(self, uniforms: Floats) -> Floats:
        """Return the quantiles of the log-normal distribution."""
        values: Floats = self.median * np.exp(self.sigma * standard_normals(uniforms))
        return values


@dataclass(frozen=True)
class Clipped:
    """Another prior, clipped to low..high."""

    prior: Prior
    low: float
    high: float

    def of(self, uniforms: Floats) -> Floats:
        """Return the other prior's values, those outside moved to the bounds."""
        return np.clip(self.prior.of(uniforms), self.low, self.high)


def as_prior(value: "float | Prior") -> Prior:
    """Return a number as a `Fixed` prior, and a prior as it is."""
    return Fixed(float(value)) if isinstance(value, int | float | np.number) else value


def within(name: str, value: "float | Prior", low: float, high: float = LARGEST) -> Prior:
    """Return the prior of a parameter that must lie in low..high.

    Tails of a prior without bounds are clipped.

    Raises:
        ConfigError: A fixed or uniform value may lie outside, or a value is not finite.
    """
    if not callable(getattr(value, "of", None)):
        check_number(name, value, low, high)
    prior = as_prior(value)
    ends = {Fixed: ("value",), Uniform: ("low", "high")}.get(type(prior), ())
    for end in ends:
        number = getattr(prior, end)
        if not low <= number <= high:
            rule = f"be {low:g} or more" if high == LARGEST else f"lie in {low:g}..{high:g}"
            raise ConfigError(f"{name} must {rule}, got {value!r}")
    return prior if ends else Clipped(prior, low, high)


def standard_normals(uniforms: Floats) -> Floats:
    """Return standard normals for uniforms in [0, 1), one for one."""
    normals: Floats = ndtri(np.maximum(uniforms, _LEAST))
    return normals
