"""Values of items and the slates that they make, for agents that show what is worth most."""

import copy
from typing import Protocol

import torch
from gymnasium import spaces
from stable_baselines3.common.policies import BasePolicy
from stable_baselines3.common.type_aliases import PyTorchObs, Schedule
from torch import Tensor

from rlrec.agents.networks import ItemKnowledge, TensorDict
from rlrec.agents.offline.slate_critic import SlateCritic, SlateValues
from rlrec.agents.plackett_luce import PlackettLuce

_NEVER = -1e30  # as in PlackettLuce; -inf would make log-probabilities nan


class ItemValueSettings(Protocol):
    """Settings that an `ItemValuePolicy` reads."""

    @property
    def item_size(self) -> int:
        """Length of an item's vector."""
        ...

    @property
    def hidden(self) -> int:
        """Width of the hidden layers."""
        ...

    @property
    def temperature(self) -> float:
        """Of the draws, in units of `value_scale`."""
        ...


class ItemValuePolicy(BasePolicy):
    """Slates in falling order of what items add, or drawn by Plackett-Luce with these as logits.

    Args:
        observation_space: Of users.
        action_space: Slates.
        lr_schedule: Step size of Adam.
        items: What is known of the items.
        config: Settings.
    """

    def __init__(
        self,
        observation_space: spaces.Dict,
        action_space: spaces.MultiDiscrete,
        lr_schedule: Schedule,
        items: ItemKnowledge,
        config: ItemValueSettings,
    ) -> None:
        super().__init__(observation_space, action_space)
        self.slate_size = len(action_space.nvec)
        self.temperature = config.temperature
        n_choices = int(action_space.nvec[0])
        sizes = (config.item_size, config.hidden)
        self.values = SlateCritic(observation_space, n_choices, self.slate_size, items, *sizes)
        self.target = copy.deepcopy(self.values).requires_grad_(False)
        self._add_networks(observation_space, n_choices, items, config)
        learned = [parameter for parameter in self.parameters() if parameter.requires_grad]
        self.optimizer = torch.optim.Adam(learned, lr=lr_schedule(1), fused=True)

    def _add_networks(
        self,
        space: spaces.Dict,
        n_choices: int,
        items: ItemKnowledge,
        config: ItemValueSettings,
    ) -> None:
        """Make networks beside the values, if there are any."""

    def allowed(self, obs: TensorDict) -> Tensor | None:
        """Return which items may be shown, (B, n) with K or more in each row; None for all."""
        return None

    def distribution(self, obs: TensorDict) -> PlackettLuce:
        """Return the slates that are drawn for each user."""
        logits = self._rated(obs, self.values(obs)) / self.temperature
        return PlackettLuce(logits.clamp(min=_NEVER), self.slate_size)

    @torch.no_grad()
    def best_values(self, obs: TensorDict) -> Tensor:
        """Return the slow copy's values of the slates that are best now, (B,), unscaled."""
        best = self._rated(obs, self.values(obs)).topk(self.slate_size, dim=1).indices
        values: Tensor = self.target(obs).of(best)
        return values

    def _rated(self, obs: TensorDict, values: SlateValues) -> Tensor:
        allowed, rated = self.allowed(obs), values.of_items()
        return rated if allowed is None else rated.masked_fill(~allowed, _NEVER)

    def forward(self, obs: PyTorchObs, deterministic: bool = True) -> Tensor:
        """Return a slate for each user, (B, K)."""
        return self._predict(obs, deterministic)

    def _predict(self, observation: PyTorchObs, deterministic: bool = True) -> Tensor:
        assert isinstance(observation, dict)
        slates_of = self.distribution(observation)
        return slates_of.mode() if deterministic else slates_of.sample()
