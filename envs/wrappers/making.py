"""Wrapped environments by name."""

from collections.abc import Mapping, Sequence
from inspect import Parameter, signature
from typing import Any

from rlrec.envs.registration import make_simulator
from rlrec.envs.wrappers.abnormal import AbnormalUsers
from rlrec.envs.wrappers.features import FeatureNoise, MissingFeatures
from rlrec.envs.wrappers.pessimism import PessimisticReward
from rlrec.envs.wrappers.preselected import Preselected
from rlrec.envs.wrappers.rewards import RewardFromChannels
from rlrec.errors import ConfigError, UnknownNameError, nearest_hint
from rlrec.simulation import SteppedSimulator

_WRAPPERS: dict[str, Any] = {
    wrapper.__name__: wrapper
    for wrapper in (
        AbnormalUsers,
        FeatureNoise,
        MissingFeatures,
        PessimisticReward,
        Preselected,
        RewardFromChannels,
    )
}


def make_wrapped_simulator(
    env_id: str,
    n_users: int,
    first_user: int = 0,
    *,
    wrappers: Sequence[Mapping[str, Any]] = (),
    **arguments: Any,
) -> SteppedSimulator:
    """Return a simulator in wrappers; `simulator.arguments` of one are what makes it again.

    Args:
        env_id: As in `make_simulator`.
        n_users: B.
        first_user: Number of the first user of the batch.
        wrappers: Innermost first: each the name of a wrapper and its settings, such as
            `{"name": "FeatureNoise", "sd": 0.1}`.
        **arguments: The environment's own arguments.

    Raises:
        UnknownNameError: No environment, argument, wrapper or setting has that name.
        ConfigError: A setting is out of range or missing.
    """
    simulator: SteppedSimulator = make_simulator(env_id, n_users, first_user, **arguments)
    for wrapper in wrappers:
        if not isinstance(wrapper, Mapping):
            raise ConfigError(
                "wrappers must list a name and settings of each, such as "
                f"{{'name': 'FeatureNoise', 'sd': 0.1}}, got {wrapper!r}"
            )
        settings = dict(wrapper)
        name = settings.pop("name", None)
        if name not in _WRAPPERS:
            hint = nearest_hint(str(name), _WRAPPERS)
            raise UnknownNameError(f"no wrapper is called {name!r}.{hint}")
        if settings.get("retrieval") is not None:
            raise ConfigError(
                "a retrieval policy cannot be made from its name: put Preselected around the "
                "simulator yourself"
            )
        _check_settings(name, settings)
        simulator = _WRAPPERS[name](simulator, **settings)
    return simulator


def _check_settings(name: str, settings: dict[str, Any]) -> None:
    """Raise unless a wrapper has all these settings, and needs no others."""
    _, *parameters = signature(_WRAPPERS[name]).parameters.values()  # without the simulator
    known = [parameter.name for parameter in parameters]
    for setting in settings:
        if setting not in known:
            hint = nearest_hint(str(setting), known)
            raise UnknownNameError(f"{name} has no setting {setting!r}.{hint}")
    for parameter in parameters:
        if parameter.default is Parameter.empty and parameter.name not in settings:
            raise ConfigError(f"{name} needs the setting {parameter.name!r}, got {settings}")
