"""Other ways to say a slate: vectors near which items lie, a score for each item, one number."""

from typing import Any, Protocol

import numpy as np
from gymnasium import spaces
from numpy.typing import ArrayLike, NDArray

from rlrec.arrays import Floats, Ints, Observations
from rlrec.envs.arguments import check_number
from rlrec.envs.wrappers.wrapper import check_is_simulator
from rlrec.errors import ConfigError, SlateError
from rlrec.simulation import Simulator
from rlrec.slates import top_slates

DISTANCES = ("dot", "l2")


class SlateActions(Protocol):
    """How an agent's actions become slates.

    Stability: experimental.
    """

    @property
    def space(self) -> spaces.Space[Any]:
        """Of one action."""
        ...

    @property
    def reads_offer(self) -> bool:
        """Whether the slate depends on what is on offer now."""
        ...

    def slates(self, actions: NDArray[Any], observations: Observations) -> Ints:
        """Return slates (B, K) for actions (B, ...).

        Args:
            actions: Of B users.
            observations: What they see now; empty unless `reads_offer`.
        """
        ...


class NearestItems:
    """A proto-action, a vector in the space of the items, shows the K items nearest to it.

    With `per_slot` there is a vector for each slot, from the top: each shows its nearest item that
    is not above it. Ties go to the lower index.

    Args:
        simulator: Whose items are shown.
        vectors: Shape (N, D), such as the factors of a baseline; by default the features of the
            catalogue. Fresh documents are found by their `candidate_features`.
        distance: "dot", the largest inner product; or "l2", the smallest Euclidean distance.
        per_slot: Whether an action has a vector for each slot.
        bound: Numbers of an action lie in [-bound, bound].

    Raises:
        ConfigError: There are no vectors, they do not fit the items, or an argument is out of
            range.

    Reference:
        Dulac-Arnold et al., 2015, "Deep Reinforcement Learning in Large Discrete Action Spaces".
    """

    def __init__(
        self,
        simulator: Simulator,
        vectors: ArrayLike | None = None,
        *,
        distance: str = "dot",
        per_slot: bool = False,
        bound: float = 1.0,
    ) -> None:
        if distance not in DISTANCES:
            raise ConfigError(f"distance must be one of {DISTANCES}, got {distance!r}")
        check_is_simulator(simulator, "NearestItems")
        check_number("bound", bound, 0.0, above=True)
        self._vectors = _vectors_of(simulator, vectors)
        self._has_candidates = "candidates" in simulator.observation_spaces
        self.reads_offer = self._vectors is None or self._has_candidates
        features = simulator.observation_spaces.get("candidate_features")
        size = features.shape[1] if self._vectors is None and features else 0
        if self._vectors is not None:
            size = self._vectors.shape[1]
        self._distance, self._slate_size, self._per_slot = distance, simulator.slate_size, per_slot
        shape = (self._slate_size, size) if per_slot else (size,)
        self.space = spaces.Box(-bound, bound, shape, np.float32)

    def slates(self, actions: NDArray[Any], observations: Observations) -> Ints:
        """Return the nearest items (B, K) of actions (B, D) or (B, K, D)."""
        protos = _checked(actions, self.space)
        vectors = self._offered(observations)
        if not self._per_slot:
            return top_slates(_nearness(protos, vectors, self._distance), self._slate_size)
        slates = np.empty(protos.shape[:2], np.int64)
        for slot in range(self._slate_size):
            nearness = _nearness(protos[:, slot], vectors, self._distance)
            np.put_along_axis(nearness, slates[:, :slot], -np.inf, axis=1)
            slates[:, slot] = nearness.argmax(axis=1)
        return slates

    def _offered(self, observations: Observations) -> Floats:
        """Return the vectors on offer, (1, N, D) or (B, M, D)."""
        if self._vectors is None:
            return observations["candidate_features"].astype(np.float64)
        if self._has_candidates:
            return self._vectors[observations["candidates"]]
        return self._vectors[None]


class TopScores:
    """An action is a score for each item (or candidate) and shows the K best, best first.

    Args:
        simulator: Whose items are shown.
        bound: Scores lie in [-bound, bound].

    Raises:
        ConfigError: `bound` is not above 0.
    """

    reads_offer = False

    def __init__(self, simulator: Simulator, bound: float = 1.0) -> None:
        check_is_simulator(simulator, "TopScores")
        check_number("bound", bound, 0.0, above=True)
        self._slate_size = simulator.slate_size
        self.space = spaces.Box(-bound, bound, (simulator.n_choices,), np.float32)

    def slates(self, actions: NDArray[Any], observations: Observations) -> Ints:
        """Return the best-scored items (B, K) of actions (B, N)."""
        return top_slates(_checked(actions, self.space), self._slate_size)


class SingleItem:
    """An action is the number of one item, where slates have one slot: `Discrete(N)`.

    Args:
        simulator: Whose items are shown.

    Raises:
        ConfigError: Its slates have more slots.
    """

    reads_offer = False

    def __init__(self, simulator: Simulator) -> None:
        check_is_simulator(simulator, "SingleItem")
        if simulator.slate_size != 1:
            raise ConfigError(
                f"single items need slates of one, got slates of {simulator.slate_size}; most "
                "environments take slate_size=1"
            )
        self.space = spaces.Discrete(simulator.n_choices)

    def slates(self, actions: NDArray[Any], observations: Observations) -> Ints:
        """Return the items (B,) as slates (B, 1)."""
        return np.asarray(actions).reshape(-1, 1)


def _vectors_of(simulator: Simulator, vectors: ArrayLike | None) -> Floats | None:
    """Return a vector for each item of the catalogue, or None for fresh documents."""
    catalogue = simulator.catalogue
    fresh = "candidate_features" in simulator.observation_spaces
    if fresh and "candidates" not in simulator.observation_spaces:
        if vectors is not None:
            raise ConfigError("fresh documents are found by their features: give no `vectors`")
        return None
    if vectors is None:
        if catalogue is None or catalogue.features.shape[-1] == 0:
            raise ConfigError("nothing is known of the items: give `vectors` of shape (N, D)")
        vectors = catalogue.features
    try:
        known = np.asarray(vectors, np.float64)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"vectors must be numbers, of shape (N, D): {error}") from error
    n_items = simulator.n_choices if catalogue is None else catalogue.n_items
    if known.ndim != 2 or len(known) != n_items or not np.isfinite(known).all():
        raise ConfigError(
            f"vectors must be finite, of shape (N, D) with N = {n_items}, got shape {known.shape}"
        )
    return known


def _checked(actions: NDArray[Any], space: spaces.Box) -> Floats:
    protos = np.asarray(actions, np.float64)
    if protos.shape[1:] != space.shape or not np.isfinite(protos).all():
        raise SlateError(
            f"actions must be finite, of shape {space.shape} a user, got {protos.shape[1:]}"
        )
    return protos


def _nearness(protos: Floats, vectors: Floats, distance: str) -> Floats:
    """Return how near items are, (B, N), for vectors (1 or B, N, D): larger is nearer.

    Added up number by number: a product of matrices would round by the size of the batch.
    """
    nearness = np.zeros((len(protos), vectors.shape[1]))
    for axis in range(vectors.shape[2]):
        proto, items = protos[:, axis : axis + 1], vectors[:, :, axis]
        nearness += proto * items if distance == "dot" else -((proto - items) ** 2)
    return nearness
