"""RecSim's environments, of the older four-value interface, as a simulator of users."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from rlrec.arrays import Bools, Floats32, Ints
from rlrec.envs.adapters.adapted import LARGE, AdaptedUsers, ForeignWorld, Reaction, Seen
from rlrec.envs.adapters.own_chance import OwnChance
from rlrec.errors import ConfigError
from rlrec.simulation import Space

_CLICKS = ("click", "clicked", "clicks")


def adapt_recsim(
    make_env: Callable[[int], Any],
    n_users: int,
    first_user: int = 0,
    *,
    channels: Sequence[str] | None = None,
    max_steps: int | None = None,
    takes_one: bool = False,
    env_id: str = "recsim",
    arguments: dict[str, Any] | None = None,
) -> AdaptedUsers:
    """Return B copies of a RecSim environment as a simulator of B users.

    The environment has `reset() -> observation`, `step(slate) -> (observation, reward, done,
    info)` and `action_space.nvec`. Its observation has `user`, numbers; `doc`, an ordered dict of
    the features of each document on offer; and `response`, None or a dict a slot. They become
    `user` (left out where nothing is seen of the user), `candidate_features` and the response
    channels. RecSim itself is not imported.

    An episode that is `done` has `terminated`, unless `info["TimeLimit.truncated"]` says that a
    wrapper's time limit ended it. A repeated item is not shown: the slate given to the environment
    is shorter.

    Args:
        make_env: Takes a seed, below 2**32, and makes the environment of one user. It is called for
            each episode, since RecSim's samplers are seeded when they are made; the seed must
            reach them (`env_config["seed"]`, or the samplers' own). What is drawn from numpy's
            global generator is seeded with it too.
        n_users: B.
        first_user: Number of the first user of the batch.
        channels: Which numbers of a response to take; the first says whether there was one. By
            default all of them, a click first.
        max_steps: Limit of an episode; needed where users never leave.
        takes_one: Whether users are known to take at most one item of a slate.
        env_id: Name for logs and results.
        arguments: What it was made with, ready for JSON.

    Raises:
        ConfigError: The environment is not as described, or has no channel that says whether there
            was a response.

    Stability: experimental.
    """
    sample = _Sample.of(make_env, channels)
    world = ForeignWorld(
        make_copy=lambda: _Copy(make_env, sample),
        env_id=env_id,
        arguments=arguments or {},
        slate_size=sample.slate_size,
        n_choices=sample.n_choices,
        channels=sample.channels,
        seen_spaces={
            key: Space(array.shape, np.float32, -LARGE, LARGE) for key, array in sample.seen.items()
        },
        catalogue=None,
        max_steps=max_steps,
        takes_one=takes_one,
    )
    return AdaptedUsers(world, n_users, first_user)


class _Sample(NamedTuple):
    """What was found in one copy: RecSim's declared spaces are not those of what it returns."""

    slate_size: int
    n_choices: int
    channels: tuple[str, ...]
    seen: Seen

    @classmethod
    def of(cls, make_env: Callable[[int], Any], channels: Sequence[str] | None) -> "_Sample":
        with OwnChance():
            env = make_env(0)
            sizes = np.asarray(env.action_space.nvec).astype(np.int64)
            env.reset()
            observation = env.step(np.arange(sizes.size) % sizes[0])[0]
        missing = [key for key in ("user", "doc", "response") if key not in observation]
        if missing or np.unique(sizes).size != 1:
            raise ConfigError(
                "a RecSim environment observes user, doc and response and is shown slates of its "
                f"documents; missing are {missing}, the action space is {env.action_space}"
            )
        found = _channels(observation["response"][0], channels)
        return cls(sizes.size, int(sizes[0]), found, _seen(observation))

    def responses(self, told: Sequence[Mapping[str, Any]], shown: Ints) -> Floats32:
        """Return responses (K, R); `told` are those of the slots in `shown`."""
        responses = np.zeros((self.slate_size, len(self.channels)), np.float32)
        for slot, response in zip(shown.tolist(), told, strict=True):
            responses[slot] = [float(response[name]) for name in self.channels]
        return responses


class _Copy:
    """The environment of one user; made anew for each episode."""

    def __init__(self, make_env: Callable[[int], Any], sample: _Sample) -> None:
        self._make_env, self._sample = make_env, sample
        self._chance = OwnChance()
        self._env: Any = None

    def begin(self, seed: int) -> Seen:
        self._chance.reseed(seed)
        with self._chance:
            self._env = self._make_env(seed)
            return _seen(self._env.reset())

    def show(self, slate: Ints, blank: Bools) -> Reaction:
        with self._chance:
            observation, reward, done, info = self._env.step(slate[~blank])
        responses = self._sample.responses(observation["response"], np.flatnonzero(~blank))
        over = bool(done) and bool(info.get("TimeLimit.truncated", False))
        return Reaction(_seen(observation), responses, float(reward), bool(done) and not over, over)


def _seen(observation: Mapping[str, Any]) -> Seen:
    documents = [_numbers(features) for features in observation["doc"].values()]
    seen = {"candidate_features": np.stack(documents)}
    user = _numbers(observation["user"])
    return {"user": user, **seen} if user.size else seen


def _numbers(value: Any) -> Floats32:
    """Return all numbers of an array, or of a dict or sequence of such, in order."""
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, list | tuple):
        parts = [_numbers(part) for part in value]
        return np.concatenate(parts) if parts else np.zeros(0, np.float32)
    return np.asarray(value, np.float32).ravel()


def _channels(response: Mapping[str, Any], channels: Sequence[str] | None) -> tuple[str, ...]:
    known = [name for name, value in response.items() if np.ndim(value) == 0]
    if channels is not None:
        wrong = [name for name in channels if name not in known]
        if wrong or not channels:
            raise ConfigError(f"channels must be numbers of a response, {known}; got {channels}")
        return tuple(channels)
    clicks = [name for name in _CLICKS if name in known]
    if not clicks:
        raise ConfigError(
            f"no channel says whether there was a response: they are {known}. Give `channels`, the "
            "first of which is above 0 where there was one"
        )
    return (clicks[0], *(name for name in known if name != clicks[0]))
