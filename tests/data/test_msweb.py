"""Anonymous Microsoft Web Data in its layout; all lines here but the last test's are made up."""

import gzip
import logging
import os
from pathlib import Path

import pytest

from rlrec.data import load_msweb, msweb
from rlrec.data.known_counts import Counts
from rlrec.errors import DataError, UnknownNameError

LINES = [
    'I,4,"www.example.org","made up"',
    'T,1,"VRoot",0,0,"VRoot"',
    'N,0,"0"',
    'A,1020,1,"News, today","/news"',
    'A,1001,1,"Help","/help"',
    'A,1002,1,"Café","/cafe"',
    'C,"10002",10002',
    "V,1020,1",
    "V,1001,1",
    'C,"10001",10001',
    "V,1001,1",
]


def write(folder: Path, lines: list[str] = LINES, part: str = "data") -> Path:
    text = "\n".join([*lines, ""]).encode("latin-1")
    (folder / f"anonymous-msweb.{part}").write_bytes(text)
    return folder


def test_visits_become_ratings_of_areas(tmp_path: Path) -> None:
    ratings = load_msweb(write(tmp_path))
    assert ratings.user_ids[ratings.user_index].tolist() == [10002, 10002, 10001]
    assert ratings.catalogue.item_ids[ratings.item_index].tolist() == [1020, 1001, 1001]
    assert ratings.catalogue.titles == ("Help", "Café", "News, today")
    assert ratings.values.tolist() == [1, 1, 1]
    assert ratings.timestamps is None and not ratings.is_ordered


def test_the_other_part_and_a_packed_file_can_be_asked_for(tmp_path: Path) -> None:
    folder = write(write(tmp_path), LINES[:9], "test")
    assert len(load_msweb(folder, "test")) == 2
    path = tmp_path / "visits.gz"
    path.write_bytes(gzip.compress("\n".join(LINES).encode("latin-1")))
    assert len(load_msweb(path)) == 3
    with pytest.raises(UnknownNameError, match="Did you mean 'test'"):
        load_msweb(folder, "tests")  # type: ignore[arg-type]
    (folder / "anonymous-msweb.test").unlink()
    with pytest.raises(DataError, match=r"expected 'anonymous-msweb\.test' \(or with \.gz\)"):
        load_msweb(folder, "test")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("V,1003,1", "line 8, field 'area': expected one of the 3 areas above .* found 1003"),
        ("V,x,1", "line 8, field 'area': expected 3 fields .* found 'V,x,1'"),
        ("V,1001", "line 8, field 'area': expected 3 fields"),
        ("V,1001,1", "line 9, field 'area': repeats the user, item of .*line 8"),
        ('A,1001,1,"Help","/help"', "line 8, field 'area': repeats the area 1001"),
        ('C,"10001"', "line 8, field 'user': expected 3 fields"),
        ("X,1", "line 8: expected a line that begins with one of I, T, N, A, C, V, found 'X,1'"),
        ("", "line 8: expected a line that begins"),
        ('V,"1001,1', "line 8: expected fields whose quotes are closed"),
    ],
)
def test_a_wrong_line_is_named(tmp_path: Path, line: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        load_msweb(write(tmp_path, [*LINES[:7], line, *LINES[8:]]))


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([*LINES[:6], LINES[7]], r"line 7: expected a user \('C'\) above a visit"),
        (LINES[:7], r"expected visits \(lines 'V'\), found none"),
        ([], "found an empty file"),
    ],
)
def test_a_file_without_users_or_visits_is_refused(
    tmp_path: Path, lines: list[str], message: str
) -> None:
    with pytest.raises(DataError, match=message):
        load_msweb(write(tmp_path, lines))


def test_counts_are_checked_and_the_terms_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    folder = write(tmp_path)
    with caplog.at_level(logging.INFO):
        load_msweb(folder)
    assert "3 ratings by 2 users" in caplog.text and "CC BY 4.0" in caplog.text
    monkeypatch.setattr(msweb, "KNOWN", {"set": Counts(4, 2, 2)})
    with pytest.raises(DataError, match="the published set"):
        load_msweb(folder)


@pytest.mark.skipif("RLREC_DATA_DIR" not in os.environ, reason="needs RLREC_DATA_DIR")
def test_the_published_set_has_its_counts() -> None:
    folder = Path(os.environ["RLREC_DATA_DIR"]) / "msweb"
    training, test = load_msweb(folder), load_msweb(folder, "test")
    assert (len(training), training.n_users, training.n_items) == (98_654, 32_711, 294)
    assert test.n_users == 5_000
