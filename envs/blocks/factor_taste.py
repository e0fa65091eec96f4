"""Tastes and items as vectors over the same factors; the score is their dot product."""

import numpy as np
from numpy.typing import NDArray

from rlrec.arrays import Floats, Ints
from rlrec.envs.arguments import check_number
from rlrec.envs.blocks.priors import standard_normals
from rlrec.envs.blocks.state import Consumed, Shown, State, put, turns
from rlrec.errors import ConfigError


class FactorTaste:
    """A taste is a vector th over T factors (or topics), an item a vector e; its score is th . e.

    Tastes begin as independent normals, th_t ~ Normal(0, sd^2). Each item consumed pulls the taste
    towards it, th <- th + influence * (e - th); `influence` = 0 leaves tastes alone.

    Args:
        vectors: Shape (N, T). Items by item_index; finite.
        sd: Spread of the tastes at first, 0 or more.
        influence: In 0..1. Of several items from one slate each pulls in turn.

    Raises:
        ConfigError: A value is outside its range.
    """

    n_step_draws = 0

    def __init__(self, vectors: Floats, sd: float = 1.0, influence: float = 0.0) -> None:
        self.vectors = np.ascontiguousarray(vectors, np.float64)
        if self.vectors.ndim != 2 or not np.isfinite(self.vectors).all():
            raise ConfigError(
                "vectors of items must be finite, of shape (items, factors), got shape "
                f"{self.vectors.shape}"
            )
        check_number("sd of tastes", sd, 0.0)
        check_number("influence", influence, 0.0, 1.0)
        self.sd = sd
        self.influence = influence
        self.n_initial_draws = self.n_observed = self.vectors.shape[1]

    def start(self, state: State, users: Ints, draws: Floats) -> None:
        """Draw normal tastes."""
        put(state, "tastes", users, self.sd * standard_normals(draws))

    def scores(self, state: State, shown: Shown) -> Floats:
        """Return the dot products of tastes and items."""
        tastes = state["tastes"]
        if shown.items is None:
            return self._scores_of_all(tastes)
        products = self.vectors.take(shown.items, axis=0)  # (B, n, T)
        products *= tastes[:, None, :]
        scores: Floats = products.sum(axis=-1)
        return scores

    def consume(self, state: State, consumed: Consumed, draws: Floats) -> None:
        """Pull tastes towards what was consumed."""
        if self.influence == 0:
            return
        tastes = state["tastes"]
        for rows in turns(consumed.users):
            users, items = consumed.users[rows], consumed.items[rows]
            tastes[users] += self.influence * (self.vectors[items] - tastes[users])

    def observe(self, state: State, users: Ints | slice) -> NDArray[np.float32]:
        """Return the tastes of some users, (F, T)."""
        return state["tastes"][users].astype(np.float32)

    def _scores_of_all(self, tastes: Floats) -> Floats:
        """Return scores (B, N), factor by factor: a matrix product rounds by batch size."""
        scores = np.zeros((len(tastes), len(self.vectors)))
        for factor in range(tastes.shape[1]):
            scores += tastes[:, factor, None] * self.vectors[:, factor]
        return scores
