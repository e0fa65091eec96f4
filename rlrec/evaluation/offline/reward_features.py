"""Numbers that describe who is asked and which slate is shown, for models of the reward."""

from typing import Protocol

import numpy as np

from rlrec.arrays import Floats, Ints, Observations
from rlrec.data.catalogue import Catalogue

_MOST_ONE_HOT = 200
"""Items up to which each has an entry of its own."""
_MOST_CROSSED = 600
"""Products of a situation's and a slate's entries, at most."""
_SITUATION_KEYS = ("user", "context", "topic_counts")


class Features(Protocol):
    """Describes slates in their situation; pure, and the same for any batch."""

    def __call__(self, observations: Observations, slates: Ints) -> Floats:
        """Return features (B, D) of B observations and slates (B, K)."""
        ...


class SlateFeatures:
    """What is observed, what is shown, and their products.

    The situation is `user`, `context`, `topic_counts` and what came back last; a slate is the sum
    of its items' vectors (topic and features from the catalogue, or what is observed of fresh
    candidates; an entry an item where there are at most 200) and the vector of its top item. Where
    that gives few, all products of both are added.

    Args:
        catalogue: The items; None where there is none.
        n_choices: Items or candidates to choose from.
    """

    def __init__(self, catalogue: Catalogue | None, n_choices: int) -> None:
        self.n_choices = n_choices
        self._vectors = _item_vectors(catalogue, n_choices)

    def __call__(self, observations: Observations, slates: Ints) -> Floats:
        """Return features (B, D); no entry is constant by design, models add their own."""
        seen = situation(observations, len(slates))
        shown = self._shown(observations, slates)  # (B, K, E)
        total = shown.sum(axis=1)
        parts = [seen, total]
        if slates.shape[1] > 1:
            parts.append(shown[:, 0])
        if 0 < seen.shape[1] * total.shape[1] <= _MOST_CROSSED:
            crossed = seen[:, :, None] * total[:, None, :]
            parts.append(crossed.reshape(len(slates), -1))
        return np.concatenate(parts, axis=1)

    def _shown(self, observations: Observations, slates: Ints) -> Floats:
        """Return the vector of each slot, (B, K, E)."""
        if "candidates" in observations:
            items = np.take_along_axis(np.asarray(observations["candidates"]), slates, axis=1)
            known: Floats = self._vectors[np.minimum(items, len(self._vectors) - 1)]
            return known
        if "candidate_features" in observations:
            features: Floats = np.asarray(observations["candidate_features"], np.float64)
            return np.take_along_axis(features, slates[:, :, None], axis=1)
        vectors: Floats = self._vectors[np.minimum(slates, len(self._vectors) - 1)]
        return vectors


def _item_vectors(catalogue: Catalogue | None, n_choices: int) -> Floats:
    """Return a vector for each item, (N, E)."""
    if catalogue is None:
        size = min(n_choices, _MOST_ONE_HOT)  # further items share the last entry
        return np.eye(size)
    topics = np.eye(catalogue.n_topics)[catalogue.topics]
    parts = [topics, catalogue.features.astype(np.float64)]
    if catalogue.n_items <= _MOST_ONE_HOT:
        parts.append(np.eye(catalogue.n_items))
    return np.concatenate(parts, axis=1)


def situation_names(observations: Observations) -> list[str]:
    """Return names of the entries of `situation`, such as `context[0]`."""
    names = [
        f"{key}[{entry}]"
        for key in _SITUATION_KEYS
        if key in observations
        for entry in range(int(np.prod(np.shape(observations[key])[1:])))
    ]
    if "last_response" in observations:
        n_channels = np.shape(observations["last_response"])[-1]
        names += [f"last_response[{channel}]" for channel in range(n_channels)]
    return names


def situation(observations: Observations, n_rows: int) -> Floats:
    """Return what is observed but for items, (n_rows, D): situation, counts, last response."""
    parts = [
        np.asarray(observations[key], np.float64).reshape(n_rows, -1)
        for key in _SITUATION_KEYS
        if key in observations
    ]
    if "last_response" in observations:
        parts.append(np.asarray(observations["last_response"], np.float64).sum(axis=1))
    return np.concatenate(parts, axis=1) if parts else np.zeros((n_rows, 0))
