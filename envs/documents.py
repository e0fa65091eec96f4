"""Documents without identity: how they are drawn, what is openly known of them, sets that stay."""

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from rlrec.arrays import Floats, Floats32, Ints
from rlrec.envs.arguments import LARGEST, MOST_LOG, MOST_LOG_SD, check_number, check_numbers
from rlrec.envs.blocks.priors import standard_normals
from rlrec.envs.blocks.shares import Shares
from rlrec.envs.blocks.state import Shown, State
from rlrec.errors import ConfigError
from rlrec.simulation import Space


class Drawn(NamedTuple):
    """Documents as they were drawn."""

    topics: Ints
    """Shape (..., M)."""
    quality: Floats
    """Shape (..., M)."""


class Documents(Protocol):
    """A kind of documents: how they are drawn, and what agents see of them."""

    n_topics: int
    """T."""
    n_draws: int
    """Uniforms a document needs."""
    quality_observed: bool
    """Whether the features show the quality."""
    feature_space: Space
    """What the features of one document look like."""

    def draw(self, draws: Floats) -> Drawn:
        """Return documents for uniforms (..., n_draws * M): first one for each document, ..."""
        ...

    def features(self, drawn: Drawn) -> Floats32:
        """Return what agents see of documents, (..., M, F); a new array.

        Where documents have topics, the first T columns are the topic, one-hot.
        """
        ...


class TopicDocuments:
    """A topic at random, and a quality around the mean of the topic.

    Args:
        topic_means: T means of the quality; of its logarithm with `log_quality`.
        quality_sd: Spread within a topic, 0 or more.
        topic_shares: T probabilities of the topics; None for equal ones.
        log_quality: Whether quality is exp of a normal rather than normal.
        quality_observed: Whether agents see the quality, after the topic.
    """

    n_draws = 2

    def __init__(
        self,
        topic_means: Sequence[float] | Floats,
        quality_sd: float,
        *,
        topic_shares: Sequence[float] | None = None,
        log_quality: bool = False,
        quality_observed: bool = False,
    ) -> None:
        most, most_sd = (MOST_LOG, MOST_LOG_SD) if log_quality else (LARGEST, LARGEST)
        self.topic_means = np.array(check_numbers("means of topics", topic_means, -most, most))
        check_number("quality_sd", quality_sd, 0.0, most_sd)
        self.n_topics = self.topic_means.size
        self.quality_sd = quality_sd
        self.quality_observed = quality_observed
        self._log_quality = log_quality
        self._shares = None if topic_shares is None else Shares("topic_shares", topic_shares)
        if self._shares is not None and self._shares.values.size != self.n_topics:
            raise ConfigError(
                f"topic_shares must be one for each of {self.n_topics} topics, got {topic_shares!r}"
            )
        self._one_hot = np.eye(self.n_topics, dtype=np.float32)
        large = float(np.finfo(np.float32).max) if quality_observed else 1.0
        lowest = -large if quality_observed and not log_quality else 0.0
        self.feature_space = Space((self.n_topics + quality_observed,), np.float32, lowest, large)

    def draw(self, draws: Floats) -> Drawn:
        """Return topics and qualities for uniforms (..., 2 * M): topics first."""
        n_documents = draws.shape[-1] // 2
        for_topics, for_quality = draws[..., :n_documents], draws[..., n_documents:]
        if self._shares is None:
            topics = (for_topics * self.n_topics).astype(np.int64)
        else:
            topics = self._shares.of(for_topics)
        quality = self.topic_means[topics] + self.quality_sd * standard_normals(for_quality)
        return Drawn(topics, np.exp(quality) if self._log_quality else quality)

    def features(self, drawn: Drawn) -> Floats32:
        """Return topics one-hot, and the quality where it is observed."""
        one_hot = self._one_hot[drawn.topics]
        if not self.quality_observed:
            return one_hot
        quality = drawn.quality.astype(np.float32)
        return np.concatenate([one_hot, quality[..., None]], axis=-1)


class ClickbaitDocuments:
    """A clickbait score, uniform on [0, 1] and openly seen; it is what blocks know as quality."""

    n_topics = 1
    n_draws = 1
    quality_observed = True
    feature_space = Space((1,), np.float32, 0.0, 1.0)

    def draw(self, draws: Floats) -> Drawn:
        """Return the uniforms themselves as scores, all of one topic."""
        return Drawn(np.zeros(draws.shape, np.int64), draws)

    def features(self, drawn: Drawn) -> Floats32:
        """Return the scores."""
        scores: Floats32 = drawn.quality[..., None].astype(np.float32)
        return scores


class KeptDocuments:
    """The same documents for all users at every step, known by their features alone.

    Args:
        documents: What kind they are.
        n_candidates: M.
        seed: Of the draw.
    """

    n_draws = 0
    open_state = ()

    def __init__(self, documents: Documents, n_candidates: int, seed: int) -> None:
        self.n_choices = n_candidates
        self.drawn = drawn_documents(documents, n_candidates, seed)
        features = documents.features(self.drawn)
        self._features = features
        shape = (n_candidates, *documents.feature_space.shape)
        self._space = documents.feature_space._replace(shape=shape)

    def draw(self, state: State, users: Ints, draws: Floats) -> None:
        """Do nothing: the offer never changes."""

    def shown(self, state: State, slates: Ints) -> Shown:
        """Return positions and the topics of the documents there."""
        return Shown(slates, self.drawn.topics[slates])

    def offer(self, state: State) -> Shown:
        """Return all documents."""
        return Shown(None, self.drawn.topics[None, :])

    def quality(self, state: State, users: Ints, choices: Ints) -> Floats:
        """Return the quality of the documents at the chosen positions."""
        chosen: Floats = self.drawn.quality[choices]
        return chosen

    def offer_quality(self, state: State) -> Floats:
        """Return the quality of all documents, (1, M)."""
        quality: Floats = self.drawn.quality[None, :]
        return quality

    def spaces(self) -> dict[str, Space]:
        """Add what is seen of the documents."""
        return {"candidate_features": self._space}

    def observe(self, state: State, users: Ints | slice) -> dict[str, NDArray[Any]]:
        """Return what is seen of the documents, the same for each user, (F, M, F')."""
        n_users = len(next(iter(state.values()))[users])
        return {"candidate_features": np.tile(self._features, (n_users, 1, 1))}


def drawn_documents(documents: Documents, n_documents: int, seed: int) -> Drawn:
    """Return documents of a kind, drawn from a seed."""
    return documents.draw(np.random.default_rng(seed).random(documents.n_draws * n_documents))
