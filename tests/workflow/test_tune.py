"""Searching for settings: by validation users alone, and the budget is told."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from rlrec.errors import ConfigError
from rlrec.workflow.bench.cell import Cell
from rlrec.workflow.bench.command import BenchOrder, cells
from rlrec.workflow.bench.tuning import load_tuning, tune_agent
from rlrec.workflow.bench.tunings import read_tunings, write_tuning
from rlrec.workflow.cli import app
from rlrec.workflow.progress import Silent

pytest.importorskip("optuna")

TEXT = """\
agent: SlatePPO-scratch
task: satisfaction
size: tiny
n_trials: 2
interactions: 256
space:
  learning_rate: {low: 1e-4, high: 1e-2, log: true}
  n_epochs: {low: 1, high: 4}
  clipping: {values: [slot, slate]}
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "tune.yaml"
    path.write_text(TEXT)
    return path


def test_the_best_settings_and_what_they_took_are_told_and_read_by_the_bench(
    config: Path, tmp_path: Path
) -> None:
    shown = CliRunner().invoke(app, ["tune", str(config)])
    assert shown.exit_code == 0, shown.output
    assert "Tuning budget: 2 trials, 768 interactions" in shown.stdout  # with the default settings
    path = config.with_suffix(".tuned.json")
    found = read_tunings([path])["satisfaction", "SlatePPO-scratch"]
    assert len(found["trials"]) == 3
    best = max(found["trials"], key=lambda trial: trial["value"])
    assert (found["settings"], found["validation"]) == (best["settings"], best["value"])
    assert found["trials"][0] == {"settings": {}, "value": found["default_validation"]}
    for trial in found["trials"][1:]:
        told = trial["settings"]
        assert 1e-4 <= told["learning_rate"] <= 1e-2
        assert told["n_epochs"] in (1, 2, 3, 4) and told["clipping"] in ("slot", "slate")
    order = BenchOrder(results=tmp_path, n_seeds=1, agents=("SlatePPO-scratch",), tuned=(path,))
    tuned = [cell for cell in cells(order) if cell.tuning is not None]
    assert [cell.name for cell in tuned] == ["satisfaction, SlatePPO-scratch, seed 0"]
    plain = Cell(task=tuned[0].task, entry=tuned[0].entry, seed=0)
    assert plain.fingerprint != tuned[0].fingerprint


def test_the_same_seed_tries_the_same_settings_and_finds_the_same(config: Path) -> None:
    wanted = load_tuning(config, ["n_trials=1"])
    first, again = (tune_agent(wanted, Silent()) for _ in range(2))
    assert first["trials"] == again["trials"]
    other = tune_agent(load_tuning(config, ["n_trials=1", "seed=5000"]), Silent())
    assert other["trials"][1]["settings"] != first["trials"][1]["settings"]


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("agent=SlatePPO", "no agent is called 'SlatePPO'. Did you mean"),
        ("agent=ALS", "no agent is called 'ALS'"),
        ("task=boredm", "no task is called 'boredm'. Did you mean 'boredom'?"),
        ("n_trials=0", "n_trials must be greater than or equal to 1, got 0"),
        ("seed=0", "seed must be greater than or equal to 1000, got 0"),
        ("space={}", "space must be"),
        ("trials=3", "has no key 'trials'. Did you mean 'n_trials'?"),
        ("space.n_epochs={low: 3, high: 3}", "low must be below high"),
        ("space.n_epochs={low: 3}", "needs low and high, or values"),
        ("space.n_epochs={low: 0, high: 3, log: true}", "log needs a low above 0"),
    ],
)
def test_a_wrong_configuration_is_refused_in_one_line(
    override: str, message: str, config: Path
) -> None:
    failed = CliRunner().invoke(app, ["tune", str(config), "--set", override])
    assert failed.exit_code == 2, failed.output
    assert message in failed.stderr and failed.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("space.learning_rate={low: -1.0, high: 1.0}", "learning_rate of SlatePPO must be above 0"),
        ("space.epochs={low: 1, high: 2}", "SlatePPO has no setting 'epochs'. Did you mean"),
    ],
)
def test_a_space_that_holds_wrong_settings_is_refused_before_anything_is_run(
    override: str, message: str, config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*unused: object) -> None:
        raise AssertionError("something was run")

    monkeypatch.setattr("rlrec.workflow.bench.tuning.train", never)
    with pytest.raises(ConfigError, match=message):
        tune_agent(load_tuning(config, [override]), Silent())


GOOD: dict[str, Any] = {
    "agent": "SlateQ-scratch",
    "task": "drift",
    "settings": {"hidden": 64},
    "n_trials": 5,
    "interactions": 10,
    "updates": 1,
    "cpu_seconds": 1.0,
}


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"agent": "SlateX"}, "no agent is called 'SlateX'"),
        ({"task": "drft"}, "no task is called 'drft'. Did you mean 'drift'?"),
        ({"settings": 3}, "is damaged"),
        ({"version": 9}, "must be a file of rlrec tune"),
    ],
)
def test_a_foreign_or_damaged_file_is_refused(
    changed: dict[str, Any], message: str, tmp_path: Path
) -> None:
    path = tmp_path / "tuned.json"
    write_tuning(path, GOOD)
    assert read_tunings([path])["drift", "SlateQ-scratch"]["settings"] == {"hidden": 64}
    path.write_text(json.dumps({**json.loads(path.read_text()), **changed}))
    with pytest.raises(ConfigError, match=message):
        read_tunings([path])


def test_two_tunings_of_the_same_agent_and_task_are_refused(tmp_path: Path) -> None:
    paths = [tmp_path / "a.json", tmp_path / "b.json"]
    for path in paths:
        write_tuning(path, GOOD)
    with pytest.raises(ConfigError, match="is tuned by an earlier file already"):
        read_tunings(paths)
