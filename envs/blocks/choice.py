"""How a user picks at most one item of a slate."""

from typing import NamedTuple, Protocol

import numpy as np

from rlrec.arrays import Floats, Ints
from rlrec.envs.arguments import LEAST, check_number
from rlrec.errors import ConfigError

_FEW = 100  # users, for whom a few calls of numpy matter more than what they work through


class ChoiceWeights(NamedTuple):
    """Choice weights: an option is taken with probability proportional to its weight."""

    items: Floats
    """Shape (B, n), 0 or more."""
    nothing: Floats
    """Shape (B,). Weight of taking nothing."""


class ChoiceModel(Protocol):
    """Turns the scores of a slate into probabilities of a response; pure, draws nothing itself.

    A score of -inf marks a blank slot, which nobody can take. There are two kinds: users who take
    at most one item (`probabilities` is all there is to say), and users who scan a slate from the
    top and may take several (`ScanningChoice`).
    """

    takes_one: bool
    """Whether at most one item of a slate is taken."""

    def probabilities(self, scores: Floats) -> Floats:
        """(B, K) scores to (B, K + 1) probabilities that each slot is taken, and that none is.

        Where at most one item is taken a row sums to 1.
        """
        ...


class ProportionalChoice:
    """Takes one item, with probability proportional to its score above a minimum.

    Args:
        minimum: Score at which an item is never taken; lower scores count as this one.
        nothing_score: Score of taking nothing, above `minimum`.

    Reference:
        Ie et al., 2019, "RecSim: A Configurable Simulation Platform for Recommender Systems".
    """

    takes_one = True

    def __init__(self, minimum: float = -1.0, nothing_score: float = 1.0) -> None:
        check_number("minimum", minimum)
        check_number("nothing_score", nothing_score)
        if not minimum < nothing_score:
            raise ConfigError(
                f"nothing_score must be above minimum {minimum!r}, got {nothing_score!r}"
            )
        self.minimum = minimum
        self.nothing_score = nothing_score

    def weights(self, scores: Floats) -> ChoiceWeights:
        """Return scores above the minimum."""
        nothing = np.full(len(scores), self.nothing_score - self.minimum)
        return ChoiceWeights(np.maximum(scores - self.minimum, 0.0), nothing)

    def probabilities(self, scores: Floats) -> Floats:
        """Return shares of the total weight."""
        return _shares(self.weights(scores))


class LogitChoice:
    """Takes one item, with probability proportional to exp(score / temperature).

    Args:
        nothing_score: Score of taking nothing, on the scale of the items' scores.
        temperature: Above 0. Near 0 the best option is always taken.
    """

    takes_one = True

    def __init__(self, nothing_score: float = 0.0, temperature: float = 1.0) -> None:
        check_number("nothing_score", nothing_score)
        check_number("temperature", temperature, LEAST)
        self.nothing_score = nothing_score
        self.temperature = temperature

    def weights(self, scores: Floats) -> ChoiceWeights:
        """Return exponentials, scaled by a row's largest so that none overflows."""
        top = np.maximum(scores.max(axis=1), self.nothing_score)
        items = np.exp((scores - top[:, None]) / self.temperature)
        return ChoiceWeights(items, np.exp((self.nothing_score - top) / self.temperature))

    def probabilities(self, scores: Floats) -> Floats:
        """Return the softmax over the items and nothing."""
        return _shares(self.weights(scores))


class FirstChoice:
    """Always takes the item at the top, whatever it is.

    Reference:
        Ie et al., 2019, "RecSim" (its long-term satisfaction problem).
    """

    takes_one = True

    def probabilities(self, scores: Floats) -> Floats:
        """Return 1 for slot 0, unless it is blank."""
        probabilities = np.zeros((len(scores), scores.shape[1] + 1))
        blank = np.isneginf(scores[:, 0])
        probabilities[:, 0], probabilities[:, -1] = ~blank, blank
        return probabilities


def pick(probabilities: Floats, draws: Floats) -> Ints:
    """Return the slot whose stretch of the cumulated probabilities holds the draw; K = nothing.

    Args:
        probabilities: Shape (B, K + 1); rows sum to 1.
        draws: Shape (B,), in [0, 1).
    """
    return _slots_below(probabilities.T[:-1], draws)


def pick_by_weight(weights: ChoiceWeights, draws: Floats) -> Ints:
    """Return the same as `pick`, straight from weights; K = nothing.

    Args:
        weights: Of B users and K slots.
        draws: Shape (B,), in [0, 1).
    """
    columns = np.ascontiguousarray(weights.items.T)  # a row a slot: long rows are fast
    if len(draws) < _FEW:
        total = np.add.accumulate(np.vstack([weights.nothing, columns]), axis=0)[-1]
    else:
        total = weights.nothing.copy()
        for weight in columns:
            total += weight
    total *= draws
    return _slots_below(columns, total)


def _slots_below(parts: Floats, marks: Floats) -> Ints:
    """Return how many of the cumulated parts (K, B) of each user lie at or below a mark (B,)."""
    if len(marks) < _FEW:
        below: Ints = (np.add.accumulate(parts, axis=0) <= marks).sum(axis=0)
        return below
    slots = np.zeros(len(marks), np.int16)
    edge = np.zeros(len(marks))
    for part in parts:  # the same sums; long rows are faster one by one
        edge += part
        slots += edge <= marks
    return slots.astype(np.int64)


def _shares(weights: ChoiceWeights) -> Floats:
    n_users, n_items = weights.items.shape
    options = np.empty((n_items + 1, n_users))  # a row a slot: sums along long rows are fast
    options[:-1], options[-1] = weights.items.T, weights.nothing
    total = weights.nothing.copy()
    for option in options[:-1]:
        total += option
    options /= total
    return options.T
