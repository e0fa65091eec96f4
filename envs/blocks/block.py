"""What a block of a user model may do; a block of your own overrides what it needs."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rlrec.arrays import Bools, Floats, Ints
from rlrec.envs.blocks.state import Event, Shown, State
from rlrec.simulation import Space


class Block:
    """A part of the users' inner life, next to taste, choice and response; by default it is inert.

    A block keeps what it knows in the state of the users, under keys of its own, and draws nothing
    itself: it is given uniforms in [0, 1), as many as it asks for. So users replay exactly, and one
    user does the same in every batch. Rows of users must not influence one another.

    Stability: experimental.
    """

    open_state: tuple[str, ...] = ()
    """Keys of the state that agents may see, in `observe`; all others are hidden."""
    n_initial_draws = 0
    """Uniforms a user needs at the start of an episode."""
    n_step_draws = 0
    """Uniforms a user needs at each step."""

    def start(self, state: State, users: Ints, draws: Floats) -> None:
        """Begin an episode of F users at positions `users` (`put` into the state).

        Args:
            state: Hidden state of B users; at the first call `users` are all of them.
            users: Shape (F,).
            draws: Shape (F, n_initial_draws).
        """

    def adjust(self, state: State, shown: Shown, scores: Floats) -> Floats:
        """Return the scores (B, n) of what is shown, as this block changes them.

        It may change and return the array it is given.
        """
        return scores

    def update(self, state: State, event: Event, draws: Floats) -> None:
        """Change the state after a step of all users; `draws` has shape (B, n_step_draws)."""

    def spaces(self) -> dict[str, Space]:
        """Return the observation keys that this block adds."""
        return {}

    def observe(self, state: State, users: Ints | slice) -> dict[str, NDArray[Any]]:
        """Return those keys for some users."""
        return {}


class Leaving(Block):
    """When an episode ends; by default users never leave."""

    def has_left(self, state: State) -> Bools:
        """Return who leaves after this step, shape (B,); asked for after `update`."""
        some = next(iter(state.values()))
        return np.zeros(len(some), bool)
