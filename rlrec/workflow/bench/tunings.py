"""Files that `rlrec tune` writes and `rlrec bench` reads."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from rlrec.errors import ConfigError, nearest_hint
from rlrec.workflow.bench.grid import Tunings
from rlrec.workflow.bench.menu import MENU
from rlrec.workflow.bench.tasks import TASKS
from rlrec.workflow.run_folder import json_text, write_file

FORMAT, VERSION = "rlrec tuning", 1
_KEYS = ("agent", "task", "settings", "n_trials", "interactions", "updates", "cpu_seconds")


def write_tuning(path: Path, found: dict[str, Any]) -> None:
    """Write what a tuning found."""
    write_file(path, json_text({"format": FORMAT, "version": VERSION, **found}))


def read_tunings(paths: Iterable[Path]) -> Tunings:
    """Return tunings by task and agent.

    Raises:
        ConfigError: A file is none of `rlrec tune`, names what is not known, or two are of the
            same task and agent.
    """
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for path in paths:
        tuning = _read(path)
        key = tuning["task"], tuning["agent"]
        if key in found:
            raise ConfigError(f"{path}: {key[1]} on {key[0]} is tuned by an earlier file already")
        found[key] = tuning
    return found


def _read(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ConfigError(f"{path} must be a file of rlrec tune: {error}") from None
    if not isinstance(content, dict) or (content.pop("format", 0), content.pop("version", 0)) != (
        FORMAT,
        VERSION,
    ):
        raise ConfigError(f"{path} must be a file of rlrec tune, version {VERSION}")
    missing = [key for key in _KEYS if key not in content]
    if missing or not isinstance(content["settings"], dict):
        raise ConfigError(f"{path} is damaged: it lacks {missing or 'settings'}")
    families = {task.family for task in TASKS.values()}
    for key, known in (("agent", set(MENU)), ("task", {*TASKS, *families})):
        if content[key] not in known:
            hint = nearest_hint(content[key], known)
            raise ConfigError(f"{path}: no {key} is called {content[key]!r}.{hint}")
    return content
