"""Copies of a foreign environment, one a user, as a simulator."""

import copy
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from rlrec.arrays import Bools, Floats, Floats32, Ints, Observations
from rlrec.data.catalogue import Catalogue
from rlrec.data.history import HISTORY_KEYS, History, HistoryShape
from rlrec.envs.adapters.reaction_checks import check_finite, check_seen
from rlrec.envs.arguments import check_whole_number, checked_slates
from rlrec.envs.episodes import episode_ids_of
from rlrec.envs.history_shape import history_spaces
from rlrec.envs.origin import Origin, check_origin, origin_of
from rlrec.errors import ConfigError, TruthError
from rlrec.simulation import SimulatorStep, Space
from rlrec.slates import repeated_slots

_FRESH_KEYS = ("last_slate", "last_response")
LARGE = float(np.finfo(np.float32).max)

Seen = dict[str, NDArray[Any]]
"""What one user shows besides the history: arrays without a leading axis of users."""


class Reaction(NamedTuple):
    """What one user did with one slate."""

    seen: Seen
    responses: Floats32
    """Shape (K, R)."""
    reward: float
    terminated: bool
    truncated: bool


class ForeignCopy(Protocol):
    """One user's copy of a foreign environment, in our terms; `copy.deepcopy` must copy it."""

    def begin(self, seed: int) -> Seen:
        """Start an episode that depends on `seed` (below 2**32) alone."""
        ...

    def show(self, slate: Ints, blank: Bools) -> Reaction:
        """Show a slate (K,), whose `blank` slots repeat an item shown above them."""
        ...


@dataclass(frozen=True, kw_only=True)
class ForeignWorld:
    """A foreign environment and how it is read."""

    make_copy: Callable[[], ForeignCopy]
    env_id: str
    slate_size: int
    n_choices: int
    channels: tuple[str, ...]
    """Response channels; the first says whether there was a response."""
    seen_spaces: dict[str, Space]
    """Observation keys besides the history."""
    catalogue: Catalogue | None
    """The items; None for documents without identity."""
    arguments: dict[str, Any] = field(default_factory=dict)
    history_length: int = 20
    max_steps: int | None = None
    takes_one: bool = False

    def __post_init__(self) -> None:
        check_whole_number("slate_size", self.slate_size, 1, self.n_choices)
        check_whole_number("history_length", self.history_length, 1)
        if self.max_steps is not None:
            check_whole_number("max_steps", self.max_steps, 1)
        is_whole = self.catalogue is not None and "candidates" not in self.seen_spaces
        if is_whole and self.catalogue.n_items < self.n_choices:  # type: ignore[union-attr]
            raise ConfigError(
                f"the catalogue must have an item for each of the {self.n_choices} choices of "
                f"{self.env_id}, got {self.catalogue.n_items}"  # type: ignore[union-attr]
            )

    @property
    def history_shape(self) -> HistoryShape:
        """The history that is kept: without identity only what was shown last."""
        return HistoryShape(
            keys=_FRESH_KEYS if self.catalogue is None else HISTORY_KEYS,
            slate_size=self.slate_size,
            n_channels=len(self.channels),
            n_topics=0 if self.catalogue is None else self.catalogue.n_topics,
            length=self.history_length,
        )


class AdaptedUsers:
    """B users, each in a copy of a foreign environment; a `SteppedSimulator`.

    User i's episode e begins under a seed made of (seed, i, e), so a user is the same in every
    batch, as far as the environment keeps to its seed. Its copies are stepped one by one. The
    history keys are kept here, as everywhere. The truth is not known: asking raises a `TruthError`.

    Args:
        world: The environment.
        n_users: B.
        first_user: Number of the first user of the batch.
    """

    def __init__(self, world: ForeignWorld, n_users: int, first_user: int = 0) -> None:
        check_whole_number("n_users", n_users, 1)
        check_whole_number("first_user", first_user, 0)
        self.world = world
        self.n_users = n_users
        self.first_user = first_user
        self.env_id = world.env_id
        self.slate_size = world.slate_size
        self.n_choices = world.n_choices
        self.response_channels = world.channels
        self.catalogue = world.catalogue
        self.takes_one = world.takes_one
        self.open_state: tuple[str, ...] = ()
        self.observation_spaces = {**_history_spaces(world), **world.seen_spaces}
        self._copies: list[ForeignCopy] = []
        self._history = History(n_users, world.history_shape)
        self._seen: dict[str, NDArray[Any]] = {
            key: np.zeros((n_users, *space.shape), space.dtype)
            for key, space in world.seen_spaces.items()
        }
        self._seed: int | None = None
        self._episodes = np.zeros(n_users, np.int64)
        self._steps = np.zeros(n_users, np.int64)

    @property
    def arguments(self) -> dict[str, Any]:
        """What the environment was made with, as far as it is known, and the limit set here."""
        limit = {} if self.world.max_steps is None else {"max_steps": self.world.max_steps}
        return {**self.world.arguments, **limit}

    @property
    def episode_ids(self) -> Ints:
        """Number of the running episode of each position; unique for a seed. Shape (B,)."""
        return episode_ids_of(self.first_user, self._episodes)

    @property
    def user_ids(self) -> Ints:
        """Who is served at each position: a new user in each episode. Shape (B,)."""
        return self.episode_ids

    @property
    def steps(self) -> Ints:
        """Steps so far in the running episode of each position. Shape (B,)."""
        return self._steps.copy()

    def states(self, name: str) -> bool:
        """Return False: a foreign environment states no truth."""
        return False

    def with_users(self, n_users: int, first_user: int = 0) -> Self:
        """Return the same simulator for users `first_user` and up, not yet reset."""
        return type(self)(self.world, n_users, first_user)

    def reset(self, seed: int) -> Observations:
        """Start the first episode of every user under `seed` (0 or more)."""
        check_whole_number("seed", seed, 0)
        if not self._copies:
            self._copies = [self.world.make_copy() for _ in range(self.n_users)]
        self._seed = seed
        self._episodes[:] = -1
        self._begin(np.arange(self.n_users))
        return self._observe()

    def next_episode(self, users: Ints) -> Observations:
        """Start the next episode of some users, whether or not the last one ended."""
        self._begin(users)
        return self._observe()

    def observe(self) -> Observations:
        """Return what may be seen now, arrays with a leading axis of B."""
        self._running()
        return self._observe()

    def step(self, slates: Ints) -> SimulatorStep:
        """Show slates (B, K); users whose episode ends are replaced at once.

        Raises:
            SlateError: Slates have another shape, or name something that is not on offer.
        """
        self._running()
        slates = self._checked(slates)
        blank = repeated_slots(slates)
        items = self._items_of(slates)
        reactions = [
            copied.show(slate.copy(), absent)
            for copied, slate, absent in zip(self._copies, slates, blank, strict=True)
        ]
        responses = np.stack([reaction.responses for reaction in reactions])
        check_finite("a response", responses, self.env_id)
        responses[blank] = 0.0  # nobody can respond to a blank slot, whatever was told
        for user, reaction in enumerate(reactions):
            self._see(user, reaction.seen)
        self._history.record(items, responses, self._topics_of(items))
        self._steps += 1
        terminated = np.array([reaction.terminated for reaction in reactions])
        truncated = np.array([reaction.truncated for reaction in reactions])
        truncated = (truncated | self._over_limit()) & ~terminated
        finished = np.flatnonzero(terminated | truncated)
        final = self._observe(finished) if finished.size else {}
        if finished.size:
            self._begin(finished)
        rewards = np.array([reaction.reward for reaction in reactions], np.float64)
        check_finite("a reward", rewards, self.env_id)
        return SimulatorStep(
            self._observe(),
            responses,
            rewards,
            terminated,
            truncated,
            finished,
            final,
            blank.sum(axis=1),
        )

    def close(self) -> None:
        """Close every user's copy of the environment; `reset` makes new ones."""
        for copied in self._copies:
            close = getattr(copied, "close", None)  # a `ForeignCopy` need not have it
            if close is not None:
                close()
        self._copies, self._seed = [], None

    def snapshot(self) -> "AdaptedSnapshot":
        """Return all that is needed to go on from here, detached from later steps.

        Raises:
            ConfigError: The environment cannot be copied.
        """
        return AdaptedSnapshot(
            self._running(),
            _copied(self._copies),
            self._episodes.copy(),
            self._steps.copy(),
            {key: array.copy() for key, array in self._seen.items()},
            self._history.observe(),
            self.first_user,
            origin_of(self),
        )

    def restore(self, snapshot: "AdaptedSnapshot") -> Observations:
        """Go back to a snapshot and return the observations of that moment.

        Raises:
            ConfigError: The snapshot is one of other users, or of another environment.
        """
        check_origin(snapshot, AdaptedSnapshot, self)
        users = (len(snapshot.episodes), snapshot.first_user)
        if users != (self.n_users, self.first_user):
            raise ConfigError(
                f"a snapshot of {users[0]} users from user {users[1]} on cannot be restored in a "
                f"simulator of {self.n_users} users from user {self.first_user} on"
            )
        self._seed = snapshot.seed
        self._copies = _copied(snapshot.copies)
        self._episodes[:], self._steps[:] = snapshot.episodes, snapshot.steps
        for key, array in self._seen.items():
            array[:] = snapshot.seen[key]
        self._history.restore(snapshot.history)
        return self._observe()

    def choice_probabilities(self, slates: Ints) -> Floats:
        """Raise a TruthError: only the environment itself knows."""
        raise self._unknown(slates)

    def expected_reward(self, slates: Ints) -> Floats:
        """Raise a TruthError: only the environment itself knows."""
        raise self._unknown(slates)

    def latent_state(self) -> dict[str, NDArray[Any]]:
        """Raise a TruthError: only the environment itself knows."""
        raise self._unknown(None)

    def _begin(self, users: Ints) -> None:
        seed = self._running()
        self._episodes[users] += 1
        self._steps[users] = 0
        self._history.clear(users)
        for user in users.tolist():
            own = _seed_of(seed, self.first_user + user, int(self._episodes[user]))
            self._see(user, self._copies[user].begin(own))

    def _see(self, user: int, seen: Seen) -> None:
        check_seen(seen, self.world.seen_spaces, self.env_id)
        for key, value in seen.items():
            self._seen[key][user] = value

    def _observe(self, users: Ints | slice = slice(None)) -> dict[str, NDArray[Any]]:
        seen = {key: np.array(array[users]) for key, array in self._seen.items()}
        return {**self._history.observe(users), **seen}

    def _items_of(self, slates: Ints) -> Ints:
        candidates = self._seen.get("candidates")
        return slates if candidates is None else np.take_along_axis(candidates, slates, axis=1)

    def _topics_of(self, items: Ints) -> Ints:
        return np.zeros_like(items) if self.catalogue is None else self.catalogue.topics[items]

    def _over_limit(self) -> Bools:
        limit = self.world.max_steps
        return np.zeros(self.n_users, bool) if limit is None else self._steps >= limit

    def _running(self) -> int:
        if self._seed is None:
            raise RuntimeError("call reset(seed) before stepping or asking for the truth")
        return self._seed

    def _checked(self, slates: Ints) -> Ints:
        return checked_slates(slates, self.n_users, self.slate_size, self.n_choices)

    def _unknown(self, slates: Ints | None) -> TruthError:
        self._running()
        if slates is not None:
            self._checked(slates)
        return TruthError(
            f"{self.env_id} is an environment of another package, which states no truth; "
            "`users_from_function` takes users that do"
        )


class AdaptedSnapshot(NamedTuple):
    """A moment of adapted users."""

    seed: int
    copies: list[ForeignCopy]
    episodes: Ints
    steps: Ints
    seen: dict[str, NDArray[Any]]
    history: dict[str, NDArray[Any]]
    first_user: int
    origin: Origin


def plain_catalogue(n_items: int) -> Catalogue:
    """Return items of which nothing but their number is known."""
    return Catalogue(
        item_ids=np.arange(n_items),
        topics=np.zeros(n_items, np.int64),
        features=np.zeros((n_items, 0), np.float32),
        topic_names=("all",),
    )


def _seed_of(seed: int, user: int, episode: int) -> int:
    return int(np.random.SeedSequence(seed, spawn_key=(user, episode)).generate_state(1)[0])


def _copied(copies: list[ForeignCopy]) -> list[ForeignCopy]:
    try:
        return copy.deepcopy(copies)
    except Exception as error:  # whatever a foreign environment raises
        raise ConfigError(
            f"a snapshot needs an environment that copy.deepcopy can copy; this one cannot: {error}"
        ) from error


def _history_spaces(world: ForeignWorld) -> dict[str, Space]:
    n_items = world.n_choices if world.catalogue is None else world.catalogue.n_items
    return history_spaces(world.history_shape, n_items, least_response=-LARGE)
