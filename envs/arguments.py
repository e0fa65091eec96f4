"""Checks of the arguments that environments share."""

from numbers import Integral

from rlrec.errors import ConfigError


def check_whole_number(name: str, value: object, least: int, most: int | None = None) -> None:
    """Raise ConfigError unless `value` is a whole number of `least` or more, up to `most`."""
    is_whole = isinstance(value, Integral) and not isinstance(value, bool)
    if is_whole and least <= value and (most is None or value <= most):  # type: ignore[operator]
        return
    rule = f"of {least} or more" if most is None else f"in {least}..{most}"
    raise ConfigError(f"{name} must be a whole number {rule}, got {value!r}")
