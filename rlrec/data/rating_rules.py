"""The rules that all ratings keep, whatever file they come from."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from rlrec.arrays import Floats, Ints
from rlrec.data.catalogue import Catalogue
from rlrec.errors import DataError

Where = Callable[[int, str], str]
"""Takes a row and a column and returns the place (file, line, column), for messages."""


LAST_SECOND = 253_402_300_799
"""Of the year 9999, in unix time; what is later is no time in seconds."""


class Scale(NamedTuple):
    """Which ratings there can be."""

    low: float
    high: float
    step: float | None = None
    """Distance of neighbouring ratings; None where anything between is possible."""

    def __str__(self) -> str:
        steps = "" if self.step is None else f" in steps of {self.step:g}"
        return f"{self.low:g} to {self.high:g}{steps}"


def check_scale(ratings: Floats, scale: Scale, where: Where, column: str) -> None:
    """Raise DataError at the first rating that is not on the scale."""
    wrong = ~((ratings >= scale.low) & (ratings <= scale.high))
    if scale.step is not None:
        wrong |= (ratings - scale.low) % scale.step != 0
    if wrong.any():
        row = int(wrong.argmax())
        raise DataError(
            f"{where(row, column)}: expected a rating of {scale}, found {ratings[row]:g} "
            f"({int(wrong.sum())} such rows)"
        )


def check_no_duplicates(
    users: Ints, items: Ints, timestamps: Ints | None, where: Where, column: str
) -> None:
    """Raise DataError at the first row that repeats user, item and time of an earlier one."""
    keys = {"user": users, "item": items}
    if timestamps is not None:
        keys["time"] = timestamps
    frame = pd.DataFrame(keys)
    repeated = frame.duplicated().to_numpy()
    if repeated.any():
        row = int(repeated.argmax())
        first = int((frame == frame.iloc[row]).all(axis=1).to_numpy().argmax())
        raise DataError(
            f"{where(row, column)}: repeats the {', '.join(keys)} of {where(first, column)} "
            f"({int(repeated.sum())} such rows)"
        )


def item_index(
    item_ids: NDArray[Any], catalogue: Catalogue, where: Where, column: str, listed: str
) -> Ints:
    """Return the row of each id in the catalogue.

    Args:
        item_ids: Shape (n,).
        catalogue: Of the items there are.
        where: Of the ids.
        column: Of the ids.
        listed: What the catalogue's items are called, such as "movies listed beside the ratings".

    Raises:
        DataError: An id is not in the catalogue; names the first.
    """
    unknown = ~np.isin(item_ids, catalogue.item_ids)
    if unknown.any():
        row = int(unknown.argmax())
        raise DataError(
            f"{where(row, column)}: expected one of the {catalogue.n_items} {listed}, found "
            f"{item_ids[row]} ({int(unknown.sum())} such rows)"
        )
    return catalogue.index_of(item_ids)


def indexed(labels: NDArray[Any]) -> tuple[Ints, NDArray[Any]]:
    """Return the row number of each label among the sorted distinct ones, and those."""
    codes, distinct = pd.factorize(labels, sort=True)
    distinct = np.asarray(distinct)
    ids = distinct.astype(str) if distinct.dtype.kind == "O" else distinct
    return codes.astype(np.int64, copy=False), ids
