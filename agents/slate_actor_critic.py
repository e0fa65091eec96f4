"""An actor that draws slates without repeats, and a critic, for on-policy agents."""

from typing import NamedTuple

import torch
from gymnasium import spaces
from stable_baselines3.common.policies import BasePolicy
from stable_baselines3.common.type_aliases import PyTorchObs, Schedule
from torch import Tensor, nn

from rlrec.agents.networks import (
    ItemKnowledge,
    ItemScorer,
    StateEncoder,
    TensorDict,
)
from rlrec.agents.plackett_luce import PlackettLuce
from rlrec.agents.topic_offsets import known_topic_offsets


class Judged(NamedTuple):
    """What actor and critic say of slates that were shown to B users."""

    log_probs: Tensor
    """Shape (B, K). Of each slot given those above."""
    entropy: Tensor
    """Shape (B, K). Of each slot given those above."""
    values: Tensor
    """Shape (B,). Of the state, in units of reward."""
    responses: Tensor
    """Shape (B, K). Expected response in each slot."""


class SlateActorCritic(BasePolicy):
    """Plackett-Luce slates by logits f(state) . g(item) + bias(item), and the value of the state.

    Where the items of a catalogue have topics, `TopicOffsets` adds how many of each topic a slate
    should hold.

    All items start equal, so that an untrained actor shows random slates (of many topics, with
    `topic_spread`). The critic reads the
    state with a network of its own; of the actor's it only uses the item vectors that histories are
    read with, and does not pull at them.

    Args:
        observation_space: Of users.
        action_space: Slates.
        lr_schedule: Step size of Adam.
        items: What is known of the items.
        item_size: Length of an item's vector.
        hidden: Width of the hidden layers.
        value_scale: Unit of the values.
        topic_spread: Variety that an untrained actor asks for, as `spread` of `TopicOffsets`.
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
        topic_spread: float = 0.0,
        use_sde: bool = False,
    ) -> None:
        super().__init__(observation_space, action_space)
        self.slate_size = len(action_space.nvec)
        self.value_scale = value_scale
        n_choices = int(action_space.nvec[0])
        self.actor = ItemScorer(observation_space, n_choices, items, item_size, hidden, False)
        self.offsets = known_topic_offsets(observation_space, items, self.slate_size, topic_spread)
        self.critic = Critic(observation_space, item_size, hidden, self.slate_size)
        self.optimizer = torch.optim.Adam(
            self.parameters(), lr=lr_schedule(1), eps=1e-5, fused=True
        )

    def forward(
        self, obs: TensorDict, deterministic: bool = False
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return slates (B, K), values (B,) and log-probabilities (B, K)."""
        slates_of = self.distribution(obs)
        slates = slates_of.mode() if deterministic else slates_of.sample()
        return slates, self.predict_values(obs), slates_of.log_probs(slates)

    def distribution(self, obs: TensorDict) -> PlackettLuce:
        """Return the slates that the actor draws for each user."""
        logits = self.actor(obs).of_all()
        if self.offsets is None:
            return PlackettLuce(logits, self.slate_size)
        return PlackettLuce(logits, self.slate_size, self.offsets.groups, self.offsets(obs))

    def judge(self, obs: TensorDict, slates: Tensor) -> Judged:
        """Return what actor and critic say of slates (B, K)."""
        log_probs, entropy = self.distribution(obs).log_probs_and_entropy(slates)
        values, responses = self.critic(obs, self._history_items(obs))
        return Judged(log_probs, entropy, values * self.value_scale, responses)

    def predict_values(self, obs: TensorDict) -> Tensor:
        """Return the value of the state, (B,)."""
        values: Tensor = self.critic(obs, self._history_items(obs))[0]
        return values * self.value_scale

    def _history_items(self, obs: TensorDict) -> Tensor | None:
        with torch.no_grad():
            vectors: Tensor | None = self.actor.items(obs).catalogue
            return vectors

    def _predict(self, observation: PyTorchObs, deterministic: bool = False) -> Tensor:
        assert isinstance(observation, dict)
        slates_of = self.distribution(observation)
        return slates_of.mode() if deterministic else slates_of.sample()


class Critic(nn.Module):
    """Value of the state, and the response expected in each slot."""

    def __init__(self, space: spaces.Dict, item_size: int, hidden: int, slate_size: int) -> None:
        super().__init__()
        self.state = StateEncoder(space, item_size)
        sizes = (self.state.manner_size, self.state.count_size)
        self.trunk = nn.Sequential(
            nn.Linear(sum(sizes), hidden), nn.ReLU(), nn.Linear(hidden, hidden), nn.ReLU()
        )
        self.value = nn.Linear(hidden, 1)
        self.linear_value = nn.Linear(sizes[1], 1) if sizes[1] else None
        self.responses = nn.Linear(hidden, slate_size)

    def forward(self, obs: TensorDict, items: Tensor | None) -> tuple[Tensor, Tensor]:
        """Return values (B,), in units of `value_scale`, and responses (B, K)."""
        state = self.state(obs, items)
        inner = self.trunk(torch.cat([state.manner, state.progress], dim=1))
        value = self.value(inner)[:, 0]
        if self.linear_value is not None:
            value = value + self.linear_value(state.counts)[:, 0]
        return value, self.responses(inner)
