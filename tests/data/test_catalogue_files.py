"""A catalogue beside a log: read as it was written, and refused where it is damaged."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rlrec.data import Catalogue, InteractionLog, read_catalogue, write_catalogue
from rlrec.data.catalogue_files import CATALOGUE_FILE
from rlrec.envs import make_simulator
from rlrec.errors import DataError
from rlrec.policy import RandomPolicy


@pytest.mark.parametrize("ids", [np.arange(10, 13), np.array(["a", "bé", "c"])], ids=["int", "str"])
@pytest.mark.parametrize("n_features", [0, 2])
@pytest.mark.parametrize("titles", [(), ("One", "Two | 2", "")])
def test_what_is_written_is_read(
    ids: Any, n_features: int, titles: tuple[str, ...], tmp_path: Path
) -> None:
    catalogue = Catalogue(
        item_ids=ids,
        topics=np.array([1, 0, 1]),
        features=np.arange(3 * n_features, dtype=np.float32).reshape(3, n_features),
        topic_names=("x", "ÿ"),
        titles=titles,
    )
    write_catalogue(tmp_path, catalogue)
    found = read_catalogue(tmp_path)
    assert found.fingerprint == catalogue.fingerprint
    np.testing.assert_array_equal(found.item_ids, ids)
    assert (found.topic_names, found.titles) == (catalogue.topic_names, titles)


def test_a_recorded_log_brings_its_catalogue(tmp_path: Path) -> None:
    users = make_simulator("rlrec/TopicBoredom-v0", 4, n_items=20, slate_size=3)
    for _ in range(2):  # also where it replaces an older one
        log = InteractionLog.record(
            RandomPolicy(20, 3), users, 40, path=tmp_path / "log", seed=0, overwrite=True
        )
    assert users.catalogue is not None
    found = read_catalogue(tmp_path / "log")
    assert found.fingerprint == users.catalogue.fingerprint
    assert len(InteractionLog.open(tmp_path / "log", found)) == len(log) == 40


def test_a_folder_without_one_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"holds no catalogue\.parquet: record or load"):
        read_catalogue(tmp_path)


def test_a_damaged_one_is_refused(tmp_path: Path) -> None:
    path = write_catalogue(tmp_path, Catalogue.of_ids(np.arange(5)))
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(DataError, match=f"{CATALOGUE_FILE}: expected a catalogue"):
        read_catalogue(tmp_path)
