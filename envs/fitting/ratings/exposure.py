"""How likely it was that a rating was given at all, and weights that make up for it."""

import numpy as np

from rlrec.arrays import Floats
from rlrec.data.ratings import Ratings
from rlrec.errors import ConfigError, DataError

LEAST_PROPENSITY = 1e-3
"""Smaller propensities count as this: one rating would stand for more than a thousand pairs."""


def propensities_of_values(chosen: Ratings, random: Ratings) -> Floats:
    """Return the probability (n,) that each rating of `chosen` was given, by its value alone.

    P(given | value) = P(value | given) P(given) / P(value): how often people pick what they like
    shows in how much oftener high ratings occur among those of their own choice than among those
    of items drawn at random. Values of `random` are counted with one added to each.

    Args:
        chosen: Ratings of people's own choice.
        random: Ratings of items drawn at random, of the same scale; a few hundred will do.

    Raises:
        DataError: Either has no ratings, or they have no value in common.

    Reference:
        Schnabel, Swaminathan, Singh, Chandak and Joachims, 2016, "Recommendations as Treatments"
        (their naive Bayes estimate).
    """
    if not len(chosen) or not len(random):
        raise DataError("propensities need ratings of people's choice and some of random items")
    values = np.union1d(chosen.values, random.values)
    place = np.searchsorted(values, chosen.values)
    if not np.isin(random.values, chosen.values).any():
        raise DataError(
            f"ratings of people's choice and of random items must be of the same scale, but those "
            f"from {chosen.values.min():g} to {chosen.values.max():g} and those from "
            f"{random.values.min():g} to {random.values.max():g} have no value in common"
        )
    given = np.bincount(place, minlength=len(values)) / len(chosen)
    counts = (random.values[:, None] == values).sum(axis=0) + 1.0
    at_random = counts / counts.sum()
    share = len(chosen) / (chosen.n_users * chosen.n_items)
    found: Floats = np.clip(given * share / at_random, LEAST_PROPENSITY, 1.0)[place]
    return found


def propensities_of_pairs(ratings: Ratings, propensities: Floats) -> Floats:
    """Return the propensity (n,) of each rating from those of all pairs, (U, N)."""
    shape = (ratings.n_users, ratings.n_items)
    if propensities.shape != shape:
        raise ConfigError(
            f"propensities must have shape {shape}, one for each user and item, got "
            f"{propensities.shape}"
        )
    return propensities[ratings.user_index, ratings.item_index]


def weights_of(propensities: Floats) -> Floats:
    """Return weights 1 / propensity, (n,).

    Raises:
        ConfigError: A propensity is not in (0, 1].
    """
    wrong = ~((propensities > 0) & (propensities <= 1))
    if wrong.any():
        first = propensities[wrong][0]
        raise ConfigError(
            f"propensities must lie in (0, 1], got {first:g} ({int(wrong.sum())} such numbers)"
        )
    weights: Floats = 1.0 / np.maximum(propensities, LEAST_PROPENSITY)
    return weights
