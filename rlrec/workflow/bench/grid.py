"""Runs the cells of a grid in processes of their own; finished cells are skipped."""

import logging
import multiprocessing
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from rlrec.errors import RlrecError
from rlrec.workflow.bench.cell import Cell, run_cell
from rlrec.workflow.bench.menu import FLOOR, MENU, REFERENCE, Entry
from rlrec.workflow.bench.tasks import Task

_LOG = logging.getLogger(__name__)
_THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")

Told = Callable[[str], None]
Tunings = Mapping[tuple[str, str], Mapping[str, Any]]
"""What `rlrec tune` wrote, by task (or family) and agent."""


class Outcome(NamedTuple):
    """What became of a grid."""

    n_done: int
    n_skipped: int
    """Finished before, with the same settings."""
    failures: dict[str, str]
    """By the name of the cell: what went wrong."""


def cells_of(
    tasks: Iterable[Task], entries: Sequence[Entry], n_seeds: int, tuned: Tunings
) -> list[Cell]:
    """Return every cell that makes sense, the ends of the scale first.

    Args:
        tasks: In order.
        entries: In order.
        n_seeds: Seeds 0 to n_seeds - 1; what learns nothing has seed 0 alone.
        tuned: Settings in place of those of the menu.
    """
    cells = [
        Cell(task=task, entry=entry, seed=seed, tuning=_tuning(tuned, task, entry))
        for seed in range(n_seeds)
        for task in tasks
        for entry in entries
        if entry.fits(task) and (entry.learns or seed == 0)
    ]
    return sorted(cells, key=lambda cell: not cell.is_scale)


def _tuning(tuned: Tunings, task: Task, entry: Entry) -> Mapping[str, Any] | None:
    return tuned.get((task.name, entry.name), tuned.get((task.family, entry.name)))


def run_grid(cells: Sequence[Cell], results: Path, jobs: int, told: Told) -> Outcome:
    """Run the cells that are not done, and go on where some fail.

    Args:
        cells: Of one or several tasks.
        results: Folder of the results.
        jobs: Processes at the same time, each with one thread.
        told: Told a line a cell.
    """
    waiting = [cell for cell in cells if not cell.is_done(results)]
    failures: dict[str, str] = {}
    n_done = 0
    with _single_threads():
        for is_scale in (True, False):
            part = [cell for cell in waiting if cell.is_scale is is_scale]
            if not is_scale:
                part, lost = _with_a_scale(part, results)
                failures |= lost
            for cell, error in _finished(part, results, jobs):
                n_done += error is None
                if error is not None:
                    failures[cell.name] = error
                count = f"[{n_done + len(failures)}/{len(waiting)}]"
                told(f"{count} {cell.name}" + (f" failed: {error}" if error else ""))
    return Outcome(n_done, len(cells) - len(waiting), failures)


def _with_a_scale(cells: Sequence[Cell], results: Path) -> tuple[list[Cell], dict[str, str]]:
    """Return the cells whose task has floor and reference, and what is wrong with the others."""
    ends = {
        cell.task.name: all(
            Cell(task=cell.task, entry=MENU[name], seed=0).is_done(results)
            for name in (FLOOR, REFERENCE)
        )
        for cell in cells
    }
    lost = [cell for cell in cells if not ends[cell.task.name]]
    words = "its task has no scale, because floor or reference failed"
    return [cell for cell in cells if ends[cell.task.name]], {cell.name: words for cell in lost}


def _finished(cells: Sequence[Cell], results: Path, jobs: int) -> Iterator[tuple[Cell, str | None]]:
    """Yield each cell as it ends, with what went wrong."""
    left = {cell.name: cell for cell in cells}
    if not left:
        return
    with _processes(min(jobs, len(left))) as pool:
        futures = {pool.submit(run_cell, cell, results): cell for cell in cells}
        for future in as_completed(futures):
            if not isinstance(future.exception(), BrokenProcessPool):
                cell = left.pop(futures[future].name)
                yield cell, _error_of(future)
    # A process that was killed takes all cells of its pool with it: which one was to blame?
    with ThreadPoolExecutor(jobs) as threads:
        alone = threads.map(lambda cell: _alone(cell, results), left.values())
        yield from zip(left.values(), alone, strict=True)


def _alone(cell: Cell, results: Path) -> str | None:
    """Run a cell in a process that no other cell depends on; return what went wrong."""
    with _processes(1) as pool:
        return _error_of(pool.submit(run_cell, cell, results))


@contextmanager
def _processes(jobs: int) -> Iterator[ProcessPoolExecutor]:
    """Yield a pool; at an error, such as Ctrl-C, what has not begun does not begin."""
    pool = ProcessPoolExecutor(jobs, multiprocessing.get_context("spawn"))
    try:
        yield pool
    except BaseException:
        pool.shutdown(cancel_futures=True)
        raise
    pool.shutdown()


def _error_of(future: "Future[None]") -> str | None:
    """Return in one line what went wrong in a cell; None for nothing."""
    error = future.exception()
    if error is None:
        return None
    if isinstance(error, BrokenProcessPool):
        return "its process was killed, perhaps for want of memory"
    _LOG.error("a cell failed", exc_info=error)
    words = " ".join(str(error).split())
    return words if isinstance(error, RlrecError) else f"{type(error).__name__}: {words}"


@contextmanager
def _single_threads() -> Iterator[None]:
    """Let processes started meanwhile use one thread each: sums then do not depend on cores."""
    before = {name: os.environ.get(name) for name in _THREADS}
    os.environ.update(dict.fromkeys(_THREADS, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
