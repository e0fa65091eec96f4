"""What `rlrec fit-users` does: from a log to users."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from rlrec.data import InteractionLog, Ratings, load_ratings, read_catalogue
from rlrec.envs import (
    FitSettings,
    FittedUsersModel,
    FittedWorlds,
    SlateUsersModel,
    fit_slate_users,
    fit_slate_worlds,
    fit_users,
    fit_worlds,
)
from rlrec.errors import ConfigError, DataError

MOST_VISITS = 20_000
"""For drift and satiation, by default."""


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
    most_visits: int = MOST_VISITS
    holdout: float = 0.0
    """Share of the persons of ratings, drawn at random, who are left out; in [0, 1)."""
    worlds: int = 1
    """Above 1: as many models, each of bootstrapped users."""
    seed: int = 0

    def __post_init__(self) -> None:
        if (self.log is None) == (self.ratings is None):
            raise ConfigError("give either a log of slates (--log) or ratings (--ratings)")
        if self.ratings is not None:
            self._check_of_ratings()
        if not 0 <= self.holdout < 1:
            raise ConfigError(f"--holdout must be 0 or more and below 1, got {self.holdout!r}")
        if self.holdout and self.ratings is None:
            raise ConfigError("--holdout is for ratings; of slates fit to a part of the log")

    def _check_of_ratings(self) -> None:
        asked = {
            "--catalogue": self.catalogue is not None,
            "--scanning": self.scanning is not None,
            "--channel": self.channel is not None,
            "--visits": self.most_visits != MOST_VISITS,
        }
        wrong = [name for name, is_given in asked.items() if is_given]
        if wrong:
            raise ConfigError(f"{', '.join(wrong)}: for logs of slates (--log), not for ratings")


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
        ratings = _without_some(ratings, order.holdout, order.seed)
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


def _without_some(ratings: Ratings, share: float, seed: int) -> Ratings:
    """Return ratings without those of a share of the persons, drawn at random."""
    if share == 0:
        return ratings
    persons = np.random.default_rng(seed).permutation(ratings.n_users)
    left_out = persons[: round(share * ratings.n_users)]
    if len(left_out) in (0, len(persons)):
        raise DataError(
            f"--holdout {share:g} of {len(persons)} persons leaves out {len(left_out)}: some must "
            "be left out, and some remain"
        )
    return ratings.subset(np.flatnonzero(~np.isin(ratings.user_index, left_out)))


def card_lines(model: FittedUsersModel | SlateUsersModel | FittedWorlds) -> list[str]:
    """Return the card of a model, a line a value, those estimated first."""
    card = sorted(model.card(), key=lambda line: line.status != "estimated")
    width = max(len(line.name) for line in card)
    return [f"{line.status:<9}  {line.name:<{width}}  {line.value}  ({line.note})" for line in card]
