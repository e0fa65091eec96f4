"""What attracts a user, and how consuming changes it."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from rlrec.arrays import Floats, Ints
from rlrec.envs.arguments import check_number
from rlrec.envs.blocks.priors import Prior, Uniform
from rlrec.envs.blocks.state import Consumed, Shown, State, put, turns
from rlrec.envs.blocks.topics import of_topics


class Taste(Protocol):
    """Scores items for users; the larger the score, the more attractive."""

    n_initial_draws: int
    """Uniforms a user needs at the start of an episode."""
    n_step_draws: int
    """Uniforms needed for each item consumed."""
    n_observed: int
    """Numbers a user in `observe`, P."""

    def start(self, state: State, users: Ints, draws: Floats) -> None:
        """Draw the tastes of new users into `state`."""
        ...

    def scores(self, state: State, shown: Shown) -> Floats:
        """Return the attraction of what is shown, shape (B, n)."""
        ...

    def consume(self, state: State, consumed: Consumed, draws: Floats) -> None:
        """Change the tastes of those who consumed F items; `draws` has shape (F, n_step_draws)."""
        ...

    def observe(self, state: State, users: Ints | slice) -> NDArray[np.float32]:
        """Return the tastes of some users as agents see them where they may, (F, P)."""
        ...


@dataclass(frozen=True, kw_only=True)
class InterestDrift:
    """Interest in a topic moves with each item consumed: most where there is no opinion yet.

    With x the interest in the topic consumed, it moves by `rate * (1 - |x|) * (1 - x)`; up with
    probability (x + 1) / 2, else down; the result is clipped to [-1, 1].

    Reference:
        Ie et al., 2019, "RecSim: A Configurable Simulation Platform for Recommender Systems".
    """

    rate: float = 0.3
    """0 or more; 0 switches the drift off."""

    def __post_init__(self) -> None:
        check_number("rate of interest drift", self.rate, 0.0, 1.0)

    def moved(self, interests: Floats, draws: Floats) -> Floats:
        """Return interests after consuming; both arguments and the result have shape (F,)."""
        step = self.rate * (1.0 - np.abs(interests)) * (1.0 - interests)
        up = draws < (interests + 1.0) / 2.0
        return np.clip(interests + np.where(up, step, -step), -1.0, 1.0)


class TopicTaste:
    """Interest in each topic, by default uniform on [-1, 1] at first, moving with what is consumed.

    The score of an item is the interest in its topic.

    Args:
        n_topics: T.
        drift: How consuming moves the interest. Where it does, interests lie in [-1, 1]: those of
            a wider prior are clipped.
        interests: Prior of each interest.
    """

    n_step_draws = 1

    def __init__(
        self,
        n_topics: int,
        drift: InterestDrift,
        interests: Prior = Uniform(-1.0, 1.0),  # noqa: B008 (frozen)
    ) -> None:
        self.n_topics = n_topics
        self.n_initial_draws = n_topics
        self.n_observed = n_topics
        self.drift = drift
        self.interests = interests

    def start(self, state: State, users: Ints, draws: Floats) -> None:
        """Draw interests from the prior."""
        interests = self.interests.of(draws)
        put(state, "tastes", users, np.clip(interests, -1, 1) if self.drift.rate else interests)

    def scores(self, state: State, shown: Shown) -> Floats:
        """Return the interest in the topic of each item shown."""
        return of_topics(state["tastes"], shown)

    def consume(self, state: State, consumed: Consumed, draws: Floats) -> None:
        """Move the interest in the topic consumed."""
        if not self.drift.rate:
            return
        tastes = state["tastes"].reshape(-1)
        for rows in turns(consumed.users):
            cells = consumed.users[rows] * self.n_topics + consumed.topics[rows]
            tastes[cells] = self.drift.moved(tastes.take(cells), draws[rows, 0])

    def observe(self, state: State, users: Ints | slice) -> NDArray[np.float32]:
        """Return the interests of some users, (F, T)."""
        return state["tastes"][users].astype(np.float32)
