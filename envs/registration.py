"""The environments by name, in Gymnasium's registry and ours."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from inspect import signature
from typing import TYPE_CHECKING, Any

import gymnasium as gym
from gymnasium.vector import AutoresetMode

from rlrec.envs.arguments import check_whole_number, plain
from rlrec.envs.blocks.boredom import SCOPES
from rlrec.envs.blocks.vector_taste import SCALES
from rlrec.envs.fitting.populations import POPULATIONS
from rlrec.envs.fitting.slates.slate_users import NEW
from rlrec.envs.menus import BLOCKS, CHOICES, LEAVINGS, RESPONSES, TASTES
from rlrec.envs.presets.composed_users import ENV_ID as COMPOSED_USERS
from rlrec.envs.presets.composed_users import composed_users
from rlrec.envs.presets.drifting_tastes import CHOICES as DRIFTING_CHOICES
from rlrec.envs.presets.drifting_tastes import ENV_ID as DRIFTING_TASTES
from rlrec.envs.presets.drifting_tastes import drifting_tastes
from rlrec.envs.presets.fitted_users import ENV_ID as FITTED_USERS
from rlrec.envs.presets.fitted_users import FITTED_CHOICES, fitted_users
from rlrec.envs.presets.interest_evolution import CASCADE_FORMS, interest_evolution
from rlrec.envs.presets.interest_evolution import CHOICES as EVOLUTION_CHOICES
from rlrec.envs.presets.interest_evolution import ENV_ID as INTEREST_EVOLUTION
from rlrec.envs.presets.interest_exploration import ENV_ID as INTEREST_EXPLORATION
from rlrec.envs.presets.interest_exploration import interest_exploration
from rlrec.envs.presets.long_term_satisfaction import ENV_ID as LONG_TERM_SATISFACTION
from rlrec.envs.presets.long_term_satisfaction import long_term_satisfaction
from rlrec.envs.presets.topic_boredom import COUNTED, PRESETS, topic_boredom
from rlrec.envs.presets.topic_boredom import ENV_ID as TOPIC_BOREDOM
from rlrec.envs.presets.user_return import CHOICES as RETURN_CHOICES
from rlrec.envs.presets.user_return import ENV_ID as USER_RETURN
from rlrec.envs.presets.user_return import user_return
from rlrec.envs.simulator import SimulatorFactory, UserSimulator
from rlrec.envs.single import SlateEnv
from rlrec.envs.vector import SlateVectorEnv
from rlrec.errors import ConfigError, UnknownNameError, nearest_hint

if TYPE_CHECKING:
    from rlrec.envs.sb3 import SlateVecEnv


@dataclass(frozen=True, kw_only=True)
class EnvironmentEntry:
    """What can be simulated, and how well known policies do there."""

    env_id: str
    factory: SimulatorFactory
    title: str
    floor: str
    """Return of random slates."""
    reference: str
    """Return of the planning reference."""
    choices: Mapping[str, Iterable[str]] = field(default_factory=dict)
    """Arguments that are names, with what they may be."""

    @property
    def arguments(self) -> dict[str, Any]:
        """The environment's own arguments with their defaults."""
        parameters = signature(self.factory).parameters.values()
        return {p.name: p.default for p in parameters if p.kind is p.KEYWORD_ONLY}


_ENTRIES: dict[str, EnvironmentEntry] = {}
_ENTRY_POINT = f"{__name__}:make_single_env"  # by name, for a spec must go into JSON


def describe_environments() -> list[EnvironmentEntry]:
    """Return all environments, by name."""
    return [_ENTRIES[env_id] for env_id in sorted(_ENTRIES)]


def make_simulator(
    env_id: str, n_users: int, first_user: int = 0, **arguments: Any
) -> UserSimulator:
    """Return a simulator of `n_users` users: arrays in, arrays out.

    Args:
        env_id: Such as "rlrec/InterestEvolution-v0".
        n_users: B, 1 or more.
        first_user: Number of the first user; user i is the same in every batch.
        **arguments: The environment's own arguments.

    Raises:
        UnknownNameError: No environment, or none of its arguments, has that name.
        ConfigError: An argument is outside its range.
    """
    if not isinstance(env_id, str):
        raise ConfigError(f"env_id must be a name such as {INTEREST_EVOLUTION!r}, got {env_id!r}")
    if env_id not in _ENTRIES:
        raise UnknownNameError(
            f"no environment is called {env_id!r}.{nearest_hint(env_id, _ENTRIES)}"
        )
    entry = _ENTRIES[env_id]
    for name in arguments:
        if name not in entry.arguments:
            hint = nearest_hint(name, entry.arguments)
            raise UnknownNameError(f"{env_id} has no argument {name!r}.{hint}")
    arguments = {name: plain(value) for name, value in arguments.items()}
    try:
        signature(entry.factory).bind(n_users, first_user, **arguments)
    except TypeError as error:  # such as an argument without a default; its own errors pass
        raise ConfigError(f"{env_id} cannot be made from {arguments}: {error}") from error
    return entry.factory(n_users, first_user, **arguments)


def make_users(env_id: str, n_users: int, seed: int = 0, **arguments: Any) -> "SlateVecEnv":
    """Return `n_users` users as a stable-baselines3 `VecEnv` (arguments as `make_simulator`)."""
    check_whole_number("seed", seed, 0)
    from rlrec.envs.sb3 import SlateVecEnv  # imports torch, which simulating does not need

    return SlateVecEnv(make_simulator(env_id, n_users, **arguments), seed)


def register(entry: EnvironmentEntry, *, replace: bool = False) -> None:
    """Add an environment to Gymnasium's registry and to ours.

    Args:
        entry: What to add.
        replace: Whether it may take the place of an environment of the same name.

    Raises:
        ConfigError: The name is taken, or is none that Gymnasium takes.
    """
    if not isinstance(entry, EnvironmentEntry):
        raise ConfigError(f"register takes an EnvironmentEntry, got {entry!r}")
    env_id = entry.env_id
    if _is_taken(env_id) and not replace:
        raise ConfigError(
            f"an environment is called {env_id!r} already: choose another name, or say "
            "register(entry, replace=True)"
        )
    gym.registry.pop(env_id, None)
    try:
        gym.register(
            id=env_id,
            entry_point=_ENTRY_POINT,
            vector_entry_point=f"{__name__}:make_vector_env",
            kwargs={"env_id": env_id},
        )
    except gym.error.Error as error:
        raise ConfigError(f"Gymnasium does not take the name {env_id!r}: {error}") from error
    _ENTRIES[env_id] = entry


def _is_taken(env_id: str) -> bool:
    """Return whether a name is one of ours, or of another package's in Gymnasium's registry."""
    spec = gym.registry.get(env_id)
    return env_id in _ENTRIES or (spec is not None and spec.entry_point != _ENTRY_POINT)


def make_single_env(env_id: str, render_mode: str | None = None, **arguments: Any) -> SlateEnv:
    """Return one user as a Gymnasium environment; `gym.make` calls it."""
    _refuse_n_users(arguments, "gym.make makes one user, gym.make_vec and make_users make many")
    return SlateEnv(make_simulator(env_id, 1, **arguments), render_mode)


def make_vector_env(
    env_id: str,
    num_envs: int = 1,
    render_mode: str | None = None,
    autoreset_mode: AutoresetMode | str = AutoresetMode.SAME_STEP,
    **arguments: Any,
) -> SlateVectorEnv:
    """Return users as a Gymnasium vector environment; `gym.make_vec` calls it."""
    _refuse_n_users(arguments, "say num_envs")
    simulator = make_simulator(env_id, num_envs, **arguments)
    return SlateVectorEnv(simulator, render_mode, autoreset_mode)


def _refuse_n_users(arguments: dict[str, Any], way_out: str) -> None:
    if "n_users" in arguments:
        raise ConfigError(f"n_users cannot be set here: {way_out}")


_BUILT_IN = (
    EnvironmentEntry(
        env_id=INTEREST_EVOLUTION,
        factory=interest_evolution,
        title="interests evolve with what is watched; the visit's time follows quality",
        floor="160.4 (fresh documents), 174 (catalogue of 1000)",
        reference="280.3 (fresh documents), 779 (catalogue of 1000)",
        choices={"choice": EVOLUTION_CHOICES, "cascade_form": CASCADE_FORMS},
    ),
    EnvironmentEntry(
        env_id=INTEREST_EXPLORATION,
        factory=interest_exploration,
        title="users of hidden types, to be found out; nothing that is shown changes them",
        floor="30.9 clicks (fresh documents), 30.9 (catalogue of 200)",
        reference="44.8 clicks (fresh documents), 63.1 (catalogue of 200)",
    ),
    EnvironmentEntry(
        env_id=LONG_TERM_SATISFACTION,
        factory=long_term_satisfaction,
        title="clickbait engages now and wears users out",
        floor="988 (fresh documents), 921 (catalogue of 100)",
        reference="1667 (fresh documents), 1810 (catalogue of 100)",
    ),
    EnvironmentEntry(
        env_id=FITTED_USERS,
        factory=fitted_users,
        title="users learned from ratings: choices teach what attracts, ratings what satisfies",
        floor="174 (made-up ratings)",
        reference="566 (made-up ratings)",
        choices={"population": (*POPULATIONS, NEW), "choice": FITTED_CHOICES},
    ),
    EnvironmentEntry(
        env_id=COMPOSED_USERS,
        factory=composed_users,
        title="users composed by configuration: any choice, response and blocks, by name",
        floor="84.4 (defaults), 39.4 (sceptical, satiated by topics)",
        reference="91.9 (defaults), 49.2 (sceptical, satiated by topics); myopic",
        choices={
            "taste": TASTES,
            "choice": CHOICES,
            "response": RESPONSES,
            "blocks": BLOCKS,
            "leaving": LEAVINGS,
        },
    ),
    EnvironmentEntry(
        env_id=DRIFTING_TASTES,
        factory=drifting_tastes,
        title="tastes drift on their own, items come and go, trends rise and fall",
        floor="23.5 (logit), 22.5 (position-based choice)",
        reference="60.2 (logit), 112.3 (position-based choice); optimal",
        choices={"choice": DRIFTING_CHOICES},
    ),
    EnvironmentEntry(
        env_id=USER_RETURN,
        factory=user_return,
        title="users visit again and again, if visits leave them satisfied",
        floor="39.1",
        reference="114.3",
        choices={"choice": RETURN_CHOICES},
    ),
    EnvironmentEntry(
        env_id=TOPIC_BOREDOM,
        factory=topic_boredom,
        title="too many clicks on a topic spoil the visit for a while",
        floor="53.2 clicks",
        reference="499 clicks (the last 10 counted), 390 (all of the window)",
        choices={
            "preset": PRESETS,
            "counted": COUNTED,
            "bored_scope": SCOPES,
            "relevance_scale": SCALES,
        },
    ),
)

for _entry in _BUILT_IN:
    register(_entry)
