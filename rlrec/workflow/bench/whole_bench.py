"""The bench as the command line runs it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rlrec.errors import ConfigError
from rlrec.workflow.bench.cell import Cell
from rlrec.workflow.bench.entrants import ENTRANTS, entrant_named
from rlrec.workflow.bench.grid import Done, cells_of, run_grid, stored
from rlrec.workflow.bench.report import cells, write_report
from rlrec.workflow.bench.summary import rows_of
from rlrec.workflow.bench.tasks import TASKS, Task, small, task_named
from rlrec.workflow.progress import Reporter

Table = tuple[str, list[str], list[list[str]]]
_COLUMNS = ["policy", "seeds", "return", "score", "interactions", "updates", "CPU s"]


@dataclass(frozen=True)
class Bench:
    """Cells to run, and where their results are."""

    tasks: tuple[Task, ...]
    cells: tuple[Cell, ...]
    results: Path

    def run(self, n_jobs: int, reporter: Reporter) -> list[Done]:
        """Run what has no result yet; return the cells that failed."""
        n_open = sum(stored(cell, self.results) is None for cell in self.cells)
        reporter.say(f"{len(self.cells)} cells, {n_open} of them to run")
        advance, n_done = reporter.task("cells"), 0

        def told(done: Done) -> None:
            nonlocal n_done
            n_done += 1
            advance(n_done, n_open)
            cell = done.cell
            name = f"{cell.task.name}, {cell.entrant.name}, seed {cell.seed}"
            words = f"{done.seconds:,.0f} s" if done.error is None else f"FAILED\n{done.error}"
            reporter.say(f"{name}: {words}")

        return run_grid(self.cells, self.results, n_jobs, told)

    def report(self) -> list[Table]:
        """Write the report of the results that are there; return its tables.

        Raises:
            ConfigError: There are none.
        """
        found = [stored(cell, self.results) for cell in self.cells]
        results = [result for result in found if result is not None]
        if not results:
            raise ConfigError(f"{self.results} holds no results of these tasks and entrants yet")
        write_report(results, self.tasks, self.results)
        rows = rows_of(results)
        return [
            (task.title, _COLUMNS, [cells(row)[:-1] for row in rows if row.task == task.name])
            for task in self.tasks
            if any(row.task == task.name for row in rows)
        ]


def open_bench(
    tasks: Sequence[str] | None,
    entrants: Sequence[str] | None,
    n_seeds: int,
    results: Path,
    is_small: bool,
) -> Bench:
    """Return the bench that a command asks for.

    Args:
        tasks: Names; `live` for all of `live-*`. None for all.
        entrants: Names; None for all.
        n_seeds: Seeds of training, from 0 on.
        results: Folder of the results.
        is_small: Tiny worlds and budgets.

    Raises:
        UnknownNameError: There is no such task or entrant.
    """
    families = [task.name for task in TASKS if task.name.startswith("live-")]
    names = [
        name for wanted in tasks or [] for name in (families if wanted == "live" else [wanted])
    ]
    chosen = tuple(map(task_named, names)) or TASKS
    chosen = tuple(map(small, chosen)) if is_small else chosen
    who = [entrant_named(name) for name in entrants or []] or ENTRANTS
    return Bench(chosen, tuple(cells_of(chosen, who, n_seeds)), results)


def describe() -> str:
    """Return the tasks and entrants, one a line."""
    lines = [f"{task.name:<14} {task.title}" for task in TASKS]
    told = [
        f"{each.name:<24} {each.kind}, on {', '.join(each.tasks or ['all'])}" for each in ENTRANTS
    ]
    return "\n".join(["Tasks", *lines, "", "Entrants", *told])
