"""From results of cells to scores, tables and curves."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from rlrec.arrays import Floats
from rlrec.evaluation.statistics import (
    Estimate,
    interquartile_mean,
    mean_interval,
    probability_of_improvement,
    stratified_bootstrap_interval,
)
from rlrec.workflow.bench.entrants import RANDOM, REFERENCE

_CLOSE = 0.9  # of the way from random slates to the final return from scratch


class Row(NamedTuple):
    """An entrant on a task."""

    task: str
    entrant: str
    n_seeds: int
    value: Estimate
    """Of the return: over seeds; over test users where there is one seed."""
    score: Estimate
    """Interquartile mean over seeds of (return - random) / (reference - random)."""
    n_interactions: int
    n_updates: int
    cpu_seconds: float
    tuned: str


def scores_of(results: Sequence[dict[str, Any]]) -> pd.DataFrame:
    """Return one row a result: task, entrant, seed, return, score (nan without a scale)."""
    frame = pd.DataFrame(
        {
            "task": [result["task"] for result in results],
            "entrant": [result["entrant"] for result in results],
            "seed": [result["seed"] for result in results],
            "return": [result["return"]["value"] for result in results],
        }
    )
    ends = frame[frame["entrant"].isin([RANDOM, REFERENCE])]
    ends = ends.pivot_table(index="task", columns="entrant", values="return")
    ends = ends.reindex(columns=[RANDOM, REFERENCE]).reindex(frame["task"])
    floor, top = ends[RANDOM].to_numpy(), ends[REFERENCE].to_numpy()
    frame["score"] = (frame["return"].to_numpy() - floor) / (top - floor)
    return frame


def rows_of(results: Sequence[dict[str, Any]]) -> list[Row]:
    """Return one row a task and entrant, tasks in their order, the best entrant first."""
    scores, rows = scores_of(results), []
    for (task, entrant), found in scores.groupby(["task", "entrant"], sort=False):
        own = [r for r in results if (r["task"], r["entrant"]) == (task, entrant)]
        value = Estimate(**own[0]["return"])
        if len(own) > 1:
            value = mean_interval(found["return"].to_numpy())
        score = stratified_bootstrap_interval(found["score"].to_numpy())
        costs = [np.mean([r[key] for r in own]) for key in ("n_interactions", "n_updates")]
        seconds = float(np.mean([r["cpu_seconds"] for r in own]))
        n_interactions, n_updates = map(round, costs)
        rows.append(
            Row(
                str(task),
                str(entrant),
                len(own),
                value,
                score,
                n_interactions,
                n_updates,
                seconds,
                own[0]["tuned"],
            )
        )
    order = {task: number for number, task in enumerate(dict.fromkeys(scores["task"]))}
    return sorted(rows, key=lambda row: (order[row.task], -row.value.value))


class Overall(NamedTuple):
    """An entrant over all tasks."""

    entrant: str
    tasks: tuple[str, ...]
    n_seeds: int
    score: Estimate
    """Interquartile mean over seeds and tasks."""


def overall(results: Sequence[dict[str, Any]]) -> list[Overall]:
    """Return agents' scores over the tasks they entered, the best first."""
    found = []
    for entrant, matrix in matrices(results).items():
        score = stratified_bootstrap_interval(matrix.to_numpy(), interquartile_mean)
        found.append(Overall(entrant, tuple(matrix.columns), len(matrix), score))
    return sorted(found, key=lambda each: -each.score.value)


def matrices(results: Sequence[dict[str, Any]]) -> dict[str, pd.DataFrame]:
    """Return the scores of each entrant, seeds by tasks, without seeds that lack a task."""
    scores = scores_of(results)
    tables = {}
    for entrant, own in scores.groupby("entrant", sort=False):
        if entrant in (RANDOM, REFERENCE):
            continue
        table = own.pivot_table(index="seed", columns="task", values="score").dropna()
        if len(table):
            tables[str(entrant)] = table
    return tables


def improvement(results: Sequence[dict[str, Any]], a: str, b: str) -> float | None:
    """Return the probability that `a` beats `b` on a task both entered; None without one."""
    tables = matrices(results)
    if a not in tables or b not in tables:
        return None
    shared = [task for task in tables[a].columns if task in tables[b].columns]
    if not shared:
        return None
    return probability_of_improvement(tables[a][shared].to_numpy(), tables[b][shared].to_numpy())


def profile(matrix: pd.DataFrame, levels: Floats) -> Floats:
    """Return the share of an entrant's runs that score above each level."""
    shares: Floats = (matrix.to_numpy().reshape(-1, 1) > levels).mean(axis=0)
    return shares


class Start(NamedTuple):
    """How an agent fares as it goes on from a log, beside itself from scratch; means over seeds."""

    task: str
    agent: str
    n_seeds: int
    jump_start: float
    """Return before the first interaction."""
    dip: float
    """Lowest return / the first, less 1, at most 0."""
    final: float
    scratch_final: float
    n_to_scratch: float | None
    """Interactions until the return is that from scratch in the end (mean over seeds that get
    there, None if most do not)."""
    n_scratch: float
    """Interactions that scratch itself took to come within 10 % of its final gain."""


def starts(results: Sequence[dict[str, Any]]) -> list[Start]:
    """Compare the curves of fine-tuned agents with those from scratch, seed by seed."""
    by_cell = {(r["task"], r["entrant"], r["seed"]): r for r in results}
    found = []
    for task, entrant in dict.fromkeys((task, entrant) for task, entrant, _ in by_cell):
        if not entrant.endswith(", fine-tuned"):
            continue
        scratch = entrant.replace(", fine-tuned", ", scratch")
        pairs = [
            (result["curve"], by_cell[task, scratch, seed]["curve"])
            for (of, who, seed), result in by_cell.items()
            if (of, who) == (task, entrant) and (task, scratch, seed) in by_cell
        ]
        if pairs:
            found.append(_start(task, entrant.split(",")[0], pairs))
    return found


def _start(task: str, agent: str, pairs: Sequence[tuple[Any, Any]]) -> Start:
    rows = []
    for tuned, scratch in pairs:
        returns = [point["return"] for point in tuned]
        goal = scratch[-1]["return"]
        reached = [p["n_interactions"] for p in tuned if p["return"] >= goal]
        near = scratch[0]["return"] + _CLOSE * (goal - scratch[0]["return"])
        took = [p["n_interactions"] for p in scratch if p["return"] >= near]
        rows.append(
            (
                returns[0],
                min(returns) / returns[0] - 1.0,
                returns[-1],
                goal,
                reached[0] if reached else np.nan,
                took[0],
            )
        )
    table = np.array(rows, float)
    missed = np.isnan(table[:, 4]).mean() > 0.5
    n_to = None if missed else float(np.nanmean(table[:, 4]))
    first, dip, final, scratch_final, _, n_scratch = table.mean(axis=0).tolist()
    return Start(task, agent, len(rows), first, dip, final, scratch_final, n_to, n_scratch)
