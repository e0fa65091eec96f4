"""CSV files read a block of rows at a time."""

import gzip
from pathlib import Path

import numpy as np
import pytest

from rlrec.data import csv_blocks as reading
from rlrec.data.csv_blocks import CsvBlock, Kinds, csv_blocks
from rlrec.errors import DataError

KINDS: Kinds = {"user": int, "watched": float, "tag": str}
HEADER = "user,ignored,watched,tag"


def write(folder: Path, lines: list[str], header: str = HEADER) -> Path:
    path = folder / "log.csv"
    path.write_bytes("\n".join([header, *lines, ""]).encode("latin-1"))
    return path


def many(n_rows: int) -> list[str]:
    return [f'{row},x,{row / 4},"{row},b"' for row in range(n_rows)]


def blocks(path: Path) -> list[CsvBlock]:
    return list(csv_blocks(path, KINDS, may_lack=("watched", "tag")))


def test_columns_are_read_by_their_kind_and_may_lack_values(tmp_path: Path) -> None:
    (block,) = blocks(write(tmp_path, ['7,x,0.5,"1,2"', "8,x,,"]))
    assert block.columns["user"].tolist() == [7, 8]
    np.testing.assert_array_equal(block.columns["watched"], [0.5, np.nan])
    assert block.columns["tag"].tolist() == ["1,2", None]
    assert "ignored" not in block.columns


@pytest.mark.parametrize("is_packed", [False, True])
def test_blocks_follow_one_another_and_know_their_lines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_packed: bool
) -> None:
    monkeypatch.setattr(reading, "_BLOCK_BYTES", 200)
    path = write(tmp_path, many(100))
    if is_packed:
        path = tmp_path / "log.csv.gz"
        path.write_bytes(gzip.compress((tmp_path / "log.csv").read_bytes()))
    found = blocks(path)
    assert len(found) > 5
    assert np.concatenate([block.columns["user"] for block in found]).tolist() == list(range(100))
    for block in found:
        assert block.first_line == block.columns["user"][0] + 2
    assert found[1].where(3, "user").endswith(f"line {found[1].first_line + 3}, column 'user'")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("ann,x,1,a", "line 82, column 'user': expected a whole number, found 'ann'"),
        ("1.5,x,1,a", "line 82, column 'user': expected a whole number, found '1.5'"),
        ("99999999999999999999,x,1,a", "line 82, column 'user': expected a whole number"),
        ("7,x,far,a", "line 82, column 'watched': expected a number, found 'far'"),
        ("7,x,inf,a", "line 82, column 'watched': expected a value, found infinity"),
        (",x,1,a", "line 82, column 'user': expected a value, found an empty field"),
        ("7,x,1", "line 82: expected 4 fields separated by ',', found 3"),
        ("7,x,1,a,b", "line 82: expected 4 fields separated by ',', found 5"),
        ("", "line 82, column 'user': expected a value, found an empty field"),
        ("7,x,1,\xe9", "line 82: expected text in UTF-8, found the byte 0xe9"),
        ('7,x,1,"a', "line 82: expected fields whose quotes are closed"),
    ],
)
@pytest.mark.parametrize("is_packed", [False, True])
def test_a_wrong_line_far_down_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str, message: str, is_packed: bool
) -> None:
    monkeypatch.setattr(reading, "_BLOCK_BYTES", 200)
    lines = many(100)
    lines[80] = line
    path = write(tmp_path, lines)
    if is_packed:
        path = tmp_path / "log.csv.gz"
        path.write_bytes(gzip.compress((tmp_path / "log.csv").read_bytes()))
    with pytest.raises(DataError, match=message):
        blocks(path)


def test_the_first_of_many_malformed_rows_is_named(tmp_path: Path) -> None:
    lines = many(20_000)
    for row in range(57, 20_000, 100):  # one in a hundred
        lines[row] = lines[row].replace("x", "x,y")
    with pytest.raises(DataError, match=r"line 59: expected 4 fields"):
        blocks(write(tmp_path, lines))


def test_a_value_may_lack_only_where_it_is_said(tmp_path: Path) -> None:
    path = write(tmp_path, ["7,x,1,a", "8,x,,b"])
    with pytest.raises(DataError, match=r"line 3, column 'watched': expected a value"):
        list(csv_blocks(path, KINDS))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "found an empty file"),
        (HEADER + "\n", "expected at least one row below the header"),
        ("user,watched\n1,2\n", r"line 1: expected the columns user, watched, tag .* 'tag'"),
        ("user,user,watched,tag\n1,1,2,a\n", "of 'user' found 2"),
    ],
)
def test_files_without_rows_or_columns_are_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "log.csv"
    path.write_text(text)
    with pytest.raises(DataError, match=message):
        blocks(path)


def test_a_packed_file_that_was_cut_off_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "log.csv.gz"
    content = gzip.compress("\n".join([HEADER, *many(5_000)]).encode())
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(DataError, match="expected a whole file, found a damaged one"):
        blocks(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"log\.csv: expected a file, found nothing there"):
        blocks(tmp_path / "log.csv")
