"""How long a visit lasts: a budget of time that consuming spends and quality gives back."""

from dataclasses import dataclass

import numpy as np

from rlrec.arrays import Bools, Floats, Floats32, Ints
from rlrec.envs.taste import Consumed, State
from rlrec.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class TimeBudget:
    """Time a user has left; the visit ends when it is used up.

    Watching costs its time w and gives back `bonus * w * quality`; a step without a response costs
    `idle_cost`. So poor items shorten a visit and good ones stretch it.

    Reference:
        Ie et al., 2019, "SlateQ: A Tractable Decomposition for Reinforcement Learning with
        Recommendation Sets".
    """

    initial: float = 200.0
    """Minutes a visit begins with, above 0."""
    item_length: float = 4.0
    """Minutes an item lasts, above 0."""
    idle_cost: float = 0.5
    """Minutes lost when nothing is taken, above 0 (or a visit need never end)."""
    bonus: float = 0.9 / 3.4
    """Minutes given back for each minute watched and unit of quality, 0 or more."""
    bonus_when_cut_short: bool = True
    """Whether an item that the end of the time cuts short gives back as well, as published. Then
    time that is running out shrinks by a share at each good item, and a visit in which something
    good is always taken nears its end without reaching it."""

    def __post_init__(self) -> None:
        for name in ("initial", "item_length", "idle_cost"):
            if not getattr(self, name) > 0:
                raise ConfigError(f"{name} of the time budget must be above 0, got {self!r}")
        if not self.bonus >= 0:
            raise ConfigError(f"bonus of the time budget must be 0 or more, got {self.bonus!r}")

    def start(self, state: State, users: Ints) -> None:
        """Give new users a full budget."""
        if "budget" not in state:
            state["budget"] = np.empty(len(users))
        state["budget"][users] = self.initial

    def watch_time(self, state: State, users: Ints) -> Floats:
        """Return the minutes these users would watch an item: its length, or what is left."""
        return np.minimum(state["budget"][users], self.item_length)

    def spend(self, state: State, consumed: Consumed, minutes: Floats) -> None:
        """Charge every user for this step."""
        budget = state["budget"]
        bonus = self.bonus * consumed.quality
        if not self.bonus_when_cut_short:
            bonus[minutes < self.item_length] = 0.0
        left = budget[consumed.users] - minutes * (1.0 - bonus)
        budget -= self.idle_cost
        budget[consumed.users] = left

    def has_ended(self, state: State) -> Bools:
        """Return whose budget is used up, shape (B,)."""
        ended: Bools = state["budget"] <= 0.0
        return ended

    def cost(self, quality: Floats) -> Floats:
        """Return the minutes a whole item of this quality costs, net of what it gives back."""
        return self.item_length - (self.item_length * self.bonus) * quality


class WatchTime:
    """A consumed item yields a click and the minutes watched; the minutes are the reward."""

    channels = ("click", "watch_time")

    def responses(self, minutes: Floats) -> Floats32:
        """Return the channels for watched minutes (F,), shape (F, 2)."""
        return np.column_stack([np.ones_like(minutes), minutes]).astype(np.float32)
