"""Several worlds from one log: bootstraps over its users, or one from each half of them."""

from collections.abc import Callable
from dataclasses import asdict, replace
from typing import NamedTuple

import numpy as np

from rlrec.arrays import Bools, Ints
from rlrec.data.catalogue import Catalogue
from rlrec.data.log import InteractionLog
from rlrec.data.ratings import Ratings
from rlrec.envs.arguments import check_whole_number
from rlrec.envs.fitting.ratings.fit import fit_users
from rlrec.envs.fitting.ratings.model import FitSettings, FittedUsersModel
from rlrec.envs.fitting.slates.fit_slates import fit_slate_users
from rlrec.envs.fitting.slates.topic_sequences import Scanning, scanning_of_log
from rlrec.envs.fitting.worlds.log_users import log_of_users, users_of_log
from rlrec.envs.fitting.worlds.worlds import FittedWorlds
from rlrec.errors import DataError

MOST_WORLDS = 100
Progress = Callable[[int, int], None]
"""Told how many of how many worlds are fitted."""


def fit_worlds(
    ratings: Ratings,
    n_worlds: int = 5,
    *,
    settings: FitSettings | None = None,
    progress: Progress | None = None,
) -> FittedWorlds:
    """Return E worlds learned from ratings, each from persons drawn with replacement.

    All worlds have the same items, persons and populations. In each, what there is to know of the
    items is learned from other persons, and the factors of every person follow from what this
    person chose and how it was rated, items held fixed. So worlds differ about an item as far as it
    depends on who rated it.

    Args:
        ratings: As in `fit_users`.
        n_worlds: E, up to 100.
        settings: As in `fit_users`; `bootstrap` is the number of the first world, 0 for None.
        progress: Told after each world.

    Raises:
        ConfigError: A setting is out of range.
        DataError: The ratings do not tell enough.

    Reference:
        Efron, 1979, "Bootstrap Methods: Another Look at the Jackknife".
    """
    check_whole_number("n_worlds", n_worlds, 1, MOST_WORLDS)
    settings = FitSettings() if settings is None else settings
    models = []
    for number in range(n_worlds):
        models.append(_fitted(ratings, replace(settings, bootstrap=_number(settings, number))))
        _tell(progress, number + 1, n_worlds)
    return FittedWorlds(tuple(models))


def fit_halves(ratings: Ratings, *, settings: FitSettings | None = None) -> FittedWorlds:
    """Return two worlds learned from ratings, each from one half of the persons.

    Nobody is in both: an agent trained in the first and tested in the second meets other persons,
    and items that were judged by others. Items are those with enough ratings in both halves; what
    is openly known of them is what the first half says.

    Args:
        ratings: As in `fit_users`.
        settings: As in `fit_users`; its seed also draws the halves.

    Raises:
        ConfigError: A setting is out of range.
        DataError: The ratings do not tell enough.
    """
    settings = FitSettings() if settings is None else settings
    parts = halves_of_ratings(ratings, settings.min_item_ratings, settings.seed)
    first, second = (_fitted(part, settings) for part in parts)
    return FittedWorlds((first, replace(second, catalogue=first.catalogue)))


class HalvesOfRatings(NamedTuple):
    """Ratings by disjoint persons, of the same items."""

    first: Ratings
    second: Ratings


def halves_of_ratings(ratings: Ratings, min_item_ratings: int, seed: int = 0) -> HalvesOfRatings:
    """Return the ratings of each half of the persons, of items that both rated often enough.

    Args:
        ratings: Of an item that a person rated more than once, the latest rating counts.
        min_item_ratings: Of an item in each half, 1 or more.
        seed: Of the halves.

    Raises:
        DataError: There are fewer than two persons, or no such items.
    """
    if ratings.n_users < 2:
        raise DataError("halves need two persons or more")
    is_second = np.zeros(ratings.n_users, bool)
    drawn = np.random.default_rng(seed).permutation(ratings.n_users)
    is_second[drawn[ratings.n_users // 2 :]] = True
    counts = [_counts(ratings, is_second == half) for half in (False, True)]
    kept = np.min(counts, axis=0) >= min_item_ratings
    if not kept.any():
        raise DataError(f"no item has {min_item_ratings} or more ratings in both halves")
    rows = [kept[ratings.item_index] & (is_second[ratings.user_index] == h) for h in (False, True)]
    first, second = (ratings.subset(np.flatnonzero(part)) for part in rows)
    return HalvesOfRatings(first, second)


def fit_slate_worlds(
    log: InteractionLog,
    catalogue: Catalogue,
    n_worlds: int = 5,
    *,
    scanning: Scanning | None = None,
    channel: str | None = None,
    most_visits: int | None = 20_000,
    seed: int = 0,
    progress: Progress | None = None,
) -> FittedWorlds:
    """Return E worlds learned from slates, each from users drawn with replacement.

    All worlds have the same items, persons and populations; the tastes of a person are what the
    log tells of them under the dynamics of each world.

    Args:
        log: Slates with responses; it is loaded whole.
        catalogue: Its items, with topics.
        n_worlds: E, up to 100.
        scanning: As in `fit_slate_users`, as are the next three; by default it follows from all
            slates of the log and is the same in every world.
        channel: Above 0 where an item was taken.
        most_visits: Of more, as many drawn at random for each world.
        seed: Of what is drawn.
        progress: Told after each world.

    Raises:
        ConfigError: A setting is out of range.
        DataError: The log does not tell enough.
    """
    check_whole_number("n_worlds", n_worlds, 1, MOST_WORLDS)
    scanning = scanning_of_log(log, channel) if scanning is None else scanning
    models = []
    for number in range(n_worlds):
        model = fit_slate_users(
            log,
            catalogue,
            scanning=scanning,
            channel=channel,
            most_visits=most_visits,
            seed=seed,
            bootstrap=number,
        )
        models.append(model)
        _tell(progress, number + 1, n_worlds)
    return FittedWorlds(tuple(models))


def fit_slate_halves(
    log: InteractionLog,
    catalogue: Catalogue,
    *,
    scanning: Scanning | None = None,
    channel: str | None = None,
    most_visits: int | None = 20_000,
    seed: int = 0,
) -> FittedWorlds:
    """Return two worlds learned from slates, each from one half of the users; see `fit_halves`.

    Args:
        log: Slates with responses; it is loaded whole.
        catalogue: Its items, with topics.
        scanning: As in `fit_slate_worlds`; the next two as in `fit_slate_users`.
        channel: Above 0 where an item was taken.
        most_visits: Of more, as many drawn at random for each world.
        seed: Of what is drawn, and of the halves.

    Raises:
        ConfigError: A setting is out of range.
        DataError: The log does not tell enough.
    """
    n_users = len(users_of_log(log))
    if n_users < 2:
        raise DataError(f"halves need two users or more, {log.name} has {n_users}")
    scanning = scanning_of_log(log, channel) if scanning is None else scanning
    drawn = np.random.default_rng(seed).permutation(n_users)
    halves = (drawn[: n_users // 2], drawn[n_users // 2 :])
    return FittedWorlds(
        tuple(
            fit_slate_users(
                log_of_users(log, half),
                catalogue,
                scanning=scanning,
                channel=channel,
                most_visits=most_visits,
                seed=seed,
            )
            for half in halves
        )
    )


def _fitted(ratings: Ratings, settings: FitSettings) -> FittedUsersModel:
    return fit_users(ratings, **asdict(settings))


def _number(settings: FitSettings, number: int) -> int:
    return (settings.bootstrap or 0) + number


def _counts(ratings: Ratings, persons: Bools) -> Ints:
    """Return how many of these persons rated each item, (N,)."""
    rows = np.flatnonzero(persons[ratings.user_index])
    matrix = ratings.matrix(rows, binary=True)
    return np.bincount(matrix.indices, minlength=ratings.n_items)


def _tell(progress: Progress | None, n_done: int, n_worlds: int) -> None:
    if progress is not None:
        progress(n_done, n_worlds)
