"""Ratings in tables of your own: CSV or Parquet with named columns."""

import logging
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from pyarrow import compute as pc

from rlrec.arrays import Floats, Ints
from rlrec.data.catalogue import Catalogue
from rlrec.data.csv_tables import CsvLayout, CsvTable, read_csv
from rlrec.data.rating_rules import LAST_SECOND, Scale, check_no_duplicates, check_scale, indexed
from rlrec.data.ratings import Ratings
from rlrec.errors import ConfigError, DataError, UnknownNameError, nearest_hint

if TYPE_CHECKING:
    import pandas as pd

_INTEGER_ID = r"^(0|-?[1-9][0-9]{0,17})$"
_COMMAS = CsvLayout()

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
        user: Column of user ids, integers or strings. Ids of a CSV file are integers if all are
            written as such (at most 18 digits, no leading zeros), else strings.
        item: Column of item ids, likewise.
        rating: Column of ratings; None makes every event a 1.
        timestamp: Column of unix seconds, or of dates and times.
        scale: Least and greatest rating there may be; None for no limits.
        delimiter: Of a CSV file.

    Returns:
        Ratings in file order; the catalogue is what was rated, with one topic "all".

    Raises:
        UnknownNameError: The file has no column of that name.
        DataError: The file is missing, damaged or breaks a rule; names file, line and column.
        ConfigError: An argument is of the wrong kind.
    """
    check_table_arguments(user, item, rating, timestamp, scale, delimiter)
    table = Table(Path(path), CsvLayout(delimiter), ids=(user, item))
    user_index, user_ids = indexed(table.ids(user))
    item_index, item_ids = indexed(table.ids(item))
    values = np.ones(len(user_index)) if rating is None else table.numbers(rating)
    if rating is not None and scale is not None:
        check_scale(values, Scale(*scale), table.where, rating)
    times = None if timestamp is None else table.seconds(timestamp)
    check_no_duplicates(user_index, item_index, times, table.where, user)
    catalogue = Catalogue.of_ids(item_ids)
    ratings = Ratings(user_ids, user_index, item_index, values, times, catalogue)
    _logger.info("%s: %s", path, ratings.summary())
    return ratings


def check_table_arguments(
    user: object,
    item: object,
    rating: object = None,
    timestamp: object = None,
    scale: object = None,
    delimiter: object = ",",
) -> None:
    """Check the arguments of `load_table` without a file.

    Raises:
        ConfigError: One is of the wrong kind.
    """
    columns = {"user": user, "item": item, "rating": rating, "timestamp": timestamp}
    for name, column in columns.items():
        is_optional = name in ("rating", "timestamp") and column is None
        if not is_optional and (not isinstance(column, str) or not column):
            raise ConfigError(f"{name} must be the name of a column, got {column!r:.80}")
    if user == item:
        raise ConfigError(f"user and item must be two columns, both are {user!r}")
    if scale is not None:
        _check_limits(scale)
    if not isinstance(delimiter, str) or not (len(delimiter) == 1 and delimiter.isascii()):
        raise ConfigError(f"delimiter must be one character of ASCII, got {delimiter!r:.80}")
    if delimiter in '"\r\n':
        raise ConfigError(f"delimiter must be neither a quote nor a line break, got {delimiter!r}")


def _check_limits(scale: object) -> None:
    limits = list(scale) if isinstance(scale, list | tuple) else []
    are_numbers = all(isinstance(limit, int | float) and math.isfinite(limit) for limit in limits)
    if len(limits) != 2 or not are_numbers or not limits[0] < limits[1]:
        raise ConfigError(
            f"scale must be two numbers, the least and the greatest rating, got {scale!r:.80}"
        )


class Table:
    """A table whose rows can be named in messages.

    Args:
        path: The file; read as Parquet if it is called `.parquet`, else as CSV.
        layout: How a CSV file is written.
        ids: Columns of a CSV file to be kept as text until `ids` is asked for them.
        columns: Of a CSV file, to be read; by default all there are.
    """

    def __init__(
        self,
        path: Path,
        layout: CsvLayout = _COMMAS,
        ids: tuple[str, ...] = (),
        columns: tuple[str, ...] = (),
    ) -> None:
        self._path = path
        self._csv: CsvTable | None = None
        if path.suffix.lower() == ".parquet":
            self._table = _parquet(path)
        elif path.suffix.lower() == ".zip":
            raise DataError(f"{path}: expected a CSV (or .gz) or Parquet file; unpack the archive")
        else:
            self._csv = read_csv(path, layout, texts=ids, columns=columns)
            self._table = self._csv.table
        if self._table.num_rows == 0:
            raise DataError(f"{path}: expected at least one row, found none")

    def where(self, row: int, column: str) -> str:
        """Return the place of a value: a line of a CSV file, a row counted from 0 of Parquet."""
        place = f"row {row}" if self._csv is None else f"line {self._csv.line(row)}"
        return f"{self._path}, {place}, column {column!r}"

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the columns."""
        return tuple(self._table.column_names)

    def frame(self) -> "pd.DataFrame":
        """Return the table as a data frame, empty fields as missing values."""
        frame: pd.DataFrame = self._table.to_pandas()
        return frame

    def ids(self, name: str) -> NDArray[Any]:
        """Return a column of ids: int64, or strings."""
        column = self._column(name)
        if pa.types.is_integer(column.type):
            return self._numpy(self._cast(name, column, pa.int64(), "an id below 2**63"))
        if _is_text(column.type) and self._csv is None:
            return self._numpy(column)
        if _is_text(column.type):
            if pc.all(pc.match_substring_regex(column, _INTEGER_ID)).as_py():
                return self._numpy(column.cast(pa.int64()))
            self._check_one_kind(name, column)
            return self._numpy(column)
        raise DataError(f"{self.where(0, name)}: expected integers or strings, found {column.type}")

    def texts(self, name: str) -> list[str]:
        """Return a column of text as written, empty where it is."""
        texts: list[str] = self._table.column(name).fill_null("").to_pylist()
        return texts

    def numbers(self, name: str) -> Floats:
        """Return a column of finite numbers."""
        column = self._column(name)
        if not (pa.types.is_integer(column.type) or pa.types.is_floating(column.type)):
            self._refuse_text(name, column, pa.float64(), "a number")
        exact = "a number that a 64-bit float can hold"
        values = self._numpy(self._cast(name, column, pa.float64(), exact))
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
            seconds = self._numpy(column.cast(pa.int64()))
        elif pa.types.is_integer(column.type):
            seconds = self._numpy(self._cast(name, column, pa.int64(), "unix seconds"))
        else:
            if _is_text(column.type):
                self._refuse_time(name, column)
            seconds = self.numbers(name)
        for wrong, wanted in (
            (seconds % 1 != 0, "whole seconds"),
            (abs(seconds) > LAST_SECOND, "unix seconds of a year up to 9999"),
        ):
            if wrong.any():
                row = int(wrong.argmax())
                raise DataError(f"{self.where(row, name)}: expected {wanted}, found {seconds[row]}")
        return seconds.astype(np.int64)

    def _column(self, name: str) -> pa.ChunkedArray:
        """Return a column without gaps."""
        names = self._table.column_names
        if name not in names:
            raise UnknownNameError(
                f"{self._path} has no column {name!r}.{nearest_hint(name, names)}"
            )
        if names.count(name) > 1:
            raise DataError(
                f"{self._path}: expected one column {name!r}, found {names.count(name)}"
            )
        column = self._table.column(name)
        if pa.types.is_dictionary(column.type):  # what pandas makes of a categorical
            column = column.cast(column.type.value_type)
        if pa.types.is_string_view(column.type):
            column = column.cast(pa.string())
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
        """Refuse text among integers, and decimals: more likely a fault of the file than an id."""
        decimal = pc.match_substring_regex(column, r"^-?[0-9]+\.[0-9]*$")
        if pc.all(decimal).as_py():
            raise DataError(
                f"{self.where(0, name)}: expected integers or strings, found the decimal number "
                f"{column[0].as_py()!r:.80}"
            )
        whole = pc.match_substring_regex(column, r"^-?[0-9]+$")
        if len(column) > pc.sum(whole).as_py() > len(column) / 2:
            row = pc.index(whole, False).as_py()
            raise DataError(
                f"{self.where(row, name)}: expected an integer as in most lines, found "
                f"{column[row].as_py()!r:.80}; if such ids are right, save the table as Parquet"
            )

    def _cast(
        self, name: str, column: pa.ChunkedArray, kind: pa.DataType, wanted: str
    ) -> pa.ChunkedArray:
        """Convert a column without loss."""
        try:
            return column.cast(kind)
        except pa.ArrowInvalid:
            self._refuse_first(name, column, (kind,), wanted)

    def _refuse_text(
        self, name: str, column: pa.ChunkedArray, kind: pa.DataType, wanted: str
    ) -> NoReturn:
        if _is_text(column.type):
            self._refuse_first(name, column, (kind,), wanted)
        raise DataError(f"{self.where(0, name)}: expected {wanted}, found {column.type}")

    def _refuse_time(self, name: str, column: pa.ChunkedArray) -> NoReturn:
        """Refuse text that is neither of numbers nor of dates, or of both."""
        kinds: tuple[pa.DataType, ...] = (pa.float64(), pa.timestamp("s"))
        wanted = "unix seconds, or dates and times, in all rows"
        for kind in kinds:
            if _can_be(column[0], kind):
                kinds = (kind,)
        self._refuse_first(name, column, kinds, wanted)

    def _refuse_first(
        self,
        name: str,
        column: pa.ChunkedArray,
        kinds: tuple[pa.DataType, ...],
        wanted: str,
    ) -> NoReturn:
        """Refuse the first value that cannot be any of `kinds`."""
        for row, value in enumerate(column):
            if not any(_can_be(value, kind) for kind in kinds):
                raise DataError(
                    f"{self.where(row, name)}: expected {wanted}, found {value.as_py()!r:.80}"
                )
        raise DataError(f"{self.where(0, name)}: expected {wanted}, found {column.type}")

    def _numpy(self, column: pa.ChunkedArray) -> NDArray[Any]:
        return np.asarray(column.to_numpy())


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _can_be(value: pa.Scalar, kind: pa.DataType) -> bool:
    try:
        value.cast(kind)
    except pa.ArrowException:
        return False
    return True


def _parquet(path: Path) -> pa.Table:
    try:
        return pq.read_table(path)
    except (pa.ArrowException, OSError) as error:
        reason = str(error).splitlines()[0]
        raise DataError(f"{path}: expected a whole Parquet file, found none ({reason})") from error
