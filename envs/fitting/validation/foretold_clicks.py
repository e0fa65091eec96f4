"""How well users fitted to slates foretell what others click, look by look."""

from typing import Any

import numpy as np
import torch

from rlrec.arrays import Floats, Ints
from rlrec.data.catalogue import Catalogue
from rlrec.data.log import InteractionLog
from rlrec.envs.fitting.slates.dynamics import NAMES
from rlrec.envs.fitting.slates.slate_users import SlateUsersModel
from rlrec.envs.fitting.slates.taste_filter import Dynamics, probabilities_of_looks
from rlrec.envs.fitting.slates.topic_sequences import Scanning, TopicSequences, topic_sequences
from rlrec.envs.fitting.validation.foretelling import Foretold, Predictions, foretold

SHUFFLED = "shuffled time"
_MOVING = {"drift_sd", "strength"}  # what makes earlier looks count otherwise than later ones
_GROUPS, _DRAWN = 5, 10.0


def foretold_clicks(
    model: SlateUsersModel,
    log: InteractionLog,
    catalogue: Catalogue,
    *,
    channel: str | None = None,
    seed: int = 0,
) -> Foretold:
    """Return how well the clicks of a log are foretold by the dynamics of fitted users.

    Each look is foretold from all earlier looks of its person at its topic (`Dynamics`), of whom
    nothing is known beforehand. Controls: one click rate for all, that of this very log; the click
    rate of the item in the slot among other persons of this log (`rates_of_others`); and the model
    where each person's slates, with what was taken of them, are told in another order, so that what
    went just before says nothing. No model is better than that last one where tastes neither drift
    nor have enough: it is a control only of users whose drift or satiation is estimated.

    Args:
        model: Fitted users.
        log: Slates of the same items by persons, or in a time, that were not fitted to.
        catalogue: Its items.
        channel: Above 0 where an item was taken; by default the first.
        seed: Of the other order.

    Raises:
        DataError: Nothing was ever taken, or everything.
    """
    told, mixed = (
        _sequences(model, each, catalogue, channel)
        for each in (log, _in_another_order(log.in_memory(), seed))
    )
    own, shuffled = _told(model, told), _told(model, mixed)
    rate = np.full(len(own.taken), own.taken.mean())
    of_others = rates_of_others(told, own.persons, catalogue.n_items, np.random.default_rng(seed))
    losses = {
        "fitted users": _losses(own),
        "one click rate": _losses(own._replace(probabilities=rate)),
        "click rate of item and slot": _losses(own._replace(probabilities=of_others)),
        SHUFFLED: _losses(shuffled),
    }
    is_moving = not _MOVING.isdisjoint(model.estimates)
    return foretold(
        "a look at an item",
        losses,
        own.persons,
        own,
        no_controls=() if is_moving else (SHUFFLED,),
        seed=seed,
    )


def rates_of_others(
    told: TopicSequences, persons: Ints, n_items: int, rng: np.random.Generator
) -> Floats:
    """Return for each look (n,) the click rate of its item in its slot among other persons.

    The persons are divided into five groups; the rate is that of the other four. Rates of few looks
    are drawn towards that of the item, these towards that of all, as if ten looks more had had it.

    Args:
        told: Looks of persons.
        persons: Shape (n,). Row of the person of each look.
        n_items: In the catalogue.
        rng: Of the groups.
    """
    n_cells = n_items * told.slate_size
    cells = told.item * told.slate_size + told.slot
    groups = (rng.permutation(len(told.person_ids)) % _GROUPS)[persons]
    found = np.empty(len(cells))
    for group in range(_GROUPS):
        others, own = groups != group, groups == group
        shape = n_items, told.slate_size
        taken = np.bincount(cells[others], told.taken[others], n_cells).reshape(shape)
        looks = np.bincount(cells[others], minlength=n_cells).reshape(shape)
        overall = _drawn(taken.sum(), looks.sum(), 0.5)
        of_item = _drawn(taken.sum(axis=1), looks.sum(axis=1), overall)
        found[own] = _drawn(taken, looks, of_item[:, None]).ravel()[cells[own]]
    return found


def _drawn(taken: Any, looks: Any, towards: Any) -> Any:
    return (taken + _DRAWN * towards) / (looks + _DRAWN)


def _sequences(
    model: SlateUsersModel, log: InteractionLog, catalogue: Catalogue, channel: str | None
) -> TopicSequences:
    scanning: Scanning = "cascade" if model.scanning == "cascade" else "position_based"
    return topic_sequences(log, catalogue, scanning, channel=channel)


def _told(model: SlateUsersModel, told: TopicSequences) -> Predictions:
    """Return the probability of each look, in order of the persons."""
    values = {name: torch.tensor(model.values[name], dtype=torch.float64) for name in NAMES}
    dynamics = Dynamics(**values, appeals=torch.from_numpy(model.appeals))
    probabilities = _of_looks(told, dynamics)
    persons = np.repeat(told.persons, told.lengths)
    return Predictions(probabilities, told.taken, persons)


def _of_looks(told: TopicSequences, dynamics: Dynamics) -> Floats:
    found = np.empty(len(told.slot))
    for block in told.blocks():
        stated = probabilities_of_looks(block, dynamics).numpy()
        numbers = np.arange(len(stated))[:, None]
        is_look = numbers < told.lengths[block.rows]
        places = told.starts[block.rows] + numbers
        found[places[is_look]] = stated[is_look]
    return found


def _in_another_order(log: InteractionLog, seed: int) -> InteractionLog:
    """Return a log whose users met their slates in another order, in visits as long as before."""
    _, users = np.unique(log.column("user_id"), return_inverse=True)
    order = np.lexsort((np.random.default_rng(seed).random(len(users)), users))
    columns = {name: log.column(name) for name in log.column_names}
    for name in columns:
        if name in ("slate", "candidates", "reward") or name.startswith("response."):
            columns[name] = columns[name][order]
    kept = {name: column for name, column in columns.items() if "propensity" not in name}
    return InteractionLog.from_columns(kept, log.metadata)


def _losses(predictions: Predictions) -> Floats:
    likely = np.where(predictions.taken, predictions.probabilities, 1.0 - predictions.probabilities)
    found: Floats = -np.log(np.maximum(likely, 1e-300))
    return found
