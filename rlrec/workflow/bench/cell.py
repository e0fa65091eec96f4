"""One cell of the grid: a policy, a task and a seed, judged and written down."""

import hashlib
import json
import tempfile
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rlrec.errors import ConfigError
from rlrec.evaluation import Estimate
from rlrec.workflow.bench.menu import FLOOR, REFERENCE, Entry
from rlrec.workflow.bench.tasks import Task
from rlrec.workflow.run_folder import json_text, write_file
from rlrec.workflow.runner import ready_for_json
from rlrec.workflow.versions import describe_machine

FORMAT = "rlrec bench cell"
VERSION = 1


@dataclass(frozen=True, kw_only=True)
class Cell:
    """What is to be found out."""

    task: Task
    entry: Entry
    seed: int
    tuning: Mapping[str, Any] | None = None
    """What `rlrec tune` found for this agent and task: its settings, and what they took."""

    @property
    def name(self) -> str:
        """How a person calls it."""
        return f"{self.task.name}, {self.entry.name}, seed {self.seed}"

    @property
    def is_scale(self) -> bool:
        """Whether it is one end of the scale 0..1, needed by all others."""
        return self.entry.name in (FLOOR, REFERENCE)

    @property
    def fingerprint(self) -> str:
        """Text that changes with every setting that decides the results."""
        entry = self.entry
        told = {
            "version": VERSION,
            "task": self.task.card(),
            "entry": [entry.name, entry.builder, entry.mode, entry.draws],
            "settings": self._settings(),
            "seed": self.seed,
            "tuning": self.tuning,
        }
        text = json.dumps(told, sort_keys=True, default=dict)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def _settings(self) -> dict[str, Any]:
        """Return all settings, those left at their defaults too: a changed default is a change."""
        if self.entry.kind != "agent":
            return self.entry.settings_for(self.task)
        from rlrec.workflow.bench.training import settings_of

        tuned = {} if self.tuning is None else self.tuning["settings"]
        try:
            return asdict(settings_of(self.entry, self.task, tuned))
        except ConfigError:  # told when the cell is run
            return {**self.entry.settings_for(self.task), **tuned}

    def path(self, results: Path) -> Path:
        """Return where it is written down."""
        return results / self.task.name / self.entry.name / f"{self.seed}.json"

    def is_done(self, results: Path) -> bool:
        """Return whether it is written down, with the same settings."""
        try:
            written = json.loads(self.path(results).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return False
        return isinstance(written, dict) and written.get("fingerprint") == self.fingerprint


def run_cell(cell: Cell, results: Path) -> None:
    """Find out a cell and write it down, all or nothing."""
    began, began_cpu = time.perf_counter(), time.process_time()
    found = _trained(cell) if cell.entry.kind == "agent" else _untrained(cell)
    written = {
        "format": FORMAT,
        "version": VERSION,
        "fingerprint": cell.fingerprint,
        "task": cell.task.name,
        "agent": cell.entry.name,
        "kind": cell.entry.kind,
        "mode": cell.entry.mode,
        "seed": cell.seed,
        **found,
        "tuning": cell.tuning,
        "tried": cell.entry.tried.get(cell.task.family),
        "task_card": cell.task.card(),
        "made": {
            "wall_seconds": round(time.perf_counter() - began, 2),
            "cpu_seconds": round(time.process_time() - began_cpu, 2),
            **found.pop("made", {}),
            **describe_machine(),
        },
    }
    path = cell.path(results)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_file(path, json_text(ready_for_json(written)))


def _trained(cell: Cell) -> dict[str, Any]:
    """Return what became of an agent."""
    from rlrec.workflow.bench.training import train
    from rlrec.workflow.bench.worlds import judged, worlds_of

    tuned = {} if cell.tuning is None else cell.tuning["settings"]
    with tempfile.TemporaryDirectory() as folder:
        done = train(cell.entry, cell.task, cell.seed, tuned, Path(folder) / "best")
    best = done.best.serves == "best"
    values: dict[str, Any] = {
        world: _estimate(judged(done.agent, cell.task, world, best))
        for world in worlds_of(cell.task)
    }
    looks = [look._asdict() for look in done.looks]
    spent = [look.pop("cpu_seconds") for look in looks]
    return {
        **values,
        "validation": {"value": done.best.value},
        "serves": done.best.serves,
        "best_interactions": done.best.interactions,
        "interactions": done.interactions,
        "updates": done.updates,
        "pretraining_updates": done.pretraining_updates,
        "log_steps": 0 if cell.entry.mode == "scratch" else cell.task.budget.log_steps,
        "curve": looks,
        "settings": done.settings,
        "made": {"cpu_seconds_by": done.clock.seconds, "curve_cpu_seconds": spent},
    }


def _untrained(cell: Cell) -> dict[str, Any]:
    """Return what a policy that is no agent earns; of the scale also on validation users."""
    from rlrec.workflow.bench.untrained import untrained
    from rlrec.workflow.bench.worlds import World, judged, worlds_of

    policy = untrained(cell.entry, cell.task, cell.seed)
    needs_log = cell.entry.kind == "baseline"
    worlds: tuple[World, ...] = (*worlds_of(cell.task), "validation")
    values: dict[str, Any] = {
        world: _estimate(judged(policy(world), cell.task, world)) for world in worlds
    }
    return {
        **values,
        "interactions": 0,
        "updates": 0,
        "log_steps": cell.task.budget.log_steps if needs_log else 0,
        "settings": cell.entry.settings_for(cell.task),
    }


def _estimate(found: Estimate) -> dict[str, float]:
    return {"value": found.value, "low": found.low, "high": found.high, "n": found.n}
