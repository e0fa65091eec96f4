"""What attracts a user fitted to a log, and what satisfies this user."""

import numpy as np
from numpy.typing import NDArray

from rlrec.arrays import Floats, Floats32, Ints
from rlrec.envs.blocks.state import Consumed, Shown, State, put
from rlrec.envs.blocks.taste import InterestDrift, TopicTaste
from rlrec.envs.fitting.ratings.pair_values import PairValues


class FittedTaste:
    """A lasting taste learned from what a person chose, and interests that move in a visit.

    The score of an item is the attraction of the item for the person plus `drift_weight` times the
    interest in its topic. Each visit is that of a person drawn from the population; interests
    begin at 0.

    Args:
        attraction: Attraction of N items for P persons.
        traits: Shape (P, D). What is observed of a person where tastes are observed.
        population: Shape (n,). Rows of the persons who come, all equally likely.
        n_topics: T.
        drift: How consuming moves the interest in a topic.
        drift_weight: Score of an interest of 1.
    """

    n_initial_draws = 1
    n_step_draws = 1

    def __init__(
        self,
        attraction: PairValues,
        traits: Floats32,
        population: Ints,
        n_topics: int,
        drift: InterestDrift,
        drift_weight: float,
    ) -> None:
        self._attraction = attraction
        self._traits = traits
        self._population = population
        self._interests = TopicTaste(n_topics, drift)
        self._drift_weight = drift_weight
        self.n_observed = traits.shape[1] + n_topics

    def start(self, state: State, users: Ints, draws: Floats) -> None:
        """Draw who comes; nobody has an interest yet."""
        drawn = (draws[:, 0] * len(self._population)).astype(np.int64)
        put(state, "person", users, self._population[drawn], np.int64)
        indifferent = np.full((len(users), self._interests.n_topics), 0.5)
        self._interests.start(state, users, indifferent)

    def scores(self, state: State, shown: Shown) -> Floats:
        """Return attraction plus weighted interest."""
        if shown.items is None:
            scores = self._attraction.of_all(state["person"])
        else:
            scores = self._attraction.of_slates(state["person"], shown.items)
        scores += self._drift_weight * self._interests.scores(state, shown)
        return scores

    def consume(self, state: State, consumed: Consumed, draws: Floats) -> None:
        """Move the interest in the topic consumed."""
        self._interests.consume(state, consumed, draws)

    def observe(self, state: State, users: Ints | slice) -> NDArray[np.float32]:
        """Return the traits of some users and their interests, (F, D + T)."""
        interests = self._interests.observe(state, users)
        return np.hstack([self._traits[state["person"][users]], interests])


class RatedQuality:
    """Quality that belongs to person and item: how the person would rate it.

    Args:
        values: Quality of N items for P persons.
    """

    def __init__(self, values: PairValues) -> None:
        self._values = values

    def of(self, state: State, users: Ints, items: Ints) -> Floats:
        """Return the quality of one item for each of F users."""
        return self._values.of_pairs(state["person"][users], items)

    def of_all(self, state: State) -> Floats:
        """Return the quality of all items for all users, (B, N)."""
        return self._values.of_all(state["person"])
