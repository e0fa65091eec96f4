"""Where simulated users behave like those of a log, and where they do not."""

import math
from typing import Any, Literal, NamedTuple

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit
from scipy.stats import rankdata

from rlrec.arrays import Bools, Floats
from rlrec.data.catalogue import Catalogue
from rlrec.data.log import InteractionLog
from rlrec.envs.fitting.behaviour import ASPECTS, Aspect, behaviour, distance
from rlrec.envs.fitting.replaying import replayed
from rlrec.errors import DataError
from rlrec.simulation import Simulator

Word = Literal["agrees", "differs", "not told"]
TOLD_APART = "told apart by a classifier"
MOST_RATIO = 2.0
"""Times the distance of two halves of the log up to which simulated users agree with it."""
MOST_AUC = 0.75
_FOLDS, _PENALTY = 5, 1.0
_FEWEST_VISITS = 10


class Verdict(NamedTuple):
    """What is found of one aspect."""

    aspect: str
    simulated: float
    """Distance of simulated users from those of the log; of `TOLD_APART` the area under the ROC
    curve, 0.5 for no difference."""
    control: float
    """The same between two halves of the log."""
    word: Word
    """`agrees` up to twice the control (of the area: up to 0.75), else `differs`; `not told` where
    the log says too little."""


def fidelity(
    simulator: Simulator,
    log: InteractionLog,
    catalogue: Catalogue,
    *,
    channel: str | None = None,
    n_halvings: int = 5,
    seed: int = 0,
) -> list[Verdict]:
    """Return a verdict for each aspect of behaviour.

    The persons of the log are halved at random, over and over; one half is compared with the other,
    and with as many slates of simulated users, who are shown what the log shows (`replayed`). A
    logistic regression, judged on visits it did not see, tries to tell visits apart. Give a log of
    persons or of a time that the users were not fitted to, or the verdict is too kind.

    Args:
        simulator: Users over the items of the log, slates of the same size.
        log: Slates with responses, of 20 persons or more.
        catalogue: Its items, with topics.
        channel: Above 0 where an item was taken; by default the first.
        n_halvings: 1 or more; distances are means over them.
        seed: Of halves and simulated users.

    Raises:
        DataError: The log has fewer than 20 persons, or none of its slates was responded to.
    """
    log = log.in_memory()
    persons = np.unique(log.column("user_id"))
    if len(persons) < 20:
        raise DataError(f"{log.name} has {len(persons)} persons; halving it takes 20 or more")
    rng = np.random.default_rng(seed)
    found: dict[str, list[tuple[float, float]]] = {}
    for number in range(n_halvings):
        chosen = rng.permutation(persons)[: len(persons) // 2]
        is_first = np.isin(log.column("user_id"), chosen)
        one, other = _part(log, is_first), _part(log, ~is_first)
        made = replayed(simulator, other, *_size(one), seed + number)
        for aspect, pair in _compared(one, other, made, catalogue, channel, rng).items():
            found.setdefault(aspect, []).append(pair)
    return [_verdict(aspect, found.get(aspect, [])) for aspect in (*ASPECTS, TOLD_APART)]


def _size(log: InteractionLog) -> tuple[int, int]:
    """Return users and steps of each that make as many slates as a log, in as long a time.

    As long as a person was seen, and ten visits at least: of a shorter time only short visits would
    be seen to end.
    """
    n_persons = len(np.unique(log.column("user_id")))
    n_visits = int((log.column("step") == 0).sum())
    n_steps = max(len(log) // n_persons, _FEWEST_VISITS * len(log) // n_visits)
    return max(1, len(log) // n_steps), n_steps


def _part(log: InteractionLog, rows: Bools) -> InteractionLog:
    columns = {name: log.column(name)[rows] for name in log.column_names}
    return InteractionLog.from_columns(columns, log.metadata)


def _compared(
    one: InteractionLog,
    other: InteractionLog,
    made: InteractionLog,
    catalogue: Catalogue,
    channel: str | None,
    rng: np.random.Generator,
) -> dict[str, tuple[float, float]]:
    """Return for each aspect the distance of one half from what was made, and from the other."""
    own, control = behaviour(one, catalogue, channel), behaviour(other, catalogue, channel)
    simulated: dict[str, Aspect] = behaviour(made, catalogue)
    pairs = {
        aspect: (distance(own[aspect], simulated[aspect]), distance(own[aspect], control[aspect]))
        for aspect in own
        if aspect in simulated and aspect in control
    }
    visits = [_visit_features(part, catalogue, channel) for part in (one, other)]
    visits.append(_visit_features(made, catalogue, None))
    pairs[TOLD_APART] = (
        discriminator_auc(visits[0], visits[2], rng),
        discriminator_auc(visits[0], visits[1], rng),
    )
    return pairs


def _verdict(aspect: str, pairs: list[tuple[float, float]]) -> Verdict:
    values = np.array(pairs).reshape(-1, 2)
    values = values[np.isfinite(values).all(axis=1)]
    if not len(values):
        return Verdict(aspect, math.nan, math.nan, "not told")
    simulated, control = (float(value) for value in values.mean(axis=0))
    most = MOST_AUC if aspect == TOLD_APART else MOST_RATIO * control
    return Verdict(aspect, simulated, control, "agrees" if simulated <= most else "differs")


def _visit_features(log: InteractionLog, catalogue: Catalogue, channel: str | None) -> Floats:
    """Return numbers (V, 6) of each visit: what a classifier is to tell it by."""
    taken = log.response(channel or log.metadata.response_channels[0]) > 0
    starts = np.flatnonzero(log.column("step") == 0)
    lengths = np.diff(np.append(starts, len(taken)))
    topics = catalogue.topics[log.column("slate")]
    visits = np.repeat(np.arange(len(starts)), lengths)
    rows, slots = np.nonzero(taken)
    cells = visits[rows] * catalogue.n_topics + topics[rows, slots]
    by_topic = np.bincount(cells, minlength=len(starts) * catalogue.n_topics)
    by_topic = by_topic.reshape(len(starts), -1)
    n_taken = by_topic.sum(axis=1)
    any_taken: Bools = np.asarray(taken.any(axis=1))
    again = any_taken[1:] & any_taken[:-1] & (log.column("step")[1:] > 0)
    return np.column_stack(
        [
            np.log(lengths),
            n_taken / lengths,
            np.add.reduceat(any_taken, starts) / lengths,
            by_topic.max(axis=1) / np.maximum(n_taken, 1),
            np.bincount(visits[rows], slots, len(starts)) / np.maximum(n_taken, 1),
            np.bincount(visits[1:], again, len(starts)) / lengths,
        ]
    )


def discriminator_auc(one: Floats, other: Floats, rng: np.random.Generator) -> float:
    """Return the area under the ROC curve of a classifier of two samples, judged on held-out rows.

    A logistic regression with squares and products of the features, with a ridge penalty; five
    folds. 0.5 where they cannot be told apart; chance may bring it below.

    Args:
        one: Shape (n, D).
        other: Shape (m, D).
        rng: Of the folds.
    """
    rows = np.vstack([one, other])
    labels = np.repeat([0.0, 1.0], [len(one), len(other)])
    weights = np.repeat([0.5 / len(one), 0.5 / len(other)], [len(one), len(other)])
    design = _expanded(rows)
    folds = rng.permutation(len(rows)) % _FOLDS
    scores = np.empty(len(rows))
    for fold in range(_FOLDS):
        held_out = folds == fold
        point = _logistic(design[~held_out], labels[~held_out], weights[~held_out])
        scores[held_out] = design[held_out] @ point
    ranks = rankdata(scores)
    n_one, n_other = len(one), len(other)
    above = ranks[n_one:].sum() - n_other * (n_other + 1) / 2
    return float(above / (n_one * n_other))


def _expanded(rows: Floats) -> Floats:
    """Return standardised features with their squares and products, and a constant."""
    spread = rows.std(axis=0)
    scaled = (rows - rows.mean(axis=0)) / np.where(spread > 0, spread, 1.0)
    first, second = np.triu_indices(rows.shape[1])
    return np.column_stack([np.ones(len(rows)), scaled, scaled[:, first] * scaled[:, second]])


def _logistic(design: Floats, labels: Floats, weights: Floats) -> Floats:
    scale = weights / weights.sum() * len(weights)

    def loss(point: Floats) -> tuple[float, Floats]:
        logits = design @ point
        value = float((scale * (np.logaddexp(0.0, logits) - labels * logits)).sum())
        slope = design.T @ (scale * (expit(logits) - labels))
        return value + 0.5 * _PENALTY * float(point @ point), slope + _PENALTY * point

    search: Any = minimize
    found: Floats = search(loss, np.zeros(design.shape[1]), jac=True, method="L-BFGS-B").x
    return found
