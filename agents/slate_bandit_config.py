"""Settings that all bandits share."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Literal, get_args

import numpy as np

from rlrec.errors import ConfigError

Examination = Literal["all", "cascade", "position"]


@dataclass(frozen=True, kw_only=True)
class SlateBanditConfig:
    """Settings that all bandits share."""

    disjoint: bool = False
    """Whether each item has a model of its own, of the user's state alone. For catalogues of a few
    hundred items; a model takes memory and time by the square of the state's length."""
    item_size: int = 16
    """Most entries of an item's vector; longer ones are cut to their leading principal
    components. The shared model's length is (1 + this) * (1 + the state's length)."""
    prior_precision: float = 1.0
    """Precision of each parameter before anything was seen, above 0."""
    forgetting: float = 1.0
    """What an observation still counts one update later, in (0, 1]; below 1 where tastes drift. An
    update is a step of all users in `learn`, and a block of rows in `pretrain`."""
    examination: Examination = "all"
    """Which slots a user looks at, since only they teach anything: `all`; in a `cascade` those down
    to the first response, all where there is none; by `position`, slot k with chance
    `examination_decay ** k`."""
    examination_decay: float = 0.85
    """In (0, 1]; for examination by position."""
    exploration: float = 0.0
    """Share of random slates in what `act` draws, in 0..1. Above 0, every slate has a chance."""

    positive: ClassVar[str] = "prior_precision"
    """Numbers that must be above 0."""

    def __post_init__(self) -> None:
        agent = type(self).__name__.removesuffix("Config")
        if self.examination not in get_args(Examination):
            known = get_args(Examination)
            raise ConfigError(
                f"examination of {agent} must be one of {known}, got {self.examination!r}"
            )
        rules: tuple[tuple[str, Callable[[float], bool], str], ...] = (
            (self.positive, lambda x: 0 < x < np.inf, "be above 0"),
            ("forgetting examination_decay", lambda x: 0 < x <= 1, "lie in (0, 1]"),
            ("exploration", lambda x: 0 <= x <= 1, "lie in 0..1"),
            ("item_size", lambda x: x >= 1 and x == int(x), "be a whole number of 1 or more"),
        )
        for names, holds, rule in rules:
            for name in names.split():
                value = getattr(self, name)
                if not (isinstance(value, (int, float)) and holds(value)):
                    raise ConfigError(f"{name} of {agent} must {rule}, got {value!r}")
