"""The hidden state of users, and what blocks are told of a step."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rlrec.arrays import Bools, Floats, Floats32, Ints

State = dict[str, NDArray[Any]]
"""Hidden state of B users: arrays with a leading axis of users; each block owns its keys."""


def put(state: State, key: str, users: Ints, values: Any, dtype: Any = np.float64) -> None:
    """Set the state `key` of some users, F of them; the first call, for all, makes the array.

    Args:
        state: State of B users.
        key: Name of the array.
        users: Shape (F,). Positions in the batch.
        values: Broadcastable to (F, ...).
        dtype: Of a new array.
    """
    if key not in state:
        state[key] = np.empty((len(users), *np.shape(values)[1:]), dtype)
    state[key][users] = values


class Shown(NamedTuple):
    """What lies before the users."""

    items: Ints | None
    """Shape (B, n), item_index, or position among fresh documents; None means the whole catalogue,
    in order."""
    topics: Ints
    """Shape (B, n), or (1, N) for the whole catalogue."""


class Consumed(NamedTuple):
    """What users took: F items, by user and then in slate order.

    A user who took several items of a slate stands there once for each.
    """

    users: Ints
    """Shape (F,). Positions in the batch."""
    slots: Ints
    """Shape (F,). Position in the slate, from 0."""
    items: Ints
    """Shape (F,). item_index, or position among fresh documents."""
    topics: Ints
    """Shape (F,)."""
    quality: Floats
    """Shape (F,). Hidden quality of the item for this user."""


class Event(NamedTuple):
    """One step of all users, as blocks are told of it."""

    shown: Shown
    """What the slates put before the users."""
    blank: Bools | None
    """Shape (B, K). Slots that show nothing; None where none is blank."""
    consumed: Consumed
    """What was taken."""
    responses: Floats32
    """Shape (B, K, R)."""
    rewards: Floats
    """Shape (B,)."""


class Outcome(NamedTuple):
    """What the users did with their slates."""

    responses: Floats32
    """Shape (B, K, R). Channel 0 says whether there was a response."""
    rewards: Floats
    """Shape (B,)."""
    has_left: Bools
    """Shape (B,)."""
    cells: Ints | None = None
    """Shape (F,). user * K + slot of each response, rising; found from `responses` if left out."""


def summed(users: Ints, values: Floats, n_users: int) -> Floats:
    """Return the sum of a value an item, (F,), over the items of each user, (n_users,)."""
    if not len(users):  # where numpy's bincount returns whole numbers
        return np.zeros(n_users)
    return np.bincount(users, values, n_users).astype(np.float64, copy=False)


def turns(users: Ints) -> Iterator[Ints | slice]:
    """Yield rows of consumed items that hold a user at most once: first items, then second ones.

    Args:
        users: Shape (F,), rising; as in `Consumed`.
    """
    if not (users[1:] == users[:-1]).any():
        yield slice(None)
        return
    first = np.flatnonzero(np.diff(users, prepend=-1))
    ranks = np.arange(len(users)) - np.repeat(first, np.diff(np.append(first, len(users))))
    for rank in range(int(ranks.max()) + 1):
        yield np.flatnonzero(ranks == rank)
