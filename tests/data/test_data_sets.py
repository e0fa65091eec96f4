"""The data sets there are loaders for; all rows here are made up."""

from pathlib import Path

import pytest

import rlrec.data
from rlrec.data import InteractionLog
from rlrec.data.data_sets import DATA_SETS, find_data_set
from rlrec.data.loading import FORMATS
from rlrec.errors import ConfigError, DataError, UnknownNameError
from tests.data import test_coat, test_kuairand, test_kuairec

EVENTS = "2 5\n1 4\n2 4\n"


def test_every_loader_is_listed() -> None:
    names = {entry.name.replace("-", "_") for entry in DATA_SETS}
    loaders = {name.removeprefix("load_") for name in rlrec.data.__all__ if name.startswith("load")}
    assert names == (loaders - {"ratings", "kuairand_features"}) | {"minari"}
    assert set(FORMATS) <= names


@pytest.mark.parametrize("entry", DATA_SETS, ids=lambda entry: entry.name)
def test_each_says_what_it_is(entry: object) -> None:
    for field in ("title", "files", "becomes", "source", "terms"):
        assert len(getattr(entry, field)) > 4, field


def test_ratings_become_a_log_in_memory_or_on_disk(tmp_path: Path) -> None:
    path = tmp_path / "events.txt"
    path.write_text(EVENTS)
    entry = find_data_set("sequences")
    assert entry.open(path, {}).log.column("user_id").tolist() == [1, 2, 2]
    opened = entry.open(path, {"expect": [3, 2, 2]}, tmp_path / "log")
    assert len(InteractionLog.open(tmp_path / "log", opened.catalogue)) == 3
    with pytest.raises(DataError, match="exists already"):
        entry.open(path, {}, tmp_path / "log")


def test_a_part_can_be_asked_for(tmp_path: Path) -> None:
    folder = test_coat.write(tmp_path)
    coat = find_data_set("coat")
    assert coat.open(folder, {}).log.has("log_propensity")
    assert not coat.open(folder, {"part": "chosen"}).log.has("log_propensity")


@pytest.mark.parametrize(
    ("name", "module"), [("kuairec", test_kuairec), ("kuairand", test_kuairand)]
)
def test_what_streams_writes_its_log_itself(tmp_path: Path, name: str, module: object) -> None:
    (tmp_path / "set").mkdir()
    folder = module.write(tmp_path / "set")  # type: ignore[attr-defined]
    opened = find_data_set(name).open(folder, {"visit_gap_minutes": None}, tmp_path / "log")
    assert opened.log.name == str(tmp_path / "log")
    assert len(opened.log) == 3


def test_wrong_names_are_told() -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'kuairec'"):
        find_data_set("kuairek")
    with pytest.raises(
        ConfigError, match=r"kuairand takes no argument 'pats'\. Did you mean 'part'"
    ):
        find_data_set("kuairand").open("x", {"pats": 1})
    with pytest.raises(ConfigError, match="kuairec takes no argument 'path'"):
        find_data_set("kuairec").open("x", {"path": "y"})
    with pytest.raises(ConfigError, match="table needs the argument 'user'"):
        find_data_set("table").open("x", {})
