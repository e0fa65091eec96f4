"""Visits that begin with a random slate nobody observes."""

from typing import Any

import numpy as np

from rlrec.arrays import Floats, Ints
from rlrec.envs.blocks.state import State
from rlrec.envs.users import Users


class OpenedUsers(Users):
    """Users who have seen one random slate when a visit begins.

    Its items are drawn independently, all equally likely, so they may repeat, and a repeated item
    can be taken again. What is taken moves tastes and blocks as in any step; it is not rewarded,
    not observed, and does not count for leaving.

    Reference:
        Deffayet, Thonet, Hwang, Lehoux, Renders and de Rijke, 2023, "SARDINE: A Simulator for
        Automated Recommendation in Dynamic and Interactive Environments".
    """

    def __init__(self, **parts: Any) -> None:
        super().__init__(**parts)
        self._n_own_draws = self.n_initial_draws
        self.n_initial_draws = self._n_own_draws + self.slate_size + self.n_step_draws

    def start(self, state: State, users: Ints, draws: Floats) -> None:
        """Let new users in and show them the slate; `draws` has shape (F, n_initial_draws)."""
        own, shown, step = np.split(
            draws, [self._n_own_draws, self._n_own_draws + self.slate_size], axis=1
        )
        super().start(state, users, own)
        starting = {key: array[users] for key, array in state.items()}
        slates = (shown * self.items.n_choices).astype(np.int64)
        self.respond(starting, self.items.shown(starting, slates), None, step)
        n_leaving_draws = self.leaving.n_initial_draws  # leaving is the last of the blocks
        leaving_draws = own[:, own.shape[1] - n_leaving_draws :]
        self.leaving.start(starting, np.arange(len(users)), leaving_draws)
        for key, array in starting.items():
            state[key][users] = array
