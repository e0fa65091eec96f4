"""What an item that was taken yields: the channels of the response, and the reward."""

from typing import NamedTuple, Protocol

import numpy as np

from rlrec.arrays import Floats, Floats32
from rlrec.envs.blocks.leaving import TimeBudget
from rlrec.envs.blocks.state import Consumed, Shown, State
from rlrec.errors import ConfigError


class Yield(NamedTuple):
    """What F items yielded."""

    channels: Floats32
    """Shape (F, R). Channel 0 is 1."""
    rewards: Floats
    """Shape (F,)."""


class Response(Protocol):
    """Turns items taken into responses and rewards."""

    @property
    def channels(self) -> tuple[str, ...]:
        """Names of the R response channels; the first says whether there was a response."""
        ...

    @property
    def n_draws(self) -> int:
        """Uniforms needed for each item taken."""
        ...

    def respond(self, state: State, consumed: Consumed, draws: Floats) -> Yield:
        """Return what F items yield; `draws` has shape (F, n_draws)."""
        ...

    def expected(self, state: State, shown: Shown) -> Floats:
        """Return the expected reward of each item shown if taken, broadcastable to (B, n)."""
        ...


class Click:
    """An item taken yields a click; each click is a reward of 1."""

    channels = ("click",)
    n_draws = 0

    def respond(self, state: State, consumed: Consumed, draws: Floats) -> Yield:
        """Return a click for each item."""
        n_taken = len(consumed.users)
        return Yield(np.ones((n_taken, 1), np.float32), np.ones(n_taken))

    def expected(self, state: State, shown: Shown) -> Floats:
        """Return 1."""
        return np.ones((1, 1))


class WatchTime:
    """An item taken yields a click and the minutes watched; the minutes are the reward.

    Args:
        budget: Says how long users watch.
    """

    channels = ("click", "watch_time")
    n_draws = 0

    def __init__(self, budget: TimeBudget) -> None:
        self._budget = budget

    def respond(self, state: State, consumed: Consumed, draws: Floats) -> Yield:
        """Return a click and minutes for each item."""
        minutes = self._budget.watch_time(state, consumed.users)
        channels = np.ones((len(minutes), 2), np.float32)
        channels[:, 1] = minutes
        return Yield(channels, minutes)

    def expected(self, state: State, shown: Shown) -> Floats:
        """Return the minutes each user would watch, (B, 1)."""
        return self._budget.watch_time(state, slice(None))[:, None]


class ItemYield:
    """An item taken yields a click; the reward is what that item brings on average.

    Args:
        rewards: Shape (N,), finite.
    """

    channels = ("click",)
    n_draws = 0

    def __init__(self, rewards: Floats) -> None:
        if np.ndim(rewards) != 1 or not np.isfinite(rewards).all():
            raise ConfigError("rewards must be finite, one for each item")
        self.rewards = np.array(rewards, np.float64)

    def respond(self, state: State, consumed: Consumed, draws: Floats) -> Yield:
        """Return a click, and the reward of each item."""
        clicks = np.ones((len(consumed.users), 1), np.float32)
        return Yield(clicks, self.rewards[consumed.items])

    def expected(self, state: State, shown: Shown) -> Floats:
        """Return the reward of each item shown, (1, N) or (B, n)."""
        rewards: Floats = self.rewards[None] if shown.items is None else self.rewards[shown.items]
        return rewards
