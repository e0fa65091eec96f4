"""The results of a benchmark as one HTML file that needs nothing else."""

from collections.abc import Sequence
from html import escape

import numpy as np

from rlrec.evaluation import Estimate, interquartile_mean, performance_profile
from rlrec.workflow.bench.charts import Line, line_chart
from rlrec.workflow.bench.markdown import making
from rlrec.workflow.bench.menu import FLOOR, MENU, REFERENCE
from rlrec.workflow.bench.results import BenchResults, curves, seeds_interval
from rlrec.workflow.bench.tables import Table, overall_interval
from rlrec.workflow.bench.tasks import TASKS
from rlrec.workflow.plots import Interval, interval_rows
from rlrec.workflow.report_style import STYLE

_WIDER = (
    "main { max-width: 1180px; } .row { grid-template-columns: 250px 1fr 60px; } "
    ".logger { --mark: var(--logger); }"
)
_LOWEST, _HIGHEST = -0.5, 1.2  # what lies beyond is drawn at the end


def page(results: BenchResults, tables: Sequence[Table], command: str) -> str:
    """Return the report: each table below the plots that belong to it.

    Args:
        results: Of the cells.
        tables: `all_tables` of them.
        command: As it was called.
    """
    sections = [_section(table, _plots(results, table.key)) for table in tables]
    facts = "".join(f"<p class='note'>{escape(line)}</p>" for line in making(results))
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>rlrec bench</title><style>{STYLE}{_WIDER}</style></head><body><main>"
        f"<header><h1>Benchmark of slate recommenders</h1><pre>{escape(command)}</pre>"
        f"{facts}</header>{''.join(sections)}</main></body></html>\n"
    )


def _plots(results: BenchResults, key: str) -> str:
    if key in TASKS:
        return _task(results, key)
    plots = {"overall": _overall, "curves": _curves}
    return plots[key](results) if key in plots else ""


def _overall(results: BenchResults) -> str:
    compared = results.compared()
    names = sorted(compared, key=lambda name: -interquartile_mean(compared[name]))
    marks = [_mark(name, overall_interval(compared[name])[0]) for name in names]
    thresholds = np.linspace(0.0, 1.0, 51)
    lines = [
        Line(name, thresholds.tolist(), performance_profile(compared[name], thresholds).tolist())
        for name in names
    ]
    chart = line_chart("Performance profile: share of runs above a score", "score", lines)
    return _rows(marks) + chart


def _task(results: BenchResults, task: str) -> str:
    marks = []
    for name in results.agents:
        scores = results.scores(task, name)
        if len(scores) and np.isfinite(scores).all():
            marks.append(_mark(name, seeds_interval(scores)))
    marks.sort(key=lambda mark: -mark.value)
    return _rows(marks) if marks else ""


def _mark(name: str, found: Estimate) -> Interval:
    low, high = (found.low, found.high) if found.n > 1 else (found.value, found.value)
    return Interval(name, found.value, low, high, MENU[name].kind)


def _rows(marks: list[Interval]) -> str:
    low = max(_LOWEST, min(0.0, *(mark.lower for mark in marks)))
    high = min(_HIGHEST, max(1.0, *(mark.upper for mark in marks)))
    return interval_rows(marks, low, high)


def _curves(results: BenchResults) -> str:
    charts = []
    for task in results.tasks:
        lines = []
        for curve in curves(results, task):
            parts = curve.scores
            if np.isfinite(parts).all():
                lines.append(
                    Line(
                        curve.agent,
                        curve.interactions,
                        parts.mean(axis=0).tolist(),
                        parts.min(axis=0).tolist(),
                        parts.max(axis=0).tolist(),
                    )
                )
        if lines:
            title = f"{TASKS[task].title}: score of validation users; bands hold all seeds"
            charts.append(line_chart(title, "interactions", lines))
    return "".join(charts)


def _section(table: Table, plots: str) -> str:
    """Return a section: plots, then the table they belong to."""
    head = "".join(
        f"<th{'' if number else ' class=text'}>{escape(name)}</th>"
        for number, name in enumerate(table.columns)
    )
    rows = "".join(
        f'<tr class="{_kind(row)}">{"".join(f"<td>{escape(cell)}</td>" for cell in row)}</tr>'
        for row in table.rows
    )
    return (
        f"<section><h2>{escape(table.title.replace('`', ''))}</h2>"
        f'<p class="note">{escape(table.note)}</p>{plots}'
        f'<div class="scroll"><table><tr>{head}</tr>{rows}</table></div></section>'
    )


def _kind(row: list[str]) -> str:
    known = [MENU[cell].kind for cell in row[:2] if cell in MENU and cell not in (FLOOR, REFERENCE)]
    return known[0] if known else "oracle"
