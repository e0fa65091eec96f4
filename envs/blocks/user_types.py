"""Users of several types: who belongs to one likes the same topics, more or less."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from rlrec.arrays import Floats, Ints
from rlrec.envs.arguments import MOST_LOG, MOST_LOG_SD, check_number, check_numbers, plain
from rlrec.envs.blocks.priors import standard_normals
from rlrec.envs.blocks.shares import Shares
from rlrec.envs.blocks.state import Consumed, Shown, State, put
from rlrec.envs.blocks.topics import of_topics
from rlrec.errors import ConfigError


class UserTypes:
    """An affinity to each topic that stays as it is, drawn around what the user's type likes.

    With type U, drawn by its share, the affinity to topic k is exp(Normal(affinities[U, k], sd));
    it is the score of every item of the topic. `sd` = 0 makes users of a type alike; affinities
    that are all the same switch tastes off.

    Args:
        shares: U probabilities of the types.
        affinities: Shape (U, T). Mean of the logarithm of the affinity.
        sd: Of the logarithm, 0 or more.

    Reference:
        Ie et al., 2019, "RecSim: A Configurable Simulation Platform for Recommender Systems" (its
        interest exploration).
    """

    n_step_draws = 0

    def __init__(
        self, shares: Sequence[float], affinities: Sequence[Sequence[float]], sd: float
    ) -> None:
        self.shares = Shares("type_shares", shares)
        self.affinities = _matrix(affinities, self.shares.values.size)
        check_number("sd of affinities", sd, 0.0, MOST_LOG_SD)
        self.sd = sd
        self.n_topics = self.affinities.shape[1]
        self.n_initial_draws = 1 + self.n_topics
        self.n_observed = self.n_topics

    def start(self, state: State, users: Ints, draws: Floats) -> None:
        """Draw types, and affinities of each user's own."""
        types = self.shares.of(draws[:, 0])
        put(state, "user_type", users, types, np.int64)
        logarithms = self.affinities[types] + self.sd * standard_normals(draws[:, 1:])
        put(state, "tastes", users, np.exp(logarithms))

    def scores(self, state: State, shown: Shown) -> Floats:
        """Return the affinity to the topic of each item shown."""
        return of_topics(state["tastes"], shown)

    def consume(self, state: State, consumed: Consumed, draws: Floats) -> None:
        """Do nothing: affinities stay as they are."""

    def observe(self, state: State, users: Ints | slice) -> NDArray[np.float32]:
        """Return the affinities of some users, (F, T)."""
        return state["tastes"][users].astype(np.float32)


class SameForAll:
    """No taste at all: every item has the same score, 0."""

    n_initial_draws = 0
    n_step_draws = 0
    n_observed = 0

    def start(self, state: State, users: Ints, draws: Floats) -> None:
        """Do nothing."""

    def scores(self, state: State, shown: Shown) -> Floats:
        """Return zeros."""
        n_users = len(next(iter(state.values())))
        return np.zeros((n_users, shown.topics.shape[1]))

    def consume(self, state: State, consumed: Consumed, draws: Floats) -> None:
        """Do nothing."""

    def observe(self, state: State, users: Ints | slice) -> NDArray[np.float32]:
        """Return no numbers, (F, 0)."""
        return np.zeros((len(next(iter(state.values()))[users]), 0), np.float32)


def _matrix(affinities: Sequence[Sequence[float]], n_types: int) -> Floats:
    rows = plain(affinities)
    if isinstance(rows, list):
        table = [check_numbers("affinities", row, -MOST_LOG, MOST_LOG) for row in rows]
        if len(table) == n_types and len({len(row) for row in table}) == 1:
            return np.array(table, np.float64)
    raise ConfigError(
        f"affinities must be finite, a row for each of {n_types} user types and a column a topic, "
        f"got {affinities!r}"
    )
