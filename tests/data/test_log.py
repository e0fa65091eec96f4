"""The interaction log: made, read, written, refused."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from rlrec.data import Catalogue, InteractionLog, LogMetadata, log
from rlrec.errors import (
    CatalogueMismatchError,
    DataError,
    LogFormatError,
    PropensityError,
    UnknownNameError,
)

METADATA = LogMetadata(slate_size=2, response_channels=("click", "minutes"), seed=3)


def columns(n_rows: int = 12, **changes: Any) -> dict[str, Any]:
    """Return columns of users with one episode of three steps each."""
    rng = np.random.default_rng(0)
    step = np.arange(n_rows) % 3
    prefix = rng.uniform(0.1, 1.0, (n_rows, 2))
    return {
        "user_id": np.arange(n_rows) // 3,
        "episode_id": np.arange(n_rows) // 3,
        "step": step,
        "slate": rng.integers(6, size=(n_rows, 2)),
        "response.click": rng.integers(2, size=(n_rows, 2)),
        "response.minutes": rng.random((n_rows, 2)),
        "reward": rng.random(n_rows),
        "terminated": step == 2,
        "truncated": np.zeros(n_rows, bool),
        "log_propensity": np.log(prefix).sum(axis=1),
        "propensity_given_prefix": prefix,
        **changes,
    }


def without(name: str) -> dict[str, Any]:
    kept = columns()
    del kept[name]
    return kept


def make_log(**changes: Any) -> InteractionLog:
    return InteractionLog.from_columns(columns(**changes), METADATA)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    make_log().write(tmp_path / "log")
    return tmp_path / "log"


def test_columns_get_the_types_of_the_schema() -> None:
    made = make_log()
    assert made.column("response.click").dtype == np.float32
    assert made.column("slate").dtype == np.int64
    assert made.column("reward").dtype == np.float64
    assert len(made) == made.n_rows == 12


def test_a_written_log_opens_equal(folder: Path) -> None:
    opened, made = InteractionLog.open(folder), make_log()
    assert opened.metadata == made.metadata
    for name, values in made.columns().items():
        assert opened.column(name).dtype == values.dtype
        np.testing.assert_array_equal(opened.column(name), values)


def test_string_ids_survive_the_disk(tmp_path: Path) -> None:
    names = np.repeat(["ann", "bob", "eve", "zoë"], 3)
    make_log(user_id=names).write(tmp_path / "log")
    np.testing.assert_array_equal(InteractionLog.open(tmp_path / "log").column("user_id"), names)


def test_features_of_candidates_keep_their_shape(tmp_path: Path) -> None:
    features = np.random.default_rng(1).random((12, 7, 3)).astype(np.float32)
    make_log(candidate_features=features).write(tmp_path / "log")
    opened = InteractionLog.open(tmp_path / "log")
    assert opened.metadata.candidate_shape == (7, 3)
    np.testing.assert_array_equal(opened.column("candidate_features"), features)
    assert opened.to_arrow().schema.field("candidate_features").type.list_size == 21


@pytest.mark.parametrize("on_disk", [False, True])
def test_blocks_are_the_rows_in_order(folder: Path, on_disk: bool) -> None:
    source = InteractionLog.open(folder) if on_disk else make_log()
    blocks = list(source.blocks(["slate", "reward"], n_rows=5))
    assert [len(block["reward"]) for block in blocks] == [5, 5, 2]
    assert all(list(block) == ["slate", "reward"] for block in blocks)
    joined = np.concatenate([block["slate"] for block in blocks])
    np.testing.assert_array_equal(joined, make_log().column("slate"))


def test_many_parts_read_as_one_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log, "_PART_ROWS", 5)
    make_log().write(tmp_path / "log")
    assert len(list((tmp_path / "log").iterdir())) == 3
    opened = InteractionLog.open(tmp_path / "log")
    np.testing.assert_array_equal(opened.column("reward"), make_log().column("reward"))
    assert opened.to_arrow().num_rows == 12
    opened.write(tmp_path / "copy")
    np.testing.assert_array_equal(
        InteractionLog.open(tmp_path / "copy").column("slate"), make_log().column("slate")
    )


@pytest.mark.parametrize("on_disk", [False, True])
def test_arrow_and_pandas_views_have_all_columns(folder: Path, on_disk: bool) -> None:
    source = InteractionLog.open(folder) if on_disk else make_log()
    table, frame = source.to_arrow(), source.to_pandas()
    assert table.schema.field("slate").type == pa.list_(pa.int64(), 2)
    assert tuple(table.schema.names) == tuple(frame.columns) == source.column_names
    np.testing.assert_array_equal(np.stack(frame["slate"].tolist()), source.column("slate"))


def test_responses_stack_the_channels() -> None:
    made = make_log()
    assert made.responses().shape == (12, 2, 2)
    np.testing.assert_array_equal(made.responses()[:, :, 1], made.response("minutes"))


def test_in_memory_loads_a_log_from_disk(folder: Path) -> None:
    loaded = InteractionLog.open(folder).in_memory()
    (folder / "part-00000.parquet").unlink()
    np.testing.assert_array_equal(loaded.column("reward"), make_log().column("reward"))


def test_unknown_names_are_answered_with_the_nearest() -> None:
    made = make_log()
    assert made.has("slate") and not made.has("timestamp")
    with pytest.raises(UnknownNameError, match=r"no column 'slates'\. Did you mean 'slate'"):
        made.column("slates")
    with pytest.raises(UnknownNameError, match="Did you mean 'click'"):
        made.response("clicks")
    with pytest.raises(UnknownNameError, match="Did you mean 'log_propensity'"):
        make_log(log_propensities=np.zeros(12))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"slate": np.zeros((12, 3), int)}, r"'slate' must have shape \(rows, 2\), got \(12, 3\)"),
        ({"slate": np.zeros((12, 2))}, "'slate' must be int64, got float64"),
        ({"terminated": np.zeros(12)}, "'terminated' must be bool, got float64"),
        ({"reward": np.zeros(11)}, "as many rows as 'user_id', 12; 'reward' has 11"),
        ({"user_id": np.zeros(12)}, "'user_id' must be integer or string, got float64"),
        ({"user_id": np.array(["a", 1] * 6, object)}, "integers only or strings only"),
    ],
)
def test_misshapen_columns_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(LogFormatError, match=message):
        make_log(**changes)


def test_a_missing_column_is_named() -> None:
    with pytest.raises(LogFormatError, match=r"needs the column 'response\.minutes'"):
        InteractionLog.from_columns(without("response.minutes"), METADATA)


def test_a_log_without_rows_is_refused() -> None:
    with pytest.raises(LogFormatError, match="at least one row"):
        InteractionLog.from_columns(columns(n_rows=0), METADATA)


def test_a_log_on_disk_without_rows_is_refused(folder: Path) -> None:
    part = folder / "part-00000.parquet"
    pq.write_table(pq.read_table(part).slice(0, 0), part)
    with pytest.raises(LogFormatError, match="at least one row"):
        InteractionLog.open(folder)


def test_a_log_without_propensities_says_the_way_out() -> None:
    made = InteractionLog.from_columns(without("log_propensity"), METADATA)
    with pytest.raises(PropensityError, match=r"InteractionLog\.record"):
        made.require_propensities()
    make_log().require_propensities()


def test_another_catalogue_is_refused(tmp_path: Path, catalogue: Catalogue) -> None:
    metadata = replace(METADATA, catalogue_fingerprint=catalogue.fingerprint)
    InteractionLog.from_columns(columns(), metadata).write(tmp_path / "log")
    assert InteractionLog.open(tmp_path / "log", catalogue).n_rows == 12
    other = replace(catalogue, topics=catalogue.topics[::-1])
    with pytest.raises(CatalogueMismatchError, match=other.fingerprint):
        InteractionLog.open(tmp_path / "log", other)


def test_items_beyond_the_catalogue_are_refused(tmp_path: Path, catalogue: Catalogue) -> None:
    slates = np.zeros((12, 2), int)
    slates[7, 1] = 6
    make_log(slate=slates).write(tmp_path / "log")
    with pytest.raises(CatalogueMismatchError, match=r"0\.\.5; row 7, position 1 names 6"):
        InteractionLog.open(tmp_path / "log", catalogue)


def test_writing_over_something_needs_a_word(folder: Path) -> None:
    with pytest.raises(DataError, match="overwrite=True"):
        make_log().write(folder)
    make_log(reward=np.ones(12)).write(folder, overwrite=True)
    np.testing.assert_array_equal(InteractionLog.open(folder).column("reward"), np.ones(12))
    assert [path.name for path in folder.parent.iterdir()] == ["log"]


def test_a_log_from_disk_can_replace_itself(folder: Path) -> None:
    InteractionLog.open(folder).write(folder, overwrite=True)
    assert InteractionLog.open(folder).n_rows == 12


def test_a_folder_that_is_no_log_is_never_overwritten(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(DataError, match="not the folder of a log"):
        make_log().write(tmp_path, overwrite=True)
    assert (tmp_path / "thesis.tex").exists()


def test_a_write_that_fails_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log, "_PART_ROWS", 5)
    real, calls = pq.write_table, []

    def full_disk(*arguments: Any, **named: Any) -> None:
        calls.append(1)
        if len(calls) == 2:
            raise OSError("no space left on device")
        real(*arguments, **named)

    monkeypatch.setattr(pq, "write_table", full_disk)
    with pytest.raises(OSError, match="no space"):
        make_log().write(tmp_path / "log")
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_process_left_is_cleared(tmp_path: Path) -> None:
    (tmp_path / ".log.partial").mkdir()
    (tmp_path / ".log.partial" / "part-00007.parquet").write_bytes(b"half")
    make_log().write(tmp_path / "log")
    assert [path.name for path in tmp_path.iterdir()] == ["log"]
    assert InteractionLog.open(tmp_path / "log").n_rows == 12


def cut_off(part: Path) -> None:
    part.write_bytes(part.read_bytes()[:-100])


def empty(part: Path) -> None:
    part.write_bytes(b"")


def scramble_pages(part: Path) -> None:
    content = bytearray(part.read_bytes())
    content[4:400] = b"\xff" * 396
    part.write_bytes(content)


@pytest.mark.parametrize("damage", [cut_off, empty, scramble_pages])
def test_a_damaged_part_is_named(folder: Path, damage: Callable[[Path], None]) -> None:
    damage(folder / "part-00000.parquet")
    with pytest.raises(LogFormatError, match=r"part-00000\.parquet: expected a whole Parquet file"):
        InteractionLog.open(folder)


@pytest.mark.parametrize("lost", [0, 1, 2])
def test_a_missing_part_is_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lost: int
) -> None:
    monkeypatch.setattr(log, "_PART_ROWS", 5)
    make_log().write(tmp_path / "log")
    (tmp_path / "log" / f"part-0000{lost}.parquet").unlink()
    with pytest.raises(LogFormatError, match="of a log of 3 parts, of which 2 are here"):
        InteractionLog.open(tmp_path / "log")


def test_a_missing_or_empty_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(LogFormatError, match="nothing there"):
        InteractionLog.open(tmp_path / "nowhere")
    with pytest.raises(LogFormatError, match=r"part-\*\.parquet, found none"):
        InteractionLog.open(tmp_path)


def test_a_foreign_parquet_file_is_pointed_to_load_table(tmp_path: Path) -> None:
    pq.write_table(pa.table({"user": [1, 2]}), tmp_path / "part-00000.parquet")
    with pytest.raises(LogFormatError, match="load_table"):
        InteractionLog.open(tmp_path)


def rewrite(part: Path, table: pa.Table, **facts: Any) -> None:
    """Write a part anew, with some of its metadata changed."""
    metadata = pq.read_schema(part).metadata
    changed = {**json.loads(metadata[b"rlrec"]), **facts}
    pq.write_table(
        table.replace_schema_metadata({**metadata, b"rlrec": json.dumps(changed).encode()}), part
    )


def test_another_schema_version_is_refused(folder: Path) -> None:
    part = folder / "part-00000.parquet"
    rewrite(part, pq.read_table(part), schema_version=2)
    with pytest.raises(LogFormatError, match=r"part-00000.* version 1, got version 2"):
        InteractionLog.open(folder)


def test_a_part_that_lost_a_column_is_refused(folder: Path) -> None:
    part = folder / "part-00000.parquet"
    rewrite(part, pq.read_table(part).drop_columns(["reward"]))
    with pytest.raises(LogFormatError, match="needs the column 'reward'"):
        InteractionLog.open(folder)


def test_missing_values_in_a_part_are_refused(folder: Path) -> None:
    part = folder / "part-00000.parquet"
    table = pq.read_table(part)
    gaps = pa.array([None, *[0.0] * 11], pa.float64())
    rewrite(part, table.set_column(table.schema.get_field_index("reward"), "reward", gaps))
    with pytest.raises(LogFormatError, match="'reward' must have a value in every row"):
        InteractionLog.open(folder)


@pytest.mark.parametrize("place", [b"x", b"1", b"[0]", b'["a", 2]', b"[1, 1]"])
def test_a_damaged_number_of_a_part_is_refused(folder: Path, place: bytes) -> None:
    part = folder / "part-00000.parquet"
    table = pq.read_table(part)
    changed = {**table.schema.metadata, b"rlrec_part": place}
    pq.write_table(table.replace_schema_metadata(changed), part)
    with pytest.raises(LogFormatError, match=r"part-00000\.parquet: its number among the parts"):
        InteractionLog.open(folder)


def test_columns_of_foreign_types_are_refused(folder: Path) -> None:
    part = folder / "part-00000.parquet"
    table = pq.read_table(part)
    place = table.schema.get_field_index("slate")
    ragged = table["slate"].cast(pa.list_(pa.int64()))
    rewrite(part, table.set_column(place, "slate", ragged))
    with pytest.raises(LogFormatError, match=r"column 'slate' must hold .* got list"):
        InteractionLog.open(folder)
    rewrite(part, table.append_column("reward", table["reward"]))
    with pytest.raises(LogFormatError, match=r"columns that stand twice: \['reward'\]"):
        InteractionLog.open(folder)


def test_candidates_of_another_shape_than_the_metadata_say_are_refused(tmp_path: Path) -> None:
    make_log(candidate_features=np.zeros((12, 7, 3), np.float32)).write(tmp_path / "log")
    part = tmp_path / "log" / "part-00000.parquet"
    rewrite(part, pq.read_table(part), candidate_shape=[7, 2])
    with pytest.raises(LogFormatError, match=r"must hold 7 \* 2 values a row.*got 21"):
        InteractionLog.open(tmp_path / "log")
