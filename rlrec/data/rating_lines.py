"""Lines of ratings: parsed fast, and where that fails, the first wrong line found."""

import re
from typing import NamedTuple, NoReturn

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow import csv

from rlrec.arrays import Floats, Ints
from rlrec.data.raw_files import RawFile, lines_of
from rlrec.errors import DataError

COLUMNS = ("user", "item", "rating", "timestamp")
_WHOLE = re.compile(r"-?[0-9]{1,19}")
_NUMBER = re.compile(r"-?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?")
_SEPARATORS = {"\t": "a tab", "::": "'::'", ",": "','", ";": "';'", "|": "'|'", " ": "a space"}


class RatingLayout(NamedTuple):
    """How one line of a published ratings file is written."""

    separator: str
    header: tuple[str, ...] = ()
    """Names in the first line; empty if there is no such line."""


class RatingLines(NamedTuple):
    """Columns of a ratings file, a row a line."""

    source: RawFile
    first_line: int
    """Number of the first row's line, counted from 1."""
    user: Ints
    item: Ints
    rating: Floats
    timestamp: Ints

    def where(self, row: int, column: str) -> str:
        """Return the place of a value, for messages."""
        return f"{self.source}, line {self.first_line + row}, column {column!r}"


def read_rating_lines(source: RawFile, layout: RatingLayout) -> RatingLines:
    """Parse a file of user, item, rating and unix seconds.

    Raises:
        DataError: A line has another form; names file, line and column.
    """
    content = source.read()
    table = _parsed(content, layout)
    if table is None:
        _refuse_first_bad_line(source, content, layout)
    columns = [table.column(name).to_numpy() for name in COLUMNS]
    lines = RatingLines(source, 2 if layout.header else 1, *columns)
    wrong = ~np.isfinite(lines.rating)
    if wrong.any():
        row = int(wrong.argmax())
        raise DataError(
            f"{lines.where(row, 'rating')}: expected a number, found {lines.rating[row]}"
        )
    if not content.endswith(b"\n"):
        _check_last_line(lines)
    return lines


def _parsed(content: bytes, layout: RatingLayout) -> pa.Table | None:
    """Return the columns, or None if any line is not as it should be."""
    separator = layout.separator
    if len(separator) > 1:  # the parser takes one character
        if b"\t" in content:
            return None
        content, separator = content.replace(separator.encode(), b"\t"), "\t"
    if layout.header:
        header, _, content = content.partition(b"\n")
        if header.decode("utf-8-sig", "replace").strip() != separator.join(layout.header):
            return None
    if b"x" in content or b"X" in content:  # the parser would take 0x10 for a number
        return None
    kinds = (pa.int64(), pa.int64(), pa.float64(), pa.int64())
    try:
        return csv.read_csv(
            pa.BufferReader(content),
            read_options=csv.ReadOptions(column_names=COLUMNS, use_threads=False),
            parse_options=csv.ParseOptions(
                delimiter=separator, quote_char=False, ignore_empty_lines=False
            ),
            convert_options=csv.ConvertOptions(
                column_types=dict(zip(COLUMNS, kinds, strict=True)), null_values=[]
            ),
        )
    except pa.ArrowInvalid:
        return None


def _refuse_first_bad_line(source: RawFile, content: bytes, layout: RatingLayout) -> NoReturn:
    lines = lines_of(content.decode("utf-8-sig", "replace"))
    first = 0
    if layout.header:
        first = 1
        _check_header(source, lines[0].rstrip(), layout)
        if len(lines) == 1:
            raise DataError(f"{source}: expected ratings below the header, found none")
    for number, line in enumerate(lines[first:], start=first + 1):
        _check_line(f"{source}, line {number}", line, layout.separator)
    raise DataError(f"{source}: expected lines of {_wanted(layout.separator)}")


def _check_header(source: RawFile, header: str, layout: RatingLayout) -> None:
    wanted = layout.separator.join(layout.header)
    if header != wanted:
        raise DataError(f"{source}, line 1: expected the header {wanted!r}, found {header!r:.100}")


def _check_line(place: str, line: str, separator: str) -> None:
    fields = line.split(separator)
    if len(fields) != len(COLUMNS):
        others = [name for other, name in _SEPARATORS.items() if line.count(other) == 3]
        hint = f"; it looks separated by {others[0]}" if others and len(fields) == 1 else ""
        raise DataError(
            f"{place}: expected {_wanted(separator)}, found {len(fields)} fields{hint}: "
            f"{line!r:.80}"
        )
    for name, text in zip(COLUMNS, fields, strict=True):
        if not _is_number(text, whole=name != "rating"):
            kind = "a number" if name == "rating" else "a whole number"
            found = repr(text)[:80] if text.strip() else "an empty field"
            raise DataError(f"{place}, column {name!r}: expected {kind}, found {found}")


def _is_number(text: str, whole: bool) -> bool:
    text = text.strip(" ")
    if not whole:
        return bool(_NUMBER.fullmatch(text))
    return bool(_WHOLE.fullmatch(text)) and -(2**63) <= int(text) < 2**63


def _wanted(separator: str) -> str:
    return f"the 4 fields user, item, rating, timestamp separated by {_SEPARATORS[separator]}"


def _check_last_line(lines: RatingLines) -> None:
    """Refuse a file that seems to end within its last timestamp."""
    others: NDArray[np.int64] = lines.timestamp[:-1]
    last = int(lines.timestamp[-1])
    if others.size and len(str(last)) < len(str(int(others.min()))):
        raise DataError(
            f"{lines.where(len(others), 'timestamp')}: the file ends without a line break, and its "
            f"last timestamp {last} is shorter than all others; it seems cut off"
        )
