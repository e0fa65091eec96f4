"""The networks of SlateIQL."""

import copy

import torch
from gymnasium import spaces
from stable_baselines3.common.type_aliases import Schedule
from torch import Tensor, nn

from rlrec.agents.networks import ItemKnowledge, TensorDict
from rlrec.agents.offline.slate_critic import SlateCritic
from rlrec.agents.offline.slate_iql_config import SlateIQLConfig
from rlrec.agents.slate_actor_critic import SlateActorCritic


class SlateIQLPolicy(SlateActorCritic):
    """Actor, V (the critic) and values of slates with their slow copies."""

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
        self.critics = nn.ModuleList(
            SlateCritic(
                observation_space,
                n_choices,
                self.slate_size,
                items,
                *sizes,
                has_offsets=config.topic_aware,
            )
            for _ in range(config.n_critics)
        )
        self.targets = copy.deepcopy(self.critics).requires_grad_(False)
        learned = [parameter for parameter in self.parameters() if parameter.requires_grad]
        self.optimizer = torch.optim.Adam(learned, lr=lr_schedule(1), fused=True)

    def state_values(self, obs: TensorDict) -> Tensor:
        """Return V(s) in units of `value_scale`, (B,)."""
        return self.predict_values(obs) / self.value_scale

    def slate_values(self, obs: TensorDict, slates: Tensor) -> list[Tensor]:
        """Return Q(s, A) of each critic in units of `value_scale`, (B,) each."""
        return [critic(obs).of(slates) for critic in self.critics]

    @torch.no_grad()
    def least_values(self, obs: TensorDict, slates: Tensor) -> Tensor:
        """Return the least Q(s, A) of the slow copies in units of `value_scale`, (B,)."""
        return torch.stack([target(obs).of(slates) for target in self.targets]).amin(dim=0)
