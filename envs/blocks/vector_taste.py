"""Tastes that are vectors over topics, as items are; what attracts is the angle between them."""

from dataclasses import dataclass
from math import comb, log
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from rlrec.arrays import Floats, Ints
from rlrec.envs.arguments import check_number, check_one_of, check_size
from rlrec.envs.blocks.item_vectors import ItemVectors
from rlrec.envs.blocks.state import Consumed, Shown, State, put
from rlrec.errors import ConfigError

Scale = Literal["best_item", "item_norm"]
SCALES: tuple[Scale, ...] = ("best_item", "item_norm")


@dataclass(frozen=True, kw_only=True)
class FewTopics:
    """Tastes for some topics: Uniform(0, 1) in each topic that is liked, 0 elsewhere, length 1.

    Each topic is liked with probability `share`, given that `fewest` to `most` are (fewer only
    where there are fewer topics).
    """

    share: float = 0.4
    """In (0, 1)."""
    fewest: int = 3
    """1 or more."""
    most: int = 5
    """`fewest` or more."""

    def __post_init__(self) -> None:
        check_number("share", self.share, 0.0, 1.0)
        check_size("fewest", self.fewest)
        check_size("most", self.most)
        if not (0 < self.share < 1 and self.fewest <= self.most):
            raise ConfigError(
                f"share must lie in (0, 1) and 1 <= fewest <= most must hold, got {self!r}"
            )

    def n_draws(self, n_topics: int) -> int:
        """Return the uniforms a user needs."""
        return 1 + 2 * n_topics

    def drawn(self, draws: Floats, n_topics: int) -> Floats:
        """Return unit vectors (F, T) from draws (F, n_draws)."""
        counts = np.arange(min(self.fewest, n_topics), min(self.most, n_topics) + 1)
        logs = [log(comb(n_topics, n)) + n * log(self._odds) for n in counts.tolist()]
        chances = np.exp(
            np.array(logs) - max(logs)
        )  # as logarithms they neither over- nor underflow
        bounds = np.cumsum(chances / chances.sum())[:-1]
        n_liked = counts[np.searchsorted(bounds, draws[:, 0], side="right")]
        order = np.argsort(draws[:, 1 : n_topics + 1], axis=1, kind="stable")
        vectors = np.zeros((len(draws), n_topics))
        kept = np.where(np.arange(n_topics) < n_liked[:, None], 1.0 - draws[:, n_topics + 1 :], 0.0)
        np.put_along_axis(vectors, order, kept, axis=1)
        return unit(vectors)

    @property
    def _odds(self) -> float:
        return self.share / (1.0 - self.share)


class VectorTaste:
    """A taste is a non-negative unit vector u over topics, an item e such a vector too.

    The score of an item is e . u, divided with the scale "best_item" by the largest e . u of any
    item (so every user's best item scores 1; to who likes no topic of any item, all score 0), and
    with "item_norm" by the largest length of an item (which is 1). Topics marked in
    `state["bored_topics"]` (B, T), if it is there, count 0.

    State: `tastes` (B, T), `taste_scale` (B,). Other blocks move tastes by `move`.

    Args:
        items: The items of the catalogue.
        prior: How tastes are distributed over users.
        scale: "best_item" or "item_norm".

    Reference:
        Deffayet, Thonet, Hwang, Lehoux, Renders and de Rijke, 2023, "SARDINE: A Simulator for
        Automated Recommendation in Dynamic and Interactive Environments" ("item_norm").
    """

    n_step_draws = 0

    def __init__(
        self, items: ItemVectors, prior: FewTopics | None = None, scale: Scale = "best_item"
    ) -> None:
        check_one_of("scale of scores", scale, SCALES)
        self.items = items
        self.prior = FewTopics() if prior is None else prior
        self.scale = scale
        self.n_initial_draws = self.prior.n_draws(items.n_topics)
        self.n_observed = items.n_topics

    def start(self, state: State, users: Ints, draws: Floats) -> None:
        """Draw tastes from the prior."""
        self._set(state, users, self.prior.drawn(draws, self.items.n_topics))

    def move(self, state: State, users: Ints, vectors: Floats) -> None:
        """Give some users the tastes `vectors` (F, T), brought to length 1; none may be all 0."""
        self._set(state, users, unit(vectors))

    def scores(self, state: State, shown: Shown) -> Floats:
        """Return scores of what is shown, (B, n)."""
        vectors = state["tastes"] / state["taste_scale"][:, None]
        if "bored_topics" in state:
            vectors[state["bored_topics"]] = 0.0
        return self.items.scores(vectors, shown.items)

    def consume(self, state: State, consumed: Consumed, draws: Floats) -> None:
        """Do nothing: tastes move by blocks, if at all."""

    def observe(self, state: State, users: Ints | slice) -> NDArray[np.float32]:
        """Return the tastes of some users, (F, T)."""
        return state["tastes"][users].astype(np.float32)

    def _set(self, state: State, users: Ints, vectors: Floats) -> None:
        best = self.scale == "best_item"
        put(state, "tastes", users, vectors)
        scale = self.items.best_scores(vectors) if best else np.ones(len(vectors))
        put(state, "taste_scale", users, np.where(scale > 0, scale, 1.0))


def unit(vectors: Floats) -> Floats:
    """Return vectors (F, T) brought to length 1."""
    lengths = np.sqrt((vectors * vectors).sum(axis=1, keepdims=True))
    scaled: Floats = vectors / lengths
    return scaled
