"""The report of a run: one HTML file that needs nothing else.

Every sentence and figure follows from the results; nothing is claimed beforehand.
"""

import math
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any

from rlrec.evaluation import RolloutResults
from rlrec.workflow.html_tables import assumption_table, table
from rlrec.workflow.plots import (
    COLOURS,
    OTHER_COLOUR,
    Interval,
    Level,
    interval_rows,
    learning_curve,
    legend,
    stacked_areas,
)
from rlrec.workflow.policy_names import (
    MYOPIC,
    RANDOM,
    REFERENCE,
    agent_of,
    finetuned,
    kind_of,
    pretrained,
)
from rlrec.workflow.report_data import (
    ReportData,
    best_baseline,
    gather,
    judge,
    main_topics,
    topic_shares,
)
from rlrec.workflow.report_style import STYLE
from rlrec.workflow.run_folder import RunFolder, write_file

_KIND_COLOURS = {
    "floor": "#8b95a1",
    "logger": "#8a6d4b",
    "baseline": "#2f5d8a",
    "agent": "#d9741a",
    "oracle": "#4c9a6a",
}


def write_report(folder: RunFolder) -> Path:
    """Write `report.html` into the folder of a finished run and return its path.

    Raises:
        RunFolderError: A stage is not finished.
    """
    path = folder.path / "report.html"
    write_file(path, render(gather(folder)))
    return path


def render(data: ReportData) -> str:
    """Return the report as HTML."""
    sections = [
        _returns(data),
        _learning(data),
        _recommended(data),
        _rankings(data),
        _assumptions(data),
        _making(data),
    ]
    title = escape(f"{data.config.name}: {data.config.environment.id}")
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{title}</title><style>{STYLE}</style></head><body><main>"
        f"{_head(data)}{''.join(sections)}</main></body></html>\n"
    )


def _head(data: ReportData) -> str:
    verdict = judge(data.rollouts)
    environment = data.environment
    log = data.log
    started = str(data.card.get("started", "")).replace("T", " ")
    kicker = f"{data.config.name} · {data.config.environment.id} · {started}"
    details = " ".join([*verdict.details, *_nothing_gained(data)])
    facts = (
        (f"{environment['n_choices']:,}", "items to choose from"),
        (f"{environment['slate_size']}", "items in a slate"),
        (f"{log['n_rows']:,}", f"logged slates, shown by {log['policy']}"),
        (f"{data.curve[-1].interactions:,}", "interactions in fine-tuning"),
        (f"{data.rollouts.n_users:,}", "new users judge every policy"),
    )
    boxes = "".join(
        f'<div class="fact"><b>{escape(number)}</b><span>{escape(words)}</span></div>'
        for number, words in facts
    )
    return (
        f'<header><p class="kicker">{escape(kicker)}</p><h1>{escape(verdict.headline)}</h1>'
        f'<p>{escape(details)}</p></header><div class="facts">{boxes}</div>'
    )


def _nothing_gained(data: ReportData) -> list[str]:
    """Say so where the agent that was kept is the pretrained one."""
    if data.best_interactions > 0:
        return []
    return [
        "Fine-tuning did not improve the return of the validation users: the agent that was kept "
        "is the pretrained one."
    ]


def _returns(data: ReportData) -> str:
    rollouts = data.rollouts
    scores = {name: rollouts.score(name, RANDOM, REFERENCE) for name in rollouts.policies}
    intervals = [
        Interval(name, score.value, score.low, score.high, kind_of(name))
        for name, score in scores.items()
    ]
    low = min(0.0, *(score.low for score in scores.values()))
    high = max(1.0, *(score.high for score in scores.values()))
    note = (
        f"Every policy met the same {rollouts.n_users:,} new users (seed {rollouts.seed}), one "
        "episode each, with the same random numbers, and showed its best slate (the logging policy "
        "drew as for the log). 0 is random slates, 1 the planning reference, which knows the "
        "users' true tastes. Intervals are 95 % over users: for returns the t interval of the "
        "mean, for scores the delta method on paired users. They do not hold the chance of "
        "training: that takes several seeds."
    )
    return (
        "<section><h2>Returns</h2>"
        f'<p class="note">{escape(note)}</p>{interval_rows(intervals, low, high)}'
        f"{_policy_table(rollouts)}</section>"
    )


def _policy_table(rollouts: RolloutResults) -> str:
    returns = rollouts.table(floor=RANDOM, reference=REFERENCE)
    channels = [f"response.{name}" for name in rollouts.response_channels]
    titles = ["Policy", "Return per user", "Score 0..1", "Steps"]
    titles += [f"{name.replace('_', ' ')} per user" for name in rollouts.response_channels]
    cut_short = bool(returns["cut_short"].any())
    rows = []
    for name, row in returns.iterrows():
        kind = kind_of(str(name))
        cells = [
            f'<td><i class="dot"></i>{escape(str(name))}</td>',
            _cell(row["mean_return"], row["low"], row["high"], 1),
            _cell(row["score"], row["score_low"], row["score_high"], 2),
            f"<td>{row['length']:,.1f}</td>",
            *(f"<td>{row[channel]:,.1f}</td>" for channel in channels),
        ]
        if cut_short:
            cells.append(f"<td>{row['cut_short']:.1%}</td>")
        rows.append(f'<tr class="{kind}">{"".join(cells)}</tr>')
    return table(titles + ["Cut short"] * cut_short, rows)


def _cell(value: float, low: float, high: float, digits: int) -> str:
    if math.isnan(low):
        return f"<td>{value:,.{digits}f}</td>"
    interval = f"{low:,.{digits}f} to {high:,.{digits}f}"
    return f"<td>{value:,.{digits}f} <small>{interval}</small></td>"


def _learning(data: ReportData) -> str:
    points = [
        (float(p.interactions), Interval("", p.mean_return, p.lower, p.upper)) for p in data.curve
    ]
    agent = agent_of(data.rollouts.policies)
    shown = [RANDOM, best_baseline(data.rollouts), MYOPIC, pretrained(agent), REFERENCE]
    levels = [
        Level(name, data.rollouts.mean_return(name).value, _KIND_COLOURS[kind_of(name)])
        for name in dict.fromkeys(shown)
        if name is not None and name in data.rollouts.policies
    ]
    note = (
        f"Mean return of {data.config.finetuning.n_validation_users:,} validation users, with its "
        "95 % interval, while the agent goes on learning from other simulated users; 0 "
        "interactions is the pretrained agent. The ring marks the agent that was kept "
        f"({data.best_interactions:,} interactions): chosen by these users, judged above by "
        "others. Dashed lines: returns of other policies on the test users."
    )
    plot = learning_curve(points, levels, float(data.best_interactions))
    return (
        f'<section><h2>Learning by interaction</h2><p class="note">{escape(note)}</p>'
        f'<div class="scroll">{plot}</div></section>'
    )


def _recommended(data: ReportData) -> str:
    rollouts = data.rollouts
    if not rollouts.topic_names:
        note = "Documents are fresh at every step and have no identity: nothing to count by item."
        return f'<section><h2>What was recommended</h2><p class="note">{note}</p></section>'
    note = (
        "Coverage is the share of the catalogue that was shown at least once to any test user; "
        "Gini is 0 where all items are shown equally often and near 1 where few get all the places."
    )
    return (
        f'<section><h2>What was recommended</h2><p class="note">{note}</p>'
        f"{_exposure_table(rollouts)}{_topic_plots(rollouts)}</section>"
    )


def _exposure_table(rollouts: RolloutResults) -> str:
    rows = []
    for name, run in rollouts.policies.items():
        coverage, gini = run.coverage or 0.0, run.gini or 0.0
        rows.append(
            f'<tr class="{kind_of(name)}"><td><i class="dot"></i>{escape(name)}</td>'
            f"<td>{coverage:.1%}</td><td>{gini:.3f}</td><td>{run.topics_a_slate or 0.0:.2f}</td>"
            f"<td>{run.blank_slots.mean():.2f}</td></tr>"
        )
    titles = ["Policy", "Coverage", "Gini", "Topics a slate", "Blank slots per user"]
    return table(titles, rows)


def _topic_plots(rollouts: RolloutResults) -> str:
    agent = agent_of(rollouts.policies)
    agents = [pretrained(agent), finetuned(agent)]
    wanted = [RANDOM, best_baseline(rollouts), MYOPIC, *agents, REFERENCE]
    names = [name for name in dict.fromkeys(wanted) if name and name in rollouts.policies]
    topics = main_topics(rollouts, names, len(COLOURS))
    labels, colours = (
        [rollouts.topic_names[topic] for topic in topics],
        list(COLOURS)[: len(topics)],
    )
    if len(topics) < len(rollouts.topic_names):
        labels.append(f"the other {len(rollouts.topic_names) - len(topics)}")
        colours.append(OTHER_COLOUR)
    plots = []
    for name in names:
        shares, n_steps = topic_shares(rollouts, name, topics)
        plots.append(stacked_areas(name, shares[:, : len(labels)].tolist(), colours, n_steps))
    return (
        "<h3>Topics over an episode</h3>"
        '<p class="note">Share of each topic in the slots shown, from the first step of the '
        "episode (left) to the last one that at least 2 % of the users reach (right).</p>"
        f'<div class="smalls">{"".join(plots)}</div>{legend(labels, colours)}'
    )


def _rankings(data: ReportData) -> str:
    rankings: list[dict[str, Any]] = data.data.get("rankings") or []
    if not rankings:
        return ""
    metrics = [key for key in rankings[0] if key not in ("split", "baseline")]
    parts = [
        _ranking_table(split, [row for row in rankings if row["split"] == split], metrics)
        for split in dict.fromkeys(row["split"] for row in rankings)
    ]
    note = (
        f"{data.data['summary']}. Ranked lists of k items from the whole catalogue without those "
        "a user is known to have; the held-out items count as relevant. Means over users; the best "
        "of each column in bold."
    )
    return (
        "<section><h2>Baselines on the real ratings</h2>"
        f'<p class="note">{escape(note)}</p>{"".join(parts)}</section>'
    )


def _ranking_table(split: str, rows: Sequence[dict[str, Any]], metrics: Sequence[str]) -> str:
    best = {
        key: max((row[key] for row in rows if row[key] is not None), default=math.nan)
        for key in metrics
        if _is_quality(key)
    }
    body = []
    for row in rows:
        cells = [f"<td>{escape(str(row['baseline']))}</td>"]
        for key in metrics:
            mark = ' class="best"' if row[key] == best.get(key) else ""
            cells.append(f"<td{mark}>{_number(row[key])}</td>")
        body.append(f"<tr>{''.join(cells)}</tr>")
    titles = ["Baseline", *(key.replace("_", " ") for key in metrics)]
    return f"<h3>{escape(split.replace('_', ' '))}</h3>{table(titles, body)}"


def _number(value: float | int | None) -> str:
    if value is None:
        return "–"
    return f"{value:,}" if isinstance(value, int) else f"{value:.4f}"


def _is_quality(metric: str) -> bool:
    return metric not in ("k", "n_users", "gini", "coverage", "novelty", "diversity")


def _assumptions(data: ReportData) -> str:
    statuses = [line["status"] for line in data.environment["card"]]
    note = (
        f"These users are simulated. Of {len(statuses)} values of the environment "
        f"{statuses.count('estimated')} are estimated from data and {statuses.count('assumed')} "
        "are assumed: the results hold as far as the assumptions do."
    )
    values = assumption_table(data.environment["card"])
    return (
        f'<section class="long"><h2>What is assumed</h2><p class="note">{escape(note)}</p>'
        f"{values}</section>"
    )


def _making(data: ReportData) -> str:
    card = data.card
    versions = ", ".join(f"{name} {version}" for name, version in card["versions"].items())
    times = [f"{stage} {seconds:,.1f} s" for stage, seconds in data.seconds.items()]
    total = sum(data.seconds.values())
    seeds = ", ".join(f"{name} {seed}" for name, seed in card.get("seeds", {}).items())
    lines = (
        ("Versions", versions),
        ("Commit", ", then ".join(data.commits or [card.get("commit") or "not of a checkout"])),
        *((f"Stage {name}", f"made with {'; '.join(was)}") for name, was in data.foreign.items()),
        ("Machine", card.get("machine", "")),
        ("Wall time", f"{total:,.0f} s in all: {', '.join(times)}"),
        ("Seeds", seeds),
    )
    rows = [
        f'<tr><td>{key}</td><td class="text">{escape(str(value))}</td></tr>' for key, value in lines
    ]
    return (
        '<section class="long"><h2>How to get this again</h2>'
        f"<pre>{escape(card.get('command') or 'rlrec run config.yaml')}</pre>"
        '<p class="note">The folder of this report holds config.yaml with every default written '
        "out; the same configuration and versions on the same kind of machine give the same "
        "numbers.</p>"
        f'<div class="scroll"><table>{"".join(rows)}</table></div>'
        f"<details><summary>Configuration</summary><pre>{escape(data.config_text)}</pre></details>"
        "</section>"
    )
