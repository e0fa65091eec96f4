"""Any Gymnasium environment that is shown slates or single items, as a simulator of users."""

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from numpy.typing import ArrayLike, NDArray

from rlrec.arrays import Bools, Floats32, Ints
from rlrec.data.catalogue import Catalogue
from rlrec.data.history import HISTORY_KEYS
from rlrec.data.log_columns import OBSERVED_KEYS
from rlrec.envs.adapters.adapted import (
    LARGE,
    AdaptedUsers,
    ForeignWorld,
    Reaction,
    Seen,
    plain_catalogue,
)
from rlrec.envs.adapters.own_chance import OwnChance
from rlrec.envs.adapters.reaction_checks import as_reward, check_finite, check_seen, unpacked
from rlrec.envs.user_model_checks import check_channels
from rlrec.errors import ConfigError, UnknownNameError, nearest_hint
from rlrec.simulation import Space

Responses = Callable[[Any, float, dict[str, Any]], ArrayLike]
"""Takes the observation after a step, its reward and its info; returns (K,) or (K, R)."""

DROP = "drop"
_TARGETS = (*HISTORY_KEYS, *OBSERVED_KEYS, DROP)
_FAMILIAR = {
    **{key: key for key in (*HISTORY_KEYS, *OBSERVED_KEYS)},
    "slate": "last_slate",
    "click": "last_response",
    "clicks": "last_response",
    "response": "last_response",
    "responses": "last_response",
}
_TOLD = ("response", "responses", "clicks", "click")  # where `info` may hold responses


def adapt_gymnasium(
    make_env: Callable[[], gym.Env[Any, Any]],
    n_users: int,
    first_user: int = 0,
    *,
    keys: Mapping[str, str] | None = None,
    rest: str = "context",
    responses: Responses | None = None,
    channels: Sequence[str] = ("click",),
    catalogue: Catalogue | None = None,
    history_length: int = 20,
    max_steps: int | None = None,
    takes_one: bool = False,
    env_id: str | None = None,
    arguments: dict[str, Any] | None = None,
) -> AdaptedUsers:
    """Return B copies of a Gymnasium environment as a simulator of B users.

    Its action space must be `MultiDiscrete([n] * K)`, a slate, or `Discrete(n)`, a slate of one.
    Keys of its observation become ours: `user`, `context`, `candidates` and `candidate_features`
    are taken over under these names; `slate`, `clicks` and the like are what the history keeps, and
    are kept here instead; all other keys are flattened into `rest`. `terminated` and `truncated`
    are taken over.

    A foreign environment may respond to an item's second place in a slate. Such responses are set
    to 0, for a repeated item is a blank slot; its reward is left as it is.

    Args:
        make_env: Makes one copy; it is called for each user. The users' own chance comes from
            `reset(seed=...)`; what is drawn from global generators is seeded with it too.
        n_users: B.
        first_user: Number of the first user of the batch.
        keys: Their observation keys to ours, over the rule above; "drop" leaves a key out.
        rest: "context", "user" or "drop": where keys without a rule go.
        responses: What came back for each slot. By default `info` or the observation is asked for
            `response(s)` or `click(s)`; in slates of one without them, a reward above 0 is a click.
        channels: Names of the R response channels; the first says whether there was a response.
        catalogue: The items; None for items of which nothing is known, or fresh documents where
            the observation has `candidate_features`.
        history_length: H.
        max_steps: Limit of an episode; None for the environment's own.
        takes_one: Whether users are known to take at most one item of a slate.
        env_id: By default the name it has in Gymnasium's registry.
        arguments: What it was made with, ready for JSON; by default what Gymnasium knows.

    Raises:
        ConfigError: The environment cannot be read so; the message says what to give.
        UnknownNameError: `keys` names a key that is not there, or one that is not ours.

    Stability: experimental.
    """
    check_channels(channels, env_id or "the environment")
    with OwnChance():
        sample = _made(make_env)
        reading = _Reading.of(sample.observation_space, keys or {}, rest, responses, len(channels))
        action = _Action.of(sample.action_space)
    spec = sample.spec
    env_id = env_id or (type(sample.unwrapped).__name__ if spec is None else spec.id)
    _try(_Copy(sample, reading, action, env_id), reading, action)

    def make_copy() -> _Copy:
        chance = OwnChance()
        with chance:
            env = make_env()
        if env is sample:
            raise ConfigError(
                f"make_env must make a new {env_id} for each user, got the same object twice: "
                "make it inside of the function"
            )
        return _Copy(env, reading, action, env_id, chance)

    if catalogue is None and "candidates" in reading.seen_spaces:
        raise ConfigError("candidates are items of a catalogue: give `catalogue`")
    if catalogue is None and "candidate_features" not in reading.seen_spaces:
        catalogue = plain_catalogue(action.n_choices)
    world = ForeignWorld(
        make_copy=make_copy,
        env_id=env_id,
        arguments=arguments or ({} if spec is None else _ready_for_json(spec.kwargs)),
        slate_size=action.slate_size,
        n_choices=action.n_choices,
        channels=tuple(channels),
        seen_spaces=reading.seen_spaces,
        catalogue=catalogue,
        history_length=history_length,
        max_steps=max_steps,
        takes_one=takes_one,
    )
    return AdaptedUsers(world, n_users, first_user)


class _Action(NamedTuple):
    """How a slate is said in the environment's action space."""

    slate_size: int
    n_choices: int
    first: Any
    """Number of the first item, one or one a slot."""
    is_single: bool
    dtype: Any

    @classmethod
    def of(cls, space: spaces.Space[Any]) -> "_Action":
        """Read an action space."""
        if isinstance(space, spaces.Discrete):
            return cls(1, int(space.n), int(space.start), True, space.dtype)
        if isinstance(space, spaces.MultiDiscrete) and np.ndim(space.nvec) == 1:
            sizes = set(space.nvec.tolist())
            if len(sizes) == 1:
                return cls(len(space.nvec), sizes.pop(), space.start, False, space.dtype)
        raise ConfigError(
            "an environment must be shown slates, MultiDiscrete([n] * K), or single items, "
            f"Discrete(n); got {space}. Wrap it in a gymnasium.ActionWrapper that takes one of them"
        )

    def said(self, slate: Ints) -> Any:
        """Return the action that shows a slate (K,)."""
        if self.is_single:
            return int(slate[0]) + self.first
        return (slate + self.first).astype(self.dtype)


class _Reading(NamedTuple):
    """How an observation is read."""

    space: spaces.Space[Any]
    targets: dict[str, str]
    """Our key for each of theirs; an observation without keys has the key ""."""
    seen_spaces: dict[str, Space]
    responses: Responses | None
    n_channels: int

    @classmethod
    def of(
        cls,
        space: spaces.Space[Any],
        keys: Mapping[str, str],
        rest: str,
        responses: Responses | None,
        n_channels: int,
    ) -> "_Reading":
        """Read an observation space."""
        if rest not in ("context", "user", DROP):
            raise ConfigError(f"rest must be 'context', 'user' or 'drop', got {rest!r}")
        theirs = list(space.spaces) if isinstance(space, spaces.Dict) else [""]
        _check_keys(keys, theirs)
        targets = {key: keys.get(key, _FAMILIAR.get(key, rest)) for key in theirs}
        reading = cls(space, targets, {}, responses, n_channels)
        return reading._replace(seen_spaces=reading._declared())

    def seen(self, observation: Any) -> Seen:
        """Return what an observation shows, under our keys."""
        seen: Seen = {}
        for key, space in self.seen_spaces.items():
            parts = [self._numbers(name, observation) for name in self._sources(key)]
            joined = (
                parts[0] if len(space.shape) > 1 else np.concatenate([p.ravel() for p in parts])
            )
            seen[key] = joined.astype(space.dtype)
        return seen

    def responses_in(
        self, observation: Any, reward: float, info: dict[str, Any], size: int
    ) -> Floats32:
        """Return what came back, (K, R)."""
        given = self._told(observation, reward, info, size)
        expected = (size, self.n_channels)
        try:
            told = np.asarray(given, np.float32)
        except (TypeError, ValueError) as error:
            raise ConfigError(f"responses must be numbers, got {given!r}: {error}") from error
        if told.size != size * self.n_channels:
            raise ConfigError(
                f"responses must have shape {expected} (slots, channels), got {told.shape}; name "
                "the `channels`, or give `responses`"
            )
        return told.reshape(expected)

    def _told(self, observation: Any, reward: float, info: dict[str, Any], size: int) -> ArrayLike:
        if self.responses is not None:
            return self.responses(observation, reward, info)
        for name in _TOLD:
            if name in info:
                found: ArrayLike = info[name]
                return found
        for name in self._sources("last_response"):
            seen: ArrayLike = self._part(name, observation)
            return seen
        if size == 1 and self.n_channels == 1:
            return [float(reward > 0)]
        raise ConfigError(
            f"no responses found: info has {sorted(info)}, the observation {sorted(self.targets)}. "
            "Give `responses(observation, reward, info)`, which returns one number a slot"
        )

    def _sources(self, key: str) -> list[str]:
        return [name for name, target in self.targets.items() if target == key]

    def _part(self, name: str, observation: Any) -> Any:
        return observation[name] if isinstance(self.space, spaces.Dict) else observation

    def _subspace(self, name: str) -> spaces.Space[Any]:
        return self.space.spaces[name] if isinstance(self.space, spaces.Dict) else self.space

    def _numbers(self, name: str, observation: Any) -> NDArray[Any]:
        space, part = self._subspace(name), self._part(name, observation)
        if isinstance(space, spaces.Box | spaces.MultiDiscrete):
            return np.asarray(part)
        return np.asarray(spaces.flatten(space, part))

    def _declared(self) -> dict[str, Space]:
        found: dict[str, Space] = {}
        for key in OBSERVED_KEYS:
            sources = [self._subspace(name) for name in self._sources(key)]
            if sources:
                found[key] = _space_of(key, sources)
        return found


class _Copy:
    """One user's copy of the environment."""

    def __init__(
        self,
        env: gym.Env[Any, Any],
        reading: _Reading,
        action: _Action,
        env_id: str,
        chance: OwnChance | None = None,
    ) -> None:
        self._env, self._reading, self._action, self._env_id = env, reading, action, env_id
        self._chance = OwnChance() if chance is None else chance

    def begin(self, seed: int) -> Seen:
        self._chance.reseed(seed)
        with self._chance:
            told = self._env.reset(seed=seed)
        observation, _ = unpacked(told, ("observation", "info"), "reset", self._env_id)
        return self._reading.seen(observation)

    def show(self, slate: Ints, blank: Bools) -> Reaction:
        with self._chance:
            told = self._env.step(self._action.said(slate))
        observation, given, terminated, truncated, info = unpacked(
            told, _STEP_PARTS, "step", self._env_id
        )
        reward = as_reward(given, self._env_id)
        responses = self._reading.responses_in(observation, reward, info, len(slate))
        seen = self._reading.seen(observation)
        return Reaction(seen, responses, reward, bool(terminated), bool(truncated))

    def close(self) -> None:
        self._env.close()


_STEP_PARTS = ("observation", "reward", "terminated", "truncated", "info")


def _made(make_env: Callable[[], gym.Env[Any, Any]]) -> gym.Env[Any, Any]:
    """Return a first environment."""
    if not callable(make_env):
        named = f"gym.make({make_env!r})" if isinstance(make_env, str) else "MyEnv()"
        raise ConfigError(
            f"make_env must be a function that makes one environment, such as `lambda: {named}`, "
            f"got {make_env!r}"
        )
    env = make_env()
    if not isinstance(env, gym.Env):
        raise ConfigError(f"make_env must make a gymnasium.Env, got {type(env).__name__}")
    return env


def _try(copied: _Copy, reading: _Reading, action: _Action) -> None:
    """Play one step and close, so that what cannot be read is told at once."""
    slate = np.arange(action.slate_size) % action.n_choices
    env_id = copied._env_id
    try:
        check_seen(copied.begin(0), reading.seen_spaces, env_id)
        reaction = copied.show(slate, np.zeros(len(slate), bool))
        check_seen(reaction.seen, reading.seen_spaces, env_id)
        check_finite("a response", reaction.responses, env_id)
    finally:
        copied.close()


def _ready_for_json(values: dict[str, Any]) -> dict[str, Any]:
    """Return those of the values that JSON can hold."""
    kept = {}
    for name, value in values.items():
        with suppress(TypeError, ValueError):
            kept[name] = json.loads(json.dumps(value))
    return kept


def _check_keys(keys: Mapping[str, str], theirs: list[str]) -> None:
    for name, target in keys.items():
        if name not in theirs:
            hint = nearest_hint(name, theirs)
            raise UnknownNameError(f"the environment observes no {name!r}.{hint}")
        if target not in _TARGETS:
            hint = nearest_hint(target, _TARGETS)
            raise UnknownNameError(f"{name!r} cannot become {target!r}.{hint}")


def _space_of(key: str, sources: list[spaces.Space[Any]]) -> Space:
    """Return the space of one of our keys, made of one or several of theirs."""
    boxes = [_box_of(space) for space in sources]
    if key == "candidate_features":
        if len(boxes) > 1 or len(boxes[0].shape) != 2:
            raise ConfigError(
                f"candidate_features must be one Box of shape (candidates, features), got {sources}"
            )
        return boxes[0]
    n_numbers = sum(int(np.prod(box.shape)) for box in boxes)
    low, high = min(box.low for box in boxes), max(box.high for box in boxes)
    return Space((n_numbers,), np.int64 if key == "candidates" else np.float32, low, high)


def _box_of(space: spaces.Space[Any]) -> Space:
    if isinstance(space, spaces.MultiDiscrete):  # numbers as they are; flattened they are one-hot
        highest = space.start + space.nvec - 1
        return Space(space.shape, np.float32, float(space.start.min()), float(highest.max()))
    if not space.is_np_flattenable:
        raise ConfigError(f"an observation must be made of numbers, got {space}: drop it by `keys`")
    box = space if isinstance(space, spaces.Box) else spaces.flatten_space(space)
    assert isinstance(box, spaces.Box)
    if not box.low.size:
        return Space(box.shape, np.float32, 0.0, 0.0)
    low, high = max(float(box.low.min()), -LARGE), min(float(box.high.max()), LARGE)
    return Space(box.shape, np.float32, low, high)
