"""What the logs of Kuaishou's sets, KuaiRec and KuaiRand, have in common."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from rlrec.arrays import Bools, Floats32, Ints
from rlrec.data.catalogue import Catalogue
from rlrec.data.csv_blocks import CsvBlock, Kinds, csv_blocks, place
from rlrec.data.known_counts import Counts
from rlrec.data.log_columns import Columns
from rlrec.data.log_files import check_free
from rlrec.data.rating_rules import LAST_SECOND
from rlrec.data.raw_files import RawFile, files_at
from rlrec.data.row_spool import RowSpool
from rlrec.data.streamed_log import NO_TIME
from rlrec.errors import ConfigError, DataError


@dataclass(kw_only=True)
class RowReading:
    """Reads the rows of large files into a spool, and checks and counts them on the way."""

    sources: Sequence[Path]
    kinds: Kinds
    """Columns to read; `user_id` and `video_id` are among them."""
    convert: Callable[[CsvBlock], Columns]
    """Makes the rows that `write_streamed` takes, but for `file` and `line`."""
    may_lack: Sequence[str] = ()
    """Columns that may be empty."""
    catalogue: Catalogue | None = None
    """With ascending ids; None where items are those of the rows."""
    user_ids: Ints | None = None
    """Users there are, ascending; None where they are those of the rows."""
    keeps: Callable[[Columns], Bools] | None = None
    """Which rows to keep, by default all."""
    n_left_out: int = 0
    """Rows that were not kept."""

    def __post_init__(self) -> None:
        self._n_rows = 0
        self._users = DistinctIds(self.user_ids)
        self._items = DistinctIds(None if self.catalogue is None else self.catalogue.item_ids)

    @property
    def counts(self) -> Counts:
        """Rows, users and items kept so far."""
        return Counts(self._n_rows, len(self._users), len(self._items))

    def read_into(self, spool: RowSpool) -> None:
        """Put all rows aside.

        Raises:
            DataError: A file is missing or damaged, or a row breaks a rule; names file, line and
                column.
        """
        for number, source in enumerate(self.sources):
            for block in csv_blocks(source, self.kinds, self.may_lack):
                self._check_ids(block)
                rows = self.convert(block)
                n_rows = len(rows["user_id"])
                rows["file"] = np.full(n_rows, number)
                rows["line"] = block.first_line + np.arange(n_rows)
                if self.keeps is not None:
                    kept = self.keeps(rows)
                    rows = {name: values[kept] for name, values in rows.items()}
                self._count(rows)
                self.n_left_out += n_rows - len(rows["user_id"])
                spool.add(rows)
        spool.close()

    def where(self, file: int, line: int) -> str:
        """Return the place of a row that was read, for messages."""
        return place(self.sources[file], line, "user_id")

    def items_seen(self) -> Catalogue:
        """Return the catalogue, or one of the items of the rows."""
        if self.catalogue is not None:
            return self.catalogue
        return Catalogue.of_ids(self._items.ascending())

    def _check_ids(self, block: CsvBlock) -> None:
        listed = None if self.catalogue is None else self.catalogue.item_ids
        for column, known in (("user_id", self.user_ids), ("video_id", listed)):
            ids = block.columns[column]
            wrong = ids < 0 if known is None else ~_are_among(ids, known)
            if wrong.any():
                row = int(wrong.argmax())
                wanted = "0 or more" if known is None else f"one of the {len(known):,} ids listed"
                raise DataError(
                    f"{block.where(row, column)}: expected {wanted}, found {ids[row]} "
                    f"({int(wrong.sum())} such rows in this block)"
                )

    def _count(self, rows: Columns) -> None:
        self._n_rows += len(rows["user_id"])
        self._users.add(rows["user_id"])
        self._items.add(rows["item_id"])


class DistinctIds:
    """The different ids among many.

    Args:
        known: Shape (n,). Ids there may be, ascending, which saves memory; None for any.
    """

    def __init__(self, known: Ints | None) -> None:
        self._known = known
        self._seen = np.zeros(0 if known is None else len(known), bool)
        self._found: set[int] = set()

    def __len__(self) -> int:
        return len(self._found) if self._known is None else int(self._seen.sum())

    def add(self, ids: Ints) -> None:
        """Take in some ids."""
        if self._known is None:
            self._found.update(np.unique(ids).tolist())
        else:
            self._seen[np.searchsorted(self._known, ids)] = True

    def ascending(self) -> Ints:
        """Return the ids so far."""
        if self._known is None:
            return np.array(sorted(self._found), np.int64)
        return self._known[self._seen]


def _are_among(ids: Ints, known: Ints) -> Bools:
    place = np.minimum(np.searchsorted(known, ids), len(known) - 1)
    found: Bools = known[place] == ids
    return found


@contextmanager
def new_spool(path: Path | None, overwrite: bool) -> Iterator[RowSpool]:
    """Give a spool on the disk to which the log goes; it is gone afterwards.

    Raises:
        DataError: `path` is there already, or is not a log and so is not replaced.
    """
    if path is not None:
        check_free(path, overwrite)
        path.parent.mkdir(parents=True, exist_ok=True)
    beside = None if path is None else path.parent
    with TemporaryDirectory(prefix=".rlrec-rows-", dir=beside) as folder:
        yield RowSpool(Path(folder) / "rows.parquet")


def files_of(folder: str | Path) -> list[RawFile]:
    """Return the files of a set: those in its folder `data`, or else in the folder itself.

    Raises:
        ConfigError: `folder` is no path.
        DataError: There is no such folder.
    """
    if not isinstance(folder, str | Path):
        raise ConfigError(f"folder must be a path, got {folder!r:.80}")
    inner = Path(folder) / "data"
    place = inner if inner.is_dir() else Path(folder)
    if not place.is_dir():
        raise DataError(f"{place}: expected the folder of the set, found none")
    return files_at(place)


def milliseconds_of(block: CsvBlock, column: str, per_second: int) -> Ints:
    """Return a column of times in milliseconds, NO_TIME where it is empty.

    Args:
        block: Rows.
        column: Of unix times.
        per_second: 1 for times in seconds, 1,000 for milliseconds.

    Raises:
        DataError: A time is later than the year 9999; names line and column.
    """
    times = block.columns[column]
    is_known = ~np.isnan(times)
    wrong = is_known & ~(np.abs(times) <= LAST_SECOND * per_second)
    refuse_first(block, column, wrong, "a unix time of a year up to 9999")
    milliseconds = np.full(len(times), NO_TIME)
    milliseconds[is_known] = np.round(times[is_known] * (1000 / per_second)).astype(np.int64)
    return milliseconds


def floats_of(block: CsvBlock, column: str) -> Floats32:
    """Return a column of numbers; DataError at the first too large for 32 bits."""
    values = block.columns[column]
    is_large = ~(np.abs(values) <= np.finfo(np.float32).max)
    refuse_first(block, column, is_large, "a number that a 32-bit float can hold")
    floats: Floats32 = values.astype(np.float32)
    return floats


def refuse_first(block: CsvBlock, column: str, wrong: Bools, wanted: str) -> None:
    """Raise DataError at the first row of a block whose value is wrong."""
    if wrong.any():
        row = int(wrong.argmax())
        raise DataError(
            f"{block.where(row, column)}: expected {wanted}, found "
            f"{block.columns[column][row]:g} ({int(wrong.sum())} such rows in this block)"
        )
