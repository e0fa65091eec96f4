"""How long a visit lasts: a budget of time that consuming spends and quality gives back."""

from dataclasses import dataclass

import numpy as np

from rlrec.arrays import Bools, Floats, Ints
from rlrec.envs.arguments import check_flag, check_number
from rlrec.envs.blocks.block import Leaving
from rlrec.envs.blocks.state import Event, State, put, summed


@dataclass(frozen=True, kw_only=True)
class TimeBudget(Leaving):
    """Time a user has left; the visit ends when it is used up.

    Watching costs its time w and gives back `bonus * w * quality`; a step without a response costs
    `idle_cost`. So poor items shorten a visit and good ones stretch it. Of several items taken from
    one slate each is watched as if it were the only one.

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
            check_number(f"{name} of the time budget", getattr(self, name), 0.0, above=True)
        check_number("bonus of the time budget", self.bonus, 0.0)
        check_flag("bonus_when_cut_short", self.bonus_when_cut_short)

    def start(self, state: State, users: Ints, draws: Floats) -> None:
        """Give new users a full budget."""
        put(state, "budget", users, self.initial)

    def watch_time(self, state: State, users: Ints | slice) -> Floats:
        """Return the minutes these users would watch an item: its length, or what is left."""
        return np.minimum(state["budget"][users], self.item_length)

    def update(self, state: State, event: Event, draws: Floats) -> None:
        """Charge every user for this step."""
        budget, users = state["budget"], event.consumed.users
        minutes = self.watch_time(state, users)
        bonus = self.bonus * event.consumed.quality
        if not self.bonus_when_cut_short:
            bonus[minutes < self.item_length] = 0.0
        spent = summed(users, minutes * (1.0 - bonus), len(budget))
        idle = np.ones(len(budget), bool)
        idle[users] = False
        spent[idle] = self.idle_cost
        budget -= spent

    def has_left(self, state: State) -> Bools:
        """Return whose budget is used up, shape (B,)."""
        ended: Bools = state["budget"] <= 0.0
        return ended

    def cost(self, quality: Floats) -> Floats:
        """Return the minutes a whole item of this quality costs, net of what it gives back."""
        return self.item_length - (self.item_length * self.bonus) * quality
