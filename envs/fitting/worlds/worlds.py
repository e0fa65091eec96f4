"""Several models fitted to the same log: what they agree on may be trusted, the rest not."""

import hashlib
import json
import os
import shutil
from collections.abc import Iterator
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
        """Return the lines of all cards; what differs is told world by world."""
        told = Assumption("worlds", str(len(self)), "assumed", "each episode is lived in one")
        cards = [model.card() for model in self.models]
        return (told, *(_joined(lines) for lines in zip(*cards, strict=False)))

    def save(self, folder: Path | str) -> None:
        """Write all models to `folder`, each in a folder of its own; it appears only when complete.

        Raises:
            ModelFileError: `folder` holds something else.
        """
        folder = Path(folder).absolute()
        if folder.exists() and not (folder / _CARD).is_file() and _holds_something(folder):
            raise ModelFileError(f"{folder} holds something that is no ensemble of worlds")
        staging = folder.with_name(f".{folder.name}.partial-{os.getpid()}")
        shutil.rmtree(staging, ignore_errors=True)
        for number, model in enumerate(self.models):
            model.save(staging / _name(number))
        card = {"format": _FORMAT, "version": _VERSION, "n_worlds": len(self)}
        (staging / _CARD).write_text(json.dumps(card) + "\n")
        shutil.rmtree(folder, ignore_errors=True)
        staging.rename(folder)

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


def _joined(lines: tuple[Assumption, ...]) -> Assumption:
    """Return a line for all worlds, which tells each value once."""
    values = dict.fromkeys(line.value for line in lines)
    notes = dict.fromkeys(line.note for line in lines)
    return lines[0]._replace(value=" | ".join(values), note=" | ".join(notes))


def _name(number: int) -> str:
    return f"world-{number}"


def _holds_something(path: Path) -> bool:
    return not path.is_dir() or any(path.iterdir())


@lru_cache(maxsize=4)
def _loaded(path: Path, written_ns: int, inode: int) -> FittedWorlds:
    """Load a folder once, unless it has been written anew."""
    return FittedWorlds.load(path)
