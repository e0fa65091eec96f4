"""Values by topic: read for what is shown, and counted for what was consumed."""

import numpy as np

from rlrec.arrays import Floats, Ints
from rlrec.envs.blocks.state import Consumed, Shown


def of_topics(values: Floats, shown: Shown) -> Floats:
    """Return each user's value of the topic of each item shown, (B, n); `values` is (B, T)."""
    if shown.items is None:
        return values[:, shown.topics[0]]
    rows = np.arange(len(values)) * values.shape[1]
    shown_values: Floats = values.ravel().take(shown.topics + rows[:, None])
    return shown_values


def topic_counts(consumed: Consumed, n_users: int, n_topics: int) -> Ints:
    """Return how many items of each topic each user consumed, (B, T)."""
    cells = consumed.users * n_topics + consumed.topics
    return np.bincount(cells, minlength=n_users * n_topics).reshape(n_users, n_topics)
