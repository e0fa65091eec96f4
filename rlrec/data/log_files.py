"""An interaction log on disk: a folder of Parquet parts that appears whole or not at all."""

import json
import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from rlrec.data.catalogue import Catalogue
from rlrec.data.catalogue_files import CATALOGUE_FILE, write_catalogue
from rlrec.data.log_columns import Columns, from_table, to_table
from rlrec.data.log_metadata import LogMetadata
from rlrec.errors import DataError, LogFormatError

_PART = "part-{:05d}.parquet"
_PLACE = b"rlrec_part"  # JSON [number of this part, number of parts]
_ROW_GROUP = 65_536


class LogParts:
    """Reads the Parquet parts of a log without loading it whole.

    Args:
        path: Folder of a log, or one Parquet file of it.

    Raises:
        LogFormatError: A part is missing, cut off, or not part of a log; names the file.
    """

    def __init__(self, path: Path) -> None:
        self.paths = _part_paths(path)
        opened = [_open_part(part) for part in self.paths]
        self.metadata = _metadata_of(self.paths[0], opened[0])
        self.names = tuple(opened[0].schema_arrow.names)
        repeated = sorted({name for name in self.names if self.names.count(name) > 1})
        if repeated:
            raise LogFormatError(f"{self.paths[0]}: has columns that stand twice: {repeated}")
        for part, file in zip(self.paths, opened, strict=True):
            if not file.schema_arrow.equals(opened[0].schema_arrow):
                raise LogFormatError(f"{part}: its columns differ from those of {self.paths[0]}")
            _check_place(part, file, len(opened))
        self.n_rows: int = sum(file.metadata.num_rows for file in opened)
        for file in opened:
            file.close()
        if self.n_rows == 0:
            raise LogFormatError(f"{path}: a log needs at least one row, got none")

    def blocks(self, names: Sequence[str], n_rows: int) -> Iterator[Columns]:
        """Yield columns of at most `n_rows` rows at a time, in order."""
        for part in self.paths:
            file = _open_part(part)
            try:
                for batch in file.iter_batches(batch_size=n_rows, columns=list(names)):
                    yield from_table(batch.select(list(names)), self.metadata)
            except (pa.ArrowException, OSError) as error:
                raise _damaged(part, error) from error
            except LogFormatError as error:
                raise LogFormatError(f"{part}: {error}") from error
            finally:
                file.close()

    def parts(self) -> Iterator[Columns]:
        """Yield the columns of one part at a time."""
        for part in self.paths:
            try:
                yield from_table(
                    pq.read_table(part, page_checksum_verification=True), self.metadata
                )
            except (pa.ArrowException, OSError) as error:
                raise _damaged(part, error) from error

    def of_users(self, start: Any, stop: Any) -> Columns:
        """Return the rows of the users from `start` up to `stop`, exclusive; None for no end."""
        chosen = pc.field("user_id") >= start
        chosen = chosen if stop is None else chosen & (pc.field("user_id") < stop)
        tables = [pq.read_table(part, filters=chosen) for part in self.paths]
        return from_table(pa.concat_tables(tables), self.metadata)

    def table(self) -> pa.Table:
        """Return the whole log as an Arrow table."""
        try:
            return pa.concat_tables(
                [pq.read_table(part, page_checksum_verification=True) for part in self.paths]
            )
        except (pa.ArrowException, OSError) as error:
            raise _damaged(self.paths[0].parent, error) from error


def write_parts(
    path: Path,
    parts: Iterable[Columns],
    n_parts: int,
    metadata: LogMetadata,
    overwrite: bool,
    catalogue: Catalogue | None = None,
) -> None:
    """Write a log as one Parquet file a part; `path` appears when all of them are written.

    Args:
        path: Folder to make.
        parts: Columns of each part, in order.
        n_parts: How many there are.
        metadata: Of the whole log.
        overwrite: Replace a log that is there already.
        catalogue: Written beside the parts; None for none.

    Raises:
        DataError: `path` is there already, or is not a log and so is not replaced.
    """
    with new_folder(path, overwrite, catalogue) as folder:
        for number, columns in enumerate(parts):
            write_part(folder, number, n_parts, columns, metadata)


def write_part(
    folder: Path, number: int, n_parts: int, columns: Columns, metadata: LogMetadata
) -> Path:
    """Write one part of a log and return its path."""
    table = to_table(columns, metadata)
    place = json.dumps([number, n_parts]).encode()
    table = table.replace_schema_metadata({**table.schema.metadata, _PLACE: place})
    path = folder / _PART.format(number)
    pq.write_table(table, path, row_group_size=_ROW_GROUP, write_page_checksum=True)
    return path


@contextmanager
def new_folder(path: Path, overwrite: bool, catalogue: Catalogue | None = None) -> Iterator[Path]:
    """Give a hidden folder beside `path` that takes its name at the end, or vanishes.

    A catalogue, if there is one, is written into it last.

    Raises:
        DataError: `path` is there already, or is not a log and so is not replaced.
    """
    check_free(path, overwrite)
    hidden = path.parent / f".{path.name}.partial"
    shutil.rmtree(hidden, ignore_errors=True)  # what a killed process left
    hidden.mkdir(parents=True)
    try:
        yield hidden
        if catalogue is not None:
            write_catalogue(hidden, catalogue)
        _take_place(hidden, path)
    finally:
        shutil.rmtree(hidden, ignore_errors=True)


def check_free(path: Path, overwrite: bool) -> None:
    """Raise DataError unless a log may be written to `path`."""
    if not path.exists() or (path.is_dir() and not any(path.iterdir())):
        return
    if not overwrite:
        raise DataError(
            f"{path} exists already; give another path, or overwrite=True to replace the log there"
        )
    known = (_PART.replace("{:05d}", "*"), CATALOGUE_FILE)
    if not path.is_dir() or any(not _is_one_of(part, known) for part in path.iterdir()):
        raise DataError(f"{path} is not the folder of a log, so it is not overwritten")


def _is_one_of(path: Path, patterns: Sequence[str]) -> bool:
    return any(path.match(pattern) for pattern in patterns)


def _take_place(hidden: Path, path: Path) -> None:
    old = path.parent / f".{path.name}.replaced"
    shutil.rmtree(old, ignore_errors=True)
    if path.exists():
        path.rename(old)
    hidden.rename(path)
    shutil.rmtree(old, ignore_errors=True)


def _part_paths(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise LogFormatError(f"{path}: expected the folder of a log, found nothing there")
    parts = sorted(path.glob("part-*.parquet"))
    if not parts:
        raise LogFormatError(f"{path}: expected a log's files part-*.parquet, found none")
    return parts


def _open_part(path: Path) -> pq.ParquetFile:
    try:
        return pq.ParquetFile(path, page_checksum_verification=True)
    except (pa.ArrowException, OSError) as error:
        raise _damaged(path, error) from error


def _metadata_of(path: Path, file: pq.ParquetFile) -> LogMetadata:
    text = (file.schema_arrow.metadata or {}).get(b"rlrec")
    if text is None:
        raise LogFormatError(
            f"{path}: expected a log written by rlrec, found a Parquet file without its metadata; "
            f"read tables of ratings with rlrec.data.load_table"
        )
    try:
        return LogMetadata.from_json(text)
    except LogFormatError as error:
        raise LogFormatError(f"{path}: {error}") from error


def _check_place(path: Path, file: pq.ParquetFile, found: int) -> None:
    text = (file.schema_arrow.metadata or {}).get(_PLACE)
    if text is None:
        raise LogFormatError(f"{path}: not a part of a log written by rlrec")
    number, n_parts = _place_in(path, text)
    if found != n_parts or (n_parts > 1 and path.name != _PART.format(number)):
        raise LogFormatError(
            f"{path}: part {number + 1} of a log of {n_parts} parts, of which {found} are here"
        )


def _place_in(path: Path, text: bytes) -> tuple[int, int]:
    """Return the number of a part, and how many parts there are."""
    try:
        number, n_parts = json.loads(text)
    except (ValueError, TypeError):
        number, n_parts = None, None
    if type(number) is not int or type(n_parts) is not int or not 0 <= number < n_parts:
        raise LogFormatError(f"{path}: its number among the parts is damaged: {text!r:.80}")
    return number, n_parts


def _damaged(path: Path, error: Exception) -> LogFormatError:
    reason = str(error).splitlines()[0] if str(error) else type(error).__name__
    return LogFormatError(f"{path}: expected a whole Parquet file, found a damaged one ({reason})")
