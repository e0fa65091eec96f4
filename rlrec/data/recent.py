"""The last H values of each user, in arrays that are shifted once in H steps only."""

from typing import Any, Self

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from rlrec.arrays import Ints


class Recent:
    """The last H values of B users under some keys, newest last; each row starts as zeros.

    Rows have room for more than H values: new ones are written behind the others, and what is seen
    is the window of the last H. Only a row whose room is used up is shifted.

    Args:
        empty: Arrays (B, H, ...) of zeros, by key.
        length: H.
        n_users: B.
        most: Values a user that `append` may be given at once.
    """

    def __init__(
        self, empty: dict[str, NDArray[Any]], length: int, n_users: int, most: int
    ) -> None:
        self._length, self._most = length, most
        self._room = length + max(length, most)
        self._ends = np.full(n_users, length)
        self._kept = {
            key: np.zeros((n_users, self._room, *array.shape[2:]), array.dtype)
            for key, array in empty.items()
        }
        self._look()

    def append(self, users: Ints, counts: Ints, newest: dict[str, NDArray[Any]]) -> None:
        """Put values behind the others.

        Args:
            users: Shape (F,), rising. Whose values these are.
            counts: Shape (B,). How many values each user gets.
            newest: Arrays (F, ...) by key; the values of a user in order.
        """
        ends = self._ends
        full = ends + counts > self._room
        if full.any():
            self._shift(full.nonzero()[0])
        places = (self._every * self._room + ends).take(users)
        if len(users) > np.count_nonzero(counts):  # several of one user: behind one another
            places += np.arange(len(users)) - (counts.cumsum() - counts).take(users)
        for key, rows in self._rows.items():
            rows[places] = newest[key]
        ends += counts

    def clear(self, users: Ints) -> None:
        """Forget everything about some users."""
        self._ends[users] = self._length
        for kept in self._kept.values():
            kept[users, : self._length] = 0

    def observe(self, users: Ints | slice) -> dict[str, NDArray[Any]]:
        """Return copies of the last H values of some users, (F, H, ...) by key."""
        if len(self._ends) == 1:  # a slice costs less than a row looked up
            end = int(self._ends[0])
            return {
                key: kept[:, end - self._length : end][users].copy()
                for key, kept in self._kept.items()
            }
        rows = self._every[users]
        begins = self._ends[users] - self._length
        return {key: windows[rows, begins] for key, windows in self._windows.items()}

    def restore(self, observed: dict[str, NDArray[Any]]) -> None:
        """Take back what `observe` returned for all users."""
        self._ends[:] = self._length
        for key, kept in self._kept.items():
            kept[:, : self._length] = observed[key]

    def first(self, n_users: int) -> Self:
        """Return those of the first users; they share memory with these."""
        part = type(self)({}, self._length, 0, self._most)
        part._ends = self._ends[:n_users]
        part._kept = {key: kept[:n_users] for key, kept in self._kept.items()}
        part._look()
        return part

    def _look(self) -> None:
        """Make the views through which values are written and seen."""
        self._every = np.arange(len(self._ends))
        self._rows = {key: kept.reshape(-1, *kept.shape[2:]) for key, kept in self._kept.items()}
        self._windows = {
            key: np.moveaxis(sliding_window_view(kept, self._length, axis=1), -1, 2)
            for key, kept in self._kept.items()
        }

    def _shift(self, users: Ints) -> None:
        """Move the last H values of some users to the beginning of their rows."""
        begins = self._ends[users] - self._length
        for key, kept in self._kept.items():
            kept[users, : self._length] = self._windows[key][users, begins]
        self._ends[users] = self._length
