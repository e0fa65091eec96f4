"""What `rlrec fit-users` does: from a log or ratings to the folder of users to simulate."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rlrec.data import InteractionLog, load_ratings, read_catalogue
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
    seed: int = 0

    def __post_init__(self) -> None:
        if (self.log is None) == (self.ratings is None):
            raise ConfigError("give either a log of slates (--log) or ratings (--ratings)")


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
        return fit_users(load_ratings(order.ratings), seed=order.seed)
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


def card_lines(model: FittedUsersModel | SlateUsersModel) -> list[str]:
    """Return the card of a model, a line a value, those estimated first."""
    card = sorted(model.card(), key=lambda line: line.status != "estimated")
    width = max(len(line.name) for line in card)
    return [f"{line.status:<9}  {line.name:<{width}}  {line.value}  ({line.note})" for line in card]
