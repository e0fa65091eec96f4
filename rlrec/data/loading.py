"""One way in for ratings, whatever their format."""

import inspect
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from rlrec.data.known_counts import check_expect
from rlrec.data.movielens import load_movielens
from rlrec.data.ratings import Ratings
from rlrec.data.tables import check_table_arguments, load_table
from rlrec.errors import ConfigError, nearest_hint


def load_ratings(path: str | Path, **columns: Any) -> Ratings:
    """Read ratings: a table if columns are named, else one of MovieLens' formats.

    Args:
        path: As in `load_table` or `load_movielens`.
        **columns: The other arguments of `load_table` (`user`, `item`, ...), or of
            `load_movielens` (`expect`).

    Returns:
        Ratings in file order.

    Raises:
        DataError: The file is missing, damaged or breaks a rule; names file, line and column.
        ConfigError: An argument is unknown, missing or outside what it may be.
    """
    check_columns(columns)
    return _loader(columns)(path, **columns)


def check_columns(columns: Mapping[str, Any]) -> None:
    """Check the arguments of `load_ratings` without a file.

    Raises:
        ConfigError: An argument is unknown, missing or outside what it may be.
    """
    loader = _loader(columns)
    parameters = inspect.signature(loader).parameters
    known = [name for name in parameters if name != "path"]
    for name in columns:
        if name not in known:
            raise ConfigError(f"{loader.__name__} takes no {name!r}.{nearest_hint(name, known)}")
    for name in known:
        if name not in columns and parameters[name].default is inspect.Parameter.empty:
            raise ConfigError(f"{loader.__name__} needs the argument {name!r}")
    if loader is load_table:
        check_table_arguments(**columns)
    else:
        check_expect(columns.get("expect"))


def _loader(columns: Mapping[str, Any]) -> Callable[..., Ratings]:
    return load_table if "user" in columns or "item" in columns else load_movielens
