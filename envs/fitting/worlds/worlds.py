"""Several models fitted to the same log: what they agree on may be trusted, the rest not."""

import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Self

import numpy as np

from rlrec.envs.fitting.chosen_model import (
    IN_MEMORY,
    FittedModel,
    chosen_model,
    load_fitted,
    name_of,
)
from rlrec.envs.fitting.worlds.disagreement import Disagreement
from rlrec.envs.simulator import Assumption
from rlrec.errors import ConfigError, DataError, ModelFileError

_CARD = "worlds.json"
_FORMAT, _VERSION = "rlrec-worlds", 1


@dataclass(frozen=True, eq=False)
class FittedWorlds:
    """E models of users of the same items, made by `fit_worlds` or `fit_halves` and their like.

    An agent that learned in one can act in any other. From `fit_worlds` the models are of the same
    persons too, in the same populations.

    Stability: experimental.
    """

    models: tuple[FittedModel, ...]
    """One or more, of one kind."""

    def __post_init__(self) -> None:
        if not self.models:
            raise DataError("worlds need one model or more, got none")
        first = self.models[0]
        for number, model in enumerate(self.models):
            if type(model) is not type(first):
                raise DataError("worlds must all be fitted to ratings, or all to slates")
            if model.catalogue.fingerprint != first.catalogue.fingerprint:
                raise DataError(f"world {number} has other items than world 0")

    def __len__(self) -> int:
        return len(self.models)

    def __getitem__(self, number: int) -> FittedModel:
        """Return the model of one world, from 0 on.

        Raises:
            ConfigError: There is no such world.
        """
        if not 0 <= number < len(self.models):
            raise ConfigError(f"world must be 0 to {len(self.models) - 1}, got {number!r}")
        return self.models[number]

    def __iter__(self) -> Iterator[FittedModel]:
        return iter(self.models)

    @cached_property
    def fingerprint(self) -> str:
        """16 hex digits that change with any of the models."""
        parts = ",".join(model.fingerprint for model in self.models)
        return hashlib.sha256(parts.encode()).hexdigest()[:16]

    @property
    def has_same_persons(self) -> bool:
        """Whether row p is the same person in every world."""
        first = self.models[0].person_ids
        return all(np.array_equal(model.person_ids, first) for model in self.models)

    @cached_property
    def disagreement(self) -> Disagreement:
        """How far the worlds differ in what an item brings, see `Disagreement`.

        Raises:
            ConfigError: The worlds are of other persons, so that there is nothing to compare.
        """
        if not self.has_same_persons:
            raise ConfigError(
                "worlds of different persons cannot be compared person by person; those of "
                "fit_worlds can"
            )
        return Disagreement(self.models)

    def card(self) -> tuple[Assumption, ...]:
        """Return the lines of all cards, joined by name; values that differ are all told.

        What only some worlds estimate is "assumed", and the note says how many estimate it; so it
        does of a line that only some worlds have.
        """
        told = Assumption("worlds", str(len(self)), "assumed", "each episode is lived in one")
        by_name: dict[str, list[Assumption]] = {}
        for model in self.models:
            for line in model.card():
                by_name.setdefault(line.name, []).append(line)
        return (told, *(_joined(lines, len(self)) for lines in by_name.values()))

    def save(self, folder: Path | str) -> None:
        """Write all models to `folder`, each in a folder of its own; it appears only when complete.

        Raises:
            ModelFileError: `folder` is neither new, empty nor one of saved worlds alone.
        """
        folder = Path(folder).absolute()
        _check_replaceable(folder)
        staging = folder.with_name(f".{folder.name}.partial-{os.getpid()}")
        shutil.rmtree(staging, ignore_errors=True)
        try:
            for number, model in enumerate(self.models):
                model.save(staging / _name(number))
            card = {"format": _FORMAT, "version": _VERSION, "n_worlds": len(self)}
            (staging / _CARD).write_text(json.dumps(card) + "\n")
            shutil.rmtree(folder, ignore_errors=True)
            staging.rename(folder)
        finally:
            shutil.rmtree(staging, ignore_errors=True)

    @classmethod
    def load(cls, folder: Path | str) -> Self:
        """Read what `save` wrote.

        Raises:
            ModelFileError: The folder is missing, damaged, of another kind or version.
        """
        try:
            card = json.loads((Path(folder) / _CARD).read_text())
            n_worlds = int(card["n_worlds"])
            found = card["format"], card["version"]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ModelFileError(f"{folder} holds no ensemble of worlds: {error!r}") from error
        if found != (_FORMAT, _VERSION):
            raise ModelFileError(
                f"{folder} holds {found[0]!r} of version {found[1]!r}; this release reads "
                f"{_FORMAT!r} of version {_VERSION}"
            )
        return cls(tuple(load_fitted(Path(folder) / _name(number)) for number in range(n_worlds)))


def chosen_users(model: object, path: object) -> FittedModel | FittedWorlds:
    """Return a model or worlds that are given, or those of a folder; else one of made-up ratings.

    Args:
        model: In memory; or its name (`name_of_users`), which is told that it was never saved.
        path: Folder of a saved model, or of saved worlds.

    Raises:
        ConfigError: Both are given, or either is something else.
        ModelFileError: The folder is missing, damaged, of another kind or version.
    """
    if isinstance(model, FittedWorlds) and path is None:
        return model
    if isinstance(path, str | Path) and model is None:
        card = Path(path).absolute() / _CARD
        if card.is_file():
            saved = card.stat()
            return _loaded(card.parent, saved.st_mtime_ns, saved.st_ino)
    return chosen_model(model, path)


def chosen_worlds(worlds: object) -> FittedWorlds:
    """Return worlds that are given, or those of a folder.

    Raises:
        ConfigError: It is something else.
        ModelFileError: The folder holds no worlds.
    """
    if isinstance(worlds, FittedWorlds):
        return worlds
    if not isinstance(worlds, str | Path):
        raise ConfigError(
            f"worlds must be FittedWorlds or the folder of saved ones, got {type(worlds).__name__}"
        )
    found = chosen_users(None, worlds)
    if not isinstance(found, FittedWorlds):
        raise ConfigError(f"{worlds} holds a single model, no ensemble of worlds")
    return found


def name_of_users(users: object) -> str | None:
    """Return how fitted users in memory are named among arguments; None for what is none."""
    if isinstance(users, FittedWorlds):
        return f"{IN_MEMORY}{users.fingerprint}"
    return name_of(users)


def _joined(lines: Sequence[Assumption], n_worlds: int) -> Assumption:
    """Return a line for all worlds, which tells each value once.

    Args:
        lines: Of one name, from the worlds that have it.
        n_worlds: E, so many or more.
    """
    values = dict.fromkeys(line.value for line in lines)
    notes = list(dict.fromkeys(line.note for line in lines))
    n_estimated = sum(line.status == "estimated" for line in lines)
    if 0 < n_estimated < len(lines):
        notes.insert(0, f"estimated in {n_estimated} of {n_worlds} worlds")
    elif len(lines) < n_worlds:
        notes.insert(0, f"in {len(lines)} of {n_worlds} worlds")
    status = "estimated" if n_estimated == len(lines) else "assumed"
    return Assumption(lines[0].name, " | ".join(values), status, " | ".join(notes))


def _name(number: int) -> str:
    return f"world-{number}"


def _check_replaceable(folder: Path) -> None:
    """Raise ModelFileError where writing worlds anew would lose anything but worlds."""
    if folder.exists() and not folder.is_dir():
        raise ModelFileError(f"{folder} must be a folder, found a file")
    held = sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
    foreign = [name for name in held if name != _CARD and not _is_world(folder / name)]
    if foreign or (held and _CARD not in held):
        raise ModelFileError(
            f"{folder} must be new, empty or hold saved worlds alone; it holds other files, which "
            f"are kept: {(foreign or held)[:5]}"
        )


def _is_world(path: Path) -> bool:
    return re.fullmatch(r"world-\d+", path.name) is not None and (path / "model.json").is_file()


@lru_cache(maxsize=4)
def _loaded(path: Path, written_ns: int, inode: int) -> FittedWorlds:
    """Load a folder once, unless it has been written anew."""
    return FittedWorlds.load(path)
