"""Logs made of rows that stream."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from rlrec.data import Catalogue, streamed_log
from rlrec.data.log_columns import Columns
from rlrec.data.row_spool import RowSpool
from rlrec.data.streamed_log import NO_TIME, LogForm, StreamedLog, write_streamed
from rlrec.errors import ConfigError, DataError, UnknownNameError

FORM = LogForm(channels=("click", "seconds"), reward="seconds", logging_policy="unknown")
CATALOGUE = Catalogue.of_ids(np.array([10, 20, 30, 40]))
MINUTE = 60_000


def rows(*given: tuple[int, int, int]) -> Columns:
    """Return rows of (user, item, minute), each with a line of its own."""
    users, items, minutes = np.array(given).T
    n_rows = len(given)
    return {
        "user_id": users,
        "item_id": items,
        "milliseconds": minutes * MINUTE + 7,
        "file": np.zeros(n_rows, np.int64),
        "line": np.arange(n_rows) + 2,
        "mark": items == 20,
        "click": (items > 10).astype(np.float32),
        "seconds": items.astype(np.float32),
    }


def make(
    folder: Path, blocks: list[Columns], form: LogForm = FORM, path: Path | None = None
) -> StreamedLog:
    spool = RowSpool(folder / "rows.parquet")
    for block in blocks:
        spool.add(block)
    spool.close()
    return write_streamed(spool, form, CATALOGUE, path, lambda file, line: f"file {file}:{line}")


BLOCKS = [
    rows((2, 30, 5), (1, 10, 0), (2, 20, 1)),
    rows((1, 20, 10), (3, 40, 0), (1, 30, 60), (1, 10, 91)),
]


@pytest.mark.parametrize("on_disk", [False, True])
@pytest.mark.parametrize("part_rows", [1, 3, 500])
def test_rows_in_any_order_become_visits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, on_disk: bool, part_rows: int
) -> None:
    monkeypatch.setattr(streamed_log, "_PART_ROWS", part_rows)
    made = make(tmp_path, BLOCKS, path=tmp_path / "log" if on_disk else None)
    log = made.log
    assert log.column("user_id").tolist() == [1, 1, 1, 1, 2, 2, 3]
    assert log.column("slate")[:, 0].tolist() == [0, 1, 2, 0, 1, 2, 3]
    assert log.column("episode_id").tolist() == [0, 0, 1, 2, 0, 0, 0]
    assert log.column("step").tolist() == [0, 1, 0, 0, 0, 1, 0]
    assert log.column("timestamp").tolist() == [0, 600, 3600, 5460, 60, 300, 0]
    assert log.column("reward").tolist() == [10, 20, 30, 10, 20, 30, 40]
    assert log.response("click")[:, 0].tolist() == [0, 1, 1, 0, 1, 1, 1]
    assert made.marks.tolist() == [False, True, False, False, True, False, False]


def test_a_visit_ends_when_the_user_leaves_and_the_last_with_the_log(tmp_path: Path) -> None:
    log = make(tmp_path, BLOCKS).log
    assert log.column("terminated").tolist() == [False, True, True, False, False, False, False]
    assert log.column("truncated").tolist() == [False, False, False, True, False, True, True]


def test_a_gap_of_just_the_limit_does_not_end_a_visit(tmp_path: Path) -> None:
    form = replace(FORM, visit_gap_minutes=50.0)
    assert make(tmp_path, BLOCKS, form).log.column("episode_id").tolist() == [0] * 7


def test_each_user_may_be_one_episode_or_each_row(tmp_path: Path) -> None:
    whole = make(tmp_path, BLOCKS, replace(FORM, visit_gap_minutes=None)).log
    assert whole.column("step").tolist() == [0, 1, 2, 3, 0, 1, 0]
    rounds = make(tmp_path, BLOCKS, replace(FORM, are_rounds=True, propensity=0.25)).log
    assert rounds.column("step").tolist() == [0] * 7
    assert rounds.column("episode_id").tolist() == [0, 1, 2, 3, 0, 1, 0]
    assert rounds.column("terminated").all() and not rounds.column("truncated").any()
    assert np.exp(rounds.column("log_propensity")) == pytest.approx(0.25)
    assert not whole.has("log_propensity")


def test_without_some_times_there_are_no_visits_and_no_timestamps(tmp_path: Path) -> None:
    block = rows((1, 10, 0), (1, 20, 100), (1, 30, 200))
    block["milliseconds"][2] = NO_TIME
    log = make(tmp_path, [block]).log
    assert not log.has("timestamp")
    assert log.column("slate")[:, 0].tolist() == [2, 0, 1]
    assert log.column("step").tolist() == [0, 1, 2]


def test_rows_of_one_time_stay_in_the_order_of_the_file(tmp_path: Path) -> None:
    log = make(tmp_path, [rows((1, 30, 5), (1, 10, 5)), rows((1, 20, 5))]).log
    assert log.column("slate")[:, 0].tolist() == [2, 0, 1]


REPEATED = [rows((1, 10, 0), (1, 20, 0)), rows((1, 10, 0), (1, 10, 1))]


def test_repeated_rows_are_refused_dropped_or_kept(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"^file 0:2: repeats .* of file 0:2; pass repeats='drop'"):
        make(tmp_path, REPEATED)
    dropped = make(tmp_path, REPEATED, replace(FORM, repeats="drop"))
    assert dropped.log.column("slate")[:, 0].tolist() == [0, 1, 0]
    assert len(dropped.marks) == 3
    kept = make(tmp_path, REPEATED, replace(FORM, repeats="keep"))
    assert kept.log.column("slate")[:, 0].tolist() == [0, 1, 0, 0]
    assert kept.n_repeats == dropped.n_repeats == 1


def test_what_fails_leaves_nothing_behind(tmp_path: Path) -> None:
    path = tmp_path / "log"
    with pytest.raises(DataError, match="repeats user, item and time"):
        make(tmp_path, REPEATED, path=path)
    assert [file.name for file in tmp_path.iterdir()] == ["rows.parquet"]


def test_a_long_log_needs_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streamed_log, "MOST_IN_MEMORY", 6)
    with pytest.raises(DataError, match=r"7 rows are too many .* \(at most 6\); give the folder"):
        make(tmp_path, BLOCKS)
    assert len(make(tmp_path, BLOCKS, path=tmp_path / "log").log) == 7


def test_wrong_forms_are_refused() -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'click'"):
        replace(FORM, reward="clik")
    with pytest.raises(UnknownNameError, match="repeats must be one of"):
        replace(FORM, repeats="forget")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="visit_gap_minutes must be above 0 or None"):
        replace(FORM, visit_gap_minutes=0.0)
