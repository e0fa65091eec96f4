import io
import json
import runpy
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from rlrec.errors import DataError, RunFolderError
from rlrec.workflow.config import RunConfig
from rlrec.workflow.progress import PlainLines
from rlrec.workflow.run_folder import RunFolder
from rlrec.workflow.runner import Stage, StageContext, ready_for_json, run_stages, stage_seed

SCRIPT = Path(__file__).with_name("fake_stages.py")
FAKE = runpy.run_path(str(SCRIPT))
STAGES: Mapping[str, Stage] = FAKE["STAGES"]


def stage_files(folder: RunFolder) -> dict[str, bytes]:
    """Return what stages left behind, apart from wall times."""
    root = folder.path / "stages"
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_file() and path.name != "timing.json"
    }


@pytest.mark.parametrize("moment", FAKE["MOMENTS"])
@pytest.mark.parametrize("stage", ["first", "second", "third"])
def test_a_killed_run_resumes_to_the_results_of_an_undisturbed_one(
    config: RunConfig, tmp_path: Path, stage: str, moment: str
) -> None:
    undisturbed = RunFolder.create(config, tmp_path / "undisturbed")
    expected = run_stages(undisturbed, STAGES)
    folder = RunFolder.create(config, tmp_path / "killed")
    killed = subprocess.run([sys.executable, str(SCRIPT), str(folder.path), stage, moment])
    assert killed.returncode == -signal.SIGKILL
    names = list(STAGES)
    n_done = names.index(stage) + (moment == "renamed")
    assert [folder.is_done(name) for name in names] == [n < n_done for n in range(3)]
    assert run_stages(RunFolder.open(folder.path), STAGES) == expected
    assert stage_files(folder) == stage_files(undisturbed)
    assert not list((folder.path / "stages").glob("*.partial"))


def test_finished_stages_are_not_run_again(config: RunConfig, tmp_path: Path) -> None:
    folder = RunFolder.create(config, tmp_path / "run")
    calls: list[str] = []

    def count(context: StageContext) -> dict[str, object]:
        calls.append(context.name)
        return {"calls": len(calls)}

    run_stages(folder, {"first": count})
    assert run_stages(folder, {"first": count, "second": count})["first"] == {"calls": 1}
    assert calls == ["first", "second"]


def test_a_stage_that_fails_leaves_no_results(config: RunConfig, tmp_path: Path) -> None:
    folder = RunFolder.create(config, tmp_path / "run")

    def fail(context: StageContext) -> dict[str, object]:
        (context.path / "half.txt").write_text("half")
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        run_stages(folder, {"first": fail})
    assert not folder.is_done("first")
    assert run_stages(folder, {"first": lambda context: {"fine": True}})["first"] == {"fine": True}
    assert not (folder.stage_path("first") / "half.txt").exists()


def test_a_new_run_whose_first_stage_refuses_its_input_is_discarded(
    config: RunConfig, tmp_path: Path
) -> None:
    def refuse(context: StageContext) -> dict[str, object]:
        raise DataError("no such ratings")

    for discarded in (True, False):
        folder = RunFolder.create(config, tmp_path / "run")
        with pytest.raises(DataError):
            run_stages(folder, {"first": refuse}, discard_refused=discarded)
        assert folder.path.exists() is not discarded


def test_a_run_in_use_by_another_process_is_never_discarded(
    config: RunConfig, tmp_path: Path
) -> None:
    folder = RunFolder.create(config, tmp_path / "run")
    refusal = pytest.raises(RunFolderError, match="in use")
    with RunFolder.open(folder.path).locked(), refusal:
        run_stages(folder, STAGES, discard_refused=True)
    assert run_stages(RunFolder.open(folder.path), STAGES).keys() == STAGES.keys()


def test_going_on_with_other_code_is_told(config: RunConfig, tmp_path: Path) -> None:
    folder = RunFolder.create(config, tmp_path / "run")
    told = io.StringIO()
    run_stages(folder, {"data": STAGES["first"]}, PlainLines(told))
    timing = folder.stage_path("data") / "timing.json"
    timing.write_text(json.dumps({"wall_seconds": 1.0, "commit": "abc"}))
    run_stages(folder, {"data": STAGES["first"], "log": STAGES["first"]}, PlainLines(told))
    assert "Warning: the stage data was made with other code (commit abc before" in told.getvalue()
    assert told.getvalue().count("Warning") == 1
    run_stages(folder, {"data": STAGES["first"], "log": STAGES["first"]}, PlainLines(told))
    assert told.getvalue().count("Warning") == 1  # nothing was left to do


def test_stages_have_seeds_of_their_own_that_follow_from_the_run() -> None:
    seeds = {stage_seed(seed, stage) for seed in range(20) for stage in ("log", "pretrain")}
    assert len(seeds) == 40
    assert stage_seed(1, "log") == stage_seed(1, "log")
    assert all(0 <= seed < 2**31 for seed in seeds)


def test_results_become_plain_values() -> None:
    import numpy as np

    results = {"a": np.float32(0.5), "b": np.array([1, 2]), "c": (float("nan"), np.inf), 3: True}
    assert ready_for_json(results) == {"a": 0.5, "b": [1, 2], "c": [None, None], "3": True}


def test_checkpoints_of_a_stage_go_when_it_is_done(config: RunConfig, tmp_path: Path) -> None:
    folder = RunFolder.create(config, tmp_path / "run")

    def keep(context: StageContext) -> dict[str, object]:
        context.checkpoint_path.mkdir(parents=True)
        return {}

    run_stages(folder, {"first": keep})
    assert not (folder.path / "checkpoints" / "first").exists()
