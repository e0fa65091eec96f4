"""Atomic files of RecBole; all rows here are made up."""

import gzip
import logging
from pathlib import Path

import numpy as np
import pytest

from rlrec.data import load_recbole
from rlrec.errors import ConfigError, DataError, UnknownNameError

INTER = [
    "user_id:token\titem_id:token\trating:float\ttimestamp:float",
    "7\t30\t4\t881250949",
    "3\t10\t5\t8.812509E8",
    "7\t10\t1.5\t881250950",
]
ITEM = [
    "item_id:token\tmovie_title:token_seq\trelease_year:float\tclass:token_seq\tvector:float_seq",
    '10\t"Quoted" Café\t1995\tComedy Drama\t0.5 1',
    "20\tB\t\tDrama\t",
]
USER = ["user_id:token\tage:float\tgender:token", "3\t24\tF", "7\t\tM", "9\t53\tM"]


def write(folder: Path, **changed: list[str]) -> Path:
    files = {"inter": INTER, "item": ITEM, "user": USER} | changed
    for ending, lines in files.items():
        if lines:
            (folder / f"tiny.{ending}").write_bytes("\n".join([*lines, ""]).encode())
    return folder


def test_events_become_ratings(tmp_path: Path) -> None:
    ratings = load_recbole(write(tmp_path, item=[], user=[])).ratings
    assert ratings.user_ids[ratings.user_index].tolist() == [7, 3, 7]
    assert ratings.catalogue.item_ids[ratings.item_index].tolist() == [30, 10, 10]
    assert ratings.values.tolist() == [4, 5, 1.5]
    assert ratings.timestamps is not None
    assert ratings.timestamps.tolist() == [881250949, 881250900, 881250950]


def test_items_have_labels_and_titles_also_where_the_file_lacks_them(tmp_path: Path) -> None:
    catalogue = load_recbole(write(tmp_path)).ratings.catalogue
    assert catalogue.item_ids.tolist() == [10, 20, 30]
    assert catalogue.topic_names == ("Comedy", "Drama", "unknown")
    assert catalogue.features.tolist() == [[1, 1, 0], [0, 1, 0], [0, 0, 1]]
    assert catalogue.topics.tolist() == [0, 1, 2]
    assert catalogue.titles == ('"Quoted" Café', "B", "")


def test_fields_of_items_and_users_keep_their_kinds(tmp_path: Path) -> None:
    found = load_recbole(write(tmp_path))
    assert found.items is not None and found.users is not None
    assert found.items.loc[10, "class"] == ("Comedy", "Drama")
    assert found.items["vector"].tolist() == [(0.5, 1.0), ()]
    np.testing.assert_array_equal(found.items["release_year"], [1995, np.nan])
    np.testing.assert_array_equal(found.users["age"], [24, np.nan, 53])
    assert found.users.index.tolist() == [3, 7, 9]


def test_fields_of_other_names_can_be_given(tmp_path: Path) -> None:
    lines = ["u:token\tartist:token\tweight:float\ttag:token_seq", "ann\tx\t13\ta b", "bob\ty\t2\t"]
    folder = write(tmp_path, inter=lines, item=[], user=[])
    ratings = load_recbole(folder, user="u", item="artist", rating="weight").ratings
    assert ratings.values.tolist() == [13, 2] and ratings.timestamps is None
    assert load_recbole(folder, user="u", item="artist").ratings.values.tolist() == [1, 1]
    with pytest.raises(UnknownNameError, match=r"has no field 'user_id'. Known: .*'u'"):
        load_recbole(folder)
    with pytest.raises(DataError, match="expected a field of kind token in 'weight', found float"):
        load_recbole(folder, user="u", item="weight")


def test_the_file_may_be_named_and_packed(tmp_path: Path) -> None:
    path = tmp_path / "tiny.inter.gz"
    path.write_bytes(gzip.compress("\n".join(INTER).encode()))
    assert len(load_recbole(path).ratings) == len(load_recbole(tmp_path).ratings) == 3
    (tmp_path / "tiny.part1.inter").write_text("")
    with pytest.raises(DataError, match=r"expected one file \.inter .*name the file itself"):
        load_recbole(tmp_path)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("3\t10\tgood\t5", r"line 3, column 'rating:float': expected a number, found 'good'"),
        ("3\t10\t5\t5.5", r"line 3, column 'timestamp:float': expected whole seconds, found 5\.5"),
        ("3\t\t5\t5", r"line 3, column 'item_id:token': expected a value"),
        ("3\t10\t5", "line 3: expected 4 fields"),
        ("7\t30\t2\t881250949", r"line 3, column 'user_id:token': repeats .* may_repeat=True"),
    ],
)
def test_a_wrong_line_is_named(tmp_path: Path, line: str, message: str) -> None:
    with pytest.raises(DataError, match=rf"tiny\.inter, {message}"):
        load_recbole(write(tmp_path, inter=[*INTER[:2], line]))


def test_events_may_repeat_if_asked(tmp_path: Path) -> None:
    folder = write(tmp_path, inter=[*INTER, INTER[1]])
    assert len(load_recbole(folder, may_repeat=True).ratings) == 4


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ("user_id\titem_id", r"line 1: expected fields 'name:kind' .* found 'user_id'"),
        ("user_id:int\titem_id:token", "found 'user_id:int'"),
        ("user_id:token,item_id:token", "found 'user_id:token,item_id:token'"),
        ("user_id:token\tuser_id:token", "found 'user_id' twice"),
        ("user_id:token\t\ritem_id:token", "line 1: .* found a carriage return within"),
    ],
)
def test_a_wrong_header_is_refused(tmp_path: Path, header: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        load_recbole(write(tmp_path, inter=[header, "1\t2"]))


@pytest.mark.parametrize(
    ("item", "message"),
    [
        ("10\tA\t1995\tDrama\t1", r"line 3, column 'item_id:token': repeats the id 10"),
        ("20\tA\tlate\tDrama\t1", r"line 3, column 'release_year:float': expected a number"),
        ("20\tA\t1995\tDrama\t1 x", r"line 3, column 'vector:float_seq': expected numbers"),
    ],
)
def test_a_wrong_item_is_named(tmp_path: Path, item: str, message: str) -> None:
    with pytest.raises(DataError, match=rf"tiny\.item, {message}"):
        load_recbole(write(tmp_path, item=[*ITEM[:2], item]))


def test_text_that_is_not_utf8_and_empty_files_are_refused(tmp_path: Path) -> None:
    folder = write(tmp_path)
    (folder / "tiny.item").write_bytes("\n".join([*ITEM, ""]).encode("latin-1"))
    with pytest.raises(DataError, match=r"tiny\.item, line 2: expected text in UTF-8"):
        load_recbole(folder)
    (folder / "tiny.inter").write_text("")
    with pytest.raises(DataError, match="found an empty file"):
        load_recbole(folder)


def test_counts_are_checked(tmp_path: Path) -> None:
    folder = write(tmp_path)
    assert len(load_recbole(folder, expect=(3, 2, 2)).ratings) == 3
    with pytest.raises(DataError, match="expected 4 ratings by 2 users of 2 items"):
        load_recbole(folder, expect=(4, 2, 2))
    with pytest.raises(ConfigError, match="three whole numbers"):
        load_recbole(folder, expect=(4, 2))  # type: ignore[arg-type]


def test_what_was_found_and_the_terms_are_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        load_recbole(write(tmp_path))
    assert "3 ratings by 2 users" in caplog.text and "lacks 1 items" in caplog.text
    assert "carry the terms of the set" in caplog.text
