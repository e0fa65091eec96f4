"""CSV files as Arrow tables whose rows keep the lines they stand in."""

import csv
import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
from pyarrow import csv as arrow_csv

from rlrec.data.raw_files import RawFile
from rlrec.errors import DataError


class CsvTable(NamedTuple):
    """A CSV file that was read."""

    table: pa.Table
    content: bytes
    """The whole file if it has quotes, else nothing."""
    delimiter: str

    def line(self, row: int) -> int:
        """Return the number of the first line of a row; both are counted from 1 and 0."""
        if not self.content:
            return row + 2
        rows = _rows(self.content.decode("utf-8-sig", "replace"), self.delimiter)
        return next(line for number, (line, _) in enumerate(rows) if number == row + 1)


def read_csv(
    path: Path, delimiter: str, texts: Sequence[str], columns: Sequence[str] = ()
) -> CsvTable:
    """Read a CSV file with a header.

    Args:
        path: The file, plain or `.gz`.
        delimiter: One character.
        texts: Columns to be kept as text, as written.
        columns: To be read, all of them in the header; by default all there are.

    Raises:
        DataError: The file is missing, damaged or no such table; names the line.
    """
    content = RawFile(path).read()
    header = content.partition(b"\n")[0].decode("utf-8-sig", "replace").rstrip()
    others = [other for other in ",;\t|" if other != delimiter and other in header]
    if delimiter not in header and others:
        raise DataError(
            f"{path}, line 1: expected column names separated by {delimiter!r}, found "
            f"{header!r:.80}; pass delimiter={others[0]!r} if that is what separates them"
        )
    has_quotes = b'"' in content
    try:
        table = arrow_csv.read_csv(
            pa.BufferReader(content),
            read_options=arrow_csv.ReadOptions(use_threads=False),
            parse_options=arrow_csv.ParseOptions(
                delimiter=delimiter, ignore_empty_lines=False, newlines_in_values=has_quotes
            ),
            convert_options=arrow_csv.ConvertOptions(
                column_types=dict.fromkeys(texts, pa.string()), include_columns=columns
            ),
        )
    except pa.ArrowInvalid as error:
        raise _fault(path, content, delimiter, error) from error
    return CsvTable(table, content if has_quotes else b"", delimiter)


def _rows(text: str, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """Yield the fields of each row with the number of its first line."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    number = 1
    for fields in reader:
        yield number, fields
        number = reader.line_num + 1


def _fault(path: Path, content: bytes, delimiter: str, error: pa.ArrowInvalid) -> DataError:
    """Return what is wrong with a file that cannot be read, and in which line."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as wrong:
        line = content[: wrong.start].count(b"\n") + 1
        return DataError(
            f"{path}, line {line}: expected text in UTF-8, found the byte "
            f"{content[wrong.start]:#04x}; save the table in UTF-8"
        )
    number, n_columns = 1, 0
    try:
        for number, fields in _rows(text, delimiter):
            n_columns = n_columns or len(fields)
            if (len(fields) or 1) != n_columns:  # an empty line has one empty field
                return DataError(
                    f"{path}, line {number}: expected {n_columns} fields separated by "
                    f"{delimiter!r}, found {len(fields)}: {delimiter.join(fields)!r:.80}"
                )
    except csv.Error as wrong:
        return DataError(
            f"{path}, after line {number}: expected fields whose quotes are closed ({wrong})"
        )
    return DataError(f"{path}: expected a CSV file with a header ({str(error).splitlines()[0]})")
