"""CSV files too large for memory, a block of rows at a time."""

import csv
import gzip
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow import csv as arrow_csv

from rlrec.data.csv_tables import CsvLayout, check_header, header_of
from rlrec.errors import DataError

Kinds = Mapping[str, type[int] | type[float] | type[str]]
"""Columns to read, and whether they hold whole numbers, numbers or text."""

_BLOCK_BYTES = 2**20  # of which Arrow reads 32 ahead
_COMMAS = CsvLayout()
_ARROW = {int: pa.int64(), float: pa.float64(), str: pa.string()}
_MISSING = ["", "NA", "NaN", "nan", "NULL", "null"]
_FORMS = {
    int: re.compile(r"\s*-?[0-9]{1,19}\s*"),
    float: re.compile(r"\s*-?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?\s*"),
    str: re.compile(r".*", re.DOTALL),
}
_WANTED = {int: "a whole number", float: "a number", str: "text"}


class CsvBlock(NamedTuple):
    """Consecutive rows of a file."""

    source: Path
    first_line: int
    """Number of the first row's line, counted from 1."""
    columns: dict[str, NDArray[Any]]
    """int64, float64 (NaN where empty) or object, (n_rows,) each."""

    def where(self, row: int, column: str) -> str:
        """Return the place of a value, for messages."""
        return place(self.source, self.first_line + row, column)


def place(source: Path, line: int, column: str) -> str:
    """Return the place of a value, for messages."""
    return f"{source}, line {line}, column {column!r}"


def csv_blocks(
    path: Path, kinds: Kinds, may_lack: Sequence[str] = (), layout: CsvLayout = _COMMAS
) -> Iterator[CsvBlock]:
    """Yield some columns of a CSV file with a header, about 1 MB of the file at a time.

    Args:
        path: The file, plain or `.gz`; a row a line.
        kinds: Columns to read; others are skipped.
        may_lack: Columns of numbers or text that may be empty.
        layout: How the file is written.

    Raises:
        DataError: The file is missing, damaged or empty, lacks a column, or a value is missing or
            of another kind; names line and column.
    """
    check_header(path, layout, tuple(kinds))
    line = 2
    try:
        for batch in _batches(path, kinds, layout):
            columns = {name: _column(batch, name, kinds[name]) for name in kinds}
            block = CsvBlock(path, line, columns)
            _check_no_gaps(batch, block, may_lack)
            yield block
            line += batch.num_rows
    except pa.ArrowInvalid as error:
        _refuse_first_bad_line(path, kinds, may_lack, layout, line, error)
    except (EOFError, OSError) as error:
        raise DataError(f"{path}: expected a whole file, found a damaged one ({error})") from error
    if line == 2:
        raise DataError(f"{path}: expected at least one row below the header, found none")


def _batches(path: Path, kinds: Kinds, layout: CsvLayout) -> Iterator[pa.RecordBatch]:
    is_packed = path.name.lower().endswith(".gz")
    with pa.input_stream(str(path), compression="gzip" if is_packed else None) as file:
        reader = arrow_csv.open_csv(
            file,
            read_options=arrow_csv.ReadOptions(use_threads=False, block_size=_BLOCK_BYTES),
            parse_options=arrow_csv.ParseOptions(
                delimiter=layout.delimiter,
                ignore_empty_lines=False,
                quote_char='"' if layout.may_quote else False,
            ),
            convert_options=arrow_csv.ConvertOptions(
                column_types={name: _ARROW[kind] for name, kind in kinds.items()},
                include_columns=list(kinds),
                null_values=_MISSING,
                strings_can_be_null=True,
            ),
        )
        yield from reader


def _column(batch: pa.RecordBatch, name: str, kind: type[Any]) -> NDArray[Any]:
    column = batch.column(name)
    if kind is int and column.null_count:
        column = column.fill_null(0)  # refused below
    values: NDArray[Any] = column.to_numpy(zero_copy_only=False)
    return values


def _check_no_gaps(batch: pa.RecordBatch, block: CsvBlock, may_lack: Sequence[str]) -> None:
    for name, values in block.columns.items():
        wrong = batch.column(name).is_null().to_numpy(zero_copy_only=False)
        found = "an empty field or NaN"
        if name in may_lack:
            wrong = np.zeros(len(wrong), bool)
        if values.dtype.kind == "f" and not wrong.any():
            wrong, found = np.isinf(values), "infinity"
        if wrong.any():
            row = int(wrong.argmax())
            raise DataError(f"{block.where(row, name)}: expected a value, found {found}")


def _refuse_first_bad_line(
    path: Path,
    kinds: Kinds,
    may_lack: Sequence[str],
    layout: CsvLayout,
    first: int,
    error: pa.ArrowInvalid,
) -> NoReturn:
    """Read on line by line, from the first that was not yet found right."""
    header = header_of(path, layout)
    opened = gzip.open if path.name.lower().endswith(".gz") else open
    with opened(path, "rb") as file:
        for number, raw in enumerate(file, start=1):
            if number >= first:
                fields = _fields(path, number, raw, layout)
                _check_fields(path, number, fields, header, layout)
                _check_values(path, number, dict(zip(header, fields, strict=True)), kinds, may_lack)
    raise DataError(f"{path}: expected a CSV file with a header ({str(error).splitlines()[0]})")


def _fields(path: Path, number: int, raw: bytes, layout: CsvLayout) -> list[str]:
    try:
        text = raw.decode("utf-8").rstrip("\r\n")
    except UnicodeDecodeError as wrong:
        raise DataError(
            f"{path}, line {number}: expected text in UTF-8, found the byte {raw[wrong.start]:#04x}"
        ) from None
    if not layout.may_quote:
        return text.split(layout.delimiter)
    try:
        return next(csv.reader([text], delimiter=layout.delimiter, strict=True), [])
    except csv.Error as wrong:
        raise DataError(
            f"{path}, line {number}: expected fields whose quotes are closed ({wrong}): "
            f"{text!r:.80}"
        ) from None


def _check_fields(
    path: Path, number: int, fields: list[str], header: tuple[str, ...], layout: CsvLayout
) -> None:
    if len(fields) != len(header):
        raise DataError(
            f"{path}, line {number}: expected {len(header)} fields separated by "
            f"{layout.delimiter!r}, found {len(fields)}: {layout.delimiter.join(fields)!r:.80}"
        )


def _check_values(
    path: Path, number: int, row: dict[str, str], kinds: Kinds, may_lack: Sequence[str]
) -> None:
    for name, kind in kinds.items():
        text = row[name]
        if text in _MISSING:
            is_right = name in may_lack
        else:
            is_right = bool(_FORMS[kind].fullmatch(text)) and _fits(text, kind)
        if not is_right:
            found = repr(text)[:80] if text.strip() else "an empty field"
            raise DataError(f"{place(path, number, name)}: expected {_WANTED[kind]}, found {found}")


def _fits(text: str, kind: type[Any]) -> bool:
    return kind is not int or -(2**63) <= int(text) < 2**63
