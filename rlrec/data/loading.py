"""One way in for ratings, whatever their format."""

from pathlib import Path
from typing import Any

from rlrec.data.movielens import load_movielens
from rlrec.data.ratings import Ratings
from rlrec.data.tables import load_table


def load_ratings(path: str | Path, **columns: Any) -> Ratings:
    """Read ratings: a table if columns are named, else one of MovieLens' formats.

    Args:
        path: As in `load_table` or `load_movielens`.
        **columns: The other arguments of `load_table` (`user`, `item`, ...), or of
            `load_movielens` (`expect`).

    Returns:
        Ratings in file order.

    Raises:
        DataError: The file is missing, damaged or breaks a rule; names file, line and column.
    """
    if "user" in columns or "item" in columns:
        return load_table(path, **columns)
    return load_movielens(path, **columns)
