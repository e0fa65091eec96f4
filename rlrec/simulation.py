"""What a simulator of users is: arrays in, arrays out, no Gym."""

from typing import Any, NamedTuple, Protocol, Self, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from rlrec.arrays import Bools, Floats, Floats32, Ints, Observations
from rlrec.data.catalogue import Catalogue


class Space(NamedTuple):
    """Shape, type and range of one observation key, without the leading axis of users."""

    shape: tuple[int, ...]
    dtype: type[np.float32] | type[np.int64]
    low: float
    high: float


class SimulatorStep(NamedTuple):
    """What happened to each of B users in one step."""

    observations: Observations
    """What may be seen next; for finished users already the first of their next episode."""
    responses: Floats32
    """Shape (B, K, R). What came back for each slot, by channel."""
    rewards: Floats
    """Shape (B,)."""
    terminated: Bools
    """Shape (B,). The user left."""
    truncated: Bools
    """Shape (B,). A time limit ended the episode."""
    finished: Ints
    """Shape (F,). Positions of the users whose episode ended."""
    final_observations: Observations
    """Last observation of the finished episodes, arrays with a leading axis of F."""
    blank_slots: Ints
    """Shape (B,). Slots of the slate that repeated an item and therefore stayed blank."""


@runtime_checkable
class Simulator(Protocol):
    """B users who respond to slates; user i's behaviour does not depend on B or on the others.

    They are users `first_user` to `first_user + n_users - 1` of a seed.
    """

    env_id: str
    n_users: int
    first_user: int
    slate_size: int
    n_choices: int
    response_channels: tuple[str, ...]
    observation_spaces: dict[str, Space]
    catalogue: Catalogue | None

    @property
    def arguments(self) -> dict[str, Any]:
        """Arguments that make this simulator again, ready for JSON."""
        ...

    @property
    def user_ids(self) -> Ints:
        """Who is served at each position now. Shape (B,)."""
        ...

    @property
    def episode_ids(self) -> Ints:
        """Which episode runs at each position now; unique for a seed. Shape (B,)."""
        ...

    def reset(self, seed: int) -> Observations:
        """Start new episodes for all users under `seed`."""
        ...

    def step(self, slates: Ints) -> SimulatorStep:
        """Show slates (B, K) and return what happened."""
        ...

    def with_users(self, n_users: int, first_user: int = 0) -> Self:
        """Return the same simulator for users `first_user` and up, not yet reset."""
        ...

    def snapshot(self) -> object:
        """Return all that is needed to go on from here, detached from later steps."""
        ...

    def restore(self, snapshot: Any) -> Observations:
        """Go back to a snapshot of the same users and return the observations of that moment.

        Raises:
            ConfigError: The snapshot is one of other users.
        """
        ...

    def choice_probabilities(self, slates: Ints) -> Floats:
        """Return the true P(choose each slot, nothing last), shape (B, K + 1)."""
        ...

    def expected_reward(self, slates: Ints) -> Floats:
        """Return the true expected reward of showing `slates` now, shape (B,)."""
        ...

    def latent_state(self) -> dict[str, NDArray[Any]]:
        """Return copies of the users' hidden state, arrays with a leading axis of B."""
        ...


@runtime_checkable
class SteppedSimulator(Simulator, Protocol):
    """A simulator that can wear the faces: one user, vector environment, stable-baselines3.

    Beyond what logging and rollouts need, it begins single episodes early and says what it sees.
    """

    @property
    def steps(self) -> Ints:
        """Steps so far in the running episode of each position. Shape (B,)."""
        ...

    @property
    def takes_one(self) -> bool:
        """Whether users are known to take at most one item of a slate."""
        ...

    @property
    def open_state(self) -> tuple[str, ...]:
        """Keys of the latent state that agents may see."""
        ...

    def states(self, name: str) -> bool:
        """Return whether users state a truth: "choice_probabilities", "expected_reward" ..."""
        ...

    def next_episode(self, users: Ints) -> Observations:
        """Start the next episode of some users, whether or not the last one ended."""
        ...

    def observe(self) -> Observations:
        """Return what may be seen now, arrays with a leading axis of B."""
        ...


def simulator_of(users: Any) -> Simulator:
    """Return the simulator behind `users`.

    Args:
        users: A simulator, or a face of one (which has `.simulator`), in any number of wrappers of
            Gymnasium or stable-baselines3; a vector environment of a single such environment.

    Raises:
        TypeError: It is something else, or a vector of several environments.
    """
    face = getattr(users, "unwrapped", users)  # wrappers of Gymnasium do not pass attributes on
    parts = getattr(face, "envs", ())
    if len(parts) > 1:
        raise TypeError(
            f"users must have one simulator, got {type(face).__name__} of {len(parts)} "
            "environments; rlrec.make_users and gym.make_vec put many users into one"
        )
    if parts:
        return simulator_of(parts[0])
    simulator = getattr(face, "simulator", face)
    if not isinstance(simulator, Simulator):
        raise TypeError(
            f"users must be a simulator or an environment of rlrec (which has `.simulator`), "
            f"got {type(users).__name__}"
        )
    return simulator
