"""The networks of TopKReinforce: an actor, a critic, and a model of who logged."""

from typing import Any

import torch
from gymnasium import spaces
from stable_baselines3.common.type_aliases import Schedule
from torch import Tensor, nn

from rlrec.agents.networks import ItemEncoder, ItemKnowledge, TensorDict
from rlrec.agents.plackett_luce import PlackettLuce
from rlrec.agents.slate_actor_critic import SlateActorCritic


class TopKPolicy(SlateActorCritic):
    """`SlateActorCritic` with a head that imitates the logging policy.

    The head reads the state of the actor's last hidden layer, but does not pull at it, and has item
    vectors of its own: fitting it leaves the actor as it is.

    Args:
        observation_space: Of users.
        action_space: Slates.
        lr_schedule: Step size of Adam.
        items: What is known of the items.
        item_size: Length of an item's vector.
        hidden: Width of the hidden layers.
        value_scale: Unit of the values.
    """

    def __init__(
        self,
        observation_space: spaces.Dict,
        action_space: spaces.MultiDiscrete,
        lr_schedule: Schedule,
        items: ItemKnowledge,
        item_size: int,
        hidden: int,
        value_scale: float,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            observation_space,
            action_space,
            lr_schedule,
            items,
            item_size,
            hidden,
            value_scale,
            **kwargs,
        )
        self.logging_head = LoggingHead(observation_space, action_space, items, item_size, hidden)
        self.optimizer = torch.optim.Adam(
            self.parameters(), lr=lr_schedule(1), eps=1e-5, fused=True
        )

    def logging_distribution(self, obs: TensorDict) -> PlackettLuce:
        """Return what the logging policy is thought to show each user."""
        with torch.no_grad():
            state = self.actor.state(obs, self.actor.items(obs).catalogue)
            inner = self.actor.query[:-1](state.manner)
        return PlackettLuce(self.logging_head(obs, inner), self.slate_size)


class LoggingHead(nn.Module):
    """Logits of what a logging policy shows, from the inner state of another network."""

    def __init__(
        self,
        space: spaces.Dict,
        action_space: spaces.MultiDiscrete,
        items: ItemKnowledge,
        item_size: int,
        hidden: int,
    ) -> None:
        super().__init__()
        self.items = ItemEncoder(space, int(action_space.nvec[0]), items, item_size)
        self.query = nn.Sequential(
            nn.Linear(hidden, hidden), nn.ReLU(), nn.Linear(hidden, item_size)
        )
        self.bias = nn.Linear(item_size, 1)
        for parameter in (*self.query[-1].parameters(), *self.bias.parameters()):
            nn.init.zeros_(parameter)  # it starts with the belief in random slates

    def forward(self, obs: TensorDict, inner: Tensor) -> Tensor:
        """Return logits (B, n) from the inner state (B, hidden)."""
        offered = self.items(obs).offered
        bias = self.bias(offered)[..., 0]
        query = self.query(inner)
        per_user = offered.dim() == 3
        scores = (offered @ query[:, :, None])[..., 0] if per_user else query @ offered.T
        logits: Tensor = scores + bias
        return logits
