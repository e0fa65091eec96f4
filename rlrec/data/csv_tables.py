"""CSV files as Arrow tables whose rows keep the lines they stand in."""

import csv
import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

import pyarrow as pa
from pyarrow import csv as arrow_csv

from rlrec.data.raw_files import RawFile
from rlrec.errors import DataError


class CsvLayout(NamedTuple):
    """How a table is written."""

    delimiter: str = ","
    """One character."""
    names: tuple[str, ...] = ()
    """Of the columns, where the file has no header; empty where its first line is one."""
    may_quote: bool = True
    """Whether quotes around a field belong to the format; else they are part of the text."""

    def rows(self, text: str, strict: bool = True) -> Iterator[tuple[int, list[str]]]:
        """Yield the fields of each row with the number of its first line.

        Raises:
            csv.Error: `strict`, and quotes are not closed or stand within a field.
        """
        quoting: Literal[0, 3] = csv.QUOTE_MINIMAL if self.may_quote else csv.QUOTE_NONE
        lines = io.StringIO(text, newline="")
        reader = csv.reader(lines, delimiter=self.delimiter, quoting=quoting, strict=strict)
        number = 1
        for fields in reader:
            yield number, fields
            number = reader.line_num + 1


class CsvTable(NamedTuple):
    """A CSV file that was read."""

    table: pa.Table
    content: bytes
    """The whole file if it has quotes, else nothing."""
    layout: CsvLayout

    def line(self, row: int) -> int:
        """Return the number of the first line of a row; both are counted from 1 and 0."""
        place = row if self.layout.names else row + 1
        if not self.content:
            return place + 1
        text = self.content.decode("utf-8-sig", "replace")
        rows = self.layout.rows(text, strict=False)  # as Arrow read it
        return next(line for number, (line, _) in enumerate(rows) if number == place)


def read_csv(
    path: Path, layout: CsvLayout, texts: Sequence[str], columns: Sequence[str] = ()
) -> CsvTable:
    """Read a CSV file.

    Args:
        path: The file, plain or `.gz`.
        layout: How it is written.
        texts: Columns to be kept as text, as written.
        columns: To be read, all of them in the header; by default all there are.

    Raises:
        DataError: The file is missing, damaged or no such table; names the line.
    """
    content = RawFile(path).read()
    if not layout.names:
        _check_delimiter(path, content, layout.delimiter)
    has_quotes = layout.may_quote and b'"' in content
    try:
        table = arrow_csv.read_csv(
            pa.BufferReader(content),
            read_options=arrow_csv.ReadOptions(use_threads=False, column_names=layout.names),
            parse_options=arrow_csv.ParseOptions(
                delimiter=layout.delimiter,
                ignore_empty_lines=False,
                newlines_in_values=has_quotes,
                quote_char='"' if layout.may_quote else False,
            ),
            convert_options=arrow_csv.ConvertOptions(
                column_types=dict.fromkeys(texts, pa.string()), include_columns=columns
            ),
        )
    except pa.ArrowInvalid as error:
        raise _fault(path, content, layout, error) from error
    if any(pa.types.is_binary(kind) for kind in table.schema.types):  # bytes that are no text
        raise _fault(path, content, layout, pa.ArrowInvalid("binary columns"))
    return CsvTable(table, content if has_quotes else b"", layout)


def header_of(path: Path, layout: CsvLayout) -> tuple[str, ...]:
    """Return the column names in the first line of a file, read no further.

    Raises:
        DataError: The file is missing, damaged or empty, or its first line is no text.
    """
    header = _header_text(path, RawFile(path).first_line()).strip("\r\n")
    if "\r" in header:
        raise DataError(
            f"{path}, line 1: expected a header that ends with a line break, found a carriage "
            f"return within {header!r:.80}"
        )
    return tuple(header.split(layout.delimiter))


def check_header(path: Path, layout: CsvLayout, needed: Sequence[str]) -> None:
    """Raise DataError unless the first line of a file names all columns that are needed, once."""
    names = header_of(path, layout)
    for name in needed:
        if names.count(name) != 1:
            found = "none of this name" if name not in names else f"{names.count(name)}"
            raise DataError(
                f"{path}, line 1: expected the columns {', '.join(needed)} separated by "
                f"{layout.delimiter!r}; of {name!r} found {found} in "
                f"{layout.delimiter.join(names)!r:.200}"
            )


def _check_delimiter(path: Path, content: bytes, delimiter: str) -> None:
    header = _header_text(path, content.partition(b"\n")[0]).rstrip()
    others = [other for other in ",;\t|" if other != delimiter and other in header]
    if delimiter not in header and others:
        raise DataError(
            f"{path}, line 1: expected column names separated by {delimiter!r}, found "
            f"{header!r:.80}; pass delimiter={others[0]!r} if that is what separates them"
        )


def _header_text(path: Path, line: bytes) -> str:
    try:
        return line.decode("utf-8-sig")
    except UnicodeDecodeError as wrong:
        raise _no_text(path, 1, line[wrong.start]) from None


def _no_text(path: Path, line: int, byte: int) -> DataError:
    return DataError(
        f"{path}, line {line}: expected text in UTF-8, found the byte {byte:#04x}; save the table "
        f"in UTF-8"
    )


def _fault(path: Path, content: bytes, layout: CsvLayout, error: pa.ArrowInvalid) -> DataError:
    """Return what is wrong with a file that cannot be read, and in which line."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as wrong:
        line = content[: wrong.start].count(b"\n") + 1
        return _no_text(path, line, content[wrong.start])
    delimiter = layout.delimiter
    number, n_columns = 1, len(layout.names)
    try:
        for number, fields in layout.rows(text):
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
