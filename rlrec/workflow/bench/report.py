"""The tables and pictures of a bench: results.md, results.csv and report.html."""

import csv
import io
import math
from collections.abc import Callable, Iterable, Sequence
from html import escape
from pathlib import Path
from typing import Any

import numpy as np

from rlrec.evaluation import Estimate
from rlrec.workflow.bench.entrants import ENTRANTS, RANDOM, REFERENCE
from rlrec.workflow.bench.summary import (
    Row,
    Start,
    improvement,
    matrices,
    overall,
    profile,
    rows_of,
    starts,
)
from rlrec.workflow.bench.tasks import Task
from rlrec.workflow.plots import COLOURS, Interval, interval_rows
from rlrec.workflow.report_style import STYLE

_KINDS = {entrant.name: entrant.kind for entrant in ENTRANTS}
_COLUMNS = ("policy", "seeds", "return", "score", "interactions", "updates", "CPU s", "tuned")
_START_COLUMNS = (
    "agent",
    "seeds",
    "at first",
    "lowest / first - 1",
    "final",
    "scratch, final",
    "interactions to scratch's final",
    "scratch itself, to 90 %",
)


def write_report(results: Sequence[dict[str, Any]], tasks: Sequence[Task], folder: Path) -> None:
    """Write the tables and the page of results into a folder.

    Args:
        results: Of the cells, at least one.
        tasks: In the order shown.
        folder: Where to.
    """
    rows = rows_of(results)
    (folder / "results.md").write_text(markdown(results, rows, tasks))
    (folder / "report.html").write_text(page(results, rows, tasks))
    with open(folder / "results.csv", "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["task", *_COLUMNS])
        writer.writerows([row.task, *cells(row)] for row in rows)


def cells(row: Row) -> list[str]:
    """Return a row of a task's table as text, in the order of its columns."""
    return [
        row.entrant,
        str(row.n_seeds),
        _interval(row.value, ",.1f"),
        _interval(row.score, ".2f"),
        f"{row.n_interactions:,}" if row.n_interactions else "",
        f"{row.n_updates:,}" if row.n_updates else "",
        f"{row.cpu_seconds:,.0f}",
        "" if row.tuned == "not tuned" else row.tuned,
    ]


def markdown(results: Sequence[dict[str, Any]], rows: Sequence[Row], tasks: Sequence[Task]) -> str:
    """Return the tables as Markdown."""
    parts = [f"# Bench\n\n{_READING}\n"]
    for task in _shown(tasks, rows):
        told = [cells(row) for row in rows if row.task == task.name]
        parts.append(f"## {task.title}\n\n{_budget(task)}\n\n{_table(_COLUMNS, told)}")
        begun = [_start_cells(start) for start in starts(results) if start.task == task.name]
        if begun:
            parts.append(f"Going on from the log:\n\n{_table(_START_COLUMNS, begun)}")
    parts.append(f"## All tasks\n\n{_table(('policy', 'tasks', 'seeds', 'score'), _all(results))}")
    return "\n".join(parts)


def page(results: Sequence[dict[str, Any]], rows: Sequence[Row], tasks: Sequence[Task]) -> str:
    """Return the page, which needs nothing else."""
    sections = [_task_section(task, results, rows) for task in _shown(tasks, rows)]
    table = _html_table(("policy", "tasks", "seeds", "score"), _all(results))
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>Bench</title><style>{STYLE}</style></head><body><main><header>"
        f'<h1>Bench of rlrec</h1><p class="note">{escape(_READING)}</p></header>'
        f"<section><h2>All tasks</h2>{table}{_profiles(results)}{_improvements(results)}</section>"
        f"{''.join(sections)}</main></body></html>\n"
    )


_READING = (
    "Returns are means over seeds of training with a 95 % t-interval (over test users where there "
    "is one seed). Scores lie between random slates (0) and the planning reference (1) and are "
    "interquartile means with a 95 % interval by stratified bootstrap over seeds. Policies of a "
    "task met the same test users, whom no agent was trained on; the checkpoint of an agent that "
    "learns by interaction is the one that other, validation, users liked best. CPU seconds are "
    "those of training with its validation, one thread."
)


def _task_section(task: Task, results: Sequence[dict[str, Any]], rows: Sequence[Row]) -> str:
    own = [row for row in rows if row.task == task.name]
    points = [
        Interval(row.entrant, s.value, s.low, s.high, _KINDS.get(row.entrant, "agent"))
        for row in own
        if math.isfinite((s := row.score).value)
    ]
    lowest = min([0.0, *(point.lower for point in points)])
    plot = interval_rows(points, lowest, max([1.0, *(point.upper for point in points)]))
    begun = [_start_cells(start) for start in starts(results) if start.task == task.name]
    going_on = (
        f"<h3>Going on from the log</h3>{_html_table(_START_COLUMNS, begun)}" if begun else ""
    )
    return (
        f'<section><h2>{escape(task.title)}</h2><p class="note">{escape(_budget(task))}</p>'
        f"{plot}{_html_table(_COLUMNS, [cells(row) for row in own])}"
        f"{_curves(task, results)}{going_on}</section>"
    )


def _budget(task: Task) -> str:
    return (
        f"{task.env_id}, log: {task.logger} ({task.n_logged:,} steps), {task.n_interactions:,} "
        f"interactions with {task.n_users} users at a time, {task.n_test_users:,} test users."
    )


def _shown(tasks: Sequence[Task], rows: Sequence[Row]) -> list[Task]:
    found = {row.task for row in rows}
    return [task for task in tasks if task.name in found]


def _all(results: Sequence[dict[str, Any]]) -> list[list[str]]:
    return [
        [each.entrant, str(len(each.tasks)), str(each.n_seeds), _interval(each.score, ".2f")]
        for each in overall(results)
    ]


def _start_cells(start: Start) -> list[str]:
    reached = "not reached" if start.n_to_scratch is None else f"{start.n_to_scratch:,.0f}"
    return [
        start.agent,
        str(start.n_seeds),
        f"{start.jump_start:,.1f}",
        f"{start.dip:.1%}",
        f"{start.final:,.1f}",
        f"{start.scratch_final:,.1f}",
        reached,
        f"{start.n_scratch:,.0f}",
    ]


def _interval(found: Estimate, form: str) -> str:
    if not math.isfinite(found.value):
        return "–"
    if found.low == found.high or not math.isfinite(found.low):
        return f"{found.value:{form}}"
    return f"{found.value:{form}} ({found.low:{form}} to {found.high:{form}})"


def _table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [" | ".join(columns), " | ".join("---" for _ in columns)]
    lines += [" | ".join(row) for row in rows]
    return "".join(f"| {line} |\n" for line in lines)


def _html_table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    head = "".join(f"<th>{escape(column)}</th>" for column in columns)
    body = "".join(
        f'<tr class="{_KINDS.get(row[0], "")}">'
        + "".join(f"<td>{escape(cell)}</td>" for cell in row)
        + "</tr>"
        for row in rows
    )
    return f'<div class="scroll"><table><tr>{head}</tr>{body}</table></div>'


def _improvements(results: Sequence[dict[str, Any]]) -> str:
    """Return how likely each agent beats each other one, on the tasks that both entered."""
    names = [name for name in matrices(results) if _KINDS.get(name) in ("agent", "baseline")]
    if len(names) < 2:
        return ""

    def cell(a: str, b: str) -> str:
        chance = None if a == b else improvement(results, a, b)
        return "" if chance is None else f"{chance:.2f}"

    rows = [[a, *(cell(a, b) for b in names)] for a in names]
    title = "<h3>Probability that the row beats the column, on a task that both entered</h3>"
    return title + _html_table(("", *names), rows)


def _profiles(results: Sequence[dict[str, Any]]) -> str:
    """Return a plot of the share of runs above each score."""
    levels = np.linspace(-0.2, 1.2, 141)
    tables = {n: t for n, t in matrices(results).items() if _KINDS.get(n) == "agent"}

    def draw(axes: Any) -> None:
        for number, (name, table) in enumerate(tables.items()):
            colour = COLOURS[number % len(COLOURS)]
            axes.plot(levels, profile(table, levels), color=colour, label=name)
        axes.set_xlabel("score")
        axes.set_ylabel("share of runs above it")

    title = "<h3>Performance profile (each agent on the tasks that it entered)</h3>"
    return title + _plot(draw) if tables else ""


def _curves(task: Task, results: Sequence[dict[str, Any]]) -> str:
    """Return the learning curves of a task: means over seeds, with their range."""
    by_agent: dict[str, list[list[dict[str, float]]]] = {}
    for result in results:
        if result["task"] == task.name and result["curve"]:
            by_agent.setdefault(result["entrant"], []).append(result["curve"])
    ends = {
        result["entrant"]: result["return"]["value"]
        for result in results
        if result["task"] == task.name and result["entrant"] in (RANDOM, REFERENCE)
    }

    def draw(axes: Any) -> None:
        for number, (name, curves) in enumerate(by_agent.items()):
            n_points = min(map(len, curves))
            table = np.array([[point["return"] for point in c[:n_points]] for c in curves])
            x = np.mean([[p["n_interactions"] for p in c[:n_points]] for c in curves], axis=0)
            colour = COLOURS[number % len(COLOURS)]
            axes.plot(x, table.mean(axis=0), color=colour, label=name)
            axes.fill_between(x, table.min(axis=0), table.max(axis=0), color=colour, alpha=0.15)
        for name, value in ends.items():
            axes.axhline(value, color="#8b95a1", linewidth=0.8, linestyle=":")
            axes.annotate(name, (0, value), fontsize=8, color="#5c6b7c", va="bottom")
        axes.set_xlabel("interactions")
        axes.set_ylabel("return on validation users")

    title = "<h3>Learning curves (mean and range over seeds)</h3>"
    return title + _plot(draw) if by_agent else ""


def _plot(draw: Callable[[Any], None]) -> str:
    """Return what a function draws as SVG."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    with rc_context({"svg.hashsalt": "rlrec", "font.size": 9}):
        figure = Figure(figsize=(8.6, 3.6), layout="constrained")
        axes = figure.subplots()
        draw(axes)
        axes.spines[["top", "right"]].set_visible(False)
        figure.legend(loc="outside right upper", frameon=False)
        file = io.StringIO()
        figure.savefig(file, format="svg", metadata={"Date": None})
    text = file.getvalue()
    return f'<div class="scroll">{text[text.index("<svg") :]}</div>'
