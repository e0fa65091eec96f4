"""Learning to like what was better than expected."""

from dataclasses import dataclass

import numpy as np

from rlrec.arrays import Floats, Ints
from rlrec.envs.arguments import check_number, check_whole_number
from rlrec.envs.blocks.block import Block
from rlrec.envs.blocks.state import Event, Shown, State, put, turns
from rlrec.envs.blocks.topics import of_topics


@dataclass(frozen=True, kw_only=True)
class OperantConditioning(Block):
    """A topic is liked more after items better than expected, and less after worse ones.

    With the hidden quality q of an item of topic k that was consumed, and the user's expectation m,

        liking_k  <-  clip(liking_k + rate * (q - m), -limit, limit)
        m  <-  m + adaptation * (q - m)

    from 0 on; the liking is added to the score of every item of the topic. Of several items from
    one slate each acts in turn. `rate` = 0 switches it off.

    Reference:
        The law of effect (Thorndike, 1911), with a running mean as what is expected.
    """

    n_topics: int
    """T."""
    rate: float = 0.1
    """In 0..1."""
    adaptation: float = 0.1
    """In 0..1: how fast expectations follow what was had; 0 keeps them at 0."""
    limit: float = 3.0
    """Above 0: largest change of a score."""

    def __post_init__(self) -> None:
        check_whole_number("n_topics", self.n_topics, 1)
        for name in ("rate", "adaptation"):
            check_number(name, getattr(self, name), 0.0, 1.0)
        check_number("limit", self.limit, 0.0, above=True)

    def start(self, state: State, users: Ints, draws: Floats) -> None:
        """Begin without likings and expecting a quality of 0."""
        put(state, "liking", users, np.zeros((len(users), self.n_topics)))
        put(state, "expected_quality", users, np.zeros(len(users)))

    def adjust(self, state: State, shown: Shown, scores: Floats) -> Floats:
        """Add the liking of each item's topic."""
        scores += of_topics(state["liking"], shown)
        return scores

    def update(self, state: State, event: Event, draws: Floats) -> None:
        """Compare what was consumed with what was expected."""
        liking, expected, consumed = state["liking"], state["expected_quality"], event.consumed
        for rows in turns(consumed.users):
            users, topics = consumed.users[rows], consumed.topics[rows]
            surprise = consumed.quality[rows] - expected[users]
            moved = liking[users, topics] + self.rate * surprise
            liking[users, topics] = np.clip(moved, -self.limit, self.limit)
            expected[users] += self.adaptation * surprise
