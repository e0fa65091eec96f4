"""How well users fitted to slates foretell what others click, look by look."""

import numpy as np
import torch

from rlrec.arrays import Floats
from rlrec.data.catalogue import Catalogue
from rlrec.data.log import InteractionLog
from rlrec.envs.fitting.slates.dynamics import NAMES
from rlrec.envs.fitting.slates.slate_users import SlateUsersModel
from rlrec.envs.fitting.slates.taste_filter import Dynamics, probabilities_of_looks
from rlrec.envs.fitting.slates.topic_sequences import Scanning, TopicSequences, topic_sequences
from rlrec.envs.fitting.validation.foretelling import Foretold, Predictions, foretold


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
    nothing is known beforehand. Controls: one click rate for all, that of this very log; and the
    model where each person's slates, with what was taken of them, are told in another order, so
    that what went just before says nothing: it is no better than that where tastes neither drift
    nor have enough.

    Args:
        model: Fitted users.
        log: Slates of the same items by persons, or in a time, that were not fitted to.
        catalogue: Its items.
        channel: Above 0 where an item was taken; by default the first.
        seed: Of the other order.

    Raises:
        DataError: Nothing was ever taken, or everything.
    """
    own = _told(model, log, catalogue, channel)
    mixed = _told(model, _in_another_order(log.in_memory(), seed), catalogue, channel)
    rate = np.full(len(own.taken), own.taken.mean())
    losses = {
        "fitted users": _losses(own),
        "one click rate": _losses(own._replace(probabilities=rate)),
        "shuffled time": _losses(mixed),
    }
    return foretold("a look at an item", losses, own.persons, own, seed=seed)


def _told(
    model: SlateUsersModel, log: InteractionLog, catalogue: Catalogue, channel: str | None
) -> Predictions:
    """Return the probability of each look, in order of the persons."""
    scanning: Scanning = "cascade" if model.scanning == "cascade" else "position_based"
    told = topic_sequences(log, catalogue, scanning, channel=channel)
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
