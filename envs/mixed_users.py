"""Users of several worlds at once: which one a user lives in is drawn anew for each episode."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rlrec.arrays import Bools, Floats, Ints
from rlrec.envs.blocks.choice import ChoiceModel
from rlrec.envs.blocks.state import Outcome, Shown, State, put
from rlrec.envs.users import Outlook, Users
from rlrec.errors import ConfigError
from rlrec.simulation import Space

WORLD = "world"
"""Key of the hidden state: number of the world a user lives in."""


class MixedUsers:
    """A user model of E others: each episode is lived in one of them, all equally likely.

    The worlds show the same items and tell the same observations; what differs is how users
    respond. The truth that is told is that of the world each user lives in.

    Args:
        worlds: One or more, whose hidden states have the same keys and shapes.

    Raises:
        ConfigError: The worlds are none, or unlike in what is shown, observed or responded.

    Stability: experimental.
    """

    def __init__(self, worlds: Sequence[Users]) -> None:
        if not worlds:
            raise ConfigError("mixed users need one world or more, got none")
        first = worlds[0]
        for number, world in enumerate(worlds):
            if _face(world) != _face(first):
                raise ConfigError(
                    f"worlds must be alike in what is shown, observed and responded, but world "
                    f"{number} has {_face(world)}, world 0 {_face(first)}"
                )
        self.worlds = tuple(worlds)
        self.items = first.items
        self.choice: ChoiceModel = first.choice
        self.channels = first.channels
        self.open_state = first.open_state
        self.n_initial_draws = 1 + max(world.n_initial_draws for world in worlds)
        self.n_step_draws = max(world.n_step_draws for world in worlds)

    def start(self, state: State, users: Ints, draws: Floats) -> None:
        """Draw the world of each user, and begin the episode there."""
        worlds = (draws[:, 0] * len(self.worlds)).astype(np.int64)
        if not state:  # the first call is for all, and makes the arrays
            self._start_in(0, state, users, draws)
        put(state, WORLD, users, worlds, np.int64)
        for number in range(len(self.worlds)):
            rows = np.flatnonzero(worlds == number)
            if rows.size:
                self._start_in(number, state, users[rows], draws[rows])

    def respond(self, state: State, shown: Shown, blank: Bools | None, draws: Floats) -> Outcome:
        """Let all users respond, each in its world."""
        n_users, n_slots = shown.topics.shape
        responses = np.zeros((n_users, n_slots, len(self.channels)), np.float32)
        rewards, has_left = np.zeros(n_users), np.zeros(n_users, bool)
        for part in self._parts(state):
            rows, world = part.users, part.world
            given = draws[rows, : world.n_step_draws]
            found = world.respond(part.state, _of(shown, rows), _rows(blank, rows), given)
            responses[rows], rewards[rows] = found.responses, found.rewards
            has_left[rows] = found.has_left
            for key, values in part.state.items():
                state[key][rows] = values
        return Outcome(responses, rewards, has_left)

    def choice_probabilities(self, state: State, shown: Shown, blank: Bools | None) -> Floats:
        """Return P(slot taken) of each slot and P(nothing taken), shape (B, K + 1)."""
        n_users, n_slots = shown.topics.shape
        told = np.zeros((n_users, n_slots + 1))
        for part in self._parts(state):
            given = _of(shown, part.users), _rows(blank, part.users)
            told[part.users] = part.world.choice_probabilities(part.state, *given)
        return told

    def expected_reward(self, state: State, shown: Shown, blank: Bools | None) -> Floats:
        """Return the expected reward of what is shown, shape (B,)."""
        told = np.zeros(len(shown.topics))
        for part in self._parts(state):
            given = _of(shown, part.users), _rows(blank, part.users)
            told[part.users] = part.world.expected_reward(part.state, *given)
        return told

    def outlook(self, state: State) -> Outlook:
        """Return the truth about everything on offer, each row that of the user's world."""
        shape = (len(state[WORLD]), self.items.n_choices)
        told = Outlook(np.zeros(shape), np.zeros(shape), np.zeros(shape))
        for part in self._parts(state):
            for whole, found in zip(told, part.world.outlook(part.state), strict=True):
                whole[part.users] = found
        return told

    def spaces(self) -> dict[str, Space]:
        """Return the observation keys that the users' blocks add."""
        return self.worlds[0].spaces()

    def observe(self, state: State, users: Ints | slice) -> dict[str, NDArray[Any]]:
        """Return those keys for some users."""
        keys = self.spaces()
        if not keys:
            return {}
        everyone = np.arange(len(state[WORLD]))[users]
        seen = {
            key: np.zeros((len(everyone), *space.shape), space.dtype) for key, space in keys.items()
        }
        for number, world in enumerate(self.worlds):
            rows = np.flatnonzero(state[WORLD][everyone] == number)
            for key, values in world.observe(state, everyone[rows]).items():
                seen[key][rows] = values
        return seen

    def _start_in(self, number: int, state: State, users: Ints, draws: Floats) -> None:
        world = self.worlds[number]
        world.start(state, users, draws[:, 1 : 1 + world.n_initial_draws])

    def _parts(self, state: State) -> Iterator["_Part"]:
        """Yield the users of each world that has any, with copies of their state."""
        for number, world in enumerate(self.worlds):
            users = np.flatnonzero(state[WORLD] == number)
            if users.size:
                yield _Part(world, users, {key: values[users] for key, values in state.items()})


class _Part(NamedTuple):
    """The users of one world."""

    world: Users
    users: Ints
    """Shape (F,). Positions in the batch."""
    state: State
    """Theirs, arrays with a leading axis of F."""


def _of(shown: Shown, users: Ints) -> Shown:
    assert shown.items is not None  # a slate, not the whole catalogue
    return Shown(shown.items[users], shown.topics[users])


def _rows(blank: Bools | None, users: Ints) -> Bools | None:
    return None if blank is None else blank[users]


def _face(world: Users) -> tuple[Any, ...]:
    """Return what agents see of a world: choices, channels, observations, open state."""
    seen = (world.channels, world.spaces(), world.open_state, world.choice.takes_one)
    return (world.items.n_choices, *seen)
