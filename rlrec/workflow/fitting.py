"""What `rlrec fit-users` and `rlrec validate-users` do: from a log to users, and how like it."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rlrec.data import InteractionLog, load_ratings, read_catalogue
from rlrec.envs import (
    FitSettings,
    FittedUsersModel,
    FittedWorlds,
    SlateUsersModel,
    fit_slate_users,
    fit_slate_worlds,
    fit_users,
    fit_worlds,
    make_simulator,
)
from rlrec.envs.fitting.chosen_model import load_fitted
from rlrec.envs.fitting.fidelity import Verdict, fidelity
from rlrec.errors import ConfigError, DataError
from rlrec.workflow.run_folder import json_text
from rlrec.workflow.runner import ready_for_json


@dataclass(frozen=True, kw_only=True)
class FitOrder:
    """What to fit users to; a log or ratings."""

    out: Path
    """New folder for the model."""
    log: Path | None = None
    """Folder of a log of slates, with its catalogue or that of `catalogue`."""
    ratings: Path | None = None
    """As in `load_ratings`."""
    catalogue: Path | None = None
    """Folder with a `catalogue.parquet`, where the log has none."""
    scanning: str | None = None
    channel: str | None = None
    most_visits: int = 20_000
    worlds: int = 1
    """Above 1: as many models, each of bootstrapped users."""
    seed: int = 0

    def __post_init__(self) -> None:
        if (self.log is None) == (self.ratings is None):
            raise ConfigError("give either a log of slates (--log) or ratings (--ratings)")


def fit(order: FitOrder) -> FittedUsersModel | SlateUsersModel | FittedWorlds:
    """Fit users, or several worlds of them, save them and return them.

    Raises:
        ConfigError: An argument is out of range.
        DataError: There is something at `out`, or the data do not tell enough.
    """
    if order.out.exists() and any(order.out.iterdir() if order.out.is_dir() else [order.out]):
        raise DataError(f"{order.out} is there already; choose a new folder for the users")
    model = _fitted(order)
    model.save(order.out)
    return model


def _fitted(order: FitOrder) -> FittedUsersModel | SlateUsersModel | FittedWorlds:
    if order.log is None:
        assert order.ratings is not None
        ratings = load_ratings(order.ratings)
        if order.worlds > 1:
            return fit_worlds(ratings, order.worlds, settings=FitSettings(seed=order.seed))
        return fit_users(ratings, seed=order.seed)
    catalogue = read_catalogue(order.catalogue or order.log)
    log = InteractionLog.open(order.log, catalogue)
    asked: dict[str, Any] = {
        "scanning": order.scanning,
        "channel": order.channel,
        "most_visits": order.most_visits,
        "seed": order.seed,
    }
    if order.worlds > 1:
        return fit_slate_worlds(log, catalogue, order.worlds, **asked)
    return fit_slate_users(log, catalogue, **asked)


def card_lines(model: FittedUsersModel | SlateUsersModel | FittedWorlds) -> list[str]:
    """Return the card of a model, a line a value, those estimated first."""
    card = sorted(model.card(), key=lambda line: line.status != "estimated")
    width = max(len(line.name) for line in card)
    return [f"{line.status:<9}  {line.name:<{width}}  {line.value}  ({line.note})" for line in card]


@dataclass(frozen=True, kw_only=True)
class ValidateOrder:
    """Which users to compare with which log."""

    users: Path
    """Folder of fitted users."""
    log: Path
    """Folder of a log, with its catalogue."""
    population: str = "new"
    channel: str | None = None
    seed: int = 0


def validate(order: ValidateOrder) -> list[Verdict]:
    """Return a verdict for each aspect of behaviour.

    Raises:
        ConfigError: The users were fitted to ratings, of which slates tell nothing.
        DataError: The log is of other items or slates, or of too few persons.
    """
    model = load_fitted(order.users)
    if not isinstance(model, SlateUsersModel):
        raise ConfigError(
            f"{order.users} holds users fitted to ratings; only those fitted to slates can be "
            "compared with a log of slates"
        )
    catalogue = read_catalogue(order.log)
    log = InteractionLog.open(order.log, catalogue)
    if catalogue.fingerprint != model.catalogue.fingerprint:
        raise DataError(f"{order.log} is a log of other items than the users were fitted to")
    if log.metadata.slate_size != model.slate_size:
        raise DataError(
            f"slates of {order.log} hold {log.metadata.slate_size} items, those of the users "
            f"{model.slate_size}"
        )
    users = make_simulator("rlrec/FittedUsers-v0", 1, path=order.users, population=order.population)
    return fidelity(users, log, catalogue, channel=order.channel, seed=order.seed)


def verdict_rows(found: list[Verdict]) -> list[list[str]]:
    """Return a row a verdict: aspect, distance of simulated users, of halves of the log, word."""
    return [[one.aspect, _number(one.simulated), _number(one.control), one.word] for one in found]


def _number(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.3f}"


def verdict_json(order: ValidateOrder, found: list[Verdict]) -> str:
    """Return the verdicts as JSON, with what was compared."""
    told = {
        "format": "rlrec user fidelity",
        "version": 1,
        "users": str(order.users),
        "log": str(order.log),
        "population": order.population,
        "seed": order.seed,
        "aspects": [one._asdict() for one in found],
    }
    return json_text(ready_for_json(told))
