"""A baseline held to a few items of each topic, for users who tire of topics."""

from typing import Any

import numpy as np

from rlrec.arrays import Bools, Floats, Ints, Observations
from rlrec.baselines.recommender import Recommender
from rlrec.data.catalogue import Catalogue
from rlrec.errors import ConfigError
from rlrec.policy import n_users_of
from rlrec.slates import SlateDraw


class TopicCapped:
    """Shows what a baseline ranks highest, without going over a number of items a topic.

    A topic has room for `most` items less what of it was responded to lately: `unit` times what
    `context` holds by topic where users are observed so (`rlrec/TopicBoredom-v0` with
    `counts_observed` tells counted clicks as a share of the 5 that bore: `unit=5`), else the newest
    `window` items of the history. Each item shown takes one place. Where no topic
    has room left, all have.

    The rule needs no training and no truth, and is hard to beat where topics bore: an agent that
    claims to think ahead should be held against it.

    Args:
        baseline: Fitted. Its softness, if any, is kept: slates are then drawn by Plackett-Luce from
            the items that there is room for.
        catalogue: The items.
        most: Places of a topic.
        window: Items of the history that count.
        unit: How many responses an entry of 1 in `context` stands for, 0 or more; 0 to hold only
            the slate itself to the cap.

    Stability: experimental.
    """

    def __init__(
        self,
        baseline: Recommender,
        catalogue: Catalogue,
        most: int = 4,
        window: int = 10,
        unit: float = 1.0,
    ) -> None:
        if most < 1 or window < 1:
            raise ConfigError(f"most and window must be 1 or more, got {most} and {window}")
        if not 0 <= unit < np.inf:
            raise ConfigError(f"unit must be 0 or more, got {unit!r}")
        self.baseline, self.most, self.window, self.unit = baseline, most, window, unit
        self.topics: Ints = catalogue.topics
        self.n_topics = len(catalogue.topic_names)

    def act(
        self, observations: Observations, rng: np.random.Generator, deterministic: bool = False
    ) -> SlateDraw:
        """Return slates (B, K); see `SlatePolicy`."""
        logits, is_certain = self._logits(observations)
        is_certain = is_certain or deterministic
        noise = 0.0 if is_certain else rng.gumbel(size=logits.shape)
        walk = _Walk(logits, self._room(observations), self.topics)
        n_users, slate_size = len(logits), self.baseline.slate_size
        assert slate_size is not None
        slates = np.empty((n_users, slate_size), np.int64)
        log_probs = np.zeros((n_users, slate_size))
        for slot in range(slate_size):
            slates[:, slot] = (walk.open_logits() + noise).argmax(axis=1)
            if not is_certain:
                log_probs[:, slot] = walk.log_probs(slates[:, slot])
            walk.show(slates[:, slot])
        return SlateDraw(slates, log_probs)

    def log_probs(self, observations: Observations, slates: Ints) -> Floats:
        """Return log-probabilities (B, K) given the prefix."""
        logits, is_certain = self._logits(observations)
        walk = _Walk(logits, self._room(observations), self.topics)
        log_probs = np.empty(slates.shape)
        for slot, items in enumerate(slates.T):
            if is_certain:
                best = walk.open_logits().argmax(axis=1)
                log_probs[:, slot] = np.where(items == best, 0.0, -np.inf)
            else:
                log_probs[:, slot] = walk.log_probs(items)
            walk.show(items)
        return log_probs

    def _logits(self, observations: Observations) -> tuple[Floats, bool]:
        slate_size = self.baseline.slate_size
        if slate_size is None:
            raise ConfigError("slate_size must be given to show slates: no log told it")
        if "candidates" in observations or "candidate_features" in observations:
            raise ConfigError("a cap on topics shows items of the whole catalogue, not candidates")
        return self.baseline.slate_logits(observations, slate_size), self.baseline.temperature == 0

    def _room(self, observations: Observations) -> Floats:
        """Return the places left of each topic, (B, T)."""
        counts: Any = observations.get("context")
        if counts is None or counts.shape[1] != self.n_topics:
            newest = np.asarray(observations["history_items"])[:, -self.window :]
            counts = np.zeros((n_users_of(observations), self.n_topics))
            users, places = np.nonzero(newest)
            np.add.at(counts, (users, self.topics[newest[users, places] - 1]), 1.0)
            counts = counts / (self.unit or 1.0)
        # Counts are whole; as a share in single precision they are not quite.
        room: Floats = self.most - np.rint(self.unit * np.asarray(counts, np.float64))
        return room


class _Walk:
    """The items still open as a slate fills."""

    def __init__(self, logits: Floats, room: Floats, topics: Ints) -> None:
        self._logits, self._room, self._topics = logits.copy(), room.copy(), topics
        self._users = np.arange(len(logits))

    def open_logits(self) -> Floats:
        """Return the logits of items that there is room for, else of all not shown yet."""
        is_open: Bools = (self._room >= 1.0)[:, self._topics] & (self._logits > -np.inf)
        is_open |= ~is_open.any(axis=1, keepdims=True)
        return np.where(is_open, self._logits, -np.inf)

    def log_probs(self, items: Ints) -> Floats:
        """Return the log-probabilities of items (B,) in the next slot."""
        logits = self.open_logits()
        top = logits.max(axis=1, keepdims=True)
        total = top[:, 0] + np.log(np.exp(logits - top).sum(axis=1))
        log_probs: Floats = logits[self._users, items] - total
        return log_probs

    def show(self, items: Ints) -> None:
        """Take the places of items (B,)."""
        self._logits[self._users, items] = -np.inf
        self._room[self._users, self._topics[items]] -= 1.0
