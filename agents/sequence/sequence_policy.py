"""The networks of DecisionTransformer: what to show for a return of a wanted rank."""

from typing import NamedTuple

import torch
from gymnasium import spaces
from stable_baselines3.common.policies import BasePolicy
from stable_baselines3.common.type_aliases import PyTorchObs, Schedule
from torch import Tensor, nn

from rlrec.agents.networks import ItemEncoder, ItemKnowledge, ItemVectors, StateEncoder, TensorDict
from rlrec.agents.plackett_luce import PlackettLuce
from rlrec.agents.sequence.causal_transformer import CausalTransformer
from rlrec.agents.sequence.decision_transformer_config import DecisionTransformerConfig
from rlrec.agents.sequence.return_quantiles import ReturnQuantiles


class Read(NamedTuple):
    """What the transformer says of B users."""

    quantiles: Tensor
    """Shape (B, L). Of the return, whatever is wanted."""
    slates: PlackettLuce
    """What is shown for a return of the wanted rank."""


class SequencePolicy(BasePolicy):
    """Reads a user's history, the state and the wanted return, as one sequence of tokens.

    The tokens are the last items responded to, each with its responses, oldest first; then the
    state; then the rank of the return. Quantiles of the return are read at the state, so they do
    not know what is wanted; the logits f . g(item) + bias(item) are read at the end.

    All items start equal, so that an untrained agent shows random slates.

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
        config: DecisionTransformerConfig,
    ) -> None:
        super().__init__(observation_space, action_space)
        self.slate_size, self.rank = len(action_space.nvec), config.quantile
        width, n_choices = config.width, int(action_space.nvec[0])
        self.items = ItemEncoder(observation_space, n_choices, items, config.item_size)
        self.state = StateEncoder(observation_space, config.item_size)
        self.n_past = self._history_length(observation_space, config.context_length)
        responses = observation_space.spaces.get("history_responses") if self.n_past else None
        n_channels = 0 if responses is None else int((responses.shape or (0,))[-1])
        self.from_item = nn.Linear(config.item_size + n_channels, width)
        self.from_state = nn.Linear(self.state.manner_size + self.state.count_size, width)
        self.from_rank = nn.Linear(1, width)
        self.places = nn.Parameter(0.02 * torch.randn(self.n_past + 2, width))
        self.transformer = CausalTransformer(width, config.n_layers, config.n_heads, config.dropout)
        self.quantiles = ReturnQuantiles(width, config.value_scale)
        self.query = nn.Linear(width, config.item_size)
        self.item_bias = nn.Linear(config.item_size, 1)
        for parameter in (*self.query.parameters(), *self.item_bias.parameters()):
            nn.init.zeros_(parameter)
        self.optimizer = torch.optim.Adam(self.parameters(), lr=lr_schedule(1), fused=True)

    def _history_length(self, space: spaces.Dict, context_length: int) -> int:
        if not self.state.has_history:
            return 0
        return min(context_length, int((space["history_items"].shape or (0,))[0]))

    def forward(self, obs: TensorDict, deterministic: bool = False) -> Tensor:
        """Return slates (B, K)."""
        return self._predict(obs, deterministic)

    def distribution(self, obs: TensorDict, rank: float | None = None) -> PlackettLuce:
        """Return what to show each user for a return of the given rank, by default `self.rank`."""
        some = next(iter(obs.values()))
        wanted = self.rank if rank is None else rank
        return self.read(obs, torch.full((len(some),), wanted, device=some.device)).slates

    def read(self, obs: TensorDict, ranks: Tensor) -> Read:
        """Return quantiles of the return, and what is shown for one of the given ranks (B,)."""
        items = self.items(obs)
        tokens, is_there = self._known(obs, items)
        wanted = self.from_rank(2.0 * ranks[:, None, None] - 1.0)
        end = torch.ones_like(is_there[:, :1])
        inner = self._transformed(torch.cat([tokens, wanted], 1), torch.cat([is_there, end], 1))
        slates = PlackettLuce(self._logits(inner[:, -1], items.offered), self.slate_size)
        return Read(self.quantiles(inner[:, -2]), slates)

    def return_quantiles(self, obs: TensorDict) -> Tensor:
        """Return quantiles of the return (B, L), for which nothing need be wanted."""
        inner = self._transformed(*self._known(obs, self.items(obs)))
        quantiles: Tensor = self.quantiles(inner[:, -1])
        return quantiles

    def _known(self, obs: TensorDict, items: ItemVectors) -> tuple[Tensor, Tensor]:
        """Return the tokens of what is known of users, and which of them are there."""
        state = self.state(obs, items.catalogue)
        token = self.from_state(torch.cat([state.manner, state.progress], dim=1))[:, None]
        is_there = torch.ones(token.shape[:2], dtype=torch.bool, device=token.device)
        if not self.n_past:
            return token, is_there
        assert items.catalogue is not None
        past = obs["history_items"][:, -self.n_past :].long()  # 0 for nothing, else the item + 1
        parts = [items.catalogue[(past - 1).clamp(min=0)]]
        if "history_responses" in obs:
            parts.append(obs["history_responses"][:, -self.n_past :].float())
        tokens = torch.cat([self.from_item(torch.cat(parts, dim=2)), token], dim=1)
        return tokens, torch.cat([past > 0, is_there], dim=1)

    def _transformed(self, tokens: Tensor, is_there: Tensor) -> Tensor:
        inner: Tensor = self.transformer(tokens + self.places[: tokens.shape[1]], is_there)
        return inner

    def _logits(self, inner: Tensor, offered: Tensor) -> Tensor:
        query, bias = self.query(inner), self.item_bias(offered)[..., 0]
        scores = query @ offered.T if offered.dim() == 2 else (offered @ query[:, :, None])[..., 0]
        logits: Tensor = scores + bias
        return logits

    def _predict(self, observation: PyTorchObs, deterministic: bool = False) -> Tensor:
        assert isinstance(observation, dict)
        slates_of = self.distribution(observation)
        return slates_of.mode() if deterministic else slates_of.sample()
