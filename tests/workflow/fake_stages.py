"""Three quick stages, and a process that is killed at a moment of them. Run by tests."""

import os
import signal
import sys
from pathlib import Path

import numpy as np

from rlrec.workflow.run_folder import Results, RunFolder
from rlrec.workflow.runner import StageContext, run_stages

MOMENTS = ("begun", "half written", "written", "renamed")
"""Of each stage; the last is the boundary to the next one."""


class Killer:
    """Ends this process as `kill -9` does, at one moment of one stage."""

    def __init__(self, stage: str = "", moment: str = "") -> None:
        self.target = stage, moment

    def __call__(self, stage: str, moment: str) -> None:
        if (stage, moment) == self.target:
            os.kill(os.getpid(), signal.SIGKILL)


killer = Killer()


def draw(context: StageContext) -> Results:
    killer(context.name, "begun")
    numbers = np.random.default_rng(context.seed).random(1000)
    with open(context.path / "numbers.txt", "w") as file:
        file.write("\n".join(map(repr, numbers[:500].tolist())))
        file.flush()
        killer(context.name, "half written")
        file.write("\n".join(map(repr, numbers[500:].tolist())))
    return {"sum": float(numbers.sum()), "not a number": float("nan"), "array": numbers[:3]}


def follow(context: StageContext) -> Results:
    before = context.folder.results("first" if context.name == "second" else "second")
    return {"before": before, **draw(context)}


STAGES = {"first": draw, "second": follow, "third": follow}


class KilledWhenRenaming(RunFolder):
    """A run folder in whose last step a process can be killed."""

    def finish(self, name: str, results: Results, seconds: float) -> None:
        super().finish(name, results, seconds)
        killer(name, "renamed")


def kill_before_renaming() -> None:
    rename = Path.rename

    def checked(self: Path, target: Path) -> Path:
        if self.suffix == ".partial":
            killer(self.stem, "written")
        return rename(self, target)

    Path.rename = checked  # type: ignore[method-assign, assignment]


if __name__ == "__main__":
    folder, stage, moment = sys.argv[1:]
    killer.target = stage, moment
    kill_before_renaming()
    run_stages(KilledWhenRenaming.open(folder), STAGES)
