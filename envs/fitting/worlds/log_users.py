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

    Who is named twice is there twice, as a bootstrap wants it; then users are numbered from 0, else
    they keep their ids.

    Args:
        log: Any.
        users: Shape (n,). Rows of `users_of_log`.
    """
    columns = log.columns()
    ids, row_of = np.unique(columns["user_id"], return_inverse=True)
    order = np.argsort(row_of, kind="stable")  # by user, and then as the log has them
    lengths = np.bincount(row_of)
    starts = np.cumsum(lengths) - lengths
    users = np.sort(users)
    taken = np.concatenate([order[starts[u] : starts[u] + lengths[u]] for u in users])
    part = {name: column[taken] for name, column in columns.items()}
    repeats = len(np.unique(users)) < len(users)
    named = np.arange(len(users)) if repeats else ids[users]
    part["user_id"] = np.repeat(named, lengths[users])
    return InteractionLog.from_columns(part, log.metadata)
