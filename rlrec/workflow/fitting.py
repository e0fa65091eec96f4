"""What `rlrec fit-users` does: from a log to users."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from rlrec.data import InteractionLog, Ratings, load_ratings, read_catalogue
from rlrec.envs import FittedUsersModel, SlateUsersModel, fit_slate_users, fit_users
from rlrec.errors import ConfigError, DataError


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
    holdout: float = 0.0
    """Share of the persons of ratings, drawn at random, who are left out; in [0, 1)."""
    seed: int = 0

    def __post_init__(self) -> None:
        if (self.log is None) == (self.ratings is None):
            raise ConfigError("give either a log of slates (--log) or ratings (--ratings)")
        if not 0 <= self.holdout < 1:
            raise ConfigError(f"--holdout must be 0 or more and below 1, got {self.holdout!r}")
        if self.holdout and self.ratings is None:
            raise ConfigError("--holdout is for ratings; of slates fit to a part of the log")


def fit(order: FitOrder) -> FittedUsersModel | SlateUsersModel:
    """Fit users, save them and return them.

    Raises:
        ConfigError: An argument is out of range.
        DataError: There is something at `out`, or the data do not tell enough.
    """
    if order.out.exists() and any(order.out.iterdir() if order.out.is_dir() else [order.out]):
        raise DataError(f"{order.out} is there already; choose a new folder for the users")
    model = _fitted(order)
    model.save(order.out)
    return model


def _fitted(order: FitOrder) -> FittedUsersModel | SlateUsersModel:
    if order.log is None:
        assert order.ratings is not None
        ratings = load_ratings(order.ratings)
        return fit_users(_without_some(ratings, order.holdout, order.seed), seed=order.seed)
    catalogue = read_catalogue(order.catalogue or order.log)
    scanning: Any = order.scanning
    return fit_slate_users(
        InteractionLog.open(order.log, catalogue),
        catalogue,
        scanning=scanning,
        channel=order.channel,
        most_visits=order.most_visits,
        seed=order.seed,
    )


def _without_some(ratings: Ratings, share: float, seed: int) -> Ratings:
    """Return ratings without those of a share of the persons, drawn at random."""
    if share == 0:
        return ratings
    persons = np.random.default_rng(seed).permutation(ratings.n_users)
    left_out = persons[: round(share * ratings.n_users)]
    return ratings.subset(np.flatnonzero(~np.isin(ratings.user_index, left_out)))


def card_lines(model: FittedUsersModel | SlateUsersModel) -> list[str]:
    """Return the card of a model, a line a value, those estimated first."""
    card = sorted(model.card(), key=lambda line: line.status != "estimated")
    width = max(len(line.name) for line in card)
    return [f"{line.status:<9}  {line.name:<{width}}  {line.value}  ({line.note})" for line in card]
