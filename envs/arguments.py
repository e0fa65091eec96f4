"""Checks of the arguments that environments share."""

from collections.abc import Mapping
from numbers import Integral
from typing import Any

import numpy as np

from rlrec.arrays import Ints
from rlrec.errors import ConfigError, SlateError


def check_whole_number(name: str, value: object, least: int, most: int | None = None) -> None:
    """Raise ConfigError unless `value` is a whole number of `least` or more, up to `most`."""
    is_whole = isinstance(value, Integral) and not isinstance(value, bool)
    if is_whole and least <= value and (most is None or value <= most):  # type: ignore[operator]
        return
    rule = f"of {least} or more" if most is None else f"in {least}..{most}"
    raise ConfigError(f"{name} must be a whole number {rule}, got {value!r}")


def checked_slates(slates: Ints, n_users: int, slate_size: int, n_choices: int) -> Ints:
    """Return slates (B, K) as int64.

    Raises:
        SlateError: They have another shape or type, or name something that is not on offer.
    """
    slates = np.asarray(slates)
    expected = (n_users, slate_size)
    if slates.shape != expected or slates.dtype.kind not in "iu":
        raise SlateError(
            f"slates must be integers of shape {expected} (users, slots), got "
            f"{slates.dtype} of shape {slates.shape}"
        )
    slates = slates.astype(np.int64, copy=False)
    # As numbers without a sign, those below 0 are larger than any item.
    if slates.view(np.uint64).max() >= n_choices:
        row, slot = np.argwhere((slates < 0) | (slates >= n_choices))[0]
        raise SlateError(
            f"slates must name items in 0..{n_choices - 1}, got {slates[row, slot]} for "
            f"user {row} in slot {slot}"
        )
    return slates


def plain(value: Any) -> Any:
    """Return a value with Python's numbers in place of numpy's, as deep as lists and mappings go.

    Arguments of an environment are written into logs and runs as JSON, which knows no others.
    """
    if isinstance(value, np.generic) or (isinstance(value, np.ndarray) and not value.ndim):
        return value.item()
    if isinstance(value, Mapping):
        return {key: plain(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(plain(part) for part in value)
    return value
