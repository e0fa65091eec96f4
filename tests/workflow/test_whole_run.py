import csv
import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner

from rlrec.workflow.cli import app
from rlrec.workflow.run_folder import STAGE_NAMES
from rlrec.workflow.stages import STAGES

RUNNER = CliRunner()
TINY = """
name: tiny
seed: 1
environment:
  id: rlrec/InterestEvolution-v0
  arguments: {n_items: 40, slate_size: 3}
logging:
  n_steps: 2000
  n_users: 50
  n_bootstrap_steps: 1000
  baseline: {name: popularity}
baselines:
  - {name: popularity}
  - {name: als, settings: {factors: 4}}
agent:
  settings: {hidden: 16, item_size: 8, batch_size: 32, learning_starts: 100}
pretraining: {n_updates: 100}
finetuning: {n_steps: 600, n_users: 20, evaluate_every: 200, n_validation_users: 10}
evaluation: {n_users: 20, n_reference_users: 20}
"""


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("config") / "tiny.yaml"
    path.write_text(TINY)
    return path


@pytest.fixture(scope="module")
def undisturbed(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a whole run."""
    output = tmp_path_factory.mktemp("undisturbed") / "run"
    done = RUNNER.invoke(app, ["run", str(tiny), "--output", str(output)])
    assert done.exit_code == 0, done.output
    assert "return per user" in done.stdout
    return output


def test_the_stages_have_the_names_that_folders_and_reports_use() -> None:
    assert tuple(STAGES) == STAGE_NAMES


@pytest.mark.slow
def test_a_run_ends_in_a_report_and_can_be_judged_again(undisturbed: Path) -> None:
    output = undisturbed
    html = (output / "report.html").read_text()
    for title in ("Random slates", "als", "SlateQ, fine-tuned", "Planning reference"):
        assert title in html
    results = json.loads((output / "results.json").read_text())
    assert tuple(results) == STAGE_NAMES
    assert results["evaluate"]["policies"]["Random slates"]["score"] == 0
    assert results["evaluate"]["policies"]["Planning reference"]["score"] == 1
    with open(output / "stages" / "finetune" / "learning_curve.csv") as file:
        assert [row["interactions"] for row in csv.DictReader(file)] == ["0", "200", "400", "600"]

    (output / "report.html").unlink()
    assert RUNNER.invoke(app, ["report", str(output)]).exit_code == 0
    assert (output / "report.html").read_text() == html
    judged = output.parent / "judged.json"
    words = ["evaluate", str(output), "--users", "5", "--seed", "77", "--out", str(judged)]
    again = RUNNER.invoke(app, words)
    assert again.exit_code == 0, again.output
    assert json.loads(judged.read_text())
    assert "SlateQ, fine-tuned" in again.stdout
    agent = str(output / "stages" / "finetune" / "agent")
    words = ["--env", "rlrec/InterestEvolution-v0", "--arg", "n_items=40", "--arg", "slate_size=3"]
    alone = RUNNER.invoke(app, ["evaluate", agent, *words, "--users", "5"])
    assert alone.exit_code == 0, alone.output


def killed_when_there_is(awaited: Path, command: list[str]) -> None:
    """Run a command and kill it as soon as a path exists."""
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        while not awaited.exists():
            assert process.poll() is None, process.communicate()
            time.sleep(0.002)
        process.send_signal(signal.SIGKILL)
        process.communicate()


@pytest.mark.slow
@pytest.mark.parametrize(
    "moments",
    [
        ["stages/log.partial"],
        ["stages/pretrain.partial"],
        ["checkpoints/finetune/0", "checkpoints/finetune/1"],  # within fine-tuning, twice
        ["stages/log.partial", "checkpoints/finetune/0", "stages/evaluate.partial"],
    ],
)
def test_a_run_killed_within_stages_resumes_to_the_same_results(
    tiny: Path, undisturbed: Path, tmp_path: Path, moments: list[str]
) -> None:
    killed = tmp_path / "killed"
    command = [sys.executable, "-m", "rlrec.workflow.cli", "run"]
    arguments = [str(tiny), "--output", str(killed)]
    for moment in moments:
        killed_when_there_is(killed / moment, [*command, *arguments])
        assert (killed / moment).exists()
        arguments = ["--resume", str(killed)]
    resumed = RUNNER.invoke(app, ["run", *arguments])
    assert resumed.exit_code == 0, resumed.output
    assert (killed / "results.json").read_bytes() == (undisturbed / "results.json").read_bytes()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("run.json", '{"schema_version": 1}'),
        ("stages/environment/done.json", '{"n_choices": 1, "slate_size": 1, "card": [{}]}'),
        ("stages/finetune/done.json", "{}"),
        ("stages/finetune/done.json", '{"curve": [], "best_interactions": 0}'),
        ("stages/finetune/done.json", '{"curve": [5], "best_interactions": 0}'),
        ("stages/log/done.json", "[]"),
        ("stages/evaluate/rollouts.json", "{}"),
    ],
)
def test_the_report_of_a_damaged_run_is_refused_in_one_line(
    undisturbed: Path, tmp_path: Path, file: str, content: str
) -> None:
    shutil.copytree(undisturbed, tmp_path / "run")
    (tmp_path / "run" / file).write_text(content)
    refused = RUNNER.invoke(app, ["report", str(tmp_path / "run")])
    assert refused.exit_code == 2
    assert refused.stderr.startswith("rlrec: ") and refused.stderr.count("\n") == 1


@pytest.mark.slow
def test_resuming_with_another_configuration_is_refused(tiny: Path, undisturbed: Path) -> None:
    output = undisturbed
    same = RUNNER.invoke(app, ["run", str(tiny), "--resume", str(output)])
    assert same.exit_code == 0
    for words in ([str(tiny), "--set", "seed=2"], ["--set", "seed=2"]):
        refused = RUNNER.invoke(app, ["run", *words, "--resume", str(output)])
        assert refused.exit_code == 2
        assert "made with another configuration (seed: 1 before, 2 now)" in refused.stderr


@pytest.mark.slow
def test_a_run_names_the_logging_policy_of_its_own_log(undisturbed: Path) -> None:
    log = str(undisturbed / "stages" / "log" / "log")
    words = ["ope", "--log", log, "--policy", "random", "--estimator", "sntis"]
    words += ["--logging-policy", str(undisturbed)]
    done = RUNNER.invoke(app, words)
    assert done.exit_code == 0, done.output
    assert "sntis" in done.stdout
    twice = RUNNER.invoke(app, [*words, "--logging-random-share", "0.1"])
    assert twice.exit_code != 0
    assert "knows its own share" in " ".join(twice.output.split())


@pytest.mark.slow
def test_an_on_policy_agent_killed_while_it_learns_goes_on_to_the_same_results(
    tiny: Path, tmp_path: Path
) -> None:
    settings = ["agent.name=SlatePPO", "agent.settings={hidden: 16, n_transitions: 200}"]
    chosen = [word for setting in settings for word in ("--set", setting)]
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    done = RUNNER.invoke(app, ["run", str(tiny), *chosen, "--output", str(whole)])
    assert done.exit_code == 0, done.output
    assert "SlatePPO, fine-tuned" in (whole / "report.html").read_text()
    command = [sys.executable, "-m", "rlrec.workflow.cli", "run", str(tiny), *chosen]
    killed_when_there_is(killed / "checkpoints/finetune/1", [*command, "--output", str(killed)])
    resumed = RUNNER.invoke(app, ["run", "--resume", str(killed)])
    assert resumed.exit_code == 0, resumed.output
    assert (killed / "results.json").read_bytes() == (whole / "results.json").read_bytes()
