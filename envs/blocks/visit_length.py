"""A visit of a fixed length."""

from dataclasses import dataclass

import numpy as np

from rlrec.arrays import Bools, Floats, Ints
from rlrec.envs.arguments import check_size
from rlrec.envs.blocks.block import Leaving
from rlrec.envs.blocks.state import Event, State, put


@dataclass(frozen=True, kw_only=True)
class VisitLength(Leaving):
    """Users leave after a fixed number of steps, whatever they are shown."""

    n_steps: int
    """1 or more."""

    def __post_init__(self) -> None:
        check_size("n_steps", self.n_steps)

    def start(self, state: State, users: Ints, draws: Floats) -> None:
        """Begin with all steps left."""
        put(state, "steps_left", users, np.full(len(users), self.n_steps), np.int64)

    def update(self, state: State, event: Event, draws: Floats) -> None:
        """Count a step."""
        state["steps_left"] -= 1

    def has_left(self, state: State) -> Bools:
        """Return who has no steps left, shape (B,)."""
        left: Bools = state["steps_left"] <= 0
        return left
