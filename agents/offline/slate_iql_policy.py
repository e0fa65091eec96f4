"""The networks of SlateIQL."""

import copy
from typing import Any

import torch
from gymnasium import spaces
from stable_baselines3.common.type_aliases import Schedule
from torch import Tensor, nn
from torch.nn import functional as F

from rlrec.agents.networks import ItemKnowledge, ItemScorer, TensorDict
from rlrec.agents.offline.response_model import ResponseModel, SlateWorth
from rlrec.agents.offline.slate_iql_config import SlateIQLConfig
from rlrec.agents.replay import SlateBatch
from rlrec.agents.slate_actor_critic import SlateActorCritic


class SlateIQLPolicy(SlateActorCritic):
    """Actor, V (the critic), what is responded to, and worths of items with their slow copies."""

    def __init__(
        self,
        observation_space: spaces.Dict,
        action_space: spaces.MultiDiscrete,
        lr_schedule: Schedule,
        items: ItemKnowledge,
        config: SlateIQLConfig,
    ) -> None:
        sizes = (config.item_size, config.hidden)
        super().__init__(
            observation_space, action_space, lr_schedule, items, *sizes, config.value_scale
        )
        n_choices = int(action_space.nvec[0])
        self.takes_one = config.clicks == "one"
        self.responding = ResponseModel(
            observation_space,
            n_choices,
            self.slate_size,
            items,
            *sizes,
            self.takes_one,
            config.topic_aware,
        )
        self.critics = nn.ModuleList(
            ItemScorer(observation_space, n_choices, items, *sizes, has_base=True)
            for _ in range(config.n_critics)
        )
        self.targets = copy.deepcopy(self.critics).requires_grad_(False)
        slow = self._comparing_parameters()
        known = {id(parameter) for parameter in slow}
        others = [p for p in self.parameters() if p.requires_grad and id(p) not in known]
        groups: list[dict[str, Any]] = [
            {"params": others},
            {"params": slow, "share": config.comparing_rate},
        ]
        self.optimizer = torch.optim.Adam(groups, lr=lr_schedule(1), fused=True)

    def _comparing_parameters(self) -> list[nn.Parameter]:
        """Return what sets items apart in their worths."""
        found: list[nn.Parameter] = []
        for critic in self.critics:
            assert isinstance(critic, ItemScorer)
            found += critic.comparing_parameters()
        return found

    def values_taken(self, batch: SlateBatch) -> list[Tensor]:
        """Return what each critic says of what was taken of slates, (B,) each."""
        taken = batch.responses > 0
        if self.takes_one:
            taken = F.one_hot(batch.choices, self.slate_size + 1)[:, :-1].bool()
        seen, slates = batch.observations, batch.slates
        return [SlateWorth.of(critic(seen), slates).expected(taken) for critic in self.critics]

    @torch.no_grad()
    def slow_worths(self, obs: TensorDict, slates: Tensor) -> list[SlateWorth]:
        """Return what slates (B, K) are worth by each slow copy."""
        return [SlateWorth.of(target(obs), slates) for target in self.targets]

    @torch.no_grad()
    def least_gains(self, obs: TensorDict) -> Tensor:
        """Return what each item on offer is worth above nothing by the slow copies, (B, n)."""
        found = [target(obs) for target in self.targets]
        gains = torch.stack([one.of_all() - one.nothing[:, None] for one in found])
        return gains.amin(dim=0)

    def predict_values(self, obs: TensorDict) -> Tensor:
        """Return the value of the state, (B,)."""
        return self.state_values(obs) * self.value_scale

    def state_values(self, obs: TensorDict) -> Tensor:
        """Return V(s) in units of `value_scale`, (B,)."""
        with torch.no_grad():
            nothing = torch.stack([target(obs).nothing for target in self.targets]).amin(dim=0)
        return nothing + self.state_gains(obs)

    def state_gains(self, obs: TensorDict) -> Tensor:
        """Return how far V(s) is above Q(s, nothing), in units of `value_scale`, (B,).

        V is learned as this difference: it varies far less than V itself, the errors of which would
        drown the difference between one slate and another.
        """
        return super().predict_values(obs) / self.value_scale
