"""The users of a log, and a log of some of them."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rlrec.arrays import Ints
from rlrec.data.log import InteractionLog


def users_of_log(log: InteractionLog) -> NDArray[Any]:
    """Return the ids of all users, ascending, (P,)."""
    return np.unique(log.column("user_id"))


def log_of_users(log: InteractionLog, users: Ints) -> InteractionLog:
    """Return all that a log says of some users, in memory.

    Each place in `users` becomes a user of its own, numbered from 0: who is named twice is there
    twice, as a bootstrap wants it.

    Args:
        log: Any.
        users: Shape (n,). Rows of `users_of_log`, with or without repeats.
    """
    columns = log.columns()
    _, row_of = np.unique(columns["user_id"], return_inverse=True)
    order = np.argsort(row_of, kind="stable")  # by user, and then as the log has them
    lengths = np.bincount(row_of)
    starts = np.cumsum(lengths) - lengths
    taken = np.concatenate([order[starts[u] : starts[u] + lengths[u]] for u in users])
    part = {name: column[taken] for name, column in columns.items()}
    part["user_id"] = np.repeat(np.arange(len(users)), lengths[users])
    return InteractionLog.from_columns(part, log.metadata)
