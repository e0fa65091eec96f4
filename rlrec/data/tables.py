"""Ratings in tables of your own: CSV or Parquet with named columns."""

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from pyarrow import compute as pc
from pyarrow import csv

from rlrec.arrays import Floats, Ints
from rlrec.data.catalogue import Catalogue
from rlrec.data.rating_rules import Scale, check_no_duplicates, check_scale, indexed
from rlrec.data.ratings import Ratings
from rlrec.data.raw_files import RawFile
from rlrec.errors import ConfigError, DataError, UnknownNameError, nearest_hint

_logger = logging.getLogger(__name__)


def load_table(
    path: str | Path,
    *,
    user: str,
    item: str,
    rating: str | None = None,
    timestamp: str | None = None,
    scale: tuple[float, float] | None = None,
    delimiter: str = ",",
) -> Ratings:
    """Read ratings, or events without a value, from a CSV (also `.gz`) or Parquet file.

    Args:
        path: The file; read as Parquet if it is called `.parquet`, else as CSV with a header.
        user: Column of user ids, integers or strings.
        item: Column of item ids, integers or strings.
        rating: Column of ratings; None makes every event a 1.
        timestamp: Column of unix seconds, or of dates and times.
        scale: Least and greatest rating there may be; None for no limits.
        delimiter: Of a CSV file.

    Returns:
        Ratings in file order; the catalogue is what was rated, with one topic "all".

    Raises:
        UnknownNameError: The file has no column of that name.
        DataError: The file is missing, damaged or breaks a rule; names file, line and column.
    """
    table = _Table(Path(path), delimiter)
    user_index, user_ids = indexed(table.ids(user))
    item_index, item_ids = indexed(table.ids(item))
    values = np.ones(len(user_index)) if rating is None else table.numbers(rating)
    if rating is not None and scale is not None:
        check_scale(values, Scale(*scale), table.where, rating)
    times = None if timestamp is None else table.seconds(timestamp)
    check_no_duplicates(user_index, item_index, times, table.where, user)
    catalogue = Catalogue(
        item_ids=item_ids,
        topics=np.zeros(len(item_ids), np.int64),
        features=np.zeros((len(item_ids), 0), np.float32),
        topic_names=("all",),
    )
    ratings = Ratings(user_ids, user_index, item_index, values, times, catalogue)
    _logger.info("%s: %s", path, ratings.summary())
    return ratings


class _Table:
    """A table whose rows can be named in messages."""

    def __init__(self, path: Path, delimiter: str) -> None:
        self._path = path
        self._is_parquet = path.suffix == ".parquet"
        self._table = _parquet(path) if self._is_parquet else _csv(path, delimiter)
        if self._table.num_rows == 0:
            raise DataError(f"{path}: expected at least one row, found none")

    def where(self, row: int, column: str) -> str:
        """Return the place of a value: a line of a CSV file, a row counted from 0 of Parquet."""
        place = f"row {row}" if self._is_parquet else f"line {row + 2}"
        return f"{self._path}, {place}, column {column!r}"

    def ids(self, name: str) -> NDArray[Any]:
        """Return a column of ids: int64, or strings."""
        column = self._column(name)
        if pa.types.is_integer(column.type):
            return self._numpy(column.cast(pa.int64()))
        if _is_text(column.type):
            if not self._is_parquet:
                self._check_one_kind(name, column)
            return self._numpy(column)
        raise DataError(f"{self.where(0, name)}: expected integers or strings, found {column.type}")

    def numbers(self, name: str) -> Floats:
        """Return a column of finite numbers."""
        column = self._column(name)
        if not (pa.types.is_integer(column.type) or pa.types.is_floating(column.type)):
            self._refuse_text(name, column, pa.float64(), "a number")
        values = self._numpy(column.cast(pa.float64()))
        wrong = ~np.isfinite(values)
        if wrong.any():
            row = int(wrong.argmax())
            raise DataError(f"{self.where(row, name)}: expected a number, found {values[row]}")
        return values

    def seconds(self, name: str) -> Ints:
        """Return a column of times as whole unix seconds."""
        column = self._column(name)
        if pa.types.is_timestamp(column.type) or pa.types.is_date(column.type):
            column = column.cast(pa.timestamp("s"), safe=False)
            return self._numpy(column.cast(pa.int64()))
        if pa.types.is_integer(column.type):
            return self._numpy(column.cast(pa.int64()))
        values = self.numbers(name)
        wrong = values % 1 != 0
        if wrong.any():
            row = int(wrong.argmax())
            raise DataError(f"{self.where(row, name)}: expected whole seconds, found {values[row]}")
        return values.astype(np.int64)

    def _column(self, name: str) -> pa.ChunkedArray:
        """Return a column without gaps."""
        names = self._table.column_names
        if name not in names:
            raise UnknownNameError(
                f"{self._path} has no column {name!r}.{nearest_hint(name, names)}"
            )
        column = self._table.column(name)
        if pa.types.is_dictionary(column.type):  # what pandas makes of a categorical
            column = column.cast(column.type.value_type)
        missing = column.is_null()
        if _is_text(column.type):
            missing = pc.or_(missing, pc.equal(pc.fill_null(column, ""), ""))
        if pc.any(missing).as_py():
            row = pc.index(missing, True).as_py()
            raise DataError(
                f"{self.where(row, name)}: expected a value, found an empty field or NaN"
            )
        return column

    def _check_one_kind(self, name: str, column: pa.ChunkedArray) -> None:
        """Refuse text among integers: more likely a fault of the file than an id."""
        whole = pc.match_substring_regex(column, r"^-?[0-9]+$")
        if 2 * pc.sum(whole).as_py() > len(column):
            row = pc.index(whole, False).as_py()
            raise DataError(
                f"{self.where(row, name)}: expected an integer as in most lines, found "
                f"{column[row].as_py()!r:.80}; if such ids are right, save the table as Parquet"
            )

    def _refuse_text(self, name: str, column: pa.ChunkedArray, kind: Any, wanted: str) -> None:
        for row, text in enumerate(column.to_pylist()):
            try:
                pa.scalar(str(text)).cast(kind)
            except pa.ArrowInvalid:
                raise DataError(
                    f"{self.where(row, name)}: expected {wanted}, found {text!r:.80}"
                ) from None
        raise DataError(f"{self.where(0, name)}: expected {wanted}, found {column.type}")

    def _numpy(self, column: pa.ChunkedArray) -> NDArray[Any]:
        return np.asarray(column.to_numpy())


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _parquet(path: Path) -> pa.Table:
    try:
        return pq.read_table(path)
    except (pa.ArrowException, OSError) as error:
        reason = str(error).splitlines()[0]
        raise DataError(f"{path}: expected a whole Parquet file, found none ({reason})") from error


def _csv(path: Path, delimiter: str) -> pa.Table:
    if len(delimiter) != 1:
        raise ConfigError(f"delimiter must be one character, got {delimiter!r}")
    content = RawFile(path).read()
    header = content.partition(b"\n")[0].decode("utf-8-sig", "replace").rstrip()
    others = [other for other in ",;\t|" if other != delimiter and other in header]
    if delimiter not in header and others:
        raise DataError(
            f"{path}, line 1: expected column names separated by {delimiter!r}, found "
            f"{header!r:.80}; pass delimiter={others[0]!r} if that is what separates them"
        )
    try:
        return csv.read_csv(
            pa.BufferReader(content),
            read_options=csv.ReadOptions(use_threads=False),
            parse_options=csv.ParseOptions(delimiter=delimiter, ignore_empty_lines=False),
        )
    except pa.ArrowInvalid as error:
        raise _csv_fault(path, content, delimiter, header, error) from error


def _csv_fault(
    path: Path, content: bytes, delimiter: str, header: str, error: pa.ArrowInvalid
) -> DataError:
    n_columns = header.count(delimiter) + 1
    for number, line in enumerate(content.decode("utf-8", "replace").splitlines(), start=1):
        if '"' not in line and line.count(delimiter) + 1 != n_columns:
            return DataError(
                f"{path}, line {number}: expected {n_columns} fields separated by {delimiter!r}, "
                f"found {line.count(delimiter) + 1}: {line!r:.80}"
            )
    return DataError(f"{path}: expected a CSV file with a header ({str(error).splitlines()[0]})")
