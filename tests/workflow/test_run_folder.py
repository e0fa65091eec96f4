import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from rlrec.errors import ConfigError, RunFolderError
from rlrec.workflow.config import RunConfig
from rlrec.workflow.run_folder import SCHEMA_VERSION, RunFolder, check_writable, write_file
from rlrec.workflow.versions import running_code


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


@pytest.mark.parametrize(
    ("card", "words"),
    [
        ('{"schema_version": 99}', r"schema version 99.*\(unknown\)"),
        ('{"schema_version": 99, "versions": 5}', r"schema version 99.*\(unknown\)"),
        ('{"schema_version": 1}', r"damaged: it lacks \['versions', 'seeds'\]"),
    ],
)
def test_a_card_that_lacks_keys_is_refused(folder: RunFolder, card: str, words: str) -> None:
    (folder.path / "run.json").write_text(card)
    with pytest.raises(RunFolderError, match=words):
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


def test_a_folder_taken_by_another_run_in_between_is_refused(
    config: RunConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "run" / "stages").mkdir(parents=True)
    with monkeypatch.context() as patch:
        patch.setattr(Path, "iterdir", lambda path: iter(()))  # it was empty when looked at
        with pytest.raises(RunFolderError, match="must be a new or empty folder"):
            RunFolder.create(config, tmp_path / "run")
    assert not (tmp_path / "run" / "run.json").exists()


def test_discarding_a_run_keeps_what_is_not_its_own(config: RunConfig, tmp_path: Path) -> None:
    RunFolder.create(config, tmp_path / "new").discard()
    assert not (tmp_path / "new").exists()
    (tmp_path / "given").mkdir()
    RunFolder.create(config, tmp_path / "given").discard()
    assert os.listdir(tmp_path / "given") == []
    folder = RunFolder.create(config, tmp_path / "shared")
    (folder.path / "precious.txt").write_text("mine")
    folder.discard()
    assert os.listdir(folder.path) == ["precious.txt"]


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
    assert folder.code_of("log")["versions"] == running_code()["versions"]


def test_stages_that_other_code_made_are_told(folder: RunFolder) -> None:
    for name in ("data", "log"):
        folder.begin(name)
        folder.finish(name, {}, seconds=0.0)
    assert folder.foreign_stages() == {}
    timing = folder.stage_path("log") / "timing.json"
    other = {**running_code(), "commit": "abc"}
    other["versions"] = {**running_code()["versions"], "numpy": "0.1"}
    timing.write_text(json.dumps({"wall_seconds": 1, **other}))
    ((name, lines),) = folder.foreign_stages().items()
    assert name == "log"
    assert lines[0].startswith("commit abc before")
    assert lines[1].startswith("numpy 0.1 before")


def test_results_without_a_needed_key_are_refused(folder: RunFolder) -> None:
    folder.begin("log")
    folder.finish("log", {}, seconds=1.0)
    with pytest.raises(RunFolderError, match=r"done\.json is damaged: it lacks \['n_rows'\]"):
        folder.results("log", ("n_rows",))


def test_a_file_that_cannot_be_written_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(OSError):
        write_file(tmp_path / "folder", "text")
    assert os.listdir(tmp_path) == ["folder"]
    for path in (tmp_path / "folder", tmp_path / "nowhere" / "file"):
        with pytest.raises(ConfigError, match=str(path)):
            check_writable(path)
    check_writable(tmp_path / "file")
