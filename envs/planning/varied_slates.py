"""Slates for users to whom too many items of one topic attract less (`Sameness`)."""

import numpy as np

from rlrec.arrays import Bools, Floats, Ints
from rlrec.envs.blocks.sameness import Sameness
from rlrec.envs.planning.oracle import users_of
from rlrec.envs.simulator import UserSimulator


def sameness_of(simulator: UserSimulator) -> Sameness | None:
    """Return the `Sameness` of a simulator's users; None where it is off."""
    for block in users_of(simulator).blocks:
        if isinstance(block, Sameness) and block.penalty > 1:
            return block
    return None


def best_of_topics(worth: Floats, topics: Ints, n_topics: int, most: int) -> Bools:
    """Return which items are among the `most` best of their topic, (B, N).

    Args:
        worth: Shape (B, N).
        topics: Broadcastable to (B, N), in 0..n_topics - 1.
        n_topics: T.
        most: 0 or more.
    """
    order = np.argsort(-worth, axis=1, kind="stable")
    ranked = np.take_along_axis(np.broadcast_to(topics, worth.shape), order, axis=1)
    chosen = np.zeros(worth.shape, bool)
    for topic in range(n_topics):
        of_topic = ranked == topic
        chosen |= of_topic & (of_topic.cumsum(axis=1) <= most)
    kept = np.zeros(worth.shape, bool)
    np.put_along_axis(kept, order, chosen, axis=1)
    return kept


def earned_by(simulator: UserSimulator, users: Ints, slates: Ints) -> Floats:
    """Return the expected reward of slates (F, K), without repeats, to some users, (F,)."""
    model, state = users_of(simulator), simulator.state_of(users)
    return model.expected_reward(state, model.items.shown(state, slates), None)
