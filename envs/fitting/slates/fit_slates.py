"""From a log of slates to users that can be simulated."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from rlrec.arrays import Bools, Floats, Ints
from rlrec.baselines.logged_responses import check_belongs
from rlrec.data.catalogue import Catalogue
from rlrec.data.log import InteractionLog
from rlrec.data.log_columns import items_shown
from rlrec.envs.fitting.intervals import Told
from rlrec.envs.fitting.populations import check_shares, drawn_populations
from rlrec.envs.fitting.slates.return_gaps import fit_return_gaps
from rlrec.envs.fitting.slates.slate_users import ASSUMED, SlateUsersModel
from rlrec.envs.fitting.slates.topic_sequences import Scanning, scanning_of_log
from rlrec.envs.fitting.slates.visit_ends import fit_visit_ends
from rlrec.envs.fitting.worlds.log_users import log_of_users, users_of_log
from rlrec.errors import DataError

if TYPE_CHECKING:
    from rlrec.envs.fitting.slates.dynamics import FittedDynamics

_PRIOR_TAKEN = 5.0  # items taken of average reward, added to those of each item
_logger = logging.getLogger(__name__)


def fit_slate_users(
    log: InteractionLog,
    catalogue: Catalogue,
    *,
    scanning: Scanning | None = None,
    channel: str | None = None,
    most_visits: int | None = 20_000,
    shares: tuple[float, float, float] = (0.6, 0.2, 0.2),
    seed: int = 0,
    bootstrap: int | None = None,
) -> SlateUsersModel:
    """Return users learned from a log of slates, for `rlrec/FittedUsers-v0`.

    Choices, positions, drift and satiation by `fit_dynamics`, the ends of visits by
    `fit_visit_ends`, the gaps between them by `fit_return_gaps`. What the log does not tell is
    assumed, and the card of the model says so.

    Args:
        log: Slates with responses.
        catalogue: Its items, with topics.
        scanning: `cascade` (at most one item of a slate is taken) or `position_based`; by default
            the former where no slate has two items taken.
        channel: Above 0 where an item was taken; by default the first.
        most_visits: Of more, as many drawn at random for `fit_dynamics`, and the persons of the
            model are those of these visits.
        shares: Of the persons, for the populations train, validation and test.
        seed: Of what is drawn.
        bootstrap: Number of a bootstrap: all is learned from users of the log drawn with
            replacement, and then the tastes of its persons, the rest held fixed. None learns from
            all.

    Raises:
        CatalogueMismatchError: The log is of other items.
        ConfigError: The shares do not sum to 1.
        DataError: Nothing was ever taken, or everything, a population has nobody, or the items are
            fresh candidates without identity; or slates of a cascade have several items taken.
    """
    from rlrec.envs.fitting.slates.dynamics import fit_dynamics, with_persons_of  # brings torch

    check_belongs(log, catalogue)
    check_shares(shares)
    whole, log = log, log if bootstrap is None else _drawn_users(log, bootstrap, seed)
    totals = _totals(log, catalogue, channel or log.metadata.response_channels[0])
    seen = scanning_of_log(log, channel)
    scanning = seen if scanning is None else scanning
    if scanning == "cascade" and seen != "cascade":
        raise DataError(
            f"in a cascade at most one item of a slate is taken, but of slates of {log.name} "
            "several were; scanning='position_based' is for these"
        )
    dynamics = fit_dynamics(
        log, catalogue, scanning, channel=channel, most_visits=most_visits, seed=seed
    )
    if bootstrap is not None:
        dynamics = with_persons_of(
            whole, catalogue, dynamics, channel=channel, most_visits=most_visits, seed=seed
        )
    visits = _visits(log, channel, seed)
    doubts = {**dynamics.doubts, **visits.doubts}
    if dynamics.ended_early:
        doubts["search"] = dynamics.ended_early
    rng = np.random.default_rng(seed)
    model = SlateUsersModel(
        catalogue=catalogue,
        scanning=scanning,
        values={**ASSUMED, **dynamics.values, **visits.values},
        estimates={**dynamics.estimates, **visits.estimates},
        appeals=dynamics.appeals,
        appeal_variances=dynamics.appeal_variances,
        yields=totals.yields,
        tastes=dynamics.tastes,
        taste_variances=dynamics.taste_variances,
        person_ids=dynamics.person_ids,
        populations=drawn_populations(len(dynamics.person_ids), shares, rng),
        slate_size=log.metadata.slate_size,
        figures=_figures(dynamics, totals, catalogue),
        silent=doubts,
    )
    _logger.info("fitted users: %s", "; ".join(f"{a.name}: {a.value}" for a in model.card()))
    return model


def _drawn_users(log: InteractionLog, bootstrap: int, seed: int) -> InteractionLog:
    """Return a log of as many users, drawn with replacement."""
    n_users = len(users_of_log(log))
    rng = np.random.default_rng([seed, bootstrap])
    return log_of_users(log, rng.integers(n_users, size=n_users))


class _Totals(NamedTuple):
    """Sums over a log."""

    n_rows: int
    yields: Floats
    """Shape (N,). Mean reward of an item taken."""
    is_shown: Bools
    """Shape (N,)."""
    unearned: float
    """Share of the reward, in absolute value, of slates of which nothing was taken."""


def _totals(log: InteractionLog, catalogue: Catalogue, channel: str) -> _Totals:
    n_rows = 0
    shown_of, taken_of, reward_of = np.zeros((3, catalogue.n_items))
    reward, unearned = 0.0, 0.0
    names = ["slate", "reward", f"response.{channel}"]
    names += ["candidates"] if log.has("candidates") else []
    for block in log.blocks(names=names):
        shown = items_shown(block)
        _check_items(shown, n_rows, log, catalogue)
        taken = block[f"response.{channel}"] > 0
        n_taken = taken.sum(axis=1)
        # The reward of a slate is shared by the items taken of it.
        each = np.divide(block["reward"], n_taken, out=np.zeros(len(taken)), where=n_taken > 0)
        rows, slots = np.nonzero(taken)
        items = shown[rows, slots]
        shown_of += np.bincount(shown.ravel(), minlength=catalogue.n_items)
        taken_of += np.bincount(items, minlength=catalogue.n_items)
        reward_of += np.bincount(items, each[rows], catalogue.n_items)
        size = np.abs(block["reward"])
        reward, unearned = reward + size.sum(), unearned + size[n_taken == 0].sum()
        n_rows += len(taken)
    mean = reward_of.sum() / max(taken_of.sum(), 1.0)
    yields = (reward_of + _PRIOR_TAKEN * mean) / (taken_of + _PRIOR_TAKEN)
    return _Totals(n_rows, yields, shown_of > 0, float(unearned / max(reward, 1e-300)))


def _check_items(shown: Ints, first_row: int, log: InteractionLog, catalogue: Catalogue) -> None:
    wrong = np.argwhere((shown < 0) | (shown >= catalogue.n_items))
    if len(wrong):
        row, slot = wrong[0]
        raise DataError(
            f"{log.name}: row {first_row + row} shows item {shown[row, slot]}, but the catalogue "
            f"has items 0 to {catalogue.n_items - 1}; {len(wrong)} such slots in {len(shown)} rows"
        )


def _visits(log: InteractionLog, channel: str | None, seed: int) -> Told:
    """Return what the log tells of visits and gaps, and why it does not."""
    found = Told({}, {}, {}, {})
    fits: dict[str, Callable[[], Told]] = {
        "visit": lambda: fit_visit_ends(log, channel).parameters,
        "gap": lambda: fit_return_gaps(log, seed).parameters,
    }
    for part, fit in fits.items():
        try:
            parameters = fit()
        except DataError as error:
            found.doubts[f"{part}s"] = str(error)
            continue
        for name in parameters.values:
            found.values[f"{part}_{name}"] = parameters.values[name]
        for name, estimate in parameters.estimates.items():
            found.estimates[f"{part}_{name}"] = estimate
        for name, doubt in parameters.doubts.items():
            found.doubts[f"{part}_{name}"] = doubt
    return found


def _figures(dynamics: FittedDynamics, totals: _Totals, catalogue: Catalogue) -> dict[str, float]:
    topics_shown = np.unique(catalogue.topics[totals.is_shown])
    return {
        "n_items_never_shown": int((~totals.is_shown).sum()),
        "n_topics_never_shown": catalogue.n_topics - len(topics_shown),
        "unearned_share": totals.unearned,
        "n_rows": totals.n_rows,
        "n_looks": dynamics.n_looks,
        "n_visits": dynamics.n_visits,
        "log_likelihood": dynamics.log_likelihood,
        "constant_log_likelihood": dynamics.constant_log_likelihood,
    }
