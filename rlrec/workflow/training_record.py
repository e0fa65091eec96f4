"""What is kept of a training: its learning curve, and checkpoints to resume from."""

import csv
import logging
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from rlrec.evaluation import Estimate
from rlrec.workflow.run_folder import flush_folder

_log = logging.getLogger(__name__)


class CurvePoint(NamedTuple):
    """Return on the validation users after some interactions."""

    interactions: int
    mean_return: float
    lower: float
    """Lower end of the 95 % interval over users."""
    upper: float


class TrainingRecord:
    """The learning curve of a training, in memory, as CSV, and in TensorBoard where installed.

    Args:
        path: Folder of `learning_curve.csv`; a curve there already is continued.
        tensorboard: Folder of the event files.
    """

    def __init__(self, path: Path, tensorboard: Path) -> None:
        self._file = path / "learning_curve.csv"
        self._tensorboard = tensorboard

    def add(self, interactions: int, estimate: Estimate) -> None:
        """Take in one look at the validation users."""
        point = CurvePoint(interactions, estimate.value, estimate.low, estimate.high)
        _write_curve(self._file, [*self.points(), point])
        _write_scalar(self._tensorboard, "validation/mean_return", point.mean_return, interactions)

    def points(self) -> list[CurvePoint]:
        """Return the curve so far."""
        return read_curve(self._file) if self._file.is_file() else []


def read_curve(path: Path) -> list[CurvePoint]:
    """Return the points of a `learning_curve.csv`."""
    with open(path, encoding="utf-8", newline="") as file:
        return [
            CurvePoint(
                int(row["interactions"]), *(float(row[key]) for key in CurvePoint._fields[1:])
            )
            for row in csv.DictReader(file)
        ]


def best_interactions(points: Sequence[CurvePoint]) -> int:
    """Return after how many interactions the return was highest; the earliest of equals."""
    return max(points, key=lambda point: point.mean_return).interactions


class Checkpoint:
    """The state of a training that an interrupted run goes on from.

    Args:
        path: Folder of the checkpoints; the newest complete one counts.
        agent: Has `save_checkpoint(folder)` and `load_checkpoint(folder)`, exact to the bit.
        stage_path: Files of the stage, saved and restored together with the agent.
    """

    def __init__(self, path: Path, agent: Any, stage_path: Path) -> None:
        self._path = path
        self._agent = agent
        self._stage_path = stage_path

    def restore(self) -> bool:
        """Go back to the newest checkpoint; say whether there was one."""
        newest = self._newest()
        if newest is None:
            return False
        _log.info("going on from %s", newest)
        shutil.copytree(newest / "stage", self._stage_path, dirs_exist_ok=True)
        self._agent.load_checkpoint(newest / "agent")
        return True

    def save(self) -> None:
        """Keep the present state; the older checkpoint goes once the new one is on disk."""
        older = self._newest()
        number = 0 if older is None else int(older.name) + 1
        partial, final = self._path / f"{number}.partial", self._path / str(number)
        shutil.rmtree(partial, ignore_errors=True)
        shutil.copytree(self._stage_path, partial / "stage")
        self._agent.save_checkpoint(partial / "agent")
        flush_folder(partial)
        partial.rename(final)
        if older is not None:
            shutil.rmtree(older)

    def _newest(self) -> Path | None:
        complete = [path for path in self._path.glob("*") if path.name.isdigit()]
        return max(complete, key=lambda path: int(path.name), default=None)


def _write_curve(path: Path, points: Sequence[CurvePoint]) -> None:
    with open(path, "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(CurvePoint._fields)
        writer.writerows(points)


def _write_scalar(folder: Path, name: str, value: float, step: int) -> None:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:  # the extra rlrec[tensorboard] is not installed
        return
    with SummaryWriter(str(folder)) as writer:
        writer.add_scalar(name, value, step)
