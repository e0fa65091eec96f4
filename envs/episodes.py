"""Numbers of episodes."""

import numpy as np

from rlrec.arrays import Ints

_EPISODES_A_USER = 2**20


def episode_ids_of(first_user: int, episodes: Ints) -> Ints:
    """Return a number for each running episode, unique under a seed, (B,).

    Args:
        first_user: Number of the first user of the batch.
        episodes: Shape (B,). How many episodes of each user came before.
    """
    users = first_user + np.arange(len(episodes))
    return users * _EPISODES_A_USER + episodes
