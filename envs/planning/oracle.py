"""Policies that read the truth: the ceiling against which everything else is measured."""

from typing import Self

import numpy as np

from rlrec.arrays import Floats, Ints, Observations
from rlrec.envs.simulator import UserSimulator
from rlrec.envs.users import Users
from rlrec.envs.wrappers.wrapper import innermost
from rlrec.simulation import Simulator
from rlrec.slates import SlateDraw


class Oracle:
    """A policy that reads the truth of the simulator it is bound to, and draws nothing.

    A planner of your own overrides `_choose`, and `_copy` where it takes arguments.

    Stability: experimental.
    """

    def __init__(self) -> None:
        self._simulator: UserSimulator | None = None

    def bind(self, simulator: Simulator) -> Self:
        """Return this policy reading the truth of `simulator`, which must be the one it acts in.

        Behind wrappers that pass slates on as they are, it reads the truth of what they wrap.
        """
        simulator = innermost(simulator)
        if not isinstance(simulator, UserSimulator):
            raise TypeError(
                "an oracle reads the truth of a rlrec.envs simulator, got "
                f"{type(simulator).__name__}"
            )
        bound = self._copy()
        bound._simulator = simulator
        return bound

    def act(
        self, observations: Observations, rng: np.random.Generator, deterministic: bool = False
    ) -> SlateDraw:
        """Return the best slate of each user; nothing is drawn."""
        slates = self._slates()
        return SlateDraw(slates, np.zeros(slates.shape))

    def log_probs(self, observations: Observations, slates: Ints) -> Floats:
        """Return 0 for the best slate of each user, -inf for any other."""
        same = (slates == self._slates()).all(axis=1, keepdims=True)
        return np.broadcast_to(np.where(same, 0.0, -np.inf), slates.shape)

    def _slates(self, users: Ints | None = None) -> Ints:
        """Return the best slates of some users, by default of all."""
        simulator = self._bound()
        rows = np.arange(simulator.n_users) if users is None else users
        return self._choose(rows)

    def _bound(self) -> UserSimulator:
        if self._simulator is None:
            raise RuntimeError(f"{type(self).__name__} reads the truth: call bind(simulator) first")
        return self._simulator

    def _choose(self, users: Ints) -> Ints:
        """Return the best slates (F, K) of the users at these positions of `_bound()`."""
        raise NotImplementedError

    def _copy(self) -> Self:
        return type(self)()


def users_of(simulator: UserSimulator) -> Users:
    """Return the blocks of a simulator's users; raise TypeError where they have none."""
    users = simulator.problem.users
    if not isinstance(users, Users):
        raise TypeError(f"this oracle knows users made of blocks, got {type(users).__name__}")
    return users


def mean_return(policy: Oracle, simulator: UserSimulator, seed: int) -> float:
    """Return the mean return of every user's first episode."""
    simulator.reset(seed)
    bound = policy.bind(simulator)
    returns, running = np.zeros(simulator.n_users), np.arange(simulator.n_users)
    slates = np.empty((simulator.n_users, simulator.slate_size), np.int64)
    while running.size:  # who has left is served the last slate again, and not counted
        slates[running] = bound._slates(running)
        step = simulator.step(slates)
        returns[running] += step.rewards[running]
        running = running[~(step.terminated | step.truncated)[running]]
    return float(returns.mean())
