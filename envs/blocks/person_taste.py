"""Tastes of persons seen in a log, or of new ones like them."""

import numpy as np
from numpy.typing import NDArray

from rlrec.arrays import Floats, Ints
from rlrec.envs.arguments import check_number
from rlrec.envs.blocks.priors import standard_normals
from rlrec.envs.blocks.state import Consumed, Shown, State, put
from rlrec.envs.blocks.topics import of_topics
from rlrec.errors import ConfigError


class PersonTaste:
    """Interest in each topic: of a person drawn from those seen, as far as it is known.

    At the start of a visit a row p of P persons is drawn, all equally likely, and each of its T
    interests from Normal(means[p], variances[p]): what a log leaves open is drawn anew, so that a
    person of whom little is known is like anybody. With one row of zeros and the variance of the
    population, all users are new. The score of an item is the interest in its topic.

    Args:
        means: Shape (P, T), finite.
        variances: Shape (P, T), 0 or more.
        numbers: Shape (P,). By which each person is known; None where nobody is seen again, so that
            each visit is by somebody else.

    Raises:
        ConfigError: The shapes differ, or a value is out of range.
    """

    n_step_draws = 0

    def __init__(self, means: Floats, variances: Floats, numbers: Ints | None = None) -> None:
        self._numbers = None if numbers is None else np.asarray(numbers, np.int64)
        self.means, self.variances = np.asarray(means, float), np.asarray(variances, float)
        if self.means.ndim != 2 or self.means.shape != self.variances.shape or not len(self.means):
            raise ConfigError(
                "means and variances of tastes must both have shape (persons, topics), one person "
                f"or more, got {self.means.shape} and {self.variances.shape}"
            )
        if not np.isfinite(self.means).all():
            raise ConfigError("means of tastes must be finite")
        if self._numbers is not None and self._numbers.shape != (len(self.means),):
            raise ConfigError(
                f"numbers of persons must have shape ({len(self.means)},), got "
                f"{self._numbers.shape}"
            )
        check_number("least variance of tastes", float(self.variances.min()), 0.0)
        self._sds = np.sqrt(self.variances)
        self.n_observed = self.means.shape[1]
        self.n_initial_draws = 1 + self.n_observed

    def start(self, state: State, users: Ints, draws: Floats) -> None:
        """Draw who comes, and what is not known of their tastes."""
        persons = (draws[:, 0] * len(self.means)).astype(np.int64)
        if self._numbers is not None:
            put(state, "person", users, self._numbers[persons], np.int64)
        spread = self._sds[persons] * standard_normals(draws[:, 1:])
        put(state, "tastes", users, self.means[persons] + spread)

    def scores(self, state: State, shown: Shown) -> Floats:
        """Return the interest in the topic of each item shown."""
        return of_topics(state["tastes"], shown)

    def consume(self, state: State, consumed: Consumed, draws: Floats) -> None:
        """Consuming changes nothing here: blocks do."""

    def observe(self, state: State, users: Ints | slice) -> NDArray[np.float32]:
        """Return the interests of some users, (F, T)."""
        return state["tastes"][users].astype(np.float32)
