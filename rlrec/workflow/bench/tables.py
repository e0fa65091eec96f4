"""The tables of a benchmark, as text in cells: for the terminal, Markdown and HTML alike."""

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from rlrec.arrays import Floats
from rlrec.evaluation import (
    Estimate,
    interquartile_mean,
    probability_interval,
    stratified_bootstrap_interval,
)
from rlrec.workflow.bench.menu import LOGGER, MENU
from rlrec.workflow.bench.results import (
    FEWEST_SEEDS,
    BenchResults,
    Row,
    curves,
    figures,
    seeds_interval,
)
from rlrec.workflow.bench.tasks import TASKS

_MOST_PAIRED = 12
_RESAMPLES = 1_000


class Table(NamedTuple):
    """A table in words."""

    key: str
    """`overall`, `curves`, `improvement` or the name of a task."""
    title: str
    note: str
    columns: list[str]
    rows: list[list[str]]


def overall(results: BenchResults) -> Table:
    """Return one row a policy with results on every task: the interquartile mean of its scores."""
    rows = [(name, *overall_interval(scores)) for name, scores in results.compared().items()]
    rows.sort(key=lambda row: -row[1].value)
    shown = {name for name, *_ in rows} | {LOGGER}
    left_out = [name for name in results.agents if MENU[name].learns and name not in shown]
    note = (
        "Score 0 is random slates, 1 the planning reference. Interquartile mean over tasks and "
        "seeds, 95 % stratified bootstrap interval over seeds; variants of a task are averaged "
        "first."
    )
    if left_out:
        note += f" Without results on every task, and so not here: {', '.join(left_out)}."
    return Table(
        "overall",
        f"All tasks together ({len(results.families)})",
        note,
        ["policy", "score", "mean score", "seeds"],
        [[name, _interval(found, 3), f"{mean:.3f}", str(found.n)] for name, found, mean in rows],
    )


def overall_interval(scores: Floats) -> tuple[Estimate, float]:
    """Return the interquartile mean of scores (n_seeds, n_tasks) and their plain mean."""
    found = stratified_bootstrap_interval(scores, n_resamples=_RESAMPLES)
    return found, float(scores.mean())


def task_table(results: BenchResults, task: str) -> Table:
    """Return one row a policy of a task, the best first."""
    has_shift = TASKS[task].shifted is not None
    agents = [name for name in results.agents if len(results.values(task, name))]
    agents.sort(key=lambda name: -interquartile_mean(results.values(task, name)))
    columns = ["policy", "return", "score", *(["shifted world"] if has_shift else []), "seeds"]
    columns += ["slates", "log", "interactions", "updates", "CPU s", "tuning"]
    rows = []
    for name in agents:
        found = results.of(task, name)
        scores = results.scores(task, name)
        shifted = results.scores(task, name, "shifted")
        rows.append(
            [
                name,
                _interval(seeds_interval(results.values(task, name)), 1),
                _interval(seeds_interval(scores), 3),
                *([_interval(seeds_interval(shifted), 3)] if has_shift else []),
                str(len(found)),
                _slates(found),
                *_efforts(found),
            ]
        )
    note = (
        f"{TASKS[task].env_id}, log: {TASKS[task].logger}. Interquartile mean over seeds of the "
        f"mean over the same test users; of {FEWEST_SEEDS} seeds or more with a 95 % bootstrap "
        "interval over seeds, in which the chance of these users, of floor and of reference is "
        "not. Agents as they were best on validation users, with the slates that these liked "
        "better: best or drawn ones."
    )
    return Table(task, f"{TASKS[task].title} (`{task}`)", note, columns, rows)


def curve_table(results: BenchResults) -> Table:
    """Return one row for each agent and task that learned by interaction."""
    rows = []
    for task in results.tasks:
        for curve in curves(results, task):
            told = figures(results, task, curve.agent)
            rows.append(
                [
                    task,
                    curve.agent,
                    f"{told.jump_start:.3f}",
                    f"{told.dip:.3f}",
                    f"{told.final:.3f}",
                    _steps(told.to_reference),
                    _steps(told.to_scratch),
                    f"{told.area:.3f}",
                    f"{told.regret:.3f}",
                ]
            )
    note = (
        "On validation users, means over seeds. Jump-start: score before the first interaction. "
        "Dip: lowest return (not score) divided by the first. Interactions to 90 % of the "
        "reference, and to the final score of the same agent from scratch (first look at or above "
        "it; 'never' where a seed does not get there). Area: mean score while learning; regret: 1 "
        "less that."
    )
    columns = ["task", "policy", "jump-start", "dip", "final", "to 90 %", "to scratch"]
    return Table("curves", "Learning by interaction", note, [*columns, "area", "regret"], rows)


def improvement_table(results: BenchResults) -> Table:
    """Return P(row beats column) on a task drawn at random, for the best policies."""
    compared = results.compared()
    names = sorted(compared, key=lambda name: -interquartile_mean(compared[name]))[:_MOST_PAIRED]
    rows = []
    for name in names:
        cells = {
            other: _interval(probability_interval(compared[name], compared[other], 300), 2)
            for other in names
            if other != name
        }
        rows.append([name, *(cells.get(other, "") for other in names)])
    note = (
        "Probability that a run of the row beats a run of the column on a task drawn at random, "
        "with 95 % stratified bootstrap intervals; 0.5 is no difference."
    )
    return Table("improvement", "Probability of improvement", note, ["policy", *names], rows)


def all_tables(results: BenchResults) -> list[Table]:
    """Return the tables that have rows, in the order of the report."""
    tables = [
        overall(results),
        *(task_table(results, task) for task in results.tasks),
        curve_table(results),
        improvement_table(results),
    ]
    return [table for table in tables if table.rows]


def _slates(rows: Sequence[Row]) -> str:
    """Return which slates were judged, where the policy has both."""
    serves = sorted({row["serves"] for row in rows if "serves" in row})
    return " or ".join(serves)


def _efforts(rows: Sequence[Row]) -> list[str]:
    """Return what a policy took, in words: means over seeds."""
    cpu = np.mean([row["made"]["cpu_seconds"] for row in rows])
    return [
        _count(row.get("log_steps", 0) for row in rows),
        _count(row.get("interactions", 0) for row in rows),
        _count(row.get("updates", 0) for row in rows),
        f"{cpu:.1f}",
        _tuning(rows[0]),
    ]


def _tuning(row: Row) -> str:
    tuning = row.get("tuning")
    if tuning:
        return f"{tuning['n_trials']} trials, {tuning['interactions']:,} interactions"
    tried = row.get("tried")
    return f"by hand: {tried}" if tried else ""


def _count(numbers: Iterable[float]) -> str:
    mean = float(np.mean(list(numbers)))
    return f"{mean:,.0f}" if mean else ""


def _steps(number: float) -> str:
    if math.isnan(number):
        return ""
    return "never" if math.isinf(number) else f"{number:,.0f}"


def _interval(found: Estimate, digits: int) -> str:
    if found.n < 2:
        return f"{found.value:.{digits}f}"
    return f"{found.value:.{digits}f} ({found.low:.{digits}f} to {found.high:.{digits}f})"
