"""Logs that tell little give users whose card says so, or are refused; never a silent default."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from rlrec.data import Catalogue, InteractionLog, LogMetadata
from rlrec.envs import SlateUsersModel, fit_slate_users, make_simulator
from rlrec.errors import DataError
from rlrec.workflow.cli import app

N_VISITS, N_STEPS = 4, 5
OF_TASTE = {"taste_sd", "persistence", "drift_sd", "strength", "memory"}
OF_GAPS = {"gap_median_hours", "gap_person_sd", "gap_spread"}


def items(n_items: int, n_topics: int) -> Catalogue:
    topics = np.arange(n_items) % n_topics
    return Catalogue(
        item_ids=np.arange(n_items),
        topics=topics,
        features=np.eye(n_topics, dtype=np.float32)[topics],
        topic_names=tuple(f"topic {number}" for number in range(n_topics)),
    )


def noise(
    n_users: int = 50,
    n_items: int = 20,
    slate_size: int = 3,
    rate: float = 0.3,
    n_steps: int = N_STEPS,
    is_timed: bool = True,
) -> InteractionLog:
    """Return clicks that nothing moves."""
    rng = np.random.default_rng(0)
    n = n_users * N_VISITS * n_steps
    rows = np.arange(n)
    clicks = rng.random((n, slate_size)) < rate
    hours = rng.lognormal(3.0, 0.5, n // n_steps).cumsum() if is_timed else np.zeros(n // n_steps)
    return InteractionLog.from_columns(
        {
            "user_id": rows // (N_VISITS * n_steps),
            "episode_id": rows // n_steps,
            "step": rows % n_steps,
            "timestamp": (3600 * hours[rows // n_steps]).astype(np.int64),
            "slate": rng.permuted(np.tile(np.arange(n_items), (n, 1)), axis=1)[:, :slate_size],
            "response.click": clicks.astype(np.float32),
            "reward": clicks.sum(axis=1).astype(np.float64),
            "terminated": rows % n_steps == n_steps - 1,
            "truncated": np.zeros(n, bool),
        },
        LogMetadata(slate_size=slate_size, response_channels=("click",)),
    )


def assumed(model: SlateUsersModel) -> set[str]:
    return {line.name for line in model.card() if line.status == "assumed"}


@pytest.mark.parametrize(
    ("log", "n_items", "n_topics", "names"),
    [
        pytest.param({"n_items": 1, "slate_size": 1}, 1, 1, OF_TASTE, id="one item"),
        pytest.param({}, 20, 1, {"persistence", "memory"}, id="one topic"),
        pytest.param({"is_timed": False}, 20, 4, OF_GAPS, id="constant times"),
        pytest.param({"rate": 0.0005}, 20, 4, OF_TASTE, id="hardly a click"),
        pytest.param({"rate": 0.999}, 20, 4, OF_TASTE, id="hardly anything else"),
        pytest.param(
            {"n_steps": 1, "n_users": 100},
            20,
            4,
            (OF_TASTE - {"taste_sd"}) | {"decay", "visit_step_cost", "visit_idle_cost"},
            id="one step",
        ),
    ],
)
def test_what_a_log_does_not_tell_is_not_called_an_estimate(
    log: dict[str, Any], n_items: int, n_topics: int, names: set[str]
) -> None:
    model = fit_slate_users(noise(**log), items(n_items, n_topics))
    assert names <= assumed(model)
    reasons = {line.name: line.note for line in model.card() if line.name in names}
    assert all(";" in note for note in reasons.values()), "each says why"
    for name, found in model.estimates.items():
        assert found.low < found.high, f"{name} is known for certain: {found}"
    users = make_simulator("rlrec/FittedUsers-v0", 20, model=model, population="new")
    users.reset(0)
    slates = np.tile(np.arange(users.slate_size), (20, 1))
    assert all(np.isfinite(users.step(slates).rewards).all() for _ in range(20))


@pytest.mark.parametrize(
    ("log", "message"),
    [
        ({"rate": 0.0}, "nothing that was shown was taken"),
        ({"rate": 1.0}, "every item that was shown was taken"),
        ({"n_users": 1}, "leaves nobody in the population"),
    ],
)
def test_logs_that_tell_nothing_are_refused(log: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        fit_slate_users(noise(**log), items(20, 4))


def test_a_hundredth_of_malformed_ratings_is_refused_by_line(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    lines = [
        f"{rng.integers(50)}\t{rng.integers(40)}\t{rng.integers(1, 6)}\t{number}"
        for number in range(1_000)
    ]
    for number in range(99, 1_000, 100):
        lines[number] = f"{number}\tnot a rating"
    (tmp_path / "u.data").write_text("\n".join(lines) + "\n")
    words = ["fit-users", "--ratings", str(tmp_path / "u.data"), "--out", str(tmp_path / "users")]
    shown = CliRunner().invoke(app, words)
    assert shown.exit_code == 2 and not (tmp_path / "users").exists()
    assert "line 100" in shown.stderr


def test_a_hundredth_of_malformed_slates_is_refused(tmp_path: Path) -> None:
    log = noise()
    columns = {name: log.column(name).copy() for name in log.column_names}
    columns["slate"][::100] = 20  # items from 0 to 19
    with pytest.raises(DataError, match="row 0 shows item 20"):
        fit_slate_users(InteractionLog.from_columns(columns, log.metadata), items(20, 4))
