"""What a foreign environment tells must be numbers, of the shapes it declared."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rlrec.errors import ConfigError
from rlrec.simulation import Space


def check_seen(seen: Mapping[str, NDArray[Any]], spaces: Mapping[str, Space], env_id: str) -> None:
    """Raise ConfigError unless an observation has the declared shapes, and finite numbers."""
    for key, space in spaces.items():
        array = seen[key]
        if array.shape != space.shape:
            raise ConfigError(
                f"{env_id} must observe {key!r} in the shape it declares, {space.shape}, got "
                f"{array.shape}: correct its observation_space, or drop the key by `keys`"
            )
        check_finite(f"the observation {key!r}", array, env_id)


def check_finite(what: str, value: Any, env_id: str) -> None:
    """Raise ConfigError unless all numbers are finite."""
    if not np.isfinite(value).all():
        raise ConfigError(f"{what} of {env_id} must be finite, got {value}")


def as_reward(value: Any, env_id: str) -> float:
    """Return a reward as a number, or raise ConfigError."""
    numbers = np.asarray(value)
    if numbers.ndim or numbers.dtype.kind not in "fiub":
        raise ConfigError(f"the reward of {env_id} must be one number a step, got {value!r}")
    check_finite("the reward", numbers, env_id)
    return float(numbers)


def unpacked(told: Any, names: tuple[str, ...], method: str, env_id: str) -> tuple[Any, ...]:
    """Return what a method of a Gymnasium environment returned, or raise ConfigError."""
    if isinstance(told, tuple) and len(told) == len(names):
        return told
    got = f"{len(told)} values" if isinstance(told, tuple) else type(told).__name__
    raise ConfigError(
        f"`{method}` of {env_id} must return ({', '.join(names)}), as in Gymnasium, got {got}; "
        "an environment of the older gym needs a wrapper that does"
    )
