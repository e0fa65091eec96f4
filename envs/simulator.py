"""The batched simulator: users and their histories, stepped with plain arrays."""

import copy
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from rlrec.arrays import Bools, Floats, Ints, Observations
from rlrec.data.catalogue import Catalogue
from rlrec.data.history import History, HistoryShape
from rlrec.envs.arguments import (
    MOST_FIRST_USER,
    MOST_HISTORY,
    MOST_USERS,
    check_size,
    check_whole_number,
    checked_slates,
    json_ready,
)
from rlrec.envs.blocks.state import State
from rlrec.envs.episodes import episode_ids_of
from rlrec.envs.history_shape import history_spaces
from rlrec.envs.origin import Origin, check_origin, origin_of
from rlrec.envs.user_model_checks import check_outcome, check_truth, check_user_model
from rlrec.envs.users import Outlook, UserModel
from rlrec.errors import ConfigError, TruthError
from rlrec.policy import SlatePolicy
from rlrec.seeding import EpisodeDraws, UserStreams
from rlrec.simulation import SimulatorStep, Space
from rlrec.slates import has_repeats, repeated_slots

_STEP, _EPISODE, _OFFER = 0, 1, 2  # purposes of a user's random stream


class Assumption(NamedTuple):
    """One line of an environment's card."""

    name: str
    value: str
    status: str
    """"estimated" from data, or "assumed"."""
    note: str


@dataclass(frozen=True, kw_only=True)
class Problem:
    """Everything about an environment that does not depend on the users in the batch."""

    users: UserModel
    slate_size: int
    env_id: str = "unregistered"
    arguments: dict[str, Any] = field(default_factory=dict)
    """Arguments that make this problem again, ready for JSON; what is numpy's is converted."""
    catalogue: Catalogue | None = None
    """The items, or None for fresh documents."""
    history: HistoryShape | None = None
    """Which history keys are observed; None for all of them, of 20 items."""
    max_steps: int | None = None
    """Steps after which an episode is truncated; None for no limit."""
    card: tuple[Assumption, ...] = ()
    plan: "Planner | None" = None
    """Makes the planning reference of these users."""

    def __post_init__(self) -> None:
        check_user_model(self.users)
        object.__setattr__(self, "arguments", json_ready(self.arguments))
        check_whole_number("slate_size", self.slate_size, 1, self.users.items.n_choices)
        if self.history is not None:
            check_size("history_length", self.history.length, most=MOST_HISTORY)
        if self.max_steps is not None:
            check_size("max_steps", self.max_steps)

    @property
    def history_shape(self) -> HistoryShape:
        """The history that is observed."""
        if self.history is not None:
            return self.history
        return HistoryShape(
            slate_size=self.slate_size,
            n_channels=len(self.users.channels),
            n_topics=0 if self.catalogue is None else self.catalogue.n_topics,
        )


class UserSimulator:
    """B users who respond to slates, in numpy.

    User i under a seed gets the same draws whatever B is and whatever the others do: draws of a
    step are addressed by (seed, user, tick), those an episode begins with by (seed, user, episode
    number).

    Args:
        problem: The environment.
        n_users: B.
        first_user: Number of the first user of the batch.
    """

    def __init__(self, problem: Problem, n_users: int, first_user: int = 0) -> None:
        check_size("n_users", n_users, most=MOST_USERS)
        check_size("first_user", first_user, 0, MOST_FIRST_USER)
        self.problem = problem
        self.n_users = n_users
        self.first_user = first_user
        self.env_id = problem.env_id
        self.slate_size = problem.slate_size
        self.n_choices = problem.users.items.n_choices
        self.response_channels: tuple[str, ...] = tuple(problem.users.channels)
        self._response_shape = (n_users, self.slate_size, len(self.response_channels))
        self.catalogue = problem.catalogue
        self.observation_spaces = _observation_spaces(problem)
        self._history = History(n_users, problem.history_shape)
        self._state: State = {}
        self._streams: UserStreams | None = None
        self._tick = 0
        self._episodes = np.zeros(n_users, np.int64)
        self._steps = np.zeros(n_users, np.int64)
        # Looked up once: asking parts that show nothing takes a while where one user is served.
        self._offer_is_seen = bool(problem.users.items.spaces())
        self._users_are_seen = bool(getattr(problem.users, "spaces", dict)())
        self._everyone, self._no_draws = np.arange(n_users), np.empty((n_users, 0))

    @property
    def arguments(self) -> dict[str, Any]:
        """Arguments that make this simulator again, ready for JSON."""
        return dict(self.problem.arguments)

    @property
    def episode_ids(self) -> Ints:
        """Number of the running episode of each position; unique for a seed. Shape (B,)."""
        return episode_ids_of(self.first_user, self._episodes)

    @property
    def steps(self) -> Ints:
        """Steps so far in the running episode of each position. Shape (B,)."""
        return self._steps.copy()

    @property
    def user_ids(self) -> Ints:
        """Who is served at each position. Shape (B,)."""
        persons = self._state.get("person")
        return self.episode_ids if persons is None else persons.copy()

    @property
    def takes_one(self) -> bool:
        """Whether users are known to take at most one item of a slate."""
        choice = getattr(self.problem.users, "choice", None)
        return bool(getattr(choice, "takes_one", False))

    @property
    def open_state(self) -> tuple[str, ...]:
        """Keys of the hidden state that agents may see all the same."""
        return tuple(getattr(self.problem.users, "open_state", ()))

    def planning_reference(self, n_users: int = 500, seed: int = 0) -> SlatePolicy:
        """Return the policy that knows the truth and thinks ahead: 1 on the scale of results.

        Args:
            n_users: Simulated users that planning may try things with.
            seed: Of those users.

        Raises:
            TruthError: No planner is known for these users.
        """
        if self.problem.plan is None:
            raise TruthError(f"{self.env_id} has no planning reference: give its Problem a `plan`")
        return self.problem.plan(self, n_users, seed)

    def states(self, name: str) -> bool:
        """Return whether users state a truth: "choice_probabilities", "expected_reward" ..."""
        return hasattr(self.problem.users, name)

    def card(self) -> list[Assumption]:
        """Return every value of this environment with its status: estimated or assumed."""
        return list(self.problem.card)

    def with_users(self, n_users: int, first_user: int = 0) -> Self:
        """Return the same simulator for users `first_user` and up, not yet reset."""
        return type(self)(self.problem, n_users, first_user)

    def reset(self, seed: int) -> Observations:
        """Start the first episode of every user under `seed` (0 or more)."""
        check_whole_number("seed", seed, 0)
        self._seed_streams(seed)
        self._tick = 0
        self._episodes[:] = 0
        self._steps[:] = 0
        users = np.arange(self.n_users)
        model = self.problem.users
        model.start(self._state, users, self._episode_draws.of(users, self._episodes))
        self._history.clear(users)
        return self._observe()

    def next_episode(self, users: Ints) -> Observations:
        """Start the next episode of some users, whether or not the last one ended."""
        self._begin(users)
        return self._observe()

    def step(self, slates: Ints) -> SimulatorStep:
        """Show slates (B, K); users whose episode ends are replaced at once.

        Raises:
            SlateError: Slates have another shape, or name something that is not on offer.
        """
        streams = self._running()
        slates = self._checked(slates)
        self._tick += 1
        self._steps += 1
        model, state = self.problem.users, self._state
        blank = repeated_slots(slates) if has_repeats(slates, self.n_choices) else None
        shown = model.items.shown(state, slates)
        draws = streams.uniforms(self.n_users, model.n_step_draws, self._tick, _STEP)
        outcome = model.respond(state, shown, blank, draws)
        check_outcome(outcome, type(model).__name__, self._response_shape)
        assert shown.items is not None  # a slate, not the whole catalogue
        self._history.record(shown.items, outcome.responses, shown.topics, outcome.cells)
        self._draw_offer(streams)
        truncated = self._over_limit(outcome.has_left)
        finished = (outcome.has_left | truncated).nonzero()[0]
        final: dict[str, NDArray[Any]] = {}
        if finished.size:
            final = self._observe(finished)
            self._begin(finished)
        observations = self._observe()
        return SimulatorStep(
            observations,
            outcome.responses,
            outcome.rewards,
            outcome.has_left,
            truncated,
            finished,
            final,
            np.zeros(self.n_users, np.int64) if blank is None else blank.sum(axis=1),
        )

    def snapshot(self) -> "Snapshot":
        """Return all that is needed to go on from here, detached from later steps."""
        streams = self._running()
        return Snapshot(
            streams.seed,
            self._tick,
            self._episodes.copy(),
            self._steps.copy(),
            copy.deepcopy(self._state),
            self._history.observe(),
            self.first_user,
            origin_of(self),
        )

    def restore(self, snapshot: "Snapshot") -> Observations:
        """Go back to a snapshot and return the observations of that moment.

        Raises:
            ConfigError: The snapshot is one of other users, or of another environment.
        """
        check_origin(snapshot, Snapshot, self)
        if (snapshot.n_users, snapshot.first_user) != (self.n_users, self.first_user):
            raise ConfigError(
                f"a snapshot of {snapshot.n_users} users from user {snapshot.first_user} on cannot "
                f"be restored in a simulator of {self.n_users} users from user {self.first_user} on"
            )
        self._seed_streams(snapshot.seed)
        self._tick = snapshot.tick
        self._episodes[:] = snapshot.episodes
        self._steps[:] = snapshot.steps
        self._state = copy.deepcopy(snapshot.state)
        self._history.restore(snapshot.history)
        return self._observe()

    def observe(self) -> Observations:
        """Return what may be seen now, arrays with a leading axis of B."""
        self._running()
        return self._observe()

    def choice_probabilities(self, slates: Ints) -> Floats:
        """Return the true P(each slot is taken), and last P(nothing is taken), shape (B, K + 1).

        Where users take at most one item (`takes_one`) a row sums to 1.

        Raises:
            TruthError: The users' model does not state it.
        """
        return self._truth("choice_probabilities", slates, (self.n_users, self.slate_size + 1))

    def expected_reward(self, slates: Ints) -> Floats:
        """Return the true expected reward of showing `slates` now, shape (B,).

        Raises:
            TruthError: The users' model does not state it.
        """
        return self._truth("expected_reward", slates, (self.n_users,))

    def outlook(self, users: Ints | None = None) -> Outlook:
        """Return the truth about everything on offer now, for some users or by default for all.

        Raises:
            TruthError: The users' model does not state it.
        """
        self._running()
        outlook: Outlook = self._stated("outlook")(self.state_of(users))
        return outlook

    def state_of(self, users: Ints | None = None) -> State:
        """Return the hidden state itself, or copies of the rows of some users; to be read only."""
        self._running()
        if users is None:
            return self._state
        return {key: array[users] for key, array in self._state.items()}

    def latent_state(self) -> dict[str, NDArray[Any]]:
        """Return copies of the users' hidden state, arrays with a leading axis of B."""
        return {key: array.copy() for key, array in self._state.items()}

    def _seed_streams(self, seed: int) -> None:
        self._streams = UserStreams(seed, self.first_user)
        n_draws = self.problem.users.n_initial_draws
        self._episode_draws = EpisodeDraws(self._streams, self.n_users, n_draws, _EPISODE)

    def _begin(self, users: Ints) -> None:
        self._episodes[users] += 1
        self._steps[users] = 0
        self._running()
        draws = self._episode_draws.of(users, self._episodes[users])
        self.problem.users.start(self._state, users, draws)
        self._history.clear(users)

    def _stated(self, name: str) -> Callable[..., Any]:
        method: Callable[..., Any] | None = getattr(self.problem.users, name, None)
        if method is None:
            kind = type(self.problem.users).__name__
            raise TruthError(f"{kind} does not state the truth: give it a method {name!r}")
        return method

    def _truth(self, name: str, slates: Ints, shape: tuple[int, ...]) -> Floats:
        self._running()
        slates = self._checked(slates)
        shown = self.problem.users.items.shown(self._state, slates)
        stated = self._stated(name)(self._state, shown, repeated_slots(slates))
        return check_truth(stated, name, type(self.problem.users).__name__, shape)

    def _draw_offer(self, streams: UserStreams) -> None:
        items = self.problem.users.items
        draws = self._no_draws
        if items.n_draws:
            draws = streams.uniforms(self.n_users, items.n_draws, self._tick, _OFFER)
        items.draw(self._state, self._everyone, draws)

    def _over_limit(self, has_left: Bools) -> Bools:
        """Return whose episode the time limit ends, of those who have not left, (B,)."""
        if self.problem.max_steps is None:
            return np.zeros(self.n_users, bool)
        over: Bools = (self._steps >= self.problem.max_steps) & ~has_left
        return over

    def _observe(self, users: Ints | slice = slice(None)) -> dict[str, NDArray[Any]]:
        observations = self._history.observe(users)
        if self._offer_is_seen:
            observations.update(self.problem.users.items.observe(self._state, users))
        if self._users_are_seen:
            seen: Callable[..., dict[str, NDArray[Any]]] = self._stated("observe")
            observations.update(seen(self._state, users))
        return observations

    def _running(self) -> UserStreams:
        if self._streams is None:
            raise RuntimeError("call reset(seed) before stepping or asking for the truth")
        return self._streams

    def _checked(self, slates: Ints) -> Ints:
        return checked_slates(slates, self.n_users, self.slate_size, self.n_choices)


class Snapshot(NamedTuple):
    """A moment of a simulator."""

    seed: int
    tick: int
    episodes: Ints
    steps: Ints
    state: State
    history: dict[str, NDArray[Any]]
    first_user: int = 0
    origin: Origin | None = None
    """What it is a moment of; None where that was checked before."""

    @property
    def n_users(self) -> int:
        """B."""
        return len(self.episodes)


Planner = Callable[[UserSimulator, int, int], SlatePolicy]
"""Takes a simulator (left as it is), users to plan with and a seed; returns a policy to bind."""

SimulatorFactory = Callable[..., UserSimulator]
"""Takes `n_users`, `first_user` and an environment's own arguments."""


def _observation_spaces(problem: Problem) -> dict[str, Space]:
    history, users = problem.history_shape, problem.users
    n_items = users.items.n_choices if problem.catalogue is None else problem.catalogue.n_items
    spaces = history_spaces(history, n_items, least_response=0.0)
    spaces.update(users.items.spaces())
    if hasattr(users, "spaces"):
        spaces.update(users.spaces())
    return spaces
