"""All cells of the bench, each in a process of its own, and none of them twice."""

import json
import multiprocessing
import os
import traceback
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import Any, NamedTuple

from rlrec.workflow.bench.cell import Cell, run_cell, write_result
from rlrec.workflow.bench.entrants import Entrant
from rlrec.workflow.bench.tasks import Task


class Done(NamedTuple):
    """What became of a cell."""

    cell: Cell
    seconds: float
    error: str | None
    """Traceback, if it failed."""


def cells_of(tasks: Iterable[Task], entrants: Iterable[Entrant], n_seeds: int) -> list[Cell]:
    """Return the cells of a grid, seed by seed, so that a grid cut short has something of all.

    Policies that learn nothing from chance (floors, oracles) are judged once.
    """
    entrants = list(entrants)
    return [
        Cell(task, entrant, seed)
        for seed in range(n_seeds)
        for task in tasks
        for entrant in entrants
        if entrant.enters(task) and (seed == 0 or entrant.kind in ("agent", "baseline"))
    ]


def stored(cell: Cell, results: Path) -> dict[str, Any] | None:
    """Return the result of a cell; None where there is none, or one of other settings."""
    try:
        result: dict[str, Any] = json.loads(cell.path_in(results).read_text())
    except (OSError, ValueError):
        return None
    return result if result.get("fingerprint") == cell.fingerprint else None


def run_grid(
    cells: Iterable[Cell], results: Path, n_jobs: int, told: Callable[[Done], None]
) -> list[Done]:
    """Run the cells that have no result yet, side by side; return those that failed.

    Args:
        cells: All of the grid.
        results: Folder of the results.
        n_jobs: Processes at a time, each with one thread.
        told: Called as each cell ends.
    """
    open_cells = [cell for cell in cells if stored(cell, results) is None]
    failed = []
    context = multiprocessing.get_context("spawn")
    os.environ["OMP_NUM_THREADS"] = "1"  # read by the processes as they start
    with ProcessPoolExecutor(n_jobs, mp_context=context, max_tasks_per_child=1) as pool:
        for future in as_completed([pool.submit(_run, cell, results) for cell in open_cells]):
            done = future.result()
            told(done)
            if done.error is not None:
                failed.append(done)
    return failed


def _run(cell: Cell, results: Path) -> Done:
    """Run a cell in a process of its own."""
    import torch

    torch.set_num_threads(1)
    try:
        result = run_cell(cell)
        write_result(cell.path_in(results), result)
    except Exception:
        return Done(cell, 0.0, traceback.format_exc())
    return Done(cell, result["seconds"], None)
