"""Agents that draw their slates from a Plackett-Luce distribution, as slate policies."""

from collections.abc import Iterator
from typing import Any, Protocol

import numpy as np
import torch
from gymnasium import spaces
from torch import Tensor

from rlrec.agents.networks import TensorDict
from rlrec.agents.plackett_luce import PlackettLuce
from rlrec.agents.serving import blocks_of
from rlrec.arrays import Floats, Ints, Observations
from rlrec.slates import SlateDraw


class SlateNetwork(Protocol):
    """Networks (a policy of stable-baselines3) that say what slates to draw."""

    def distribution(self, obs: TensorDict) -> PlackettLuce:
        """Return the slates that are drawn for each user."""
        ...

    def set_training_mode(self, mode: bool) -> None:
        """As in stable-baselines3."""
        ...


class DrawsSlates:
    """Gives an agent `act` and `log_probs` by the distribution of its `policy`."""

    policy: Any
    """A `SlateNetwork`."""
    observation_space: spaces.Space[Any]
    device: torch.device

    def act(
        self, observations: Observations, rng: np.random.Generator, deterministic: bool = False
    ) -> SlateDraw:
        """Return slates drawn by the actor, or the likeliest item in each slot."""

        def uniforms(shape: tuple[int, ...]) -> Tensor:
            return torch.as_tensor(rng.random(shape, np.float32), device=self.device)

        parts = []
        for slates_of in self._distributions(observations):
            slates = slates_of.mode() if deterministic else slates_of.sample(uniforms)
            log_probs = torch.zeros_like(slates) if deterministic else slates_of.log_probs(slates)
            parts.append((slates.cpu().numpy(), log_probs.cpu().numpy().astype(np.float64)))
        return SlateDraw(*map(np.concatenate, zip(*parts, strict=True)))

    def log_probs(self, observations: Observations, slates: Ints) -> Floats:
        """Return log-probabilities (B, K) given the prefix."""
        shown = torch.as_tensor(slates, device=self.device)
        parts, start = [], 0
        for slates_of in self._distributions(observations):
            stop = start + len(slates_of.logits)
            parts.append(slates_of.log_probs(shown[start:stop]).cpu().numpy())
            start = stop
        return np.concatenate(parts).astype(np.float64)

    @torch.no_grad()
    def _distributions(self, observations: Observations) -> Iterator[PlackettLuce]:
        """Yield what the actor draws from, in double precision, for some users at a time."""
        self.policy.set_training_mode(False)
        for block in blocks_of(observations, self.observation_space, self.device):
            yield self.policy.distribution(block).double()
