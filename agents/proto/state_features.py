"""What is observed of users, as features for the networks of stable-baselines3."""

import torch
from gymnasium import spaces
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor
from torch import Tensor

from rlrec.agents.networks import StateEncoder, TensorDict


class StateFeatures(BaseFeaturesExtractor):
    """Manner, progress and counts of `StateEncoder` in a row; nothing in it is learned.

    Args:
        observation_space: Of users.
        vectors: Shape (N, d). Of the items that histories name; None for fresh documents.
    """

    def __init__(self, observation_space: spaces.Dict, vectors: Tensor | None) -> None:
        state = StateEncoder(observation_space, 0 if vectors is None else vectors.shape[1])
        super().__init__(observation_space, state.manner_size + 2 * state.count_size)
        self.state = state
        kept = None if vectors is None or not state.has_history else vectors.clone()
        self.register_buffer("vectors", kept, persistent=False)
        self.vectors: Tensor | None

    def forward(self, observations: TensorDict) -> Tensor:
        """Return the features (B, n) of users."""
        return torch.cat(self.state(observations, self.vectors), dim=1)
