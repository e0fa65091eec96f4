"""Ratings in tables of your own."""

import gzip
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from rlrec.data import Ratings, load_ratings, load_table
from rlrec.errors import ConfigError, DataError, UnknownNameError

ROWS = ["who,what,stars,when", "ann,x1,4.5,100", "bob,x2,-1,90", "ann,x0,0,80"]
NAMES = {"user": "who", "item": "what", "rating": "stars", "timestamp": "when"}


def write_csv(folder: Path, *more: str, rows: list[str] = ROWS) -> Path:
    path = folder / "ratings.csv"
    path.write_text("\n".join([*rows, *more]) + "\n")
    return path


def load(path: Path, **more: Any) -> Ratings:
    return load_table(path, **{**NAMES, **more})


def assert_expected(ratings: Ratings) -> None:
    np.testing.assert_array_equal(ratings.user_ids, ["ann", "bob"])
    np.testing.assert_array_equal(ratings.user_index, [0, 1, 0])
    np.testing.assert_array_equal(ratings.catalogue.item_ids, ["x0", "x1", "x2"])
    np.testing.assert_array_equal(ratings.item_index, [1, 2, 0])
    np.testing.assert_array_equal(ratings.values, [4.5, -1, 0])
    assert ratings.timestamps is not None
    np.testing.assert_array_equal(ratings.timestamps, [100, 90, 80])
    assert ratings.catalogue.topic_names == ("all",)


def test_csv_gzip_and_parquet_give_the_same_ratings(tmp_path: Path) -> None:
    path = write_csv(tmp_path)
    assert_expected(load(path))
    packed = tmp_path / "ratings.csv.gz"
    packed.write_bytes(gzip.compress(path.read_bytes()))
    assert_expected(load(packed))
    columns = {
        "who": ["ann", "bob", "ann"],
        "what": ["x1", "x2", "x0"],
        "stars": [4.5, -1.0, 0.0],
        "when": [100, 90, 80],
    }
    pq.write_table(pa.table(columns), tmp_path / "ratings.parquet")
    assert_expected(load(tmp_path / "ratings.parquet"))


def test_ratings_and_times_may_be_left_out(tmp_path: Path) -> None:
    ratings = load_table(write_csv(tmp_path), user="who", item="what")
    np.testing.assert_array_equal(ratings.values, [1, 1, 1])
    assert ratings.timestamps is None


def test_integer_ids_stay_integers(tmp_path: Path) -> None:
    path = write_csv(tmp_path, rows=["u,i", "12,5", "7,5"])
    ratings = load_table(path, user="u", item="i")
    assert ratings.user_ids.dtype == np.int64
    np.testing.assert_array_equal(ratings.user_ids, [7, 12])


@pytest.mark.parametrize(
    "ids", [["007", "7"], ["99999999999999999999", "7"], ["-0", "0"], ["2020-01-01", "true"]]
)
def test_ids_that_are_no_plain_integers_stay_as_they_are_written(
    tmp_path: Path, ids: list[str]
) -> None:
    path = write_csv(tmp_path, rows=["u,i", *(f"{text},{text}" for text in ids)])
    ratings = load_table(path, user="u", item="i")
    assert sorted(ratings.user_ids) == sorted(ids) == sorted(ratings.catalogue.item_ids)


def test_lines_are_counted_past_quoted_line_breaks(tmp_path: Path) -> None:
    path = write_csv(tmp_path, rows=["u,n,r", '1,"a\nb",3', "2,x,3", '3,"c""\n\nd",9', "4,y,9"])
    with pytest.raises(DataError, match="line 5, column 'r': expected a rating of 1 to 5"):
        load_table(path, user="u", item="n", rating="r", scale=(1, 5))
    path = write_csv(tmp_path, rows=["u,n,r", '1,"a\nb",3', "2,x"])
    with pytest.raises(DataError, match=r"line 4: expected 3 fields .* found 2"):
        load_table(path, user="u", item="n")
    path = write_csv(tmp_path, rows=["u,n,r", "1,a,3", '2,"x,3', "3,y,3"])
    with pytest.raises(DataError, match="after line 2: expected fields whose quotes are closed"):
        load_table(path, user="u", item="n")


def test_text_in_another_encoding_is_refused_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "latin.csv"
    path.write_bytes("u,i\n1,a\n2,caf\xe9\n".encode("latin-1"))
    with pytest.raises(DataError, match=r"line 3: expected text in UTF-8, found the byte 0xe9"):
        load_table(path, user="u", item="i")


def test_a_column_that_stands_twice_is_refused(tmp_path: Path) -> None:
    path = write_csv(tmp_path, rows=["u,i,r,r", "1,2,3,4"])
    with pytest.raises(DataError, match="expected one column 'r', found 2"):
        load_table(path, user="u", item="i", rating="r")


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"u": pa.array([1, 2**63 + 1], pa.uint64())}, "row 1, column 'u': expected an id below"),
        ({"r": [1, 2**60 + 1]}, "row 1, column 'r': .*64-bit float.* found 1152921504606846977"),
        ({"r": [1.0, None]}, "row 1, column 'r': expected a value"),
        ({"r": [[1.0], [2.0]]}, "row 0, column 'r': expected a number, found list"),
        ({"t": pa.array([1, 2**63], pa.uint64())}, "row 1, column 't': expected unix seconds"),
        (
            {"t": [1, 1_700_000_000_000]},
            "row 1, column 't': .*year up to 9999, found 1700000000000",
        ),
        ({"t": [1.0, 1e30]}, "row 1, column 't': .*year up to 9999"),
        (
            {"t": ["2020-01-01", "5"]},
            "row 1, column 't': .*dates and times, in all rows, found '5'",
        ),
    ],
)
def test_a_value_of_parquet_that_cannot_be_kept_is_refused(
    tmp_path: Path, columns: dict[str, Any], message: str
) -> None:
    whole: dict[str, Any] = {"u": [1, 2], "i": [1, 2], "r": [1.0, 2.0], "t": [1, 2]}
    path = tmp_path / "ratings.parquet"
    pq.write_table(pa.table(whole | columns), path)
    with pytest.raises(DataError, match=message):
        load_table(path, user="u", item="i", rating="r", timestamp="t")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"user": 3}, "user must be the name of a column, got 3"),
        ({"item": "who"}, "user and item must be two columns"),
        ({"scale": 5}, "scale must be two numbers"),
        ({"scale": (5, 1)}, "scale must be two numbers"),
        ({"scale": ("a", "b")}, "scale must be two numbers"),
        ({"delimiter": 1}, "delimiter must be one character"),
        ({"delimiter": '"'}, "neither a quote nor a line break"),
        ({"colour": "red"}, r"load_table takes no 'colour'"),
        ({"expect": (1, 2, 3)}, r"load_table takes no 'expect'"),
    ],
)
def test_arguments_are_checked_before_the_file_is_read(
    tmp_path: Path, arguments: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        load_ratings(tmp_path / "nowhere.csv", **{**NAMES, **arguments})


def test_dates_become_unix_seconds(tmp_path: Path) -> None:
    path = write_csv(tmp_path, rows=["u,i,t", "1,1,1970-01-02 00:00:01", "1,2,1970-01-01 00:01:00"])
    ratings = load_table(path, user="u", item="i", timestamp="t")
    assert ratings.timestamps is not None
    np.testing.assert_array_equal(ratings.timestamps, [86_401, 60])


def test_whole_seconds_may_be_written_as_decimals(tmp_path: Path) -> None:
    path = write_csv(tmp_path, rows=["u,i,t", "1,1,10.0", "1,2,9.0"])
    ratings = load_table(path, user="u", item="i", timestamp="t")
    assert ratings.timestamps is not None
    np.testing.assert_array_equal(ratings.timestamps, [10, 9])


def test_ratings_with_string_ids_become_a_log(tmp_path: Path) -> None:
    log = load(write_csv(tmp_path)).to_log()
    np.testing.assert_array_equal(log.column("user_id"), ["ann", "ann", "bob"])
    log.write(tmp_path / "log")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("eve,x1,good,70", "line 5, column 'stars': expected a number, found 'good'"),
        ("eve,x1,,70", "line 5, column 'stars': expected a value, found an empty field or NaN"),
        ("eve,x1,nan,70", "line 5, column 'stars': expected a value, found an empty field or NaN"),
        ("eve,x1,inf,70", "line 5, column 'stars': expected a number, found inf"),
        (",x1,3,70", "line 5, column 'who': expected a value, found an empty field"),
        ("eve,,3,70", "line 5, column 'what': expected a value, found an empty field"),
        ("eve,x1,3,", "line 5, column 'when': expected a value, found an empty field"),
        ("eve,x1,3,7.5", r"line 5, column 'when': expected whole seconds, found 7\.5"),
        ("eve,x1,3,noon", "line 5, column 'when': expected unix seconds, or dates.* found 'noon'"),
        ("eve,x1,3", "line 5: expected 4 fields separated by ',', found 3"),
        ("", "line 5, column 'who': expected a value, found an empty field"),
        ("bob,x2,3,90", "line 5, column 'who': repeats the user, item, time of .*line 3"),
    ],
)
def test_a_wrong_line_is_named(tmp_path: Path, line: str, message: str) -> None:
    with pytest.raises(DataError, match=rf"ratings\.csv, {message}"):
        load(write_csv(tmp_path, line, "eve,x0,3,60"))


def test_a_rating_off_the_scale_is_refused(tmp_path: Path) -> None:
    assert len(load(write_csv(tmp_path), scale=(-1, 5))) == 3
    with pytest.raises(DataError, match="line 3, column 'stars': expected a rating of 0 to 5"):
        load(write_csv(tmp_path), scale=(0, 5))


def test_an_id_of_another_type_is_refused(tmp_path: Path) -> None:
    path = write_csv(tmp_path, rows=["u,i", "1,5", "2,5", "ann,5"])
    with pytest.raises(DataError, match=r"line 4, column 'u': expected an integer.*'ann'"):
        load_table(path, user="u", item="i")
    path = write_csv(tmp_path, rows=["u,i", "1.5,5", "2.5,5"])
    with pytest.raises(
        DataError, match="column 'u': expected integers or strings, found the decimal"
    ):
        load_table(path, user="u", item="i")


def test_an_unknown_column_is_answered_with_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match=r"no column 'star'\. Did you mean 'stars'"):
        load(write_csv(tmp_path), rating="star")


def test_a_wrong_delimiter_is_named(tmp_path: Path) -> None:
    path = write_csv(tmp_path, rows=[row.replace(",", ";") for row in ROWS])
    with pytest.raises(DataError, match=r"line 1: .* separated by ','.*delimiter=';'"):
        load(path)
    assert_expected(load(path, delimiter=";"))
    with pytest.raises(ConfigError, match="one character"):
        load(path, delimiter="::")


def test_repeats_without_times_are_refused(tmp_path: Path) -> None:
    path = write_csv(tmp_path, "ann,x1,3,70")
    with pytest.raises(
        DataError, match=r"line 5, column 'who': repeats the user, item of .*line 2"
    ):
        load_table(path, user="who", item="what")


def test_missing_empty_and_damaged_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"nowhere\.csv: expected a file, found nothing there"):
        load(tmp_path / "nowhere.csv")
    with pytest.raises(DataError, match=r"nowhere\.parquet: expected a whole Parquet file"):
        load(tmp_path / "nowhere.parquet")
    with pytest.raises(DataError, match="at least one row"):
        load(write_csv(tmp_path, rows=ROWS[:1]))
    (tmp_path / "empty.csv").write_text("")
    with pytest.raises(DataError, match=r"empty\.csv: expected at least one line"):
        load(tmp_path / "empty.csv")
    pq.write_table(pa.table({"who": [1]}), tmp_path / "cut.parquet")
    (tmp_path / "cut.parquet").write_bytes((tmp_path / "cut.parquet").read_bytes()[:-20])
    with pytest.raises(DataError, match=r"cut\.parquet: expected a whole Parquet file"):
        load(tmp_path / "cut.parquet")


def test_rows_of_parquet_are_counted_from_0(tmp_path: Path) -> None:
    path = tmp_path / "ratings.parquet"
    pq.write_table(pa.table({"u": ["a", "b"], "i": ["x", None]}), path)
    with pytest.raises(DataError, match="row 1, column 'i': expected a value"):
        load_table(path, user="u", item="i")


@pytest.mark.parametrize("dtype", ["str", "category"])
def test_ids_written_by_pandas_are_read(tmp_path: Path, dtype: Literal["str", "category"]) -> None:
    path = tmp_path / "ratings.parquet"
    frame = pd.DataFrame({"u": ["b", "a"], "i": ["y", "x"]}).astype(dtype)
    frame.to_parquet(path)
    np.testing.assert_array_equal(load_table(path, user="u", item="i").user_ids, ["a", "b"])
    frame["u"] = frame["u"].astype("str").replace("a", "")
    frame.to_parquet(path)
    with pytest.raises(DataError, match="row 1, column 'u': expected a value, found an empty"):
        load_table(path, user="u", item="i")


def test_a_header_that_is_not_utf8_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "ratings.csv"
    path.write_bytes("u,i,caf\xe9\n1,2,3\n".encode("latin-1"))
    with pytest.raises(DataError, match=r"line 1: expected text in UTF-8, found the byte 0xe9"):
        load_table(path, user="u", item="i")


def test_load_ratings_takes_named_columns_as_a_table(tmp_path: Path) -> None:
    assert_expected(load_ratings(write_csv(tmp_path), **NAMES))


def test_load_ratings_takes_anything_else_as_movielens(tmp_path: Path) -> None:
    (tmp_path / "u.data").write_text("1\t2\t3\t881250949\n")
    assert load_ratings(tmp_path).n_users == 1
    with pytest.raises(DataError, match="argument `expect`"):
        load_ratings(tmp_path, expect=(2, 1, 1))
    for expect in (5, (1, 2), ("a", "b", "c")):
        with pytest.raises(ConfigError, match="expect must be three whole numbers"):
            load_ratings(tmp_path, expect=expect)
    with pytest.raises(ConfigError, match="needs the argument 'user'"):
        load_ratings(tmp_path, item="i")


def test_what_is_no_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="expected a file, found a folder"):
        load(tmp_path)
    with pytest.raises(DataError, match="found something that is no ordinary file"):
        load(Path("/dev/null"))
    with pytest.raises(DataError, match="unpack the archive"):
        load(tmp_path / "ratings.ZIP")
