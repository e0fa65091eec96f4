"""Atomic files of RecBole: tables whose header names the kind of each field."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from rlrec.data.csv_tables import CsvLayout, header_of
from rlrec.data.tables import Table
from rlrec.errors import DataError, UnknownNameError, nearest_hint

if TYPE_CHECKING:
    import pandas as pd

KINDS = ("token", "token_seq", "float", "float_seq")
_TABS = CsvLayout("\t", may_quote=False)


class AtomicFile:
    """One file of tab-separated fields, each `name:kind` in the header.

    Args:
        path: The file, plain or `.gz`.

    Raises:
        DataError: The file is missing, damaged or has another form; names file and line.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.kinds = _kinds(path)
        texts = (self._column(name) for name, kind in self.kinds.items() if kind != "float")
        self.table = Table(path, _TABS, ids=tuple(texts))

    def where(self, row: int, name: str) -> str:
        """Return the place of a value, for messages."""
        return self.table.where(row, self._column(name))

    def column(self, name: str, kind: str) -> str:
        """Return the column of a field as the header writes it.

        Raises:
            UnknownNameError: There is no such field.
            DataError: The field is of another kind.
        """
        if name not in self.kinds:
            raise UnknownNameError(
                f"{self.path} has no field {name!r}.{nearest_hint(name, self.kinds)}"
            )
        if self.kinds[name] != kind:
            raise DataError(
                f"{self.path}, line 1: expected a field of kind {kind} in {name!r}, found "
                f"{self.kinds[name]}"
            )
        return self._column(name)

    def ids(self, name: str) -> NDArray[Any]:
        """Return a field of tokens, none of them empty, as integers or strings."""
        return self.table.ids(self.column(name, "token"))

    def texts(self, name: str) -> list[str]:
        """Return a field of tokens as written, empty where it is."""
        return self.table.texts(self._column(name))

    def frame(self, key: str) -> "pd.DataFrame":
        """Return all fields as a data frame with one row an id.

        Tokens are text, floats numbers (NaN where empty), sequences tuples of either.

        Args:
            key: Field of tokens that is the index.

        Raises:
            DataError: An id is empty or comes again, or a number is none; names line and field.
        """
        import pandas as pd

        ids = self.ids(key)
        repeated = pd.Series(ids).duplicated().to_numpy()
        if repeated.any():
            row = int(repeated.argmax())
            raise DataError(f"{self.where(row, key)}: repeats the id {ids[row]}")
        fields = {name: self._values(name) for name in self.kinds if name != key}
        return pd.DataFrame(fields, index=pd.Index(ids, name=key))

    def _values(self, name: str) -> list[Any] | NDArray[Any]:
        kind = self.kinds[name]
        if kind == "float":
            return self._floats(name)
        texts = self.texts(name)
        if kind == "token":
            return texts
        if kind == "token_seq":
            return [tuple(text.split()) for text in texts]
        return [self._numbers(row, name, text) for row, text in enumerate(texts)]

    def _floats(self, name: str) -> NDArray[Any]:
        column = self.table.frame()[self._column(name)]
        if column.isna().all():
            return np.full(len(column), np.nan)
        if column.dtype.kind not in "iuf":
            return self.table.numbers(self._column(name))  # which refuses it
        return column.to_numpy(np.float64)

    def _numbers(self, row: int, name: str, text: str) -> tuple[float, ...]:
        try:
            return tuple(float(number) for number in text.split())
        except ValueError:
            raise DataError(
                f"{self.where(row, name)}: expected numbers separated by spaces, found {text!r:.80}"
            ) from None

    def _column(self, name: str) -> str:
        return f"{name}:{self.kinds[name]}"


def _kinds(path: Path) -> dict[str, str]:
    """Return the kind of each field, as the header says."""
    kinds: dict[str, str] = {}
    for field in header_of(path, _TABS):
        name, _, kind = field.rpartition(":")
        if not name or ":" in name or kind not in KINDS:
            raise DataError(
                f"{path}, line 1: expected fields 'name:kind' separated by tabs, with a kind of "
                f"{', '.join(KINDS)}; found {field!r:.80}"
            )
        if name in kinds:
            raise DataError(f"{path}, line 1: expected each field once, found {name!r} twice")
        kinds[name] = kind
    return kinds
