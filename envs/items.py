"""Where the items on offer come from: a fixed catalogue, or fresh documents at every step."""

from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from rlrec.arrays import Floats, Ints
from rlrec.data.catalogue import Catalogue
from rlrec.envs.blocks.state import Shown, State, put
from rlrec.envs.documents import Documents, Drawn, drawn_documents
from rlrec.simulation import Space


class Items(Protocol):
    """What may be shown, with a topic and a quality for each item.

    Where agents see a part of the offer's state, an attribute `open_state` names its keys.
    """

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

    @classmethod
    def drawn(
        cls, documents: Documents, n_items: int, seed: int, topic_names: tuple[str, ...]
    ) -> Self:
        """Return a catalogue of documents of a kind, drawn from a seed and known by number."""
        drawn = drawn_documents(documents, n_items, seed)
        catalogue = Catalogue(
            item_ids=np.arange(n_items),
            topics=drawn.topics,
            features=documents.features(drawn),
            topic_names=topic_names,
        )
        return cls(catalogue, ItemQuality(drawn.quality))

    def draw(self, state: State, users: Ints, draws: Floats) -> None:
        """Do nothing: the offer never changes."""

    def shown(self, state: State, slates: Ints) -> Shown:
        """Return items and their topics."""
        return Shown(slates, self.catalogue.topics.take(slates))

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
    """New documents at every step.

    Args:
        n_candidates: M, documents on offer.
        documents: What kind they are.
    """

    def __init__(self, n_candidates: int, documents: Documents) -> None:
        self.n_choices = n_candidates
        self.documents = documents
        self.n_draws = documents.n_draws * n_candidates
        self.open_state = ("candidate_quality",) if documents.quality_observed else ()

    def draw(self, state: State, users: Ints, draws: Floats) -> None:
        """Draw topics and qualities of M documents for some users."""
        drawn = self.documents.draw(draws)
        put(state, "candidate_topics", users, drawn.topics, np.int64)
        put(state, "candidate_quality", users, drawn.quality)

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
        """Add what is seen of the candidates."""
        space = self.documents.feature_space
        return {"candidate_features": space._replace(shape=(self.n_choices, *space.shape))}

    def observe(self, state: State, users: Ints | slice) -> dict[str, NDArray[Any]]:
        """Return what is seen of the candidates, (B, M, F)."""
        drawn = Drawn(state["candidate_topics"][users], state["candidate_quality"][users])
        return {"candidate_features": self.documents.features(drawn)}
