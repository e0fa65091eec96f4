"""What `rlrec validate-users` does: from users and a log to a card."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rlrec.data import InteractionLog, load_ratings, read_catalogue
from rlrec.envs import FittedUsersModel, SlateUsersModel, make_simulator
from rlrec.envs.fitting.chosen_model import FittedModel, load_fitted
from rlrec.envs.fitting.slates.slate_users import NEW
from rlrec.envs.fitting.validation.comparing import Comparison
from rlrec.envs.fitting.validation.fidelity import fidelity
from rlrec.envs.fitting.validation.foretelling import Foretold
from rlrec.envs.fitting.validation.foretold_choices import foretold_choices
from rlrec.envs.fitting.validation.foretold_clicks import foretold_clicks
from rlrec.envs.fitting.validation.rating_fidelity import rating_fidelity
from rlrec.errors import ConfigError, DataError
from rlrec.workflow.user_card import UserCard


@dataclass(frozen=True, kw_only=True)
class ValidateOrder:
    """Which users to compare with which log."""

    users: Path
    """Folder of fitted users."""
    log: Path | None = None
    """Folder of a log of slates, with its catalogue, for users fitted to slates."""
    ratings: Path | None = None
    """As in `load_ratings`, for users fitted to ratings."""
    population: str | None = None
    """Who is simulated; by default `new` users of those fitted to slates, of ratings all."""
    channel: str | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        if (self.log is None) == (self.ratings is None):
            raise ConfigError("give either a log of slates (--log) or ratings (--ratings)")


def validate(order: ValidateOrder) -> UserCard:
    """Return the card of the users: where they are like those of a log that they never saw.

    Raises:
        ConfigError: Users fitted to ratings are to be compared with slates, or the other way round;
            there are several worlds of them.
        DataError: The log is of other items or slates, or of too few persons.
    """
    _check_one_world(order.users)
    model = load_fitted(order.users)
    if isinstance(model, SlateUsersModel):
        return _beside_slates(model, order)
    return _beside_ratings(model, order)


def _check_one_world(folder: Path) -> None:
    """Raise ConfigError where a folder holds several worlds of users."""
    if (folder / "worlds.json").is_file():
        raise ConfigError(
            f"{folder} holds several worlds of users, and a card judges one: give the folder of "
            f"each in turn ({folder / 'world-0'}, {folder / 'world-1'}, ...)"
        )


def _beside_slates(model: SlateUsersModel, order: ValidateOrder) -> UserCard:
    if order.log is None:
        raise ConfigError(f"{order.users} holds users fitted to slates: give a log of such (--log)")
    catalogue = read_catalogue(order.log)
    log = InteractionLog.open(order.log, catalogue).in_memory()
    if catalogue.fingerprint != model.catalogue.fingerprint:
        raise DataError(f"{order.log} is a log of other items than the users were fitted to")
    if log.metadata.slate_size != model.slate_size:
        raise DataError(
            f"slates of {order.log} hold {log.metadata.slate_size} items, those of the users "
            f"{model.slate_size}"
        )
    population = order.population or NEW
    users = make_simulator("rlrec/FittedUsers-v0", 1, path=order.users, population=population)
    channel, seed = order.channel, order.seed
    return _card(
        order,
        model,
        population,
        comparison=fidelity(users, log, catalogue, channel=channel, seed=seed),
        foretold=foretold_clicks(model, log, catalogue, channel=channel, seed=seed),
        n_known=len(
            np.intersect1d(log.column("user_id").astype(str), model.person_ids.astype(str))
        ),
    )


def _beside_ratings(model: FittedUsersModel, order: ValidateOrder) -> UserCard:
    if order.ratings is None:
        raise ConfigError(
            f"{order.users} holds users fitted to ratings, of which slates tell nothing: give "
            "ratings (--ratings)"
        )
    if order.channel is not None:
        raise ConfigError("--channel is for logs of slates; ratings have no channels")
    ratings = load_ratings(order.ratings)
    return _card(
        order,
        model,
        order.population or "all",
        comparison=rating_fidelity(model, ratings, population=order.population, seed=order.seed),
        foretold=foretold_choices(model, ratings, seed=order.seed),
    )


def _card(
    order: ValidateOrder,
    model: FittedModel,
    population: str,
    comparison: Comparison,
    foretold: Foretold,
    n_known: int = 0,
) -> UserCard:
    return UserCard(
        users=str(order.users),
        data=str(order.log or order.ratings),
        kind="slates" if order.log else "ratings",
        population=population,
        seed=order.seed,
        comparison=comparison,
        foretold=foretold,
        assumptions=model.card(),
        n_known=n_known,
    )
