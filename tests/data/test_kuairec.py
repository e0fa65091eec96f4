"""KuaiRec in its published layout; all rows here are made up."""

import gzip
import logging
from pathlib import Path

import numpy as np
import pytest

from rlrec.data import InteractionLog, kuairec, load_kuairec
from rlrec.data.known_counts import Counts
from rlrec.errors import ConfigError, DataError, UnknownNameError

HEADER = "user_id,video_id,play_duration,video_duration,time,date,timestamp,watch_ratio"
BIG = [
    "1,30,5000,10000,2020-07-05 00:08:23.438,20200705,1593878903.438,0.5",
    "1,10,12000,8000,2020-07-05 00:08:03.438,20200705,1593878883.438,1.5",
    "0,20,0,8000,2020-07-05 05:27:48.378,20200705,1593898068.378,0.0",
]
SMALL = ["1,10,8000,8000,,,,1.0", "1,30,1000,10000,,,1593878903.438,0.1", "4,10,0,8000,,,,0.0"]
VIDEOS = ["video_id,feat", "30,[8]", '10,"[27, 9]"', "20,[8]"]
USERS = ["user_id,user_active_degree,register_days", "0,high_active,107", "1,full_active,", "4,,3"]


def write(folder: Path, **changed: list[str]) -> Path:
    files = {
        "big_matrix": [HEADER, *BIG],
        "small_matrix": [HEADER, *SMALL],
        "item_categories": VIDEOS,
        "user_features": USERS,
    }
    for name, lines in (files | changed).items():
        if lines:
            (folder / f"{name}.csv").write_bytes("\n".join([*lines, ""]).encode("latin-1"))
    return folder


def test_the_big_matrix_becomes_a_log(tmp_path: Path) -> None:
    found = load_kuairec(write(tmp_path))
    log = found.log
    assert log.column("user_id").tolist() == [0, 1, 1]
    assert found.catalogue.item_ids[log.column("slate")[:, 0]].tolist() == [20, 10, 30]
    assert log.response("watched")[:, 0].tolist() == [0, 1, 0]
    assert log.response("watch_ratio")[:, 0].tolist() == [0, 1.5, 0.5]
    assert log.response("play_seconds")[:, 0].tolist() == [0, 12, 5]
    assert log.column("timestamp").tolist() == [1593898068, 1593878883, 1593878903]
    assert log.column("reward").tolist() == [0, 1.5, 0.5]
    assert not log.has("log_propensity")


def test_what_counts_as_watched_can_be_said(tmp_path: Path) -> None:
    log = load_kuairec(write(tmp_path), watched_from=0.5).log
    assert log.response("watched")[:, 0].tolist() == [0, 1, 1]


def test_categories_become_features_and_the_rarest_the_topic(tmp_path: Path) -> None:
    catalogue = load_kuairec(write(tmp_path)).catalogue
    assert catalogue.topic_names == ("8", "9", "27")
    assert catalogue.features.tolist() == [[0, 1, 1], [1, 0, 0], [1, 0, 0]]
    assert catalogue.topics.tolist() == [1, 0, 0]


def test_users_have_their_features(tmp_path: Path) -> None:
    users = load_kuairec(write(tmp_path)).users
    assert users is not None
    assert users.loc[0, "user_active_degree"] == "high_active"
    np.testing.assert_array_equal(users["register_days"], [107, np.nan, 3])


def test_the_small_matrix_is_a_block_though_it_lacks_times(tmp_path: Path) -> None:
    found = load_kuairec(write(tmp_path), "small")
    assert not found.log.has("timestamp")
    block = found.block()
    assert block.user_ids.tolist() == [1, 4]
    assert found.catalogue.item_ids[block.item_index].tolist() == [10, 30]
    np.testing.assert_allclose(block.values, [[1.0, 0.1], [0.0, np.nan]], rtol=1e-6)


def test_only_the_matrix_is_needed_packed_and_in_the_folder_data(tmp_path: Path) -> None:
    write(tmp_path, item_categories=[], user_features=[])
    (tmp_path / "data").mkdir()
    content = (tmp_path / "big_matrix.csv").read_bytes()
    (tmp_path / "data" / "big_matrix.csv.gz").write_bytes(gzip.compress(content))
    found = load_kuairec(tmp_path)
    assert found.users is None
    assert found.catalogue.item_ids.tolist() == [10, 20, 30]
    assert found.catalogue.topic_names == ("all",)
    with pytest.raises(DataError, match=r"expected 'small_matrix\.csv'"):
        load_kuairec(tmp_path, "small")


def test_the_log_can_go_to_disk(tmp_path: Path) -> None:
    path = tmp_path / "logs" / "kuairec"
    found = load_kuairec(write(tmp_path), path=path)
    log = InteractionLog.open(path, found.catalogue)
    assert len(log) == 3
    assert [file.name for file in path.parent.iterdir()] == ["kuairec"]
    with pytest.raises(DataError, match="exists already"):
        load_kuairec(tmp_path, path=path)
    assert len(load_kuairec(tmp_path, path=path, overwrite=True).log) == 3


def test_rows_that_repeat_are_dropped_unless_asked(tmp_path: Path) -> None:
    folder = write(tmp_path, big_matrix=[HEADER, *BIG, BIG[0]])
    found = load_kuairec(folder)
    assert (len(found.log), found.n_repeats) == (3, 1)
    assert len(load_kuairec(folder, repeats="keep").log) == 4
    with pytest.raises(DataError, match=r"big_matrix\.csv, line 5, .* of .*line 2, column"):
        load_kuairec(folder, repeats="refuse")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("1,10,x,8000,,,5,1", "line 3, column 'play_duration': expected a number, found 'x'"),
        ("1,10,1,8000,,,5,", "line 3, column 'watch_ratio': expected a value"),
        ("1,10,1,8000,,,1e15,1", r"line 3, column 'timestamp': expected a unix time of a year up"),
        ("1,10,1,8000,,,5,1e39", r"line 3, column 'watch_ratio': expected a number that a 32-bit"),
        ("1,99,1,8000,,,5,1", "line 3, column 'video_id': expected one of the 3 ids listed"),
        ("9,10,1,8000,,,5,1", "line 3, column 'user_id': expected one of the 3 ids listed"),
        ("1,10,1,8000,,,5", "line 3: expected 8 fields"),
        ("1,10,1,\xe9,,,5,1,1", "line 3: expected text in UTF-8"),
    ],
)
def test_a_wrong_row_is_named(tmp_path: Path, line: str, message: str) -> None:
    folder = write(tmp_path, big_matrix=[HEADER, BIG[0], line])
    with pytest.raises(DataError, match=rf"big_matrix\.csv, {message}"):
        load_kuairec(folder)


def test_ids_below_zero_are_refused_also_without_lists_of_them(tmp_path: Path) -> None:
    lines = [HEADER, BIG[0], BIG[1].replace("1,10,", "1,-10,")]
    folder = write(tmp_path, big_matrix=lines, item_categories=[], user_features=[])
    with pytest.raises(DataError, match="line 3, column 'video_id': expected 0 or more, found -10"):
        load_kuairec(folder)


@pytest.mark.parametrize(
    ("videos", "message"),
    [
        (["video_id,feat", "10,8"], r"line 2, column 'feat': expected a list of categories"),
        (["video_id,feat", '10,"[8]"-'], r"line 2, column 'feat': expected a list of categories"),
        (["video_id,feat", '10,"[8]', "3,[9]"], r"line 2, column 'feat': expected a list"),
        (["video_id,feat", "10,[8]", "10,[9]"], "line 3, column 'video_id': expected each id once"),
        (["video_id,feat", "x,[8]"], "line 2, column 'video_id': expected whole numbers"),
        (["video_id,feat", "-1,[8]"], "line 2, column 'video_id': expected 0 or more"),
        (["video_id,tag", "10,[8]"], "line 1: expected a column 'feat'"),
        (["item_id,feat", "10,[8]"], "line 1: expected a column 'video_id'"),
    ],
)
def test_a_wrong_list_of_videos_is_refused(tmp_path: Path, videos: list[str], message: str) -> None:
    with pytest.raises(DataError, match=rf"item_categories\.csv, {message}"):
        load_kuairec(write(tmp_path, item_categories=videos))


def test_wrong_arguments_are_told(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'small'"):
        load_kuairec(tmp_path, "smal")  # type: ignore[arg-type]
    with pytest.raises(UnknownNameError, match="Did you mean 'watched'"):
        load_kuairec(tmp_path, reward="watch")
    with pytest.raises(ConfigError, match="watched_from must be above 0, got 0"):
        load_kuairec(tmp_path, watched_from=0)
    with pytest.raises(ConfigError, match="folder must be a path"):
        load_kuairec(None)  # type: ignore[arg-type]
    with pytest.raises(DataError, match="expected the folder of the set, found none"):
        load_kuairec(tmp_path / "nowhere")


def test_counts_are_checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write(tmp_path)
    with pytest.raises(DataError, match="expected 4 ratings by 2 users of 3 items"):
        load_kuairec(folder, expect=(4, 2, 3))
    monkeypatch.setattr(kuairec, "KNOWN", {"big matrix": Counts(4, 2, 3)})
    with pytest.raises(DataError, match="the published big matrix"):
        load_kuairec(folder)


def test_what_was_found_and_the_terms_are_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        load_kuairec(write(tmp_path))
    assert "3 ratings by 2 users of 3 items" in caplog.text and "CC BY-SA 4.0" in caplog.text
