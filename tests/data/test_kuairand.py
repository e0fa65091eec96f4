"""KuaiRand in its published layout; all rows here but the last test's are made up."""

import gzip
import logging
import os
from pathlib import Path

import numpy as np
import pytest

from rlrec.data import kuairand, load_kuairand, load_kuairand_features
from rlrec.data.known_counts import Counts
from rlrec.errors import ConfigError, DataError, UnknownNameError

HEADER = (
    "user_id,video_id,date,hourmin,time_ms,is_click,is_like,is_follow,is_comment,is_forward,"
    "is_hate,long_view,play_time_ms,duration_ms,profile_stay_time,comment_stay_time,"
    "is_profile_enter,is_rand,tab"
)
VIDEOS = ["video_id,author_id,tag", '5,1,"12,62"', "7,2,12", "9,2,"]
USERS = ["user_id,user_active_degree,fans_user_num_range", '1,full,"[100,1k)"', "3,UNKNOWN,0"]


def row(user: int, video: int, minute: int, is_rand: int, signals: str = "1,0,0,0,0,0,1") -> str:
    time_ms = 1649408076860 + 60_000 * minute
    return f"{user},{video},20220408,1600,{time_ms},{signals},2500,9000,0,0,0,{is_rand},1"


FIRST = [row(3, 5, 0, 0), row(1, 7, 3, 0, "0,1,0,0,0,1,0")]
SECOND = [row(3, 7, 40, 0, "0,0,1,1,1,0,0")]
RANDOM = [row(3, 9, 20, 1), row(1, 5, 1, 1, "0,0,0,0,0,0,0")]


def write(folder: Path, **changed: list[str]) -> Path:
    files = {
        "log_standard_4_08_to_4_21_pure": [HEADER, *FIRST],
        "log_standard_4_22_to_5_08_pure": [HEADER, *SECOND],
        "log_random_4_22_to_5_08_pure": [HEADER, *RANDOM],
        "video_features_basic_pure": VIDEOS,
        "user_features_pure": USERS,
    }
    for name, lines in (files | changed).items():
        if lines:
            (folder / f"{name}.csv").write_bytes("\n".join([*lines, ""]).encode("latin-1"))
    return folder


def test_files_of_recommended_videos_become_one_log(tmp_path: Path) -> None:
    found = load_kuairand(write(tmp_path))
    log = found.log
    assert log.column("user_id").tolist() == [1, 3, 3]
    assert found.catalogue.item_ids[log.column("slate")[:, 0]].tolist() == [7, 5, 7]
    assert log.column("episode_id").tolist() == [0, 0, 1]  # 40 minutes later
    assert log.column("timestamp")[1] == 1649408076
    assert log.responses()[:, 0].tolist() == [
        [0, 1, 0, 0, 0, 1, 0, 2.5],
        [1, 0, 0, 0, 0, 0, 1, 2.5],
        [0, 0, 1, 1, 1, 0, 0, 2.5],
    ]
    assert log.column("reward").tolist() == [0, 1, 0]
    assert not log.has("log_propensity") and not found.is_random.any()


def test_videos_drawn_at_random_are_rounds_with_the_propensity_of_the_pool(tmp_path: Path) -> None:
    found = load_kuairand(write(tmp_path), "random", pool_size=3)
    assert found.log.column("user_id").tolist() == [1, 3]
    assert np.exp(found.log.column("log_propensity")) == pytest.approx(1 / 3)
    assert found.log.column("terminated").all() and found.is_random.all()
    usual = load_kuairand(tmp_path, "random").log
    assert np.exp(usual.column("log_propensity")) == pytest.approx(1 / 7_583)
    with pytest.raises(DataError, match=r"2 different videos .* cannot hold 1; pass its size"):
        load_kuairand(tmp_path, "random", pool_size=1)


def test_all_rows_tell_which_were_random(tmp_path: Path) -> None:
    found = load_kuairand(write(tmp_path), "all")
    assert found.log.column("user_id").tolist() == [1, 1, 3, 3, 3]
    assert found.is_random.tolist() == [True, False, False, True, False]
    assert not found.log.has("log_propensity")


def test_rows_of_the_other_kind_are_left_out(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = write(tmp_path, log_standard_4_22_to_5_08_pure=[HEADER, *SECOND, row(1, 9, 50, 1)])
    with caplog.at_level(logging.INFO):
        assert len(load_kuairand(folder).log) == 3
    assert "3 ratings by 2 users of 2 items; 1 rows of the other kind left out" in caplog.text
    with pytest.raises(DataError, match="expected rows of the part 'random', found none"):
        load_kuairand(write(tmp_path, log_random_4_22_to_5_08_pure=[HEADER, *FIRST]), "random")


def test_tags_become_features_and_the_rarest_the_topic(tmp_path: Path) -> None:
    catalogue = load_kuairand(write(tmp_path)).catalogue
    assert catalogue.item_ids.tolist() == [5, 7, 9]
    assert catalogue.topic_names == ("12", "62", "unknown")
    assert catalogue.features.tolist() == [[1, 1, 0], [1, 0, 0], [0, 0, 1]]
    assert catalogue.topics.tolist() == [1, 0, 2]


def test_features_are_read_as_they_are(tmp_path: Path) -> None:
    users, videos = load_kuairand_features(write(tmp_path))
    assert users.loc[1, "fans_user_num_range"] == "[100,1k)"
    assert videos.loc[5, "tag"] == "12,62" and videos.loc[7, "tag"] == "12"
    found = load_kuairand(tmp_path).users
    assert found is not None and found.equals(users)


def test_only_a_log_is_needed_packed_and_in_the_folder_data(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    path = tmp_path / "data" / "log_random_4_22_to_5_08_1k.csv.gz"
    path.write_bytes(gzip.compress("\n".join([HEADER, *RANDOM]).encode()))
    found = load_kuairand(tmp_path, "random")
    assert found.catalogue.item_ids.tolist() == [5, 9] and found.users is None
    with pytest.raises(DataError, match=r"expected 'log_standard_\*\.csv' \(or with \.gz\)"):
        load_kuairand(tmp_path)
    with pytest.raises(DataError, match=r"expected 'user_features_\*\.csv'"):
        load_kuairand_features(tmp_path)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (row(1, 7, 3, 2), "column 'is_rand': expected 0 or 1, found 2"),
        (row(1, 7, 3, 0, "0,3,0,0,0,0,0"), "column 'is_like': expected 0 or 1, found 3"),
        (row(1, 8, 3, 0), "column 'video_id': expected one of the 3 ids listed, found 8"),
        (row(2, 7, 3, 0), "column 'user_id': expected one of the 2 ids listed, found 2"),
        (row(1, 7, 3, 0)[:-6], "expected 19 fields"),
        (row(1, 7, 3, 0).replace("2500", "long"), "column 'play_time_ms': expected a number"),
        (row(1, 7, 3, 0).replace("2500", ""), "column 'play_time_ms': expected a value"),
        (FIRST[0], "column 'user_id': repeats user, item and time of .*line 2"),
    ],
)
def test_a_wrong_row_is_named(tmp_path: Path, line: str, message: str) -> None:
    folder = write(tmp_path, log_standard_4_08_to_4_21_pure=[HEADER, FIRST[0], line])
    with pytest.raises(DataError, match=rf"4_08_to_4_21_pure\.csv, line 3[,:] {message}"):
        load_kuairand(folder)


def test_a_wrong_header_is_refused(tmp_path: Path) -> None:
    lines = [HEADER.replace("is_hate", "hate"), *FIRST]
    folder = write(tmp_path, log_standard_4_08_to_4_21_pure=lines)
    with pytest.raises(DataError, match=r"line 1: expected the columns user_id, .* of 'is_hate'"):
        load_kuairand(folder)


@pytest.mark.parametrize(
    ("videos", "message"),
    [
        (["video_id,tag", "5,1", "5,2"], "line 3, column 'video_id': expected each id once"),
        (["video_id,tag", "-5,1"], "line 2, column 'video_id': expected 0 or more, found -5"),
        (["video_id,tags", "5,1"], "line 1: expected the columns video_id, tag"),
    ],
)
def test_a_wrong_list_of_videos_is_refused(tmp_path: Path, videos: list[str], message: str) -> None:
    with pytest.raises(DataError, match=rf"basic_pure\.csv, {message}"):
        load_kuairand(write(tmp_path, video_features_basic_pure=videos))


def test_two_versions_in_one_folder_are_refused(tmp_path: Path) -> None:
    write(tmp_path, video_features_basic_1k=VIDEOS)
    with pytest.raises(DataError, match=r"expected one file .* give the folder of one version"):
        load_kuairand(tmp_path)


def test_wrong_arguments_are_told(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'random'"):
        load_kuairand(tmp_path, "rand")  # type: ignore[arg-type]
    with pytest.raises(UnknownNameError, match="Did you mean 'like'"):
        load_kuairand(tmp_path, reward="likes")
    with pytest.raises(ConfigError, match="pool_size must be a whole number"):
        load_kuairand(tmp_path, pool_size=0)


def test_counts_are_checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write(tmp_path)
    with pytest.raises(DataError, match="expected 4 ratings by 2 users of 2 items"):
        load_kuairand(folder, expect=(4, 2, 2))
    monkeypatch.setitem(kuairand.KNOWN, "standard", {"tiny": Counts(4, 2, 2)})
    with pytest.raises(DataError, match="the published tiny"):
        load_kuairand(folder)


@pytest.mark.skipif("RLREC_DATA_DIR" not in os.environ, reason="needs RLREC_DATA_DIR")
def test_the_published_features_have_their_counts_and_serve_a_log(tmp_path: Path) -> None:
    folder = Path(os.environ["RLREC_DATA_DIR"]) / "kuairand-features"
    users, videos = load_kuairand_features(folder)
    assert (users.shape, videos.shape) == ((27_285, 30), (7_583, 11))
    for file in folder.glob("*.csv.gz"):
        (tmp_path / file.name).symlink_to(file)
    path = tmp_path / "log_standard_4_08_to_4_21_pure.csv"
    path.write_text("\n".join([HEADER, row(0, 7_582, 0, 0), row(27_284, 0, 0, 0), ""]))
    found = load_kuairand(tmp_path)
    assert found.catalogue.n_items == 7_583 and found.catalogue.n_topics == 47
    assert found.log.column("slate")[:, 0].tolist() == [7_582, 0]
    assert found.catalogue.topic_names[int(found.catalogue.topics[7_582])] in ("11", "67")
