"""Checks of the arguments that environments and their parts share."""

import json
from collections.abc import Collection, Mapping
from numbers import Integral, Real
from typing import Any

import numpy as np

from rlrec.arrays import Ints
from rlrec.errors import ConfigError, SlateError, UnknownNameError, nearest_hint

LARGEST = 1e6
"""Numbers beyond this mean nothing in any part, and would overflow in some."""
LEAST = 1e-6
"""Of what scores are divided by."""
MOST_LOG = 20.0
MOST_LOG_SD = 5.0
"""Of logarithms; their exponentials stay within what float32 can hold."""
MOST = 2**31
MOST_USERS = 10**8
MOST_FIRST_USER = 2**42  # so that the numbers of all their episodes have 64 bits
MOST_ITEMS = 10**7
MOST_TOPICS = 10**4
MOST_CANDIDATES = 10**6
MOST_HISTORY = 10**6
MOST_CELLS = 10**9
"""Items times topics, or moments times places, in one table."""


def plain(value: Any) -> Any:
    """Return an argument as it stands in JSON, where everything in it can.

    Numbers and arrays of numpy become Python's numbers and lists, tuples become lists, as deep as
    lists and mappings go; anything else stays.
    """
    if isinstance(value, np.floating):
        return float(value)
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return plain(value.tolist())
    if isinstance(value, Mapping):
        return {key: plain(part) for key, part in value.items()}
    return [plain(part) for part in value] if isinstance(value, list | tuple) else value


def json_ready(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return arguments as they stand in JSON.

    Raises:
        ConfigError: One of them cannot stand there.
    """
    ready: dict[str, Any] = plain(arguments)
    for name, value in ready.items():
        try:
            json.dumps(value, allow_nan=False)
        except (TypeError, ValueError) as error:
            raise ConfigError(
                f"arguments of a Problem must be ready for JSON, which logs are written in; "
                f"{name!r} is {value!r}"
            ) from error
    return ready


def check_whole_number(name: str, value: object, least: int, most: int | None = None) -> None:
    """Raise ConfigError unless `value` is a whole number of `least` or more, up to `most`."""
    is_whole = isinstance(value, Integral) and not isinstance(value, bool)
    if is_whole and least <= value and (most is None or value <= most):  # type: ignore[operator]
        return
    rule = f"of {least} or more" if most is None else f"in {least}..{most}"
    raise ConfigError(f"{name} must be a whole number {rule}, got {value!r}")


def check_size(name: str, value: object, least: int = 1, most: int = MOST) -> None:
    """Raise ConfigError unless `value` is a whole number of `least` or more that can be held."""
    check_whole_number(name, value, least)
    if value > most:  # type: ignore[operator]
        raise ConfigError(f"{name} must be at most {most}, got {value!r}")


def check_catalogue_size(n_items: int, n_topics: int = 1, fewest_topics: int = 1) -> None:
    """Raise ConfigError unless a catalogue of so many items and topics can be held."""
    check_size("n_items", n_items, most=MOST_ITEMS)
    check_size("n_topics", n_topics, fewest_topics, MOST_TOPICS)
    if n_items * n_topics > MOST_CELLS:
        raise ConfigError(
            f"n_items times n_topics must be at most {MOST_CELLS}, got {n_items} times {n_topics}"
        )


def check_number(
    name: str,
    value: object,
    low: float = -LARGEST,
    high: float = LARGEST,
    *,
    above: bool = False,
) -> None:
    """Raise ConfigError unless `value` is a number in low..high, which are in it.

    Args:
        name: Of the argument.
        value: What it is; neither a boolean nor an array is a number.
        low: Least that it may be.
        high: Most that it may be.
        above: Whether it must be above `low`.
    """
    if not isinstance(value, Real) or isinstance(value, bool):
        raise ConfigError(f"{name} must be a number, got {value!r}")
    if not low <= value <= high or (above and value == low):  # type: ignore[operator]
        raise ConfigError(f"{name} must {_rule(value, low, high, above)}, got {value!r}")


def _rule(value: Any, low: float, high: float, above: bool) -> str:
    if high < LARGEST or (LARGEST < abs(value) < float("inf")):
        return f"lie in {low:g}..{high:g}" + (f", above {low:g}" if above else "")
    if above:
        return f"be above {low:g} and finite"
    return "be finite" if low == -high else f"be {low:g} or more and finite"


def check_numbers(
    name: str, values: object, low: float = -LARGEST, high: float = LARGEST
) -> list[float]:
    """Return numbers as a list, at least one.

    Raises:
        ConfigError: They are no sequence of numbers in low..high.
    """
    listed = plain(values)
    if not isinstance(listed, list) or not listed:
        raise ConfigError(f"{name} must be a list of numbers, got {values!r}")
    for place, value in enumerate(listed):
        check_number(f"{name}[{place}]", value, low, high)
    return listed


def check_flag(name: str, value: object) -> None:
    """Raise ConfigError unless `value` is True or False."""
    if not isinstance(value, bool | np.bool_):
        raise ConfigError(f"{name} must be true or false, got {value!r}")


def check_name(name: str, value: object, known: Collection[str]) -> None:
    """Raise an error unless `value` is one of the names that are known.

    Raises:
        ConfigError: It is no name at all.
        UnknownNameError: It is another name.
    """
    if not isinstance(value, str):
        raise ConfigError(f"{name} must be one of {list(known)}, got {value!r}")
    if value not in known:
        raise UnknownNameError(f"no {name} is called {value!r}.{nearest_hint(value, known)}")


def check_one_of(name: str, value: object, known: Collection[str]) -> None:
    """Raise ConfigError unless `value` is one of a few words."""
    if not isinstance(value, str) or value not in known:
        raise ConfigError(f"{name} must be one of {tuple(known)}, got {value!r}")


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
