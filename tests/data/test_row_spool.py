"""Rows put aside on disk."""

from pathlib import Path

import numpy as np
import pytest

from rlrec.data import row_spool
from rlrec.data.row_spool import RowSpool


def spooled(folder: Path, users: list[list[int]]) -> RowSpool:
    """Return a spool of blocks of rows, numbered as they were added."""
    spool = RowSpool(folder / "rows.parquet")
    start = 0
    for block in users:
        number = np.arange(start, start + len(block))
        spool.add({"user_id": np.array(block, np.int64), "number": number})
        start += len(block)
    spool.close()
    return spool


def test_parts_hold_whole_users(tmp_path: Path) -> None:
    spool = spooled(tmp_path, [[2, 1, 2], [], [1, 3, 1, 1]])
    assert spool.n_rows == 7
    bounds = spool.bounds(3)
    assert bounds == [1, 2, 4]  # user 1 alone, with more rows than asked for; then 2 and 3
    assert [part["user_id"].tolist() for part in spool.parts(bounds)] == [[1] * 4, [2, 2, 3]]
    assert [part["number"].tolist() for part in spool.parts(bounds)] == [[1, 3, 5, 6], [0, 2, 4]]


@pytest.mark.parametrize("most_parts", [2, 3, 16])
@pytest.mark.parametrize("group_rows", [1, 50, 65_536])
def test_rows_of_many_parts_stay_in_order_however_they_are_divided(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, most_parts: int, group_rows: int
) -> None:
    monkeypatch.setattr(row_spool, "_MOST_PARTS", most_parts)
    monkeypatch.setattr(row_spool, "_GROUP_ROWS", group_rows)
    users = np.random.default_rng(0).integers(40, size=600)
    spool = spooled(tmp_path, [block.tolist() for block in np.array_split(users, 20)])
    bounds = spool.bounds(40)
    parts = list(spool.parts(bounds))
    assert len(parts) == len(bounds) - 1 > 16
    assert max(len(part["user_id"]) for part in parts) <= 40
    rows = np.concatenate(
        [part["number"][np.argsort(part["user_id"], kind="stable")] for part in parts]
    )
    assert rows.tolist() == np.argsort(users, kind="stable").tolist()
    assert [file.name for file in tmp_path.iterdir()] == ["rows.parquet"]


def test_a_column_is_read_in_blocks(tmp_path: Path) -> None:
    spool = spooled(tmp_path, [[3, 1], [2]])
    assert np.concatenate(list(spool.column("user_id"))).tolist() == [3, 1, 2]
