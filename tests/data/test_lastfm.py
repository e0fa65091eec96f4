"""Last.fm in the layout of HetRec 2011; all counts here but the last test's are made up."""

import gzip
import logging
import os
from pathlib import Path

import numpy as np
import pytest

from rlrec.data import lastfm, load_lastfm
from rlrec.data.known_counts import Counts
from rlrec.errors import DataError, UnknownNameError

HEADER = "userID\tartistID\tweight"
PAIRS = ["7\t52\t100", "2\t51\t1", "7\t51\t20"]
ARTISTS = 'id\tname\turl\tpictureURL\n52\tThe "Quoted\thttp://a\thttp://b\n51\tBjörk\thttp://c\t\n'


def write(folder: Path, lines: list[str] = PAIRS, header: str = HEADER) -> Path:
    (folder / "user_artists.dat").write_bytes("\n".join([header, *lines, ""]).encode("latin-1"))
    return folder


def test_counts_become_ratings(tmp_path: Path) -> None:
    ratings = load_lastfm(write(tmp_path))
    assert ratings.user_ids.tolist() == [2, 7]
    assert ratings.catalogue.item_ids.tolist() == [51, 52]
    assert ratings.matrix().toarray().tolist() == [[1, 0], [20, 100]]
    assert ratings.timestamps is None


def test_counts_can_be_taken_by_their_logarithm(tmp_path: Path) -> None:
    values = load_lastfm(write(tmp_path), "log").values
    assert values == pytest.approx([np.log(101), np.log(2), np.log(21)])
    with pytest.raises(UnknownNameError, match="Did you mean 'log'"):
        load_lastfm(tmp_path, "logs")  # type: ignore[arg-type]


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1"])
def test_names_beside_the_file_become_titles(tmp_path: Path, encoding: str) -> None:
    (tmp_path / "artists.dat").write_bytes(ARTISTS.encode(encoding))
    assert load_lastfm(write(tmp_path)).catalogue.titles == ("Björk", 'The "Quoted')


def test_the_file_may_be_named_and_packed(tmp_path: Path) -> None:
    path = tmp_path / "half.dat.gz"
    path.write_bytes(gzip.compress("\n".join([HEADER, *PAIRS]).encode()))
    assert len(load_lastfm(path)) == 3
    with pytest.raises(DataError, match=r"expected 'user_artists.dat' .* found none"):
        load_lastfm(tmp_path)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("2\t51\t0", r"line 3, column 'weight': expected a whole number of 1 or more, found 0"),
        ("2\t51\t1.5", r"line 3, column 'weight': expected a whole number"),
        ("2\t51\tx", r"line 3, column 'weight': expected a number, found 'x'"),
        ("2\t51", "line 3: expected 3 fields"),
        ("\t51\t3", r"line 3, column 'userID': expected a value"),
        ("7\t52\t3", r"line 3, column 'userID': repeats the user, item of .*line 2"),
        ("\xe9\t52\t3", r"line 3: expected text in UTF-8"),
    ],
)
def test_a_wrong_line_is_named(tmp_path: Path, line: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        load_lastfm(write(tmp_path, [PAIRS[0], line, PAIRS[2]]))


@pytest.mark.parametrize("header", ["user\tartist\tweight", "userID,artistID,weight", "7\t52\t100"])
def test_a_wrong_header_is_refused(tmp_path: Path, header: str) -> None:
    with pytest.raises(DataError, match=r"line 1: expected the columns userID, artistID, weight"):
        load_lastfm(write(tmp_path, header=header))


def test_a_file_without_rows_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="expected at least one row"):
        load_lastfm(write(tmp_path, []))


@pytest.mark.parametrize(
    ("artists", "message"),
    [
        ("id\tname\n51\tA\n", r"line 2, column 'artistID': expected one of the 1 artists .* 52"),
        ("id\tname\n51\tA\n51\tB\n", r"artists\.dat, line 3, column 'id': repeats the id 51"),
        ("id\tname\nfifty\tA\n", r"artists\.dat, line 2: expected a whole number"),
        ("number\tname\n51\tA\n", r"artists\.dat, line 1: expected the columns id and name"),
    ],
)
def test_a_wrong_list_of_artists_is_refused(tmp_path: Path, artists: str, message: str) -> None:
    (tmp_path / "artists.dat").write_text(artists)
    with pytest.raises(DataError, match=message):
        load_lastfm(write(tmp_path))


def test_counts_of_the_published_set_are_checked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lastfm, "KNOWN", {"set": Counts(4, 2, 2)})
    with pytest.raises(DataError, match=r"expected 4 ratings by 2 .*the published"):
        load_lastfm(write(tmp_path))
    assert len(load_lastfm(tmp_path, expect=(3, 2, 2))) == 3


def test_what_was_found_and_the_terms_are_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        load_lastfm(write(tmp_path))
    assert "3 ratings by 2 users" in caplog.text and "non-commercial research" in caplog.text


@pytest.mark.skipif("RLREC_DATA_DIR" not in os.environ, reason="needs RLREC_DATA_DIR")
def test_the_published_set_has_its_counts() -> None:
    ratings = load_lastfm(Path(os.environ["RLREC_DATA_DIR"]) / "lastfm-hetrec")
    found = (len(ratings), ratings.n_users, ratings.n_rated_items)
    assert found == (92_834, 1_892, 17_632)
    assert ratings.values.max() == 352_698
