"""Lines of users and items; all events here but the last test's are made up."""

import gzip
import os
from pathlib import Path

import pytest

from rlrec.data import leave_one_out, load_sequences, sequences
from rlrec.data.known_counts import Counts
from rlrec.errors import DataError

EVENTS = ["5 30", "2 10", "5 20", "5 30", "2 30"]


def write(folder: Path, lines: list[str] = EVENTS) -> Path:
    path = folder / "events.txt"
    path.write_bytes("\n".join([*lines, ""]).encode("latin-1"))
    return path


@pytest.mark.parametrize("separator", [" ", "\t"])
def test_each_line_is_an_event_also_if_it_comes_again(tmp_path: Path, separator: str) -> None:
    ratings = load_sequences(write(tmp_path, [line.replace(" ", separator) for line in EVENTS]))
    assert ratings.user_ids[ratings.user_index].tolist() == [5, 2, 5, 5, 2]
    assert ratings.catalogue.item_ids[ratings.item_index].tolist() == [30, 10, 20, 30, 30]
    assert ratings.values.tolist() == [1] * 5
    assert ratings.timestamps is None and ratings.is_ordered


def test_the_log_keeps_the_order_of_each_user(tmp_path: Path) -> None:
    log = load_sequences(write(tmp_path)).to_log()
    assert log.column("user_id").tolist() == [2, 2, 5, 5, 5]
    assert log.column("slate")[:, 0].tolist() == [0, 2, 2, 1, 2]
    assert log.column("step").tolist() == [0, 1, 0, 1, 2]
    assert not log.has("timestamp")


def test_the_last_event_in_the_file_is_left_out_for_test(tmp_path: Path) -> None:
    lines = [f"{user} {item}" for item in (4, 1, 3, 2) for user in (1, 2, 3)]
    ratings = load_sequences(write(tmp_path, lines))
    split = leave_one_out(ratings, core=3)
    items = ratings.catalogue.item_ids[ratings.item_index]
    assert items[split.test].tolist() == [2] * 3
    assert items[split.valid].tolist() == [3] * 3


def test_ids_may_be_words_and_the_file_packed(tmp_path: Path) -> None:
    path = tmp_path / "events.txt.gz"
    path.write_bytes(gzip.compress(b'ann "a\nbob b\nann b\n'))
    ratings = load_sequences(path)
    assert ratings.user_ids.tolist() == ["ann", "bob"]
    assert ratings.catalogue.item_ids.tolist() == ['"a', "b"]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("2", "line 2: expected 2 fields separated by ' ', found 1"),
        ("2 10 3", "line 2: expected 2 fields separated by ' ', found 3"),
        ("2 ", r"line 2, column 'item': expected a value"),
        ("2 ten", r"line 2, column 'item': expected an integer as in most lines, found 'ten'"),
        ("", "line 2, column 'user': expected a value"),
        ("2 \xe9", "line 2: expected text in UTF-8, found the byte 0xe9"),
    ],
)
def test_a_wrong_line_is_named(tmp_path: Path, line: str, message: str) -> None:
    with pytest.raises(DataError, match=rf"events\.txt, {message}"):
        load_sequences(write(tmp_path, [EVENTS[0], line, *EVENTS[2:]]))


def test_an_empty_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="found an empty file"):
        load_sequences(write(tmp_path, []))


def test_a_table_is_not_taken_for_lines(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="read Parquet files with load_table"):
        load_sequences(tmp_path / "events.parquet")


def test_counts_are_checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path)
    assert len(load_sequences(path, expect=(5, 2, 3))) == 5
    with pytest.raises(DataError, match="expected 6 ratings by 2 users of 3 items"):
        load_sequences(path, expect=(6, 2, 3))
    monkeypatch.setattr(sequences, "KNOWN", {"known": Counts(8, 2, 3)})
    with pytest.raises(DataError, match="the published known"):
        load_sequences(path)


@pytest.mark.skipif("RLREC_DATA_DIR" not in os.environ, reason="needs RLREC_DATA_DIR")
def test_the_known_file_has_its_counts() -> None:
    ratings = load_sequences(Path(os.environ["RLREC_DATA_DIR"]) / "amazon-beauty/beauty.txt.gz")
    found = (len(ratings), ratings.n_users, ratings.n_items)
    assert found == (353_962, 40_226, 54_542)
