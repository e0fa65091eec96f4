"""The folder of a run: what was asked for, the finished stages, and nothing half-written.

A stage writes into `stages/<name>.partial`, which is renamed to `stages/<name>` when all of it is
on disk. A process killed at any moment therefore leaves finished stages and at most a partial one.
"""

import contextlib
import json
import logging
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

from rlrec.errors import ConfigError, RunFolderError
from rlrec.workflow.config import RunConfig
from rlrec.workflow.config_file import check_config, differences, dump_config, read_yaml
from rlrec.workflow.versions import code_differences, describe_machine, running_code

SCHEMA_VERSION = 1
"""Version of the folder's layout; another one is refused."""

STAGE_NAMES = ("data", "environment", "log", "baselines", "pretrain", "finetune", "evaluate")
"""Stages of a run, in order."""

Results = dict[str, Any]
"""What a stage found out, ready for JSON."""

_ENTRIES = ("stages", "checkpoints", "tensorboard", "config.yaml", "run.json", "run.log", "lock")
"""What a run that is not finished puts into its folder."""

_log = logging.getLogger(__name__)


class RunFolder:
    """A run on disk. Made by `create`, opened again by `open`.

    Args:
        path: The folder.
        config: The configuration stored in it.
        card: Contents of its `run.json`.
        made_here: The folder was not there before this run.
    """

    def __init__(
        self, path: Path, config: RunConfig, card: Mapping[str, Any], made_here: bool = False
    ) -> None:
        self.path = path
        self.config = config
        self.card = card
        self._made_here = made_here

    @classmethod
    def create(
        cls,
        config: RunConfig,
        output: Path | None = None,
        command: str = "",
        seeds: Mapping[str, int] | None = None,
    ) -> Self:
        """Make the folder of a new run.

        Args:
            config: What the run is told to do.
            output: The folder, not there yet or empty; by default `runs/<name>/<timestamp>`.
            command: Command line that repeats the run, for the report.
            seeds: Seed of each stage, for the record.

        Raises:
            RunFolderError: `output` holds something.
        """
        made_here = output is None or not output.exists()
        path = output or _fresh_folder(Path("runs") / config.name)
        occupied = RunFolderError(
            f"{path} must be a new or empty folder; to go on with the run in it, "
            f"use --resume {path}"
        )
        if path.exists() and (not path.is_dir() or any(path.iterdir())):
            raise occupied
        path.mkdir(parents=True, exist_ok=True)
        try:
            (path / "stages").mkdir()
        except FileExistsError:  # another run took the folder in between
            raise occupied from None
        write_file(path / "config.yaml", dump_config(config))
        card = {
            "schema_version": SCHEMA_VERSION,
            "name": config.name,
            "started": datetime.now(UTC).isoformat(timespec="seconds"),
            "command": command,
            "seeds": dict(seeds or {}),
            **describe_machine(),
        }
        write_file(path / "run.json", json_text(card))  # last: without it this is no run folder
        return cls(path, config, card, made_here)

    @classmethod
    def open(cls, path: str | Path, config: RunConfig | None = None) -> Self:
        """Open the folder of an earlier run.

        Args:
            path: The folder.
            config: If given, it must equal the stored configuration.

        Raises:
            RunFolderError: No run folder, of another schema version, damaged, or made with
                another configuration.
        """
        path = Path(path)
        card = _read_card(path)
        try:
            stored = check_config(
                *read_yaml(path / "config.yaml"), str(path / "config.yaml"), RunConfig
            )
        except (OSError, ValueError) as error:
            raise RunFolderError(
                f"the configuration in the run folder is damaged: {error}"
            ) from None
        differing = [] if config is None else differences(stored, config)
        if differing:
            raise RunFolderError(
                f"{path} was made with another configuration ({'; '.join(differing)}); "
                "resume without these changes, or start a new run"
            )
        return cls(path, stored, card)

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the folder for this process; the lock of a killed process does not count.

        Raises:
            RunFolderError: Another process works in this folder.
        """
        with open(self.path / "lock", "a+", encoding="utf-8") as file:
            if not _take_lock(file.fileno()):
                file.seek(0)
                owner = file.read().strip() or "unknown"
                raise RunFolderError(f"{self.path} is in use by the process with id {owner}")
            file.truncate(0)
            file.write(f"{os.getpid()}\n")
            file.flush()
            try:
                yield
            finally:
                file.truncate(0)

    def stage_path(self, name: str) -> Path:
        """Return where a finished stage keeps its files."""
        return self.path / "stages" / name

    def is_done(self, name: str) -> bool:
        """Say whether a stage is finished."""
        return (self.stage_path(name) / "done.json").is_file()

    def results(self, name: str, needed: Sequence[str] = ()) -> Results:
        """Return the results of a finished stage.

        Args:
            name: Of the stage.
            needed: Results that must be there.

        Raises:
            RunFolderError: The stage is not finished, or its results cannot be read or lack one.
        """
        path = self.stage_path(name) / "done.json"
        if not path.is_file():
            raise RunFolderError(f"{self.path} has no finished stage {name!r} ({path} is missing)")
        results = _read_json(path)
        missing = [key for key in needed if key not in results]
        if missing:
            raise RunFolderError(f"{path} is damaged: it lacks {missing}")
        return results

    def seconds(self, name: str) -> float:
        """Return the wall time of a finished stage; kept apart from its results."""
        seconds = self._timing(name).get("wall_seconds")
        return float(seconds) if isinstance(seconds, int | float) else float("nan")

    def code_of(self, name: str) -> Mapping[str, Any]:
        """Return the versions and the commit that a finished stage was made with."""
        return {**self.card, **self._timing(name)}

    def foreign_stages(self) -> dict[str, list[str]]:
        """Return, for each finished stage that other code made, in what that differs from ours."""
        done = [name for name in STAGE_NAMES if self.is_done(name)]
        found = {name: code_differences(self.code_of(name), running_code()) for name in done}
        return {name: lines for name, lines in found.items() if lines}

    def discard(self) -> None:
        """Delete what the run put into its folder, and the folder if it was made for the run."""
        for entry in (self.path / name for name in _ENTRIES):
            if entry.is_dir():
                shutil.rmtree(entry)
            else:
                entry.unlink(missing_ok=True)
        if self._made_here:
            with contextlib.suppress(OSError):  # not empty
                self.path.rmdir()
                if self.path.parent == Path("runs") / self.config.name:
                    self.path.parent.rmdir()
                    self.path.parent.parent.rmdir()

    def _timing(self, name: str) -> Results:
        path = self.stage_path(name) / "timing.json"
        return _read_json(path) if path.is_file() else {}

    def begin(self, name: str) -> Path:
        """Return an empty folder for the files of a stage; what a killed process left is gone."""
        partial = self.path / "stages" / f"{name}.partial"
        for left in (partial, self.stage_path(name)):  # the second: its done.json was deleted
            if left.exists():
                _log.info("%s is left from an interrupted stage: it runs anew", left)
                shutil.rmtree(left)
        partial.mkdir(parents=True)
        return partial

    def finish(self, name: str, results: Results, seconds: float) -> None:
        """Write down the results of a stage and make its folder final, all or nothing."""
        partial = self.path / "stages" / f"{name}.partial"
        timing = {"wall_seconds": round(seconds, 3), **running_code()}
        write_file(partial / "timing.json", json_text(timing))
        write_file(partial / "done.json", json_text(results))
        flush_folder(partial)
        partial.rename(self.stage_path(name))
        _flush(partial.parent)


def write_file(path: Path, text: str) -> None:
    """Write a text file so that it is there whole or not at all."""
    fresh = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        fresh.write_text(text, encoding="utf-8")
        _flush(fresh)
        fresh.replace(path)
    finally:
        fresh.unlink(missing_ok=True)
    _flush(path.parent)


def check_writable(path: Path) -> None:
    """Raise ConfigError unless a file can be written at `path`."""
    if path.is_dir() or (path.exists() and not path.is_file()):
        raise ConfigError(f"{path} must be a file, or not there yet; found something else")
    if not path.parent.is_dir():
        raise ConfigError(f"{path} cannot be written: there is no folder {path.parent}")
    if not os.access(path.parent, os.W_OK):
        raise ConfigError(f"{path} cannot be written: no permission to write in {path.parent}")


def flush_folder(path: Path) -> None:
    """Make the system write a folder and all in it to the disk."""
    for inner in sorted(path.rglob("*"), reverse=True):
        _flush(inner)
    _flush(path)


def _read_card(path: Path) -> Results:
    if not (path / "run.json").is_file():
        raise RunFolderError(f"{path} is not a run folder: it has no run.json")
    card = _read_json(path / "run.json")
    version, versions = card.get("schema_version"), card.get("versions")
    if version != SCHEMA_VERSION:
        maker = versions.get("rlrec", "unknown") if isinstance(versions, dict) else "unknown"
        raise RunFolderError(
            f"{path / 'run.json'} has schema version {version!r}, this rlrec "
            f"reads version {SCHEMA_VERSION}; run it with the rlrec that made it "
            f"({maker}) or start a new run"
        )
    wrong = [key for key in ("versions", "seeds") if not isinstance(card.get(key), dict)]
    if wrong:
        raise RunFolderError(f"{path / 'run.json'} is damaged: it lacks {wrong}")
    return card


def _read_json(path: Path) -> Results:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise RunFolderError(f"{path} is damaged, not readable as JSON: {error}") from None
    if not isinstance(content, dict):
        raise RunFolderError(f"{path} must hold a JSON object, found {type(content).__name__}")
    return content


def json_text(content: Mapping[str, Any]) -> str:
    """Return results as they are written to files."""
    return json.dumps(content, indent=2, ensure_ascii=False) + "\n"


def _fresh_folder(parent: Path) -> Path:
    """Return a folder named by the time, with a number where two runs start in one second."""
    parent.mkdir(parents=True, exist_ok=True)
    stamp = datetime.now().strftime("%Y-%m-%d_%H%M%S")
    for suffix in ("", *(f"-{number}" for number in range(2, 1000))):
        with contextlib.suppress(FileExistsError):
            (parent / f"{stamp}{suffix}").mkdir()
            return parent / f"{stamp}{suffix}"
    raise RunFolderError(f"no free folder name under {parent} for {stamp}")


def _flush(path: Path) -> None:
    """Make the system write a file or a folder's entries to the disk."""
    with contextlib.suppress(PermissionError):  # some systems do not open folders
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _take_lock(descriptor: int) -> bool:
    """Try to lock an open file; the system frees the lock when its process ends, however."""
    try:
        import fcntl
    except ImportError:  # no such locks on this system: two runs must not share a folder
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
