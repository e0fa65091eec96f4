import ast
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from rlrec.workflow.cli import app

RUNNER = CliRunner()
HEAVY = ("torch", "stable_baselines3", "matplotlib", "implicit", "scipy", "pandas")


def heavy_imports(*words: str) -> str:
    """Return which heavy packages `rlrec WORDS` imports."""
    program = (
        "import sys\n"
        "from rlrec.workflow.cli import main\n"
        f"sys.argv = ['rlrec', *{words!r}]\n"
        "try:\n"
        "    main()\n"
        "except SystemExit as stop:\n"
        "    assert not stop.code, stop.code\n"
        f"print('HEAVY', [name for name in {HEAVY!r} if name in sys.modules])\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.rsplit("HEAVY ", 1)[1].strip()


@pytest.mark.parametrize(
    "words", [["--help"], ["run", "--help"], ["data", "--help"], ["--version"]]
)
def test_help_and_version_import_nothing_heavy(words: list[str]) -> None:
    assert heavy_imports(*words) == "[]"


def test_listing_data_sets_imports_nothing_that_learns() -> None:
    assert not {"torch", "stable_baselines3"} & set(ast.literal_eval(heavy_imports("data")))


def test_heavy_imports_are_seen_where_there_are_some() -> None:
    assert "scipy" in heavy_imports("envs")


def test_environments_are_listed_with_floor_and_reference() -> None:
    shown = RUNNER.invoke(app, ["envs"])
    assert shown.exit_code == 0
    assert "rlrec/InterestEvolution-v0" in shown.output
    assert "random slates" in shown.output
    assert "    cascade_form        exponential, proportional\n" in shown.output
    assert "TopK-Uncertain" in shown.output


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["run"], "rlrec run needs a configuration file, or --resume DIR"),
        (["run", "nowhere.yaml"], "no such file or folder: nowhere.yaml"),
        (["run", "--resume", "nowhere"], "nowhere is not a run folder: it has no run.json"),
        (["run", "--resume", "nowhere", "--output", "x"], "leave --output out"),
        (["report", "nowhere"], "nowhere is not a run folder"),
        (["evaluate", "nowhere"], "nowhere: not one run folder; saved models need --env"),
        (["evaluate", "nowhere", "--env", "rlrec/InterestEvolution-v0"], "nowhere"),
        (
            ["log", "--env", "rlrec/InterestEvolution-v0", "--policy", "asl", "--out", "x"],
            "no policy is called 'asl'. Did you mean 'als'?",
        ),
        (
            ["evaluate", "nowhere", "--env", "rlrec/InterestEvolution-v0", "--out", "no/x.json"],
            "no/x.json cannot be written: there is no folder no",
        ),
        (["log", "--env", "rlrec/Nothing-v0", "--out", "x"], "no environment is called"),
        (
            ["log", "--env", "rlrec/InterestEvolution-v0", "--arg", "n_itms=5", "--out", "x"],
            "has no argument 'n_itms'. Did you mean 'n_items'?",
        ),
        (["log", "--env", "e", "--arg", "n_items", "--out", "x"], "--arg takes key=value"),
    ],
)
def test_errors_are_one_line_and_exit_code_2(
    words: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    failed = RUNNER.invoke(app, words)
    assert failed.exit_code == 2
    assert message in failed.stderr
    assert failed.stderr.count("\n") == 1 and failed.stderr.startswith("rlrec: ")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("override", "message"),
    [
        (
            "agent.settings.discuont=0.9",
            "SlateQ has no setting 'discuont'. Did you mean 'discount'",
        ),
        ("agent.settings.discount=2", "discount of SlateQ must lie in 0..1, got 2"),
        ("baselines.0.name=asl", "no baseline is called 'asl'. Did you mean 'als'?"),
        ("baselines.0.settings.factrs=3", "factrs"),
        ("environment.id=rlrec/InterestEvolution-v1", "no environment is called"),
        ("environment.arguments.n_itms=3", "has no argument 'n_itms'. Did you mean 'n_items'?"),
        ("environment.evaluation.n_itms=3", "has no argument 'n_itms'. Did you mean 'n_items'?"),
        ("logging.baseline.name=asl", "no baseline is called 'asl'. Did you mean 'als'?"),
        ("baselines.0.settings.slate_size=3", "'als' has slate_size 3, but the environment has"),
        ("logging.baseline={name: ease, settings: {slate_size: 3}}", "'ease' has slate_size 3"),
        ("environment.evaluation.slate_size=3", "need one slate size, got"),
        ("environment.arguments={}", "have no identity: leave the baselines out"),
        (
            "data={path: ., columns: {user: u}}",
            "data.columns: load_table needs the argument 'item'",
        ),
        ("data={path: ., columns: {expext: 1}}", "takes no 'expext'. Did you mean 'expect'?"),
        ("data={path: ., columns: {expect: 1}}", "data.columns: expect must be three"),
        ("data={path: ., users: {factor: 3}}", "no setting 'factor'. Did you mean 'factors'?"),
        ("data={path: ., users: {progress: 3}}", "fit_users has no setting 'progress'"),
        ("data={path: ., users: {factors: 0}}", "data.users: factors must be a whole number"),
        ("data={path: ., users: {shares: [1]}}", "data.users: shares must be 3 numbers"),
        ("data.path=nowhere", "data.path: there is no file or folder 'nowhere'"),
    ],
)
def test_what_a_component_would_refuse_is_refused_before_anything_is_written(
    override: str,
    message: str,
    config_file: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    failed = RUNNER.invoke(app, ["run", str(config_file), "--set", override])
    assert failed.exit_code == 2, failed.output
    assert message in failed.stderr
    assert not (tmp_path / "runs").exists()


def test_item_factors_of_a_baseline_without_them_are_refused(
    config_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    words = ["--set", "baselines=[{name: ease}]", "--set", "agent.item_factors=ease"]
    words += ["--set", "environment.arguments.n_items=50"]
    failed = RUNNER.invoke(app, ["run", str(config_file), *words])
    assert failed.exit_code == 2
    assert "agent.item_factors: the baseline 'ease' has no item factors" in failed.stderr


@pytest.mark.parametrize("card", ["{", "[]", '{"format": "rlrec-baseline"}', "{}"])
def test_a_damaged_model_is_told_in_one_line(card: str, tmp_path: Path) -> None:
    (tmp_path / "model.json").write_text(card)
    words = ["--env", "rlrec/InterestEvolution-v0", "--arg", "n_items=20", "--users", "2"]
    failed = RUNNER.invoke(app, ["evaluate", str(tmp_path), *words])
    assert failed.exit_code == 2, failed.output
    assert "model.json" in failed.stderr and failed.stderr.count("\n") == 1


def test_ctrl_c_tells_how_to_go_on(
    config_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import rlrec.workflow.whole_run as whole_run

    def interrupted(*arguments: object, **named: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(whole_run, "run_stages", interrupted)
    output = tmp_path / "my run"
    stopped = RUNNER.invoke(app, ["run", str(config_file), "--output", str(output)])
    assert stopped.exit_code == 130
    assert stopped.stderr == f"rlrec: stopped. Go on with: rlrec run --resume '{output}'\n"


def test_a_log_is_recorded_from_the_command_line(tmp_path: Path) -> None:
    from rlrec.data import InteractionLog

    path = tmp_path / "log"
    words = ["--env", "rlrec/InterestEvolution-v0", "--arg", "n_items=30", "--policy", "popularity"]
    sizes = ["--steps", "200", "--users", "10", "--fit-steps", "100", "--seed", "4"]
    done = RUNNER.invoke(app, ["log", *words, *sizes, "--out", str(path)])
    assert done.exit_code == 0, done.output
    log = InteractionLog.open(path)
    assert log.n_rows == 200
    log.require_propensities()
    again = RUNNER.invoke(app, ["log", *words, *sizes, "--out", str(path)])
    assert again.exit_code == 2
    assert "is there already" in again.stderr


def test_an_oracle_logs_with_the_truth_of_the_users_it_serves(tmp_path: Path) -> None:
    from rlrec.data import InteractionLog

    rewards = {}
    for policy in ("random", "myopic"):
        path = tmp_path / policy
        words = ["--env", "rlrec/InterestEvolution-v0", "--arg", "n_items=100"]
        sizes = ["--steps", "6000", "--users", "50", "--seed", "4", "--random-share", "0.2"]
        done = RUNNER.invoke(app, ["log", *words, "--policy", policy, *sizes, "--out", str(path)])
        assert done.exit_code == 0, done.output
        rewards[policy] = InteractionLog.open(path).column("reward")
    # 6000 steps each; a reward is 0 or 4, so its standard deviation is at most 2 and the standard
    # error of the difference at most 0.037. Reading other users' truth would gain nothing.
    assert rewards["myopic"].mean() - rewards["random"].mean() > 5 * 0.037


def test_a_new_run_whose_data_are_refused_leaves_no_folder(
    config_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    broken = tmp_path / "broken.csv"
    broken.write_text("user,item\n1,2\n1\n")
    columns = "data.columns={user: user, item: item}"
    words = ["run", str(config_file), "--set", f"data.path={broken}", "--set", columns]
    failed = RUNNER.invoke(app, words)
    assert failed.exit_code == 2
    assert "broken.csv" in failed.stderr and "line 3" in failed.stderr
    assert not (tmp_path / "runs").exists()
