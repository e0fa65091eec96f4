import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from rlrec.errors import RunFolderError
from rlrec.workflow.config import RunConfig
from rlrec.workflow.run_folder import SCHEMA_VERSION, RunFolder


@pytest.fixture
def folder(config: RunConfig, tmp_path: Path) -> RunFolder:
    return RunFolder.create(config, tmp_path / "run", "rlrec run small.yaml", {"log": 7})


def test_a_run_folder_tells_what_it_was_made_with(folder: RunFolder) -> None:
    card = json.loads((folder.path / "run.json").read_text())
    assert card["schema_version"] == SCHEMA_VERSION
    assert card["command"] == "rlrec run small.yaml"
    assert card["seeds"] == {"log": 7}
    assert {"rlrec", "numpy", "torch", "stable-baselines3", "gymnasium", "pandas", "python"} <= set(
        card["versions"]
    )
    assert card["versions"]["numpy"] != "unknown"


def test_an_opened_folder_has_the_configuration_it_was_made_with(
    folder: RunFolder, config: RunConfig
) -> None:
    assert RunFolder.open(folder.path).config == config
    assert RunFolder.open(folder.path, config).config == config


def test_a_folder_of_another_schema_version_is_refused(folder: RunFolder) -> None:
    card = folder.path / "run.json"
    card.write_text(json.dumps(json.loads(card.read_text()) | {"schema_version": 99}))
    with pytest.raises(RunFolderError, match=r"schema version 99, this rlrec reads version 1"):
        RunFolder.open(folder.path)


def test_a_changed_configuration_is_refused_with_what_differs(
    folder: RunFolder, config: RunConfig
) -> None:
    with pytest.raises(RunFolderError, match="seed: 3 before, 4 now"):
        RunFolder.open(folder.path, config.model_copy(update={"seed": 4}))


def test_a_folder_that_is_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RunFolderError, match=r"not a run folder: it has no run\.json"):
        RunFolder.open(tmp_path)


@pytest.mark.parametrize(
    ("content", "words"),
    [("{", "damaged, not readable as JSON"), ("[]", "must hold a JSON object")],
)
def test_a_damaged_card_is_refused(folder: RunFolder, content: str, words: str) -> None:
    (folder.path / "run.json").write_text(content)
    with pytest.raises(RunFolderError, match=words):
        RunFolder.open(folder.path)


@pytest.mark.parametrize("damage", ["", "name: [", "nmae: small\n"])
def test_a_damaged_configuration_is_refused(folder: RunFolder, damage: str) -> None:
    (folder.path / "config.yaml").write_text(damage)
    with pytest.raises(RunFolderError, match="the configuration in the run folder is damaged"):
        RunFolder.open(folder.path)


def test_a_folder_with_something_in_it_is_not_taken(config: RunConfig, tmp_path: Path) -> None:
    (tmp_path / "precious.txt").write_text("mine")
    with pytest.raises(RunFolderError, match="must be a new or empty folder"):
        RunFolder.create(config, tmp_path)
    assert os.listdir(tmp_path) == ["precious.txt"]


def test_runs_that_start_in_the_same_second_get_folders_of_their_own(
    config: RunConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    paths = {RunFolder.create(config).path for _ in range(3)}
    assert len(paths) == 3
    assert all(path.parent == Path("runs/small") for path in paths)


def test_two_processes_do_not_share_a_folder(folder: RunFolder) -> None:
    other = RunFolder.open(folder.path)
    refusal = pytest.raises(RunFolderError, match=f"in use by the process with id {os.getpid()}")
    with folder.locked(), refusal, other.locked():
        pass
    with other.locked():
        assert (folder.path / "lock").read_text() == f"{os.getpid()}\n"


def test_the_lock_of_a_killed_process_is_taken_over(folder: RunFolder) -> None:
    program = (
        "import os, signal, sys\n"
        "from rlrec.workflow.run_folder import RunFolder\n"
        "with RunFolder.open(sys.argv[1]).locked():\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run([sys.executable, "-c", program, str(folder.path)])
    assert done.returncode == -9
    assert (folder.path / "lock").read_text().strip().isdigit()
    with folder.locked():
        pass


def test_results_of_an_unfinished_stage_are_refused(folder: RunFolder) -> None:
    (folder.begin("log") / "done.json").write_text("{}")
    with pytest.raises(RunFolderError, match="has no finished stage 'log'"):
        folder.results("log")


def test_wall_times_are_kept_apart_from_results(folder: RunFolder) -> None:
    folder.begin("log")
    folder.finish("log", {"n_rows": 5}, seconds=1.25)
    assert folder.results("log") == {"n_rows": 5}
    assert folder.seconds("log") == 1.25
