"""Rows put aside on disk in any order, and given back user by user."""

from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from rlrec.arrays import Ints
from rlrec.data.log_columns import Columns

_GROUP_ROWS = 65_536
_MOST_PARTS = 16  # for which all rows are looked at once each; more are first divided


class RowSpool:
    """A file of rows, of which no more than a block or a part is in memory.

    Args:
        path: File to make; the folder is there.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._writer: pq.ParquetWriter | None = None
        self._pending: list[pa.Table] = []
        self._n_rows: Counter[int] = Counter()

    @property
    def n_rows(self) -> int:
        """Rows so far."""
        return self._n_rows.total()

    def add(self, columns: Columns) -> None:
        """Take a block of rows: `user_id` (int64) and other columns of one axis, always the same.

        An empty block is passed over.
        """
        self._add(pa.table({name: pa.array(values) for name, values in columns.items()}))

    def close(self) -> None:
        """Finish writing; no more rows can be added."""
        self._write_pending()
        if self._writer is not None:
            self._writer.close()

    def bounds(self, n_rows: int) -> list[int]:
        """Return users at which parts begin that hold whole users and at most `n_rows` rows.

        A part of one user may hold more. After the last comes one above all users.
        """
        bounds: list[int] = []
        in_part = 0
        for user in sorted(self._n_rows):
            in_part += self._n_rows[user]
            if not bounds or in_part > n_rows:
                bounds.append(user)
                in_part = self._n_rows[user]
        return [*bounds, max(self._n_rows) + 1]

    def column(self, name: str) -> Iterator[NDArray[Any]]:
        """Yield one column block by block, in the order in which rows were added."""
        with pq.ParquetFile(self._path) as file:
            for batch in file.iter_batches(columns=[name]):
                yield batch.column(0).to_numpy(zero_copy_only=False)

    def parts(self, bounds: list[int]) -> Iterator[Columns]:
        """Yield the rows between each two bounds, in the order in which they were added."""
        n_parts = len(bounds) - 1
        if n_parts <= _MOST_PARTS:
            yield from self._parts(bounds)
            return
        size = -(-n_parts // _MOST_PARTS)
        pieces = [bounds[first : first + size + 1] for first in range(0, n_parts, size)]
        with TemporaryDirectory(dir=self._path.parent) as folder:
            divided = self._divided(np.array([piece[0] for piece in pieces]), Path(folder))
            for spool, piece in zip(divided, pieces, strict=True):
                yield from spool.parts(piece)

    def _parts(self, bounds: list[int]) -> Iterator[Columns]:
        with pq.ParquetFile(self._path) as file:
            reach = _reach(file)
            for start, stop in pairwise(bounds):
                yield _part(file, reach, start, stop)

    def _divided(self, starts: Ints, folder: Path) -> list["RowSpool"]:
        """Return spools of the users from each start on, each of the rows in the same order."""
        spools = [RowSpool(folder / f"{number}.parquet") for number in range(len(starts))]
        with pq.ParquetFile(self._path) as file:
            for number in range(file.num_row_groups):
                table = file.read_row_group(number)
                users = table.column("user_id").to_numpy()
                which = np.searchsorted(starts, users, side="right") - 1
                for place in np.unique(which):
                    spools[place]._add(table.filter(pa.array(which == place)))
        for spool in spools:
            spool.close()
        return spools

    def _add(self, table: pa.Table) -> None:
        users, counts = np.unique(table.column("user_id").to_numpy(), return_counts=True)
        self._n_rows.update(dict(zip(users.tolist(), counts.tolist(), strict=True)))
        self._pending.append(table)
        if sum(map(len, self._pending)) >= _GROUP_ROWS:
            self._write_pending()

    def _write_pending(self) -> None:
        if not sum(map(len, self._pending)):
            return
        table = pa.concat_tables(self._pending)
        self._pending = []
        if self._writer is None:
            self._writer = pq.ParquetWriter(self._path, table.schema)
        self._writer.write_table(table, row_group_size=len(table))


def _reach(file: pq.ParquetFile) -> Ints:
    """Return the least and the greatest user of each block of rows, (n_blocks, 2)."""
    place = file.schema_arrow.names.index("user_id")
    groups = (file.metadata.row_group(number) for number in range(file.num_row_groups))
    statistics = (group.column(place).statistics for group in groups)
    return np.array([(each.min, each.max) for each in statistics], np.int64)


def _part(file: pq.ParquetFile, reach: Ints, start: int, stop: int) -> Columns:
    pieces = []
    for number in np.flatnonzero((reach[:, 0] < stop) & (reach[:, 1] >= start)):
        table = file.read_row_group(int(number))
        users = table.column("user_id").to_numpy()
        pieces.append(table.filter(pa.array((users >= start) & (users < stop))))
    joined = pa.concat_tables(pieces)
    return {name: joined.column(name).to_numpy() for name in joined.column_names}
