"""How the users of a log of slates behave, aspect by aspect."""

from typing import NamedTuple

import numpy as np
from scipy.sparse import csr_array

from rlrec.arrays import Bools, Floats, Ints
from rlrec.data.catalogue import Catalogue
from rlrec.data.log import InteractionLog
from rlrec.data.log_columns import items_shown
from rlrec.envs.fitting.slates.topic_sequences import NEW_VISIT, TopicSequences, topic_sequences
from rlrec.envs.fitting.validation.aspects import (
    Aspect,
    ByPerson,
    CountsByPerson,
    RatesByPerson,
    ValuesByPerson,
)
from rlrec.envs.fitting.validation.comparing import Behaviour

MOST_STEPS_SINCE = 5
"""Steps since a topic was last taken that are told apart."""
ASPECTS = (
    "click rate by slot",
    "click rate after a topic was taken",
    "steps of a visit",
    "items taken in a visit",
    "variety of topics in a visit",
    "popularity of items",
    "hours between visits",
)
"""In the order of a card."""


def behaviour(
    log: InteractionLog, catalogue: Catalogue, channel: str | None = None
) -> dict[str, Aspect]:
    """Return what a log says of all its users, by aspect; see `behaviour_by_person`."""
    found = behaviour_by_person(log, catalogue, channel)
    return {aspect: each.of(found.everybody) for aspect, each in found.aspects.items()}


def behaviour_by_person(
    log: InteractionLog, catalogue: Catalogue, channel: str | None = None
) -> Behaviour:
    """Return what a log says of each of its users, by aspect.

    Rates: of an item taken, for each slot; and of an item whose topic was last taken 1, 2, ...
    steps ago in the visit, over that of an item whose topic was not. Samples: steps and items taken
    of each visit that ended, the Shannon entropy of the topics of what was taken (nats; of visits
    with two or more), times each item was taken over the mean of that, and hours from one visit to
    the next where the log has times.

    Args:
        log: Slates with responses. Its users, ascending, are the persons.
        catalogue: Its items, with topics.
        channel: Above 0 where an item was taken; by default the first.

    Raises:
        DataError: Nothing was ever taken, or everything.
    """
    told = topic_sequences(log, catalogue, "position_based", channel=channel)
    visits = _visits(log, catalogue, channel or log.metadata.response_channels[0])
    n = len(told.person_ids)

    def of_visits(values: Floats | Ints, which: Bools) -> ValuesByPerson:
        return ValuesByPerson(values[which].astype(np.float64), visits.owners[which], n)

    found: dict[str, ByPerson] = {
        ASPECTS[0]: _by_slot(told),
        ASPECTS[1]: _after_taking(told),
        ASPECTS[2]: of_visits(visits.lengths, visits.ended),
        ASPECTS[3]: of_visits(visits.taken, visits.ended),
        ASPECTS[4]: of_visits(visits.entropies, visits.ended & (visits.taken > 1)),
        ASPECTS[5]: CountsByPerson(visits.popularity),
    }
    if len(visits.gaps):
        found[ASPECTS[6]] = ValuesByPerson(visits.gaps, visits.gap_owners, n)
    return Behaviour(n, found, visits.features, visits.owners)


def _by_slot(told: TopicSequences) -> RatesByPerson:
    labels = tuple(f"slot {number}" for number in range(1, told.slate_size + 1))
    return RatesByPerson(*_counted(told, told.slot, told.slate_size), labels)


def _after_taking(told: TopicSequences) -> RatesByPerson:
    since = np.minimum(steps_since_taken(told), MOST_STEPS_SINCE)
    labels = tuple(f"{number} steps ago" for number in range(1, MOST_STEPS_SINCE + 1))
    return RatesByPerson(*_counted(told, since, MOST_STEPS_SINCE + 1), labels, is_relative=True)


def _counted(told: TopicSequences, situations: Ints, n: int) -> tuple[Floats, Floats]:
    """Return what each person took and looked at in each of n situations, both (P, n)."""
    n_persons = len(told.person_ids)
    cells = np.repeat(told.persons, told.lengths) * n + situations
    taken = np.bincount(cells, told.taken, n_persons * n).reshape(n_persons, n)
    looks = np.bincount(cells, minlength=n_persons * n).reshape(n_persons, n)
    return taken.astype(np.float64), looks.astype(np.float64)


def steps_since_taken(told: TopicSequences) -> Ints:
    """Return for each look the steps since its topic was last taken in the visit, 0 for never."""
    # All visits stand on one line of time, so that the last time is a running maximum.
    gaps = np.where(told.gap == NEW_VISIT, 1, told.gap)
    now = np.cumsum(gaps)
    begun = np.maximum.accumulate(np.where(told.gap == NEW_VISIT, now, 0))
    taken = np.maximum.accumulate(np.where(told.before > 0, now - gaps, 0))
    since: Ints = np.where((taken >= begun) & (taken > 0), now - taken, 0)
    return since


class _Visits(NamedTuple):
    """V visits of P persons."""

    owners: Ints
    """Shape (V,). Row of the person, as the next five of each visit."""
    lengths: Ints
    taken: Ints
    entropies: Floats
    ended: Bools
    features: Floats
    """Shape (V, 6). What a classifier is to tell it by."""
    popularity: csr_array
    """Shape (P, N). How often each person took each item."""
    gaps: Floats
    """Hours between two visits of a person."""
    gap_owners: Ints


def _visits(log: InteractionLog, catalogue: Catalogue, channel: str) -> _Visits:
    names = ["user_id", "episode_id", "step", "slate", "terminated", f"response.{channel}"]
    names += [name for name in ("candidates", "timestamp") if log.has(name)]
    columns = log.columns(names)
    taken = columns[f"response.{channel}"] > 0
    starts = np.flatnonzero(columns["step"] == 0)
    lengths = np.diff(np.append(starts, len(taken)))
    of_visit = np.repeat(np.arange(len(starts)), lengths)
    rows, slots = np.nonzero(taken)
    chosen = items_shown(columns)[rows, slots]
    n_topics = catalogue.n_topics
    cells = of_visit[rows] * n_topics + catalogue.topics[chosen]
    by_topic = np.bincount(cells, minlength=len(starts) * n_topics).reshape(-1, n_topics)
    ends = np.append(starts[1:], len(taken)) - 1
    persons, owner_of_row = np.unique(columns["user_id"], return_inverse=True)
    owners = owner_of_row[starts]
    once = np.ones(len(chosen))
    shape = (len(persons), catalogue.n_items)
    gaps, later = _gaps(columns, starts, ends) if "timestamp" in columns else _NO_GAPS
    return _Visits(
        owners=owners,
        lengths=lengths,
        taken=by_topic.sum(axis=1),
        entropies=entropies(by_topic),
        ended=columns["terminated"][ends],
        features=_features(taken, columns["step"], starts, by_topic),
        popularity=csr_array((once, (owner_of_row[rows], chosen)), shape=shape),
        gaps=gaps,
        gap_owners=owners[later],
    )


def _features(taken: Bools, steps: Ints, starts: Ints, by_topic: Ints) -> Floats:
    """Return numbers (V, 6) of each visit: what a classifier is to tell it by."""
    lengths = np.diff(np.append(starts, len(taken)))
    visits = np.repeat(np.arange(len(starts)), lengths)
    rows, slots = np.nonzero(taken)
    n_taken = by_topic.sum(axis=1)
    any_taken: Bools = np.asarray(taken.any(axis=1))
    again = any_taken[1:] & any_taken[:-1] & (steps[1:] > 0)
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


def entropies(counts: Floats | Ints) -> Floats:
    """Return the Shannon entropy of each row of counts (R, T), in nats; 0 where there are none."""
    shares = counts / np.maximum(counts.sum(axis=1), 1)[:, None]
    logs = np.log(np.where(shares > 0, shares, 1.0))
    found: Floats = -(shares * logs).sum(axis=1)
    return found


_NO_GAPS: tuple[Floats, Ints] = np.empty(0), np.empty(0, np.int64)


def _gaps(columns: dict[str, Ints], starts: Ints, ends: Ints) -> tuple[Floats, Ints]:
    """Return the hours between two visits of a person, and which visits these hours precede."""
    users, times = columns["user_id"], columns["timestamp"]
    same = users[starts[1:]] == users[ends[:-1]]
    hours: Floats = (times[starts[1:]] - times[ends[:-1]])[same] / 3600.0
    return hours, 1 + np.flatnonzero(same)
