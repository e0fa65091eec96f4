"""Rewards made of what came back."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from rlrec.arrays import Floats, Ints
from rlrec.envs.arguments import check_number
from rlrec.envs.wrappers.wrapper import SimulatorWrapper
from rlrec.errors import ConfigError, TruthError, UnknownNameError, nearest_hint
from rlrec.simulation import SimulatorStep, SteppedSimulator


class RewardFromChannels(SimulatorWrapper):
    """The reward of a step is a weighted sum of its responses.

    `reward = sum over slots and channels of weight * response`. Users do as before. The expected
    reward is no longer known, and policies that know the truth still seek the users' own.

    Args:
        wrapped: The simulator.
        weights: By channel; channels that are left out weigh 0.

    Raises:
        UnknownNameError: There is no such channel.
        ConfigError: A weight is not a finite number, or there is none.
    """

    def __init__(self, wrapped: SteppedSimulator, weights: Mapping[str, float]) -> None:
        super().__init__(wrapped)
        if not isinstance(weights, Mapping):
            example = {wrapped.response_channels[0]: 1.0}
            raise ConfigError(f"weights must be by channel, such as {example}, got {weights!r}")
        for name, weight in weights.items():
            if name not in wrapped.response_channels:
                hint = nearest_hint(str(name), wrapped.response_channels)
                raise UnknownNameError(f"{wrapped.env_id} has no response channel {name!r}.{hint}")
            check_number(f"the weight of {name!r}", weight)
        if not weights:
            raise ConfigError(f"weights must name one of {wrapped.response_channels}, got none")
        self.weights = dict(weights)
        self._by_channel = np.array([weights.get(c, 0.0) for c in wrapped.response_channels])

    @property
    def settings(self) -> dict[str, Any]:
        """The weights."""
        return {"weights": dict(self.weights)}

    def states(self, name: str) -> bool:
        """Return whether a truth about slates is stated; the expected reward is not."""
        return name != "expected_reward" and super().states(name)

    def expected_reward(self, slates: Ints) -> Floats:
        """Raise a TruthError: users state the reward of their own only."""
        self.wrapped.expected_reward(slates)  # which refuses wrong slates
        raise TruthError(
            "the expected reward of RewardFromChannels is not known; that of the users' own reward "
            "is on `wrapped`"
        )

    def _changed(self, step: SimulatorStep) -> SimulatorStep:
        weighted = step.responses * self._by_channel
        return step._replace(rewards=weighted.reshape(self.n_users, -1).sum(axis=-1))
