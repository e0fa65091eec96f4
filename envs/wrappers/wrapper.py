"""A simulator around a simulator."""

import zlib
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from rlrec.arrays import Floats, Ints, Observations
from rlrec.envs.arguments import check_whole_number
from rlrec.envs.origin import Origin, check_origin, origin_of
from rlrec.errors import ConfigError
from rlrec.seeding import UserStreams
from rlrec.simulation import SimulatorStep, SteppedSimulator

WRAPPERS = "wrappers"
"""Under this name `arguments` lists the wrappers, innermost first."""


def check_is_simulator(simulator: Any, name: str) -> None:
    """Raise ConfigError unless what a wrapper or kind of action is given is a simulator."""
    if isinstance(simulator, SteppedSimulator):
        return
    face = getattr(simulator, "unwrapped", simulator)
    way_out = "pass users.simulator" if hasattr(face, "simulator") else "see rlrec.make_simulator"
    raise ConfigError(
        f"{name} takes a simulator of users, got {type(simulator).__name__}: {way_out}"
    )


class SimulatorWrapper:
    """Users as they are, seen or served through something; by default it changes nothing.

    A wrapper of your own overrides what it needs: `_slates` on the way in, `_changed` and
    `_observed` on the way out, `_renew` where episodes begin, and says with `settings` what it was
    made with. What it keeps between steps, and does not follow from the wrapped simulator, the seed
    and the number of steps, goes through `_kept` and `_take_back`; so it replays. Its chance is
    `_uniforms`, which are a user's own.

    Args:
        wrapped: The simulator. It is stepped by the wrapper alone.

    Stability: experimental.
    """

    keeps_slates = True
    """Whether slates reach the wrapped simulator as they are: then policies that read the truth
    may read it there."""

    def __init__(self, wrapped: SteppedSimulator) -> None:
        check_is_simulator(wrapped, type(self).__name__)
        self.wrapped = wrapped
        self.env_id = wrapped.env_id
        self.n_users = wrapped.n_users
        self.first_user = wrapped.first_user
        self.slate_size = wrapped.slate_size
        self.n_choices = wrapped.n_choices
        self.response_channels = wrapped.response_channels
        self.catalogue = wrapped.catalogue
        self.observation_spaces = dict(wrapped.observation_spaces)
        self._seed = 0
        self._tick = 0
        self._streams: UserStreams | None = None

    @property
    def settings(self) -> dict[str, Any]:
        """What this wrapper was made with besides the simulator, ready for JSON."""
        return {}

    @property
    def arguments(self) -> dict[str, Any]:
        """Those of the wrapped simulator, and `wrappers`: names and settings, innermost first."""
        inner = self.wrapped.arguments
        own = {"name": type(self).__name__, **self.settings}
        return {**inner, WRAPPERS: [*inner.get(WRAPPERS, ()), own]}

    @property
    def user_ids(self) -> Ints:
        """Who is served at each position. Shape (B,)."""
        return self.wrapped.user_ids

    @property
    def episode_ids(self) -> Ints:
        """Which episode runs at each position. Shape (B,)."""
        return self.wrapped.episode_ids

    @property
    def steps(self) -> Ints:
        """Steps so far in the running episode of each position. Shape (B,)."""
        return self.wrapped.steps

    @property
    def takes_one(self) -> bool:
        """Whether users are known to take at most one item of a slate."""
        return self.wrapped.takes_one

    @property
    def open_state(self) -> tuple[str, ...]:
        """Keys of the latent state that agents may see."""
        return self.wrapped.open_state

    def states(self, name: str) -> bool:
        """Return whether a truth about slates is stated; nothing else passes a wrapper."""
        stated = ("choice_probabilities", "expected_reward")
        return name in stated and self.wrapped.states(name)

    def with_users(self, n_users: int, first_user: int = 0) -> Self:
        """Return the same for users `first_user` and up, not yet reset."""
        return self._around(self.wrapped.with_users(n_users, first_user))

    def reset(self, seed: int) -> Observations:
        """Start the first episode of every user under `seed` (0 or more)."""
        check_whole_number("seed", seed, 0)
        self._begin(seed, 0)
        observations = self.wrapped.reset(seed)
        self._renew(np.arange(self.n_users))
        return self._seen(observations)

    def next_episode(self, users: Ints) -> Observations:
        """Start the next episode of some users, whether or not the last one ended."""
        observations = self.wrapped.next_episode(users)
        self._renew(users)
        return self._seen(observations)

    def observe(self) -> Observations:
        """Return what may be seen now, arrays with a leading axis of B."""
        return self._seen(self.wrapped.observe())

    def step(self, slates: Ints) -> SimulatorStep:
        """Show slates (B, K); users whose episode ends are replaced at once."""
        step = self.wrapped.step(self._slates(slates))
        self._tick += 1
        step = self._changed(step)
        final = step.final_observations
        if step.finished.size:
            final = self._observed(dict(final), step.finished, True)
            self._renew(step.finished)
        return step._replace(observations=self._seen(step.observations), final_observations=final)

    def snapshot(self) -> "WrapperSnapshot":
        """Return all that is needed to go on from here, detached from later steps."""
        return WrapperSnapshot(
            self.wrapped.snapshot(), self._seed, self._tick, self._kept(), origin_of(self)
        )

    def restore(self, snapshot: "WrapperSnapshot") -> Observations:
        """Go back to a snapshot of the same users and return the observations of that moment.

        Raises:
            ConfigError: The snapshot is one of other users, another environment or other
                wrappers.
        """
        check_origin(snapshot, WrapperSnapshot, self)
        observations = self.wrapped.restore(snapshot.wrapped)
        self._begin(snapshot.seed, snapshot.tick)
        self._take_back(snapshot.kept)
        return self._seen(observations)

    def choice_probabilities(self, slates: Ints) -> Floats:
        """Return the true P(each slot is taken), and last P(nothing is taken), shape (B, K + 1).

        Raises:
            TruthError: It is not known.
        """
        return self.wrapped.choice_probabilities(self._slates(slates))

    def expected_reward(self, slates: Ints) -> Floats:
        """Return the true expected reward of showing `slates` now, shape (B,).

        Raises:
            TruthError: It is not known.
        """
        return self.wrapped.expected_reward(self._slates(slates))

    def latent_state(self) -> dict[str, NDArray[Any]]:
        """Return copies of the users' hidden state, arrays with a leading axis of B."""
        return self.wrapped.latent_state()

    def _around(self, wrapped: SteppedSimulator) -> Self:
        """Return the same wrapper around another simulator."""
        return type(self)(wrapped, **self.settings)

    def _slates(self, slates: Ints) -> Ints:
        """Return what the wrapped simulator is shown in place of `slates`, which may be wrong."""
        return slates

    def _changed(self, step: SimulatorStep) -> SimulatorStep:
        """Return a step as it is told, save for its observations."""
        return step

    def _observed(
        self, observations: dict[str, NDArray[Any]], users: Ints, is_final: bool
    ) -> dict[str, NDArray[Any]]:
        """Return observations (F, ...) as they are seen.

        Args:
            observations: Of the users at the positions `users`; the dict is the wrapper's own.
            users: Shape (F,).
            is_final: Whether they are the last of an episode; the first ones of the next episode
                are seen at the same moment.
        """
        return observations

    def _renew(self, users: Ints) -> None:
        """Begin an episode of the users at these positions."""

    def _kept(self) -> dict[str, NDArray[Any]]:
        """Return copies of what is kept between steps."""
        return {}

    def _take_back(self, kept: dict[str, NDArray[Any]]) -> None:
        """Go back to what `_kept` returned earlier."""

    def _uniforms(self, n_draws: int, purpose: int) -> Floats:
        """Return the users' own uniforms (B, n_draws) of this step, apart for each `purpose`."""
        return self._started().uniforms(self.n_users, n_draws, self._tick, purpose)

    def _started(self) -> UserStreams:
        if self._streams is None:
            raise RuntimeError("call reset(seed) before stepping or asking for the truth")
        return self._streams

    def _seen(self, observations: Observations) -> dict[str, NDArray[Any]]:
        return self._observed(dict(observations), np.arange(self.n_users), False)

    def _begin(self, seed: int, tick: int) -> None:
        self._seed, self._tick = seed, tick
        inner: Any = self.wrapped
        depth = 0
        while isinstance(inner, SimulatorWrapper):
            inner, depth = inner.wrapped, depth + 1
        name = zlib.crc32(type(self).__name__.encode())
        own = np.random.SeedSequence([seed, name, depth]).generate_state(2, np.uint64)
        self._streams = UserStreams(int(own[0]), self.first_user)


class WrapperSnapshot(NamedTuple):
    """A moment of a wrapped simulator."""

    wrapped: object
    seed: int
    tick: int
    kept: dict[str, NDArray[Any]]
    origin: Origin


def innermost(simulator: Any) -> Any:
    """Return the simulator within wrappers that show it the slates they are given."""
    while isinstance(simulator, SimulatorWrapper) and simulator.keeps_slates:
        simulator = simulator.wrapped
    return simulator
