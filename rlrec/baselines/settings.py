"""Checks of the settings that several models share."""

import math
from numbers import Integral, Real

from rlrec.errors import ConfigError


def check_count(name: str, value: object) -> None:
    """Raise ConfigError unless `value` is a whole number of 1 or more."""
    if isinstance(value, bool) or not isinstance(value, Integral) or value < 1:
        raise ConfigError(f"{name} must be a whole number of 1 or more, got {value!r}")


def check_seed(value: object) -> None:
    """Raise ConfigError unless `value` is a whole number of 0 or more."""
    if isinstance(value, bool) or not isinstance(value, Integral) or value < 0:
        raise ConfigError(f"seed must be a whole number of 0 or more, got {value!r}")


def check_above_zero(name: str, value: object) -> None:
    """Raise ConfigError unless `value` is a finite number above 0."""
    if not _is_number(value) or not float(value) > 0:  # type: ignore[arg-type]
        raise ConfigError(f"{name} must be a number above 0, got {value!r}")


def check_not_negative(name: str, value: object) -> None:
    """Raise ConfigError unless `value` is a finite number of 0 or more."""
    if not _is_number(value) or not float(value) >= 0:  # type: ignore[arg-type]
        raise ConfigError(f"{name} must be a number of 0 or more, got {value!r}")


def _is_number(value: object) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool) and math.isfinite(value)
