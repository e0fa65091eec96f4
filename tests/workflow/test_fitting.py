"""`rlrec fit-users`: from a log to an environment, in two commands."""

from pathlib import Path

import gymnasium as gym
import pytest
from typer.testing import CliRunner

from rlrec.workflow.cli import app

RUN = CliRunner()


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("fitting") / "log"
    words = ["log", "--env", "rlrec/TopicBoredom-v0", "--arg", "n_items=30", "--arg", "n_steps=20"]
    words += ["--arg", "slate_size=4", "--steps", "4000", "--users", "100", "--out", str(folder)]
    shown = RUN.invoke(app, words)
    assert shown.exit_code == 0, shown.output
    return folder


def test_users_of_a_log_are_an_environment(log: Path, tmp_path: Path) -> None:
    out = tmp_path / "users"
    shown = RUN.invoke(app, ["fit-users", "--log", str(log), "--out", str(out)])
    assert shown.exit_code == 0, shown.output
    lines = shown.stdout.splitlines()
    assert any(line.startswith("estimated  strength") for line in lines)
    assert any(line.startswith("assumed    gap_spread") for line in lines)
    env = gym.make("rlrec/FittedUsers-v0", path=str(out), population="new")
    env.reset(seed=0)
    observation, *_ = env.step(env.action_space.sample())
    assert observation["last_slate"].shape == (4,)


def test_several_worlds_of_a_log_are_one_environment(log: Path, tmp_path: Path) -> None:
    out = tmp_path / "worlds"
    words = ["fit-users", "--log", str(log), "--worlds", "2", "--visits", "60", "--out", str(out)]
    shown = RUN.invoke(app, words)
    assert shown.exit_code == 0, shown.output
    assert any(line.startswith("assumed    worlds") for line in shown.stdout.splitlines())
    for world in (None, 1):
        env = gym.make("rlrec/FittedUsers-v0", path=str(out), world=world, population="new")
        env.reset(seed=0)
        env.step(env.action_space.sample())


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "give either a log of slates (--log) or ratings (--ratings)"),
        (["--log", "nowhere"], "holds no catalogue.parquet"),
        (["--ratings", "x", "--scanning", "cascade", "--visits", "3"], "--scanning, --visits: for"),
        (["--log", "{log}", "--scanning", "upwards"], "scanning must be one of"),
        (["--log", "{log}", "--channel", "like"], "like"),
        (["--log", "{log}", "--holdout", "0.5"], "--holdout is for ratings"),
        (["--ratings", "nowhere", "--holdout", "1"], "--holdout must be 0 or more and below 1"),
    ],
)
def test_what_does_not_work_is_said_in_a_line(
    words: list[str], message: str, log: Path, tmp_path: Path
) -> None:
    told = [word.format(log=log) for word in words]
    shown = RUN.invoke(app, ["fit-users", *told, "--out", str(tmp_path / "users")])
    assert shown.exit_code == 2 and message in shown.stderr
    assert not (tmp_path / "users").exists()


def test_a_folder_that_is_taken_is_left_alone(log: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    shown = RUN.invoke(app, ["fit-users", "--log", str(log), "--out", str(tmp_path)])
    assert shown.exit_code == 2 and "is there already" in shown.stderr
