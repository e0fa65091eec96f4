"""ALS that lets a topic rest before its users tire of it: a rule to compare with."""

import numpy as np

from rlrec.arrays import Floats, Ints, Observations
from rlrec.baselines import ALS
from rlrec.baselines.interactions import history_matrix
from rlrec.policy import n_users_of
from rlrec.slates import SlateDraw, uniform_slates

TIRES_AT = 5
"""Counted clicks on a topic that bore, of which `context` observes the share reached."""


class TopicCappedALS:
    """Shows the items ALS scores highest, of each topic at most as many as it has room for.

    A topic has room for 4 counted clicks less those already counted. Where no topic has room left,
    the slate is filled with the next best. Users who have clicked nothing yet get random slates,
    for nothing is known of them and a fixed slate might stay without clicks for ever.

    Args:
        model: ALS, fitted.
        topics: Shape (N,). Topic of each item.
        slate_size: K.
        room: Counted clicks that a topic has room for.

    Stability: experimental.
    """

    def __init__(
        self, model: ALS, topics: Ints, slate_size: int, room: float = TIRES_AT - 1.0
    ) -> None:
        self._model = model
        self._topics = topics
        self._slate_size = slate_size
        self._room = room

    def act(
        self, observations: Observations, rng: np.random.Generator, deterministic: bool = False
    ) -> SlateDraw:
        """Return slates; `deterministic` makes no difference, its log-probabilities are 0."""
        histories = history_matrix(observations, self._model.n_items)
        slates = self._capped(self._model.fold_in(histories), observations["context"])
        n_users, n_items = n_users_of(observations), self._model.n_items
        anything = uniform_slates(n_users, n_items, self._slate_size, rng)
        is_new = np.diff(histories.indptr) == 0
        slates = np.where(is_new[:, None], anything, slates)
        return SlateDraw(slates, np.zeros(slates.shape))

    def log_probs(self, observations: Observations, slates: Ints) -> Floats:
        """Return 0 for the slates shown to those who have clicked, -inf for others.

        For those who have not, those of random slates.
        """
        histories = history_matrix(observations, self._model.n_items)
        shown = self._capped(self._model.fold_in(histories), observations["context"])
        certain = np.where(shown == slates, 0.0, -np.inf)
        uniform = -np.log(self._model.n_items - np.arange(self._slate_size))
        return np.where((np.diff(histories.indptr) == 0)[:, None], uniform, certain)

    def _capped(self, scores: Floats, context: Floats) -> Ints:
        """Return the best items (B, K) that topics have room for."""
        room = self._room - np.rint(np.asarray(context, dtype=np.float64) * TIRES_AT)
        order = np.argsort(-scores, axis=1, kind="stable")
        topics = self._topics[order]
        fits = np.zeros(order.shape, bool)
        for topic in range(room.shape[1]):
            is_topic = topics == topic
            fits |= is_topic & (np.cumsum(is_topic, axis=1) <= room[:, topic, None])
        first = np.argsort(~fits, axis=1, kind="stable")[:, : self._slate_size]
        return np.take_along_axis(order, first, axis=1)
