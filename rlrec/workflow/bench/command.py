"""What `rlrec bench` does: runs the grid, or what is left of it, and writes the report."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from rlrec.errors import ConfigError
from rlrec.workflow.bench.cell import Cell
from rlrec.workflow.bench.grid import Outcome, Told, cells_of, run_grid
from rlrec.workflow.bench.markdown import markdown
from rlrec.workflow.bench.menu import chosen_entries
from rlrec.workflow.bench.page import page
from rlrec.workflow.bench.results import read_results
from rlrec.workflow.bench.tables import Table, all_tables
from rlrec.workflow.bench.tasks import MOST_SEEDS, Size, Task, chosen_tasks, sized, with_fitted
from rlrec.workflow.bench.tunings import read_tunings
from rlrec.workflow.run_folder import write_file

LISTED = ("task", "users", "log, slates", "interactions", "policies", "cells")
"""Columns of `listed`."""
SMALL_AGENTS = ("myopic", "logger", "ALS", "ALS-capped", "SlateQ", "SlatePPO")


@dataclass(frozen=True, kw_only=True)
class BenchOrder:
    """What to run."""

    results: Path
    """Folder of the results; those already there are kept."""
    tasks: Sequence[str] = ()
    """By name or family; all for none."""
    agents: Sequence[str] = ()
    """By name or class; all for none, a few where the size is small."""
    n_seeds: int = 5
    jobs: int = 1
    """Processes at the same time."""
    size: Size = "full"
    ratings: Path | None = None
    """A log of ratings to fit the users of log-to-live to; None for made-up ones."""
    tuned: Sequence[Path] = ()
    """Files of `rlrec tune`."""

    def __post_init__(self) -> None:
        for name, value, most in (("seeds", self.n_seeds, MOST_SEEDS), ("jobs", self.jobs, 1_000)):
            if not 1 <= value <= most:
                raise ConfigError(f"{name} must lie in 1..{most}, got {value!r}")


class Pages(NamedTuple):
    """The report, twice."""

    markdown: Path
    html: Path


class Finished(NamedTuple):
    """What came of an order."""

    outcome: Outcome
    tables: list[Table]
    pages: Pages


def cells(order: BenchOrder) -> list[Cell]:
    """Return all cells of an order, those done and those to do."""
    agents = order.agents
    if not agents and order.size != "full":
        agents = SMALL_AGENTS
    tasks = [sized(task, order.size) for task in chosen_tasks(order.tasks)]
    if order.ratings is not None:
        model = _fitted(order.ratings, order.results)
        tasks = [with_fitted(task, model) for task in tasks]
    return cells_of(tasks, chosen_entries(agents), order.n_seeds, read_tunings(order.tuned))


def run_bench(order: BenchOrder, told: Told, command: str = "rlrec bench") -> Finished:
    """Run what is not done, and write the report of all that is.

    Args:
        order: What to run.
        told: Told a line a cell.
        command: As the report names it.

    Raises:
        ConfigError: The order names what is not known.
        RunFolderError: Every cell failed, or a result is damaged.
    """
    wanted = cells(order)
    folder = order.results
    folder.mkdir(parents=True, exist_ok=True)
    outcome = run_grid(wanted, folder, order.jobs, told)
    return _reported(folder, wanted, outcome, command)


def report_again(order: BenchOrder, command: str = "rlrec bench --report-only") -> Finished:
    """Write the report of what there is in the folder of results; nothing is run."""
    return _reported(order.results, [], Outcome(0, 0, {}), command)


def _reported(folder: Path, wanted: Sequence[Cell], outcome: Outcome, command: str) -> Finished:
    """Write `results.md` and `report.html`, without the cells that are of other settings now."""
    stale = [cell.path(folder) for cell in wanted if not cell.is_done(folder)]
    results = read_results(folder, stale)
    tables = all_tables(results)
    pages = Pages(folder / "results.md", folder / "report.html")
    write_file(pages.markdown, markdown(results, tables, command))
    write_file(pages.html, page(results, tables, command))
    return Finished(outcome, tables, pages)


def listed(order: BenchOrder) -> list[list[str]]:
    """Return a row a task: its name, users, log, budget and the policies that fit it."""
    by_task: dict[str, list[Cell]] = {}
    for cell in cells(order):
        by_task.setdefault(cell.task.name, []).append(cell)
    return [_row(found[0].task, found) for found in by_task.values()]


def _row(task: Task, found: Sequence[Cell]) -> list[str]:
    budget = task.budget
    return [
        task.name,
        task.env_id,
        f"{task.logger}, {budget.log_steps:,}",
        f"{budget.interactions:,} or {budget.updates:,} updates + {budget.finetuning:,}",
        ", ".join(dict.fromkeys(cell.entry.name for cell in found)),
        str(len(found)),
    ]


def _fitted(ratings: Path, results: Path) -> str:
    """Fit users to ratings and return the folder they are saved in, named by what they are."""
    from rlrec.data import load_ratings
    from rlrec.envs import fit_users

    model = fit_users(load_ratings(ratings))
    folder = results / "models" / model.fingerprint
    if not folder.exists():
        model.save(folder)
    return str(folder.resolve())
