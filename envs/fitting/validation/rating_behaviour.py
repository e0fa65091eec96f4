"""How persons choose items and rate them, aspect by aspect."""

import numpy as np
from scipy.sparse import csr_array

from rlrec.arrays import Floats
from rlrec.data.catalogue import Catalogue
from rlrec.envs.fitting.validation.aspects import (
    ByPerson,
    CountsByPerson,
    ItemMeansByPerson,
    RatesByPerson,
    SharesByPerson,
    ValuesByPerson,
)
from rlrec.envs.fitting.validation.behaviour import entropies
from rlrec.envs.fitting.validation.choosing import Choices
from rlrec.envs.fitting.validation.comparing import Behaviour

ASPECTS = (
    "popularity of items",
    "share of each item",
    "share of each topic",
    "variety of topics of a person",
    "largest share of a topic of a person",
    "popularity of what a person chooses",
    "topic of the next choice",
    "ratings",
    "mean rating of a person",
    "spread of the ratings of a person",
    "mean rating of an item",
)
"""In the order of a card."""
MOST_PLACES = 5
"""Choices back to which the topic of the next one is compared."""
_LEAST = 5  # ratings behind a mean of an item and a spread of a person


def rating_behaviour(choices: Choices, catalogue: Catalogue, popularity: Floats) -> Behaviour:
    """Return how each person chooses and rates.

    Rates: the share that each item, topic and rating has of all; and how often a choice has the
    topic of the last, second last, ... fifth last one, over how often it would in another order of
    the same choices (where the order is known). Samples: times each item was chosen over the mean
    of that, and the mean rating of each with 5 or more; of each person the Shannon entropy of the
    topics (nats), the share of the most frequent one, the mean popularity of what was chosen, the
    mean of the ratings and, of 5 or more, their standard deviation.

    Args:
        choices: Of P persons, each of whom chose something.
        catalogue: Items with topics.
        popularity: Shape (N,). Of each item, known from elsewhere, in any unit.
    """
    n_persons, owners = choices.n_persons, np.arange(choices.n_persons)
    by_topic = _by_topic(choices, catalogue)
    lengths = choices.lengths.astype(np.float64)
    of_person = _PersonMeans(choices)
    liked = popularity[choices.items]
    many = np.flatnonzero(lengths >= _LEAST)
    chosen, spreads = choices.matrix(), of_person.spread(choices.ratings)

    def sample(values: Floats) -> ValuesByPerson:
        return ValuesByPerson(values, owners, n_persons)

    features = {
        ASPECTS[3]: entropies(by_topic),
        ASPECTS[4]: by_topic.max(axis=1) / lengths,
        ASPECTS[5]: of_person.mean(liked),
        ASPECTS[8]: of_person.mean(choices.ratings),
    }
    found: dict[str, ByPerson] = {
        ASPECTS[0]: CountsByPerson(chosen),
        ASPECTS[1]: SharesByPerson(chosen, tuple(map(str, catalogue.item_ids.tolist()))),
        ASPECTS[2]: SharesByPerson(csr_array(by_topic), catalogue.topic_names),
        ASPECTS[7]: _ratings(choices),
        ASPECTS[9]: ValuesByPerson(spreads[many], many, n_persons),
        ASPECTS[10]: ItemMeansByPerson(choices.matrix(choices.ratings), chosen, _LEAST),
        **{aspect: sample(values) for aspect, values in features.items()},
    }
    columns = [*features.values(), spreads, of_person.spread(liked)]
    columns.append(of_person.covariance(liked, choices.ratings))
    if choices.is_ordered:
        again = _again(choices, catalogue, by_topic)
        found[ASPECTS[6]] = again
        columns.append((again.hits - again.looks)[:, 0] / np.maximum(lengths - 1, 1))
    return Behaviour(n_persons, found, np.column_stack(columns), owners)


class _PersonMeans:
    """Moments of what each person chose, all (P,)."""

    def __init__(self, choices: Choices) -> None:
        self._choices = choices

    def mean(self, values: Floats) -> Floats:
        choices = self._choices
        sums = np.bincount(choices.persons, values, choices.n_persons)
        return sums / choices.lengths

    def covariance(self, values: Floats, others: Floats) -> Floats:
        persons = self._choices.persons
        return self.mean((values - self.mean(values)[persons]) * others)

    def spread(self, values: Floats) -> Floats:
        return np.sqrt(np.maximum(self.covariance(values, values), 0.0))


def _by_topic(choices: Choices, catalogue: Catalogue) -> Floats:
    """Return how many items of each topic each person chose, (P, T)."""
    shape = choices.n_persons, catalogue.n_topics
    cells = choices.persons * catalogue.n_topics + catalogue.topics[choices.items]
    counts = np.bincount(cells, minlength=shape[0] * shape[1])
    return counts.reshape(shape).astype(np.float64)


def _ratings(choices: Choices) -> ByPerson:
    """Return the distribution of ratings: of each point of a scale, or of numbers."""
    points = choices.points
    if not len(points):
        return ValuesByPerson(choices.ratings, choices.persons, choices.n_persons)
    place = np.searchsorted(points, choices.ratings)
    shape = choices.n_persons, len(points)
    counts = csr_array((np.ones(len(place)), (choices.persons, place)), shape=shape)
    return SharesByPerson(counts, tuple(f"{point:g}" for point in points))


def _again(choices: Choices, catalogue: Catalogue, by_topic: Floats) -> RatesByPerson:
    """Return how often a topic comes again, and how often it would in another order."""
    topics, places = catalogue.topics[choices.items], choices.places
    n = choices.lengths.astype(np.float64)
    alike = (by_topic * (by_topic - 1)).sum(axis=1) / np.maximum(n * (n - 1), 1)
    hits, expected = np.zeros((2, choices.n_persons, MOST_PLACES))
    for back in range(1, MOST_PLACES + 1):
        later = np.flatnonzero(places >= back)
        same = topics[later] == topics[later - back]
        hits[:, back - 1] = np.bincount(choices.persons[later], same, choices.n_persons)
        expected[:, back - 1] = np.maximum(n - back, 0) * alike
    labels = tuple(f"{back} back" for back in range(1, MOST_PLACES + 1))
    return RatesByPerson(hits, expected, labels)
