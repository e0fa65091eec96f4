"""Where the items on offer come from: a fixed catalogue, or fresh documents at every step."""

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from rlrec.arrays import Floats, Ints
from rlrec.data.catalogue import Catalogue
from rlrec.envs.blocks.priors import standard_normals
from rlrec.envs.blocks.state import Shown, State, put
from rlrec.simulation import Space


class Items(Protocol):
    """What may be shown, with a topic and a hidden quality for each item."""

    n_choices: int
    n_draws: int
    """Uniforms a user needs whenever the offer is drawn."""

    def draw(self, state: State, users: Ints, draws: Floats) -> None:
        """Draw the offer of some users into `state`."""
        ...

    def shown(self, state: State, slates: Ints) -> Shown:
        """Return what slates (B, K) put before the users."""
        ...

    def offer(self, state: State) -> Shown:
        """Return all that may be shown now."""
        ...

    def quality(self, state: State, users: Ints, choices: Ints) -> Floats:
        """Return the hidden quality of one chosen item for each of F users."""
        ...

    def offer_quality(self, state: State) -> Floats:
        """Return the hidden quality of all that may be shown, broadcastable to (B, n_choices)."""
        ...

    def spaces(self) -> dict[str, Space]:
        """Return the observation keys the offer adds."""
        ...

    def observe(self, state: State, users: Ints | slice) -> dict[str, NDArray[Any]]:
        """Return those keys for some users."""
        ...


class Quality(Protocol):
    """Hidden quality of the items of a catalogue: the same for all users, or each user's own."""

    def of(self, state: State, users: Ints, items: Ints) -> Floats:
        """Return the quality of one item for each of F users."""
        ...

    def of_all(self, state: State) -> Floats:
        """Return the quality of all items, broadcastable to (B, N)."""
        ...


class ItemQuality:
    """Quality that belongs to the item: all users agree on it.

    Args:
        values: Shape (N,).
    """

    def __init__(self, values: Floats) -> None:
        self.values = values

    def of(self, state: State, users: Ints, items: Ints) -> Floats:
        """Return the quality of the items."""
        return self.values[items]

    def of_all(self, state: State) -> Floats:
        """Return the quality of all items, (1, N)."""
        return self.values[None, :]


class CatalogueItems:
    """The whole of a fixed catalogue may be shown.

    Args:
        catalogue: N items.
        quality: Hidden quality of the items.
    """

    n_draws = 0

    def __init__(self, catalogue: Catalogue, quality: Quality) -> None:
        self.catalogue = catalogue
        self.n_choices = catalogue.n_items
        self._quality = quality

    def draw(self, state: State, users: Ints, draws: Floats) -> None:
        """Do nothing: the offer never changes."""

    def shown(self, state: State, slates: Ints) -> Shown:
        """Return items and their topics."""
        return Shown(slates, self.catalogue.topics[slates])

    def offer(self, state: State) -> Shown:
        """Return the whole catalogue."""
        return Shown(None, self.catalogue.topics[None, :])

    def quality(self, state: State, users: Ints, choices: Ints) -> Floats:
        """Return the quality of the chosen items."""
        return self._quality.of(state, users, choices)

    def offer_quality(self, state: State) -> Floats:
        """Return the quality of all items, broadcastable to (B, N)."""
        return self._quality.of_all(state)

    def spaces(self) -> dict[str, Space]:
        """Add nothing."""
        return {}

    def observe(self, state: State, users: Ints | slice) -> dict[str, NDArray[Any]]:
        """Add nothing."""
        return {}


class FreshDocuments:
    """New documents at every step: a uniform topic and a quality around the topic's mean.

    Args:
        n_candidates: M, documents on offer.
        topic_means: Shape (T,). Mean quality of each topic.
        quality_sd: Spread of quality within a topic.
    """

    def __init__(self, n_candidates: int, topic_means: Floats, quality_sd: float) -> None:
        self.n_choices = n_candidates
        self.topic_means = topic_means
        self.quality_sd = quality_sd
        self.n_draws = 2 * n_candidates
        self._one_hot = np.eye(len(topic_means), dtype=np.float32)

    def draw(self, state: State, users: Ints, draws: Floats) -> None:
        """Draw topics and qualities of M documents for some users."""
        topics = (draws[:, : self.n_choices] * len(self.topic_means)).astype(np.int64)
        noise = standard_normals(draws[:, self.n_choices :])
        put(state, "candidate_topics", users, topics, np.int64)
        put(state, "candidate_quality", users, self.topic_means[topics] + self.quality_sd * noise)

    def shown(self, state: State, slates: Ints) -> Shown:
        """Return positions and the topics of the documents there."""
        return Shown(slates, np.take_along_axis(state["candidate_topics"], slates, axis=1))

    def offer(self, state: State) -> Shown:
        """Return all candidates of each user."""
        topics = state["candidate_topics"]
        return Shown(np.broadcast_to(np.arange(self.n_choices), topics.shape), topics)

    def quality(self, state: State, users: Ints, choices: Ints) -> Floats:
        """Return the quality of the documents at the chosen positions."""
        chosen: Floats = state["candidate_quality"][users, choices]
        return chosen

    def offer_quality(self, state: State) -> Floats:
        """Return the quality of all candidates, (B, M)."""
        return state["candidate_quality"].copy()

    def spaces(self) -> dict[str, Space]:
        """Add the topics of the candidates, one-hot."""
        shape = (self.n_choices, len(self.topic_means))
        return {"candidate_features": Space(shape, np.float32, 0.0, 1.0)}

    def observe(self, state: State, users: Ints | slice) -> dict[str, NDArray[Any]]:
        """Return the topics of the candidates, one-hot, (B, M, T)."""
        return {"candidate_features": self._one_hot[state["candidate_topics"][users]]}
