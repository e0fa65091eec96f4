"""Settings of agents, checked when they are made."""

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any, ClassVar, NamedTuple

import numpy as np

from rlrec.errors import ConfigError


class Rule(NamedTuple):
    """What must hold for some numbers."""

    names: str
    """Names of settings, with blanks between."""
    holds: Callable[[float], bool]
    words: str
    """What follows "must" in the error."""


@dataclass(frozen=True, kw_only=True)
class CheckedSettings:
    """Settings whose numbers follow `rules`, and whose words are among `choices`.

    What is on or off by default must be True or False.
    """

    rules: ClassVar[tuple[Rule, ...]] = ()
    choices: ClassVar[dict[str, tuple[Any, ...]]] = {}

    def __post_init__(self) -> None:
        agent = type(self).__name__.removesuffix("Config")
        for name, known in self.choices.items():
            if getattr(self, name) not in known:
                raise ConfigError(
                    f"{name} of {agent} must be one of {known}, got {getattr(self, name)!r}"
                )
        for names, holds, words in self.rules:
            for name in names.split():
                value = getattr(self, name)
                is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
                if not (is_number and holds(value)):
                    raise ConfigError(f"{name} of {agent} must {words}, got {value!r}")
        for part in fields(self):
            value = getattr(self, part.name)
            if isinstance(part.default, bool) and not isinstance(value, bool):
                raise ConfigError(f"{part.name} of {agent} must be True or False, got {value!r}")


def above_0(names: str) -> Rule:
    """Return that numbers are above 0 and finite."""
    return Rule(names, lambda x: 0 < x < np.inf, "be above 0")


def not_negative(names: str) -> Rule:
    """Return that numbers are 0 or more and finite."""
    return Rule(names, lambda x: 0 <= x < np.inf, "be 0 or more")


def finite(names: str) -> Rule:
    """Return that numbers are finite."""
    return Rule(names, lambda x: -np.inf < x < np.inf, "be finite")


def share(names: str) -> Rule:
    """Return that numbers lie in 0..1."""
    return Rule(names, lambda x: 0 <= x <= 1, "lie in 0..1")


def share_above_0(names: str) -> Rule:
    """Return that numbers lie in (0, 1]."""
    return Rule(names, lambda x: 0 < x <= 1, "lie in (0, 1]")


def count(names: str) -> Rule:
    """Return that numbers are whole and 1 or more."""
    return Rule(names, lambda x: isinstance(x, int) and x >= 1, "be a whole number of 1 or more")


def count_or_0(names: str) -> Rule:
    """Return that numbers are whole and 0 or more."""
    return Rule(names, lambda x: isinstance(x, int) and x >= 0, "be a whole number of 0 or more")
