"""Wrapped environments by name."""

from collections.abc import Mapping, Sequence
from typing import Any

from rlrec.envs.registration import make_simulator
from rlrec.envs.wrappers.abnormal import AbnormalUsers
from rlrec.envs.wrappers.features import FeatureNoise, MissingFeatures
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
        UnknownNameError: No environment, argument or wrapper has that name.
        ConfigError: A setting is out of range, or not one of the wrapper's.
    """
    simulator: SteppedSimulator = make_simulator(env_id, n_users, first_user, **arguments)
    for wrapper in wrappers:
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
        try:
            simulator = _WRAPPERS[name](simulator, **settings)
        except TypeError as error:
            raise ConfigError(f"{name} cannot be made from {settings}: {error}") from error
    return simulator
