"""Items that attract by their quality, whatever the user's taste."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from rlrec.arrays import Floats, Ints
from rlrec.envs.arguments import check_number
from rlrec.envs.blocks.block import Block
from rlrec.envs.blocks.state import Shown, State


class QualitySource(Protocol):
    """What knows the quality of items; the items of an environment do."""

    def quality(self, state: State, users: Ints, choices: Ints) -> Floats:
        """Return the quality of one item for each of F users."""
        ...

    def offer_quality(self, state: State) -> Floats:
        """Return the quality of all that may be shown, broadcastable to (B, n_choices)."""
        ...


def quality_shown(source: QualitySource, state: State, shown: Shown) -> Floats:
    """Return the quality of what is shown, broadcastable to (B, n)."""
    if shown.items is None:
        return source.offer_quality(state)
    n_users, n_slots = shown.items.shape
    users = np.repeat(np.arange(n_users), n_slots)
    return source.quality(state, users, shown.items.reshape(-1)).reshape(n_users, n_slots)


@dataclass(frozen=True, kw_only=True)
class QualityAppeal(Block):
    """Adds `weight * quality` to the score of each item. `weight` = 0 switches it off.

    Reference:
        Ie et al., 2019, "RecSim: A Configurable Simulation Platform for Recommender Systems" (its
        interest exploration, with weight 1).
    """

    source: QualitySource
    """The items."""
    weight: float = 1.0
    """Finite."""

    def __post_init__(self) -> None:
        check_number("weight of quality", self.weight)

    def adjust(self, state: State, shown: Shown, scores: Floats) -> Floats:
        """Add the quality of each item."""
        scores += self.weight * quality_shown(self.source, state, shown)
        return scores
