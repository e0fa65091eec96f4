"""Tables of features: one row a user or an item, by whole numbers."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from rlrec.arrays import Ints
from rlrec.data.tables import Table
from rlrec.errors import DataError

if TYPE_CHECKING:
    import pandas as pd


def read_features(path: Path, key: str, texts: tuple[str, ...] = ()) -> "pd.DataFrame":
    """Return a CSV table as a data frame, by the ids in one of its columns.

    Args:
        path: The file, plain or `.gz`.
        key: Column of ids, whole numbers of 0 or more, each once.
        texts: Columns to be kept as text though they hold numbers.

    Returns:
        Other columns as numbers or text, empty fields as missing values; the index is `key`.

    Raises:
        DataError: The file is missing, damaged or lacks the column, or an id is wrong or repeated;
            names file, line and column.
    """
    table = Table(path, ids=(key, *texts))
    ids = whole_ids(table, path, key)
    frame = table.frame().drop(columns=key)
    frame.index = ids
    return frame.rename_axis(key)


def whole_ids(table: Table, path: Path, key: str) -> Ints:
    """Return a column of ids, each a whole number of 0 or more that stands once.

    Raises:
        DataError: There is no such column, or an id is wrong or repeated.
    """
    if key not in table.names:
        raise DataError(f"{path}, line 1: expected a column {key!r}, found {list(table.names)}")
    ids = table.ids(key)
    if ids.dtype.kind != "i":
        raise DataError(f"{table.where(0, key)}: expected whole numbers, found {ids[0]!r:.40}")
    _, first, place = np.unique(ids, return_index=True, return_inverse=True)
    wrong = ids < 0
    repeated = first[place] != np.arange(len(ids))
    if (wrong | repeated).any():
        row = int((wrong | repeated).argmax())
        rule = "expected 0 or more" if wrong[row] else "expected each id once"
        raise DataError(f"{table.where(row, key)}: {rule}, found {ids[row]}")
    return ids
