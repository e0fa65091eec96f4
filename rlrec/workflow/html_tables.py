"""Tables of the reports as HTML."""

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any


def table(titles: Sequence[str], rows: Iterable[str], text_columns: int = 1) -> str:
    """Return a table that can be scrolled sideways.

    Args:
        titles: Of the columns.
        rows: Whole rows, as HTML.
        text_columns: How many of the first columns hold text, not numbers.
    """
    head = "".join(
        f'<th class="text">{escape(title)}</th>'
        if n < text_columns
        else f"<th>{escape(title)}</th>"
        for n, title in enumerate(titles)
    )
    return (
        f'<div class="scroll"><table><thead><tr>{head}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div>"
    )


def assumption_table(lines: Sequence[Mapping[str, Any]]) -> str:
    """Return what users are made of: `name`, `value`, `status` and `note` of each value."""
    rows = [_assumption_row(line) for line in lines]
    return table(["Value", "", "Status", "Why"], rows, text_columns=4)


def _assumption_row(line: Mapping[str, Any]) -> str:
    words = {key: escape(str(value)) for key, value in line.items()}
    tag = f'<span class="tag {words["status"]}">{words["status"]}</span>'
    cells = (words["value"], tag, words["note"])
    texts = "".join(f'<td class="text">{cell}</td>' for cell in cells)
    return f"<tr><td>{words['name']}</td>{texts}</tr>"
