"""How the users of a log behave, aspect by aspect, and how far two logs are from one another."""

from typing import NamedTuple

import numpy as np
from scipy.stats import ks_2samp

from rlrec.arrays import Bools, Floats, Ints
from rlrec.data.catalogue import Catalogue
from rlrec.data.log import InteractionLog
from rlrec.data.log_columns import items_shown
from rlrec.envs.fitting.topic_sequences import NEW_VISIT, TopicSequences, topic_sequences

MOST_STEPS_SINCE = 5
"""Steps since a topic was last taken that are told apart."""
_FEWEST = 20
"""Looks behind a rate, or values of a sample, from which it is compared."""


class Rates(NamedTuple):
    """Shares in a few situations, such as the click rate of each slot."""

    values: Floats
    """Shape (n,); nan where too little was seen."""
    labels: tuple[str, ...]


class Sample(NamedTuple):
    """One number for each visit, item or gap."""

    values: Floats
    """Shape (n,)."""


Aspect = Rates | Sample
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
    """Return what a log says of its users, by aspect.

    Rates: of an item taken, for each slot; and of an item whose topic was last taken 1, 2, ...
    steps ago in the visit, over that of an item whose topic was not. Samples: steps and items taken
    of each visit that ended, the Shannon entropy of the topics of what was taken (nats; of visits
    with two or more), times each item was taken over the mean of that, and hours from one visit to
    the next where the log has times.

    Args:
        log: Slates with responses.
        catalogue: Its items, with topics.
        channel: Above 0 where an item was taken; by default the first.

    Raises:
        DataError: Nothing was ever taken, or everything.
    """
    told = topic_sequences(log, catalogue, "position_based", channel=channel)
    visits = _visits(log, catalogue, channel or log.metadata.response_channels[0])
    found: dict[str, Aspect] = {
        ASPECTS[0]: _by_slot(told),
        ASPECTS[1]: _after_taking(told),
        ASPECTS[2]: Sample(visits.lengths[visits.ended].astype(np.float64)),
        ASPECTS[3]: Sample(visits.taken[visits.ended].astype(np.float64)),
        ASPECTS[4]: Sample(visits.entropies[visits.ended & (visits.taken > 1)]),
        ASPECTS[5]: Sample(visits.popularity),
    }
    if len(visits.gaps):
        found[ASPECTS[6]] = Sample(visits.gaps)
    return found


def distance(one: Aspect, other: Aspect) -> float:
    """Return how far two logs are from one another in an aspect; nan where too little was seen.

    Of rates the root mean squared difference over the mean rate of both; of samples the
    Kolmogorov-Smirnov statistic, the largest difference of their distribution functions, 0 to 1.
    """
    if isinstance(one, Rates) and isinstance(other, Rates):
        both = np.isfinite(one.values) & np.isfinite(other.values)
        if not both.any():
            return float("nan")
        a, b = one.values[both], other.values[both]
        mean = float(np.mean([a, b]))
        return float(np.sqrt(np.mean((a - b) ** 2)) / mean) if mean > 0 else 0.0
    if min(len(one.values), len(other.values)) < _FEWEST:
        return float("nan")
    return float(ks_2samp(one.values, other.values).statistic)


def gini(counts: Floats) -> float:
    """Return the Gini coefficient of how often items were taken: 0 for all alike, 1 for one alone.

    Reference:
        Gini, 1912, "Variabilita e mutabilita".
    """
    ordered = np.sort(np.asarray(counts, np.float64))
    total, n = ordered.sum(), len(ordered)
    if total == 0:
        return 0.0
    return float((2 * np.arange(1, n + 1) - n - 1) @ ordered / (n * total))


def zipf_slope(counts: Floats) -> float:
    """Return the slope of the logarithm of the counts over that of their rank; nan for few.

    By least squares over items taken at all.
    """
    taken = np.sort(np.asarray(counts, np.float64))[::-1]
    taken = taken[taken > 0]
    if len(taken) < 3:
        return float("nan")
    ranks = np.log(np.arange(1, len(taken) + 1))
    return float(np.polyfit(ranks, np.log(taken), 1)[0])


def _by_slot(told: TopicSequences) -> Rates:
    looks = np.bincount(told.slot, minlength=told.slate_size)
    taken = np.bincount(told.slot, told.taken, told.slate_size)
    labels = tuple(f"slot {number}" for number in range(1, told.slate_size + 1))
    return Rates(_rates(taken, looks), labels)


def _after_taking(told: TopicSequences) -> Rates:
    since = np.minimum(steps_since_taken(told), MOST_STEPS_SINCE)
    looks = np.bincount(since, minlength=MOST_STEPS_SINCE + 1)
    taken = np.bincount(since, told.taken, MOST_STEPS_SINCE + 1)
    rates = _rates(taken, looks)
    labels = tuple(f"{number} steps ago" for number in range(1, MOST_STEPS_SINCE + 1))
    base = rates[0] if rates[0] > 0 else np.nan
    return Rates(rates[1:] / base, labels)


def steps_since_taken(told: TopicSequences) -> Ints:
    """Return for each look the steps since its topic was last taken in the visit, 0 for never."""
    # All visits stand on one line of time, so that the last time is a running maximum.
    gaps = np.where(told.gap == NEW_VISIT, 1, told.gap)
    now = np.cumsum(gaps)
    begun = np.maximum.accumulate(np.where(told.gap == NEW_VISIT, now, 0))
    taken = np.maximum.accumulate(np.where(told.before > 0, now - gaps, 0))
    since: Ints = np.where((taken >= begun) & (taken > 0), now - taken, 0)
    return since


def _rates(taken: Floats | Ints, looks: Ints) -> Floats:
    return np.where(looks >= _FEWEST, taken / np.maximum(looks, 1), np.nan)


class _Visits(NamedTuple):
    lengths: Ints
    taken: Ints
    entropies: Floats
    ended: Bools
    popularity: Floats
    gaps: Floats


def _visits(log: InteractionLog, catalogue: Catalogue, channel: str) -> _Visits:
    names = ["user_id", "episode_id", "step", "slate", "terminated", f"response.{channel}"]
    names += [name for name in ("candidates", "timestamp") if log.has(name)]
    columns = log.columns(names)
    taken = columns[f"response.{channel}"] > 0
    starts = np.flatnonzero(columns["step"] == 0)
    of_visit = np.repeat(np.arange(len(starts)), np.diff(np.append(starts, len(taken))))
    rows, slots = np.nonzero(taken)
    chosen = items_shown(columns)[rows, slots]
    n_topics = catalogue.n_topics
    cells = of_visit[rows] * n_topics + catalogue.topics[chosen]
    by_topic = np.bincount(cells, minlength=len(starts) * n_topics).reshape(-1, n_topics)
    n_taken = by_topic.sum(axis=1)
    counts = np.bincount(chosen, minlength=catalogue.n_items).astype(np.float64)
    ends = np.append(starts[1:], len(taken)) - 1
    return _Visits(
        lengths=np.diff(np.append(starts, len(taken))),
        taken=n_taken,
        entropies=_entropies(by_topic, n_taken),
        ended=columns["terminated"][ends],
        popularity=counts / max(float(counts.mean()), 1e-300),
        gaps=_gaps(columns, starts, ends) if "timestamp" in columns else np.empty(0),
    )


def _entropies(by_topic: Ints, n_taken: Ints) -> Floats:
    shares = by_topic / np.maximum(n_taken, 1)[:, None]
    logs = np.log(np.where(shares > 0, shares, 1.0))
    entropies: Floats = -(shares * logs).sum(axis=1)
    return entropies


def _gaps(columns: dict[str, Ints], starts: Ints, ends: Ints) -> Floats:
    users, times = columns["user_id"], columns["timestamp"]
    same = users[starts[1:]] == users[ends[:-1]]
    hours: Floats = (times[starts[1:]] - times[ends[:-1]])[same] / 3600.0
    return hours
