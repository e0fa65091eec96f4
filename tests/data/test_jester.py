"""Jester in its published layout; all ratings here but the last test's are made up."""

import gzip
import logging
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from rlrec.data import fully_observed, jester, load_jester
from rlrec.data.known_counts import Counts
from rlrec.errors import ConfigError, DataError

LINES = ["3,-9.5,0,10", "1,99,4.25,99", "3,1,2,-3"]
JOKES = "1\tOne &amp; one\n3\tThree\n2\tTwo\n"


def write(folder: Path, lines: list[str] = LINES) -> Path:
    path = folder / "jester.csv"
    path.write_text("\n".join([*lines, ""]))
    return path


def test_a_line_is_a_user_and_99_is_no_rating(tmp_path: Path) -> None:
    ratings = load_jester(write(tmp_path))
    assert ratings.matrix().toarray().tolist() == [[-9.5, 0, 10], [0, 4.25, 0], [1, 2, -3]]
    assert ratings.user_index.tolist() == [0, 0, 0, 1, 2, 2, 2]  # also the rating 0 is one
    assert ratings.catalogue.item_ids.tolist() == [1, 2, 3]
    assert ratings.timestamps is None and not ratings.is_ordered


def test_texts_beside_the_file_become_titles(tmp_path: Path) -> None:
    (tmp_path / "jokes.txt.gz").write_bytes(gzip.compress(JOKES.encode()))
    assert load_jester(write(tmp_path)).catalogue.titles == ("One & one", "Two", "Three")


def test_a_packed_file_is_found_in_its_folder(tmp_path: Path) -> None:
    write(tmp_path).unlink()
    (tmp_path / "j.csv.gz").write_bytes(gzip.compress("\n".join(LINES).encode()))
    assert len(load_jester(tmp_path)) == 7
    (tmp_path / "k.csv").write_text("0,99\n")
    with pytest.raises(DataError, match=r"expected one file of ratings .*name the file itself"):
        load_jester(tmp_path)


def test_those_who_rated_all_make_a_block(tmp_path: Path) -> None:
    block = fully_observed(load_jester(write(tmp_path)))
    assert block.user_ids.tolist() == [0, 2]
    assert block.values.tolist() == [[-9.5, 0, 10], [1, 2, -3]]
    assert block.density == 1


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("1,99,10.5,99", r"line 2, column 'joke 2': expected a rating of -10 to 10, found 10\.5"),
        ("1,99,-98,99", r"line 2, column 'joke 2': expected a rating of -10 to 10, found -98"),
        ("2,99,4,99", r"line 2, column 'number rated': expected 1, .* found 2 \(1 such lines\)"),
        ("1,99,4", "line 2: expected 4 fields"),
        ("1,99,four,99", r"line 2, column 'joke 2': expected a number, found 'four'"),
        ("1,99,,99", r"line 2, column 'joke 2': expected a value, found an empty field"),
        ("", r"line 2, column 'number rated': expected a value"),
        ("1,99,\xe9,99", r"line 2: expected text in UTF-8, found the byte 0xe9"),
    ],
)
def test_a_wrong_line_is_named(tmp_path: Path, line: str, message: str) -> None:
    path = tmp_path / "jester.csv"
    path.write_bytes("\n".join([LINES[0], line, LINES[2], ""]).encode("latin-1"))
    with pytest.raises(DataError, match=message):
        load_jester(path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "found an empty file"),
        ("7\n8\n", "line 1: expected the number of ratings and a rating of each joke"),
        ("0,99\n0,99\n", r"found only 99 \(not rated\)"),
    ],
)
def test_a_file_without_ratings_is_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "jester.csv"
    path.write_text(text)
    with pytest.raises(DataError, match=message):
        load_jester(path)


@pytest.mark.parametrize(
    ("jokes", "message"),
    [
        ("1\ta\n1\tb\n", "line 2: repeats the number 1"),
        ("4\ta\n", r"line 1: expected the number of a joke in 1\.\.3"),
        ("1 a\n", "line 1: expected the number"),
        ("1\ta\n", "expected the texts of 3 jokes, found 1"),
    ],
)
def test_a_wrong_list_of_jokes_is_refused(tmp_path: Path, jokes: str, message: str) -> None:
    (tmp_path / "jokes.txt").write_text(jokes)
    with pytest.raises(DataError, match=rf"jokes\.txt.*{message}"):
        load_jester(write(tmp_path))


def test_a_packed_file_that_was_cut_off_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "j.csv.gz"
    path.write_bytes(gzip.compress("\n".join(LINES * 50).encode())[:-20])
    with pytest.raises(DataError, match="expected a whole file, found a damaged one"):
        load_jester(path)


def test_counts_are_checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path)
    assert len(load_jester(path, expect=(7, 3, 3))) == 7
    with pytest.raises(DataError, match=r"expected 8 ratings by 3 users of 3 items \(says the arg"):
        load_jester(path, expect=(8, 3, 3))
    with pytest.raises(ConfigError, match="three whole numbers"):
        load_jester(path, expect=7)  # type: ignore[arg-type]
    known = {"other": Counts(70, 30, 3), "tiny set": Counts(9, 4, 3)}
    monkeypatch.setattr(jester, "KNOWN", known)
    with pytest.raises(DataError, match=r"says the published tiny set.*pass expect=\(7, 3, 3\)"):
        load_jester(path)


def test_a_spreadsheet_is_read_where_pandas_can(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cells = [[float(field) for field in line.split(",")] for line in LINES]
    monkeypatch.setattr(pd, "read_excel", lambda path, header: pd.DataFrame(cells))
    assert len(load_jester(tmp_path / "jester-data-1.xls")) == 7
    cells[1][2] = np.nan
    with pytest.raises(DataError, match=r"line 2, column 'joke 2': .* found an empty cell"):
        load_jester(tmp_path / "jester-data-1.xls")


def test_a_spreadsheet_that_pandas_cannot_read_is_to_be_saved_as_csv(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(path: Path, header: None) -> None:
        raise ImportError("Missing optional dependency 'xlrd'")

    monkeypatch.setattr(pd, "read_excel", missing)
    with pytest.raises(DataError, match=r"xlrd.*save it as CSV, without a header"):
        load_jester(tmp_path / "jester-data-1.xls")


def test_what_was_found_and_the_terms_are_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        load_jester(write(tmp_path))
    assert "7 ratings by 3 users" in caplog.text and "2 users rated all" in caplog.text
    assert "Goldberg, Roeder, Gupta and Perkins" in caplog.text


@pytest.mark.skipif("RLREC_DATA_DIR" not in os.environ, reason="needs RLREC_DATA_DIR")
def test_the_published_half_has_742_users_who_rated_all() -> None:
    folder = Path(os.environ["RLREC_DATA_DIR"]) / "jester5k"
    ratings = load_jester(folder, expect=(181_869, 2_500, 100))
    assert ratings.values.mean() == pytest.approx(0.958931, abs=5e-7)
    assert fully_observed(ratings).values.shape == (742, 100)
    assert len(ratings.catalogue.titles) == 100
