"""One way in for ratings, whatever their format."""

import functools
import inspect
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from rlrec.data.jester import load_jester
from rlrec.data.known_counts import check_expect
from rlrec.data.lastfm import load_lastfm
from rlrec.data.movielens import load_movielens
from rlrec.data.msweb import load_msweb
from rlrec.data.ratings import Ratings
from rlrec.data.recbole import load_recbole
from rlrec.data.sequences import load_sequences
from rlrec.data.tables import check_table_arguments, load_table
from rlrec.errors import ConfigError, nearest_hint


@functools.wraps(load_recbole)
def _load_recbole(*arguments: Any, **named: Any) -> Ratings:
    return load_recbole(*arguments, **named).ratings


FORMATS: dict[str, Callable[..., Ratings]] = {
    "jester": load_jester,
    "lastfm": load_lastfm,
    "movielens": load_movielens,
    "msweb": load_msweb,
    "recbole": _load_recbole,
    "sequences": load_sequences,
    "table": load_table,
}
"""What reads each format, by the names of `rlrec data`."""


def load_ratings(path: str | Path, format: str | None = None, **columns: Any) -> Ratings:
    """Read ratings in any of the formats of `FORMATS`.

    Args:
        path: As the format's loader takes it.
        format: By default "table" if columns are named, else "movielens".
        **columns: The other arguments of the loader, such as `user` and `item` of a table.

    Returns:
        Ratings in file order.

    Raises:
        DataError: The file is missing, damaged or breaks a rule; names file, line and column.
        ConfigError: An argument is unknown, missing or outside what it may be.
    """
    check_columns({"format": format, **columns})
    return _loader(format, columns)(path, **columns)


def check_columns(columns: Mapping[str, Any]) -> None:
    """Check the arguments of `load_ratings` without a file.

    Raises:
        ConfigError: An argument is unknown, missing or outside what it may be.
    """
    given = {name: value for name, value in columns.items() if name != "format"}
    loader = _loader(columns.get("format"), given)
    parameters = inspect.signature(loader).parameters
    known = [name for name in parameters if name != "path"]
    for name in given:
        if name not in known:
            raise ConfigError(f"{loader.__name__} takes no {name!r}.{nearest_hint(name, known)}")
    for name in known:
        if name not in given and parameters[name].default is inspect.Parameter.empty:
            raise ConfigError(f"{loader.__name__} needs the argument {name!r}")
    if loader is load_table:
        check_table_arguments(**given)
    else:
        check_expect(given.get("expect"))


def _loader(format: str | None, columns: Mapping[str, Any]) -> Callable[..., Ratings]:
    if format is None:
        return load_table if "user" in columns or "item" in columns else load_movielens
    if format not in FORMATS:
        hint = nearest_hint(str(format), FORMATS)
        raise ConfigError(f"no format of ratings is called {format!r:.80}.{hint}")
    return FORMATS[format]
