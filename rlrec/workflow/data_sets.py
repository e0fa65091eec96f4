"""What `rlrec data` says: which data sets there are, and what one holds."""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from rlrec.data.data_sets import DATA_SETS, DataSet, Opened, find_data_set
from rlrec.data.log_facts import LogFacts, Range, log_facts

Lines = list[str]


def list_data_sets() -> Lines:
    """Return the text about all data sets."""
    lines: Lines = []
    for entry in DATA_SETS:
        lines += [entry.name, f"    {entry.title}", *_about(entry), ""]
    return [*lines, "rlrec data NAME PATH loads one and says what it holds."]


def describe_data_set(name: str) -> Lines:
    """Return the text about one data set, with its arguments.

    Raises:
        UnknownNameError: There is none of this name.
    """
    entry = find_data_set(name)
    arguments = ", ".join(
        argument if default is ... else f"{argument}={default!r}"
        for argument, default in entry.arguments.items()
    )
    return [entry.title, *_about(entry), _line("arguments", arguments or "none")]


def load_data_set(
    name: str, path: Path, arguments: Mapping[str, Any], out: Path | None = None
) -> Lines:
    """Load a data set, and return the text about what it holds.

    Args:
        name: Of the data set.
        path: Where its files are.
        arguments: Of its loader, by name.
        out: Folder of a log to write.

    Raises:
        UnknownNameError: There is no data set of this name.
        ConfigError: An argument is unknown, missing or wrong.
        DataError: A file is missing, damaged or breaks a rule, or something is at `out`.
    """
    entry = find_data_set(name)
    with TemporaryDirectory(prefix="rlrec-data-") as folder:
        place = Path(folder) / "log" if out is None and entry.streams else out
        lines = [entry.title, *_holds(entry.open(path, arguments, place))]
    lines += [_line("terms", entry.terms)]
    return lines if out is None else [*lines, _line("log", str(out))]


def _about(entry: DataSet) -> Lines:
    facts = {
        "files": entry.files,
        "becomes": entry.becomes,
        "from": entry.source,
        "terms": entry.terms,
    }
    return [_line(name, text) for name, text in facts.items()]


def _holds(opened: Opened) -> Lines:
    facts = log_facts(opened.log)
    found = {
        "rows": f"{facts.n_rows:,} in {facts.n_episodes:,} episodes of {facts.n_users:,} users",
        "items": _items(facts, opened),
        "pairs": f"{facts.n_pairs:,} of a user and an item; {_percent(1 - facts.density)} of those "
        "possible never occur",
        "time": _span(facts.time_span),
    }
    for channel, responses in facts.responses.items():
        found[channel] = _range(responses)
    found["reward"] = _range(facts.reward)
    found["propensities"] = (
        "none: most off-policy estimators need them"
        if facts.propensity is None
        else _range(facts.propensity)
    )
    return [_line(name, text) for name, text in found.items()]


def _items(facts: LogFacts, opened: Opened) -> str:
    catalogue = opened.catalogue
    if catalogue is None:
        return f"{facts.n_items:,} shown"
    features = f"{catalogue.features.shape[1]} features, {catalogue.n_topics} topics"
    titles = ", titles" if catalogue.titles else ""
    return f"{facts.n_items:,} shown of {catalogue.n_items:,} ({features}{titles})"


def _range(found: Range) -> str:
    return f"{found.low:.4g} to {found.high:.4g}, mean {found.mean:.4g}"


def _span(seconds: tuple[int, int] | None) -> str:
    if seconds is None:
        return "not known"
    first, last = (datetime.fromtimestamp(each, UTC).date() for each in seconds)
    return f"{first} to {last}"


def _percent(share: float) -> str:
    return f"{100 * share:.4g} %"


def _line(name: str, text: str) -> str:
    return f"    {name:<13} {text}"
