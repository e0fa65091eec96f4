from pathlib import Path

import pytest

from rlrec.evaluation import Estimate
from rlrec.workflow.training_record import (
    Checkpoint,
    CurvePoint,
    TrainingRecord,
    best_interactions,
    read_curve,
)


class Counter:
    """An agent whose state is a number."""

    def __init__(self) -> None:
        self.count = 0

    def save_checkpoint(self, folder: Path) -> None:
        folder.mkdir()
        (folder / "count.txt").write_text(str(self.count))

    def load_checkpoint(self, folder: Path) -> None:
        self.count = int((folder / "count.txt").read_text())


@pytest.fixture
def stage(tmp_path: Path) -> Path:
    path = tmp_path / "stage"
    path.mkdir()
    return path


def test_the_curve_on_disk_is_exact(stage: Path, tmp_path: Path) -> None:
    record = TrainingRecord(stage, tmp_path / "tensorboard")
    record.add(0, Estimate(1 / 3, 0.1, 0.7, 0.05, 10))
    record.add(100, Estimate(2 / 3, 0.5, 0.9, 0.05, 10))
    expected = [CurvePoint(0, 1 / 3, 0.1, 0.7), CurvePoint(100, 2 / 3, 0.5, 0.9)]
    assert read_curve(stage / "learning_curve.csv") == expected
    assert record.points() == expected


def test_the_best_point_is_the_earliest_of_the_highest() -> None:
    means = [1.0, 3.0, 2.0, 3.0]
    points = [CurvePoint(10 * n, mean, mean, mean) for n, mean in enumerate(means)]
    assert best_interactions(points) == 10


def test_a_checkpoint_gives_back_agent_and_files(stage: Path, tmp_path: Path) -> None:
    agent = Counter()
    checkpoint = Checkpoint(tmp_path / "checkpoints", agent, stage)
    assert not checkpoint.restore()
    for agent.count in (5, 6):
        (stage / "curve.txt").write_text(f"up to {agent.count}")
        checkpoint.save()
    later, fresh = Counter(), tmp_path / "fresh"
    fresh.mkdir()
    assert Checkpoint(tmp_path / "checkpoints", later, fresh).restore()
    assert later.count == 6
    assert (fresh / "curve.txt").read_text() == "up to 6"
    assert len(list((tmp_path / "checkpoints").iterdir())) == 1


def test_a_half_written_checkpoint_does_not_count(stage: Path, tmp_path: Path) -> None:
    agent = Counter()
    checkpoint = Checkpoint(tmp_path / "checkpoints", agent, stage)
    agent.count = 5
    checkpoint.save()
    (tmp_path / "checkpoints" / "1.partial").mkdir()
    agent.count = 9
    assert checkpoint.restore()
    assert agent.count == 5
    checkpoint.save()
    assert [path.name for path in (tmp_path / "checkpoints").iterdir()] == ["1"]
