"""Checks of the settings that wrappers share."""

from numbers import Real
from typing import Any

import numpy as np

from rlrec.errors import ConfigError
from rlrec.simulation import SteppedSimulator


def check_is_simulator(simulator: Any, name: str) -> None:
    """Raise ConfigError unless what a wrapper or kind of action is given is a simulator."""
    if isinstance(simulator, SteppedSimulator):
        return
    face = getattr(simulator, "unwrapped", simulator)
    way_out = "pass users.simulator" if hasattr(face, "simulator") else "see rlrec.make_simulator"
    raise ConfigError(
        f"{name} takes a simulator of users, got {type(simulator).__name__}: {way_out}"
    )


def check_number(name: str, value: object, least: float = -np.inf, most: float = np.inf) -> None:
    """Raise ConfigError unless `value` is a finite number from `least` to `most`."""
    if _is_number(value) and least <= value <= most:  # type: ignore[operator]
        return
    rule = "finite number" if np.isinf(most) else f"number in {least:g}..{most:g}"
    raise ConfigError(f"{name} must be a {rule}, got {value!r}")


def check_above_zero(name: str, value: object) -> None:
    """Raise ConfigError unless `value` is a finite number above 0 that float32 can hold."""
    largest = float(np.finfo(np.float32).max)
    if not (_is_number(value) and 0 < value <= largest):  # type: ignore[operator]
        raise ConfigError(f"{name} must be a finite number above 0, got {value!r}")


def _is_number(value: object) -> bool:
    return (
        isinstance(value, Real) and not isinstance(value, bool) and bool(np.isfinite(float(value)))
    )
