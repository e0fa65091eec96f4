"""What the finished cells say, over seeds and tasks."""

import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from rlrec.arrays import Floats
from rlrec.errors import RunFolderError
from rlrec.evaluation import (
    Estimate,
    interquartile_mean,
    mean_interval,
    stratified_bootstrap_interval,
)
from rlrec.workflow.bench.cell import FORMAT, VERSION, Cell
from rlrec.workflow.bench.menu import FLOOR, LOGGER, MENU, MYOPIC, REFERENCE
from rlrec.workflow.bench.tasks import TASKS, Task

_LOG = logging.getLogger(__name__)

Row = Mapping[str, Any]
"""The file of a cell."""
_ENDS = {FLOOR: 0.0, REFERENCE: 1.0}
FEWEST_SEEDS = 5
"""For an interval."""


@dataclass(frozen=True)
class BenchResults:
    """The cells found in a folder."""

    rows: Sequence[Row]
    left_out: Sequence[str] = ()
    """Cells in the folder that are of other settings or of another budget."""

    @property
    def tasks(self) -> list[str]:
        """Names of the tasks with results, in the order of the benchmark."""
        return _in_order({row["task"] for row in self.rows}, TASKS)

    @property
    def families(self) -> list[str]:
        """Families of these tasks."""
        return list(dict.fromkeys(TASKS[name].family for name in self.tasks))

    @property
    def agents(self) -> list[str]:
        """Names of the policies with results, in the order of the menu."""
        return _in_order({row["agent"] for row in self.rows}, MENU)

    def of(self, task: str, agent: str) -> list[Row]:
        """Return the cells of a task and agent, by seed."""
        found = [row for row in self.rows if row["task"] == task and row["agent"] == agent]
        return sorted(found, key=lambda row: int(row["seed"]))

    def values(self, task: str, agent: str, world: str = "test") -> Floats:
        """Return the mean return of each seed."""
        return np.array([row[world]["value"] for row in self.of(task, agent) if world in row])

    def scores(self, task: str, agent: str, world: str = "test") -> Floats:
        """Return the score of each seed, 0 for random slates and 1 for the reference."""
        rows = [row for row in self.of(task, agent) if world in row]
        if agent in _ENDS:
            return np.full(len(rows), _ENDS[agent])
        return np.array([_number(row[world]["score"]) for row in rows])

    def matrix(self, agent: str) -> Floats | None:
        """Return scores (n_seeds, n_families) over the seeds that all tasks have.

        Variants of a family are averaged. None where a task lacks the agent.
        """
        columns = []
        for family in self.families:
            variants = [name for name in self.tasks if TASKS[name].family == family]
            parts = [self.scores(name, agent) for name in variants]
            n_seeds = min(len(part) for part in parts)
            columns.append(np.mean([part[:n_seeds] for part in parts], axis=0))
        n_seeds = min(len(column) for column in columns)
        if n_seeds == 0:
            return None
        return np.stack([column[:n_seeds] for column in columns], axis=1)

    def compared(self) -> dict[str, Floats]:
        """Return the scores of all policies that learn and have results on every task."""
        fixed = {*_ENDS, MYOPIC, LOGGER}
        found = {name: self.matrix(name) for name in self.agents if name not in fixed}
        return {name: scores for name, scores in found.items() if scores is not None}


class Curve(NamedTuple):
    """How a training by interaction went, on the validation users; means over seeds."""

    agent: str
    task: str
    interactions: list[float]
    scores: Floats
    """Shape (n_seeds, n_looks)."""


class CurveFigures(NamedTuple):
    """What is said of a fine-tuning; each a mean over seeds."""

    jump_start: float
    """Score before the first interaction."""
    dip: float
    """Lowest return of the curve divided by the first; 1 where it never falls below it."""
    final: float
    """Score at the end."""
    area: float
    """Mean score over the interactions."""
    regret: float
    """1 less `area`: what was lost against the reference while learning."""
    to_reference: float
    """Interactions until 90 % of the reference; infinite for a seed that does not get there."""
    to_scratch: float
    """Interactions until the final score of the same agent from scratch; nan without such one."""


def read_results(folder: Path, stale: Sequence[Path] = ()) -> BenchResults:
    """Return the cells in a folder.

    Args:
        folder: `results` of a benchmark.
        stale: Files to leave out.

    Raises:
        RunFolderError: There are none, or one is damaged.
    """
    paths = [path for path in sorted(folder.glob("*/*/*.json")) if path not in stale]
    rows = [row for path in paths for row in _read(path)]
    kept = [row for row in _of_one_budget(rows) if _is_of_settings_now(row)]
    if not kept:
        raise RunFolderError(f"{folder} holds no results of rlrec bench")
    left_out = [_name(row) for row in rows if row not in kept]
    if left_out:
        _LOG.warning("left out, as of other settings or another budget: %s", "; ".join(left_out))
    return BenchResults(scored(kept), left_out)


def _of_one_budget(rows: Sequence[Row]) -> list[Row]:
    """Leave out cells of another size or budget than the reference of their task."""
    cards = {row["task"]: row["task_card"] for row in rows if row["agent"] == REFERENCE}
    return [row for row in rows if row["task_card"] == cards.get(row["task"])]


def _is_of_settings_now(row: Row) -> bool:
    """Return whether a cell of that task, policy and seed would have the same settings today."""
    try:
        task = Task.from_card(row["task_card"])
    except TypeError:
        return False
    cell = Cell(task=task, entry=MENU[row["agent"]], seed=row["seed"], tuning=row["tuning"])
    return bool(cell.fingerprint == row["fingerprint"])


def _name(row: Row) -> str:
    return f"{row['task']}, {row['agent']}, seed {row['seed']}"


def scored(rows: Sequence[Row]) -> list[Row]:
    """Return the cells with what each value is on the scale from floor (0) to reference (1)."""
    ends = {(row["task"], row["agent"]): row for row in rows if row["agent"] in _ENDS}
    return [_scored(row, *(ends.get((row["task"], end)) for end in _ENDS)) for row in rows]


def _scored(row: Row, floor: Row | None, reference: Row | None) -> Row:
    def score(value: float, world: str) -> float:
        if floor is None or reference is None:
            return float("nan")
        low, high = floor[world]["value"], reference[world]["value"]
        return (value - low) / (high - low) if high != low else float("nan")

    worlds = {
        world: {**row[world], "score": score(row[world]["value"], world)}
        for world in ("test", "shifted", "validation")
        if world in row
    }
    looks = [{**look, "score": score(look["value"], "validation")} for look in row.get("curve", ())]
    return {**row, **worlds, "curve": looks}


def curves(results: BenchResults, task: str) -> list[Curve]:
    """Return the curves of all agents that interacted on a task."""
    found = []
    for agent in results.agents:
        rows = [row for row in results.of(task, agent) if len(row.get("curve", ())) > 1]
        if rows:
            n_looks = min(len(row["curve"]) for row in rows)
            scores = [[_number(look["score"]) for look in row["curve"][:n_looks]] for row in rows]
            steps = [look["interactions"] for look in rows[0]["curve"][:n_looks]]
            found.append(Curve(agent, task, steps, np.array(scores)))
    return found


def figures(results: BenchResults, task: str, agent: str) -> CurveFigures:
    """Return what is said of the training of an agent that interacted on a task."""
    goal = _scratch_goal(results, task, agent)
    rows = [row for row in results.of(task, agent) if len(row.get("curve", ())) > 1]
    per_seed = np.array([_figures(row["curve"], goal) for row in rows])
    return CurveFigures(*per_seed.mean(axis=0).tolist())


def _figures(curve: Sequence[Row], goal: float) -> CurveFigures:
    steps = np.array([look["interactions"] for look in curve], np.float64)
    values = np.array([look["value"] for look in curve], np.float64)
    scores = np.array([_number(look["score"]) for look in curve])
    area = float(np.trapezoid(scores, steps) / (steps[-1] - steps[0]))
    dip = float(values.min() / values[0]) if values[0] else float("nan")
    return CurveFigures(
        jump_start=float(scores[0]),
        dip=dip,
        final=float(scores[-1]),
        area=area,
        regret=1.0 - area,
        to_reference=_first(steps, scores, 0.9),
        to_scratch=_first(steps, scores, goal) if np.isfinite(goal) else float("nan"),
    )


def _first(steps: Floats, scores: Floats, goal: float) -> float:
    """Return after how many interactions a score is reached; infinite for never."""
    reached = np.flatnonzero(scores >= goal)
    return float(steps[reached[0]]) if reached.size else float("inf")


def _scratch_goal(results: BenchResults, task: str, agent: str) -> float:
    """Return the mean final score of the same agent from scratch; nan where there is none.

    Where the agent is a variant of a class, of that class as it is without a label.
    """
    entry = MENU[agent]
    names = [f"{agent.removesuffix(f'-{entry.mode}')}-scratch", f"{entry.builder}-scratch"]
    known = [name for name in names if len(results.of(task, name))]
    if entry.mode == "scratch" or not known:
        return float("nan")
    ends = [_number(row["curve"][-1]["score"]) for row in results.of(task, known[0])]
    return float(np.mean(ends))


def seeds_interval(values: Floats) -> Estimate:
    """Return the interquartile mean over seeds with its bootstrap interval.

    No interval where there are too few seeds for one (of 2 it holds the truth in half of the cases,
    of 5 in 90 %), or where all are alike because the seed decides nothing.
    """
    if len(values) < FEWEST_SEEDS or np.ptp(values) == 0:
        return mean_interval(np.array([interquartile_mean(values)]))
    return stratified_bootstrap_interval(values[:, None], n_resamples=1_000)


def _read(path: Path) -> Iterator[Row]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise RunFolderError(f"{path} is damaged: {error}; delete it and run again") from None
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise RunFolderError(f"{path} is no result of rlrec bench: delete it, or choose --results")
    known = content.get("task") in TASKS and content.get("agent") in MENU
    if content.get("version") == VERSION and known:
        yield content


def _in_order(names: set[str], order: Mapping[str, object]) -> list[str]:
    return [name for name in order if name in names]


def _number(value: float | None) -> float:
    return float("nan") if value is None else float(value)
