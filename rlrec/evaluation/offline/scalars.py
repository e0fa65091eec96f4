"""Checks of single numbers that users pass."""

import math
from numbers import Integral, Real
from typing import Any

from rlrec.errors import ConfigError


def is_number(value: Any) -> bool:
    """Return whether a value is a real number: not text, not a truth value, not nan."""
    return isinstance(value, Real) and not isinstance(value, bool) and not math.isnan(value)


def check_whole(name: str, value: Any, least: int, why: str = "") -> None:
    """Raise ConfigError unless `value` is a whole number of `least` or more.

    Args:
        name: Of the argument.
        value: What was passed; 100.0 is refused as well.
        least: Smallest allowed.
        why: Reason for that limit, for the message.
    """
    if not isinstance(value, Integral) or isinstance(value, bool):
        raise ConfigError(
            f"{name} must be a whole number of {least} or more, got {value!r:.80} "
            f"({type(value).__name__})"
        )
    if value < least:
        because = f" ({why})" if why else ""
        raise ConfigError(f"{name} must be {least} or more{because}, got {value!r}")


def check_discount(discount: Any) -> None:
    """Raise ConfigError for a discount outside (0, 1]."""
    if not is_number(discount) or not 0 < discount <= 1:
        raise ConfigError(f"discount must be above 0 and at most 1, got {discount!r:.80}")
