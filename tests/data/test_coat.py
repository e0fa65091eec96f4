"""The Coat set in its published layout; all ratings here but the last test's are made up."""

import gzip
import logging
import os
from pathlib import Path

import numpy as np
import pytest

from rlrec.data import load_coat
from rlrec.errors import ConfigError, DataError

FILES = {
    "train.ascii": "0 5 3\n4 0 0\n",
    "test.ascii": "1 2 0\n0 0 2\n",
    "propensities.ascii": "0.1 0.5 0.25\n0.5 0.2 1.0\n",
    "user_item_features/user_features.ascii": "1 0\n0 1\n",
    "user_item_features/user_features_map.txt": "gender:men\ngender:women\n",
    "user_item_features/item_features.ascii": "1 1 0\n0 0 1\n1 0 1\n",
    "user_item_features/item_features_map.txt": "gender:men\njackettype:rain\njackettype:pea\n",
}


def write(folder: Path, **changed: str) -> Path:
    (folder / "user_item_features").mkdir()
    for name, text in (FILES | changed).items():
        (folder / name).write_text(text)
    return folder


def test_both_kinds_of_ratings_are_read(tmp_path: Path) -> None:
    coat = load_coat(write(tmp_path))
    assert coat.chosen.values.tolist() == [5, 3, 4]
    assert coat.random.matrix().toarray().tolist() == [[1, 2, 0], [0, 0, 2]]
    assert coat.propensities is not None and coat.propensities[1].tolist() == [0.5, 0.2, 1.0]
    assert coat.chosen.catalogue.topic_names == ("rain", "pea")
    assert coat.chosen.catalogue.topics.tolist() == [0, 1, 1]
    assert coat.user_feature_names == ("gender:men", "gender:women")


def test_random_ratings_are_rounds_with_a_known_propensity(tmp_path: Path) -> None:
    log = load_coat(write(tmp_path)).rounds()
    assert log.column("user_id").tolist() == [0, 0, 1]
    assert log.column("slate")[:, 0].tolist() == [0, 1, 2]
    assert np.exp(log.column("log_propensity")) == pytest.approx(1 / 3)
    assert log.column("user").tolist() == [[1, 0], [1, 0], [0, 1]]


def test_chosen_ratings_are_rounds_without_propensities(tmp_path: Path) -> None:
    coat = load_coat(write(tmp_path))
    assert not coat.rounds("chosen").has("log_propensity")
    with pytest.raises(ConfigError, match="'random' or 'chosen'"):
        coat.rounds("train")  # type: ignore[arg-type]


def test_propensities_may_be_packed_or_missing(tmp_path: Path) -> None:
    folder = write(tmp_path)
    text = (folder / "propensities.ascii").read_bytes()
    (folder / "propensities.ascii").unlink()
    assert load_coat(folder).propensities is None
    (folder / "propensities.ascii.gz").write_bytes(gzip.compress(text))
    assert load_coat(folder).propensities is not None


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("train.ascii", "0 5 3\n4 6 0\n", r"train.ascii, line 2, column 2: expected 0 or 1 to 5"),
        ("train.ascii", "0 5 3\n4 0\n", "line 2: expected 3 numbers"),
        ("train.ascii", "0 x 3\n4 0 1\n", "line 1: expected numbers"),
        ("test.ascii", "0 0 0\n0 0 0\n", r"test\.ascii: expected one rating or more, found only 0"),
        (
            "user_item_features/user_features.ascii",
            "1 0\n7 1\n",
            r"user_features\.ascii, line 2, column 1: expected 0 or 1, found 7",
        ),
        ("test.ascii", "1 2 0\n", "expected 2 lines of 3 numbers, found 1 of 3"),
        ("propensities.ascii", "0 1 1\n1 1 1\n", "line 1, column 1: expected a probability"),
    ],
)
def test_a_wrong_number_is_named(tmp_path: Path, name: str, text: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        load_coat(write(tmp_path, **{name: text}))


def test_a_folder_is_a_path() -> None:
    with pytest.raises(ConfigError, match="folder must be a path, got None"):
        load_coat(None)  # type: ignore[arg-type]


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    folder = write(tmp_path)
    (folder / "test.ascii").unlink()
    with pytest.raises(DataError, match=r"expected 'test\.ascii'"):
        load_coat(folder)


def test_what_was_found_and_the_terms_are_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        load_coat(write(tmp_path))
    assert "3 ratings by 2 users" in caplog.text and "do not pass rows on" in caplog.text


@pytest.mark.skipif("RLREC_DATA_DIR" not in os.environ, reason="needs RLREC_DATA_DIR")
def test_the_published_set_has_its_counts() -> None:
    coat = load_coat(Path(os.environ["RLREC_DATA_DIR"]) / "coat")
    assert (len(coat.chosen), len(coat.random)) == (6_960, 4_640)
    assert coat.chosen.values.mean() == pytest.approx(2.611, abs=5e-4)
    assert coat.random.values.mean() == pytest.approx(2.229, abs=5e-4)
    assert np.bincount(coat.random.user_index).tolist() == [16] * 290
