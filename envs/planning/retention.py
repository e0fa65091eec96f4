"""Planning for users who come back: what an item does to satisfaction is worth visits to come."""

from typing import Self

import numpy as np

from rlrec.arrays import Floats, Ints
from rlrec.envs.blocks.scanning import CascadeChoice
from rlrec.envs.blocks.visits import Visits
from rlrec.envs.planning.oracle import Oracle, users_of
from rlrec.envs.planning.retention_values import (
    Kinds,
    Step,
    Traits,
    Values,
    after,
    values_by_steps_left,
)
from rlrec.envs.planning.scanned_slates import best_scanned_slates
from rlrec.envs.simulator import UserSimulator
from rlrec.slates import best_slates, top_slates

_TRADES = (0.0, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 64.0)  # reward that a unit of quality is worth
_N_QUALITIES = 11
_MOST_USERS = 300


class RetentionReference(Oracle):
    """Maximises reward now and in all visits to come, knowing the user's state and the quality.

    Semi-Markov value iteration finds what mood and fatigue are worth to a typical user with so many
    steps left; there the choice is among a few kinds of slates, from all for reward to all for
    quality. Then each user gets the slate that is best, with item values = expected reward + worth
    of the state after that item, and likewise for nothing. That state (the end of the visit, the
    gap and churn included) is computed with the traits of this very user.

    It is a reference, not a proven optimum: the worth is that of a user with median traits, between
    the points of a grid it is linear, and noise, expectations, later hours and devices are not
    foreseen. The slate is exact where one item is taken, by weight (`best_slates`) or in a cascade
    (`best_scanned_slates`); where several may be, items come in the order of attraction times what
    they are worth above nothing.

    Args:
        values: Worth of the states.
    """

    def __init__(self, values: Values) -> None:
        super().__init__()
        self.values = values

    @classmethod
    def fit(cls, simulator: UserSimulator, n_users: int = 500, seed: int = 0) -> Self:
        """Return the reference for these users.

        Args:
            simulator: The environment; users of its own are made, it is left as it is.
            n_users: Simulated users whose slates are averaged; at most 300 of them are used.
            seed: Of these users.

        Raises:
            TypeError: Users do not leave by `Visits`.
        """
        visits = visits_of(simulator)
        users = simulator.with_users(min(n_users, _MOST_USERS))
        users.reset(seed)
        return cls(values_by_steps_left(visits, kinds_of_slates(users), users.problem.max_steps))

    def _choose(self, users: Ints) -> Ints:
        simulator = self._bound()
        outlook = simulator.outlook(users)
        ahead = self._ahead(users)
        worth = _between(self.values.quality, ahead[:, :-1], outlook.quality) + outlook.rewards
        return _best_slates(simulator, outlook.scores, worth, ahead[:, -1])

    def _ahead(self, users: Ints) -> Floats:
        """Return the worth after an item of each quality, and last after nothing, (F, J + 1)."""
        simulator = self._bound()
        state, limit = simulator.state_of(users), simulator.problem.max_steps
        steps_left = None if limit is None else limit - 1 - simulator.steps[users]
        quality = np.append(self.values.quality, 0.0)
        idle = np.arange(len(quality)) == len(quality) - 1
        surprise = np.where(idle, 0.0, quality - state["expectation"][:, None])
        step = Step(idle, quality, surprise)
        moods, fatigue = state["mood"][:, None], state["fatigue"][:, None]
        place = after(visits_of(simulator), Traits.of(state), moods, fatigue, step)
        return self.values.read(place, steps_left)

    def _copy(self) -> Self:
        return type(self)(self.values)


def kinds_of_slates(simulator: UserSimulator) -> Kinds:
    """Return what happens at slates that trade reward for quality at several rates.

    Args:
        simulator: Whose users are shown the slates in thought; they must have been reset.
    """
    outlook, state = simulator.outlook(), simulator.state_of()
    items, choice = simulator.problem.users.items, users_of(simulator).choice
    offered = np.broadcast_to(outlook.quality, outlook.scores.shape)
    nodes = np.linspace(offered.min(), max(offered.max(), offered.min() + 1e-6), _N_QUALITIES)
    taken, rewards = np.zeros((len(_TRADES), len(nodes) + 1)), np.zeros(len(_TRADES))
    nothing = np.zeros(len(offered))
    for kind, trade in enumerate(_TRADES):
        worth = outlook.rewards + trade * offered
        slates = _best_slates(simulator, outlook.scores, worth, nothing)
        p = choice.probabilities(np.take_along_axis(outlook.scores, slates, axis=1))
        quality = np.take_along_axis(offered, slates, axis=1)
        expected = users_of(simulator).response.expected(state, items.shown(state, slates))
        rewards[kind] = (p[:, :-1] * expected).sum(axis=1).mean()
        taken[kind] = _shares(nodes, quality, p)
    return Kinds(nodes, taken, rewards)


def visits_of(simulator: UserSimulator) -> Visits:
    """Return the visits of a simulator's users; raise TypeError where they do not come back."""
    leaving = users_of(simulator).leaving
    if not isinstance(leaving, Visits):
        raise TypeError(
            f"RetentionReference plans for users who leave by Visits; those of {simulator.env_id} "
            f"leave by {type(leaving).__name__}"
        )
    return leaving


def _best_slates(simulator: UserSimulator, scores: Floats, worth: Floats, nothing: Floats) -> Ints:
    """Return the slates (F, K) worth most; `worth` is of items (F, N), `nothing` (F,) of none."""
    choice, slate_size = users_of(simulator).choice, simulator.slate_size
    worth = np.broadcast_to(worth, scores.shape)
    if hasattr(choice, "weights"):
        weights = choice.weights(scores)
        return best_slates(weights.items, worth, weights.nothing, nothing, slate_size)
    above = worth - nothing[:, None]
    if isinstance(choice, CascadeChoice):
        taken = choice.scan(scores).attraction
        return best_scanned_slates(taken * above, 1.0 - taken, slate_size)
    if hasattr(choice, "attraction"):
        above = above * choice.attraction.of(scores)
    return top_slates(above, slate_size)


def _between(nodes: Floats, values: Floats, at: Floats) -> Floats:
    """Return values (F, J) at evenly rising nodes (J,) as they are at (F or 1, N), linear."""
    place = np.clip((at - nodes[0]) / (nodes[1] - nodes[0]), 0.0, len(nodes) - 1)
    low = np.minimum(place.astype(np.int64), len(nodes) - 2)
    low = np.broadcast_to(low, (len(values), at.shape[1]))
    below = np.take_along_axis(values, low, axis=1)
    step = np.take_along_axis(values, low + 1, axis=1) - below
    between: Floats = below + (place - low) * step
    return between


def _shares(nodes: Floats, quality: Floats, probabilities: Floats) -> Floats:
    """Return the mean P(about each quality is taken), and of nothing, (J + 1,); sum 1."""
    place = (quality - nodes[0]) / (nodes[1] - nodes[0])
    low = np.clip(place.astype(np.int64), 0, len(nodes) - 2)
    up = np.clip(place - low, 0.0, 1.0)
    taken = probabilities[:, :-1]
    # Several may be taken: each share is of the first response, as if it were the only one.
    total = np.maximum(taken.sum(axis=1, keepdims=True), 1e-300)
    taken = taken / total * (1.0 - probabilities[:, -1:])
    shares = np.bincount((low + 1).ravel(), (taken * up).ravel(), len(nodes))
    shares += np.bincount(low.ravel(), (taken * (1.0 - up)).ravel(), len(nodes))
    return np.append(shares, probabilities[:, -1].sum()) / len(quality)
