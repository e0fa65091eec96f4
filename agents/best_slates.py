"""Agents that show their best slate, and now and then a random one, as slate policies."""

from abc import abstractmethod
from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from torch import Tensor

from rlrec.agents.networks import TensorDict
from rlrec.agents.serving import blocks_of
from rlrec.arrays import Floats, Ints, Observations
from rlrec.policy import RandomPolicy
from rlrec.slates import SlateDraw, given_prefix


class ShowsBestSlates:
    """Gives an agent `act` and `log_probs` by its best slate for each user.

    Except when deterministic, a share of random slates is mixed in, so that every slate has a
    propensity, which is exact.
    """

    config: Any
    policy: Any
    observation_space: spaces.Space[Any]
    slate_space: Any
    device: torch.device

    @property
    def random_share(self) -> float:
        """Share of random slates in what is drawn."""
        share: float = self.config.exploration
        return share

    @abstractmethod
    def best_slates(self, observations: TensorDict) -> Tensor:
        """Return the agent's best slates (B, K)."""

    def act(
        self, observations: Observations, rng: np.random.Generator, deterministic: bool = False
    ) -> SlateDraw:
        """Return the best slates; unless `deterministic`, a share of random ones."""
        slates = self._best(observations)
        if deterministic:
            return SlateDraw(slates, np.zeros(slates.shape))
        explores = rng.random(len(slates)) < self.random_share
        random = self._random().act(observations, rng).slates
        slates = np.where(explores[:, None], random, slates)
        return SlateDraw(slates, self.log_probs(observations, slates))

    def log_probs(self, observations: Observations, slates: Ints) -> Floats:
        """Return log-probabilities (B, K) given the prefix of the mixture that `act` draws from."""
        share = self.random_share
        follows = np.logical_and.accumulate(slates == self._best(observations), axis=1)
        uniform = np.cumsum(self._random().log_probs(observations, slates), axis=1)
        with np.errstate(divide="ignore"):  # a share of 0 or 1
            joint = np.logaddexp(np.log((1.0 - share) * follows), np.log(share) + uniform)
        return given_prefix(joint)

    def _random(self) -> RandomPolicy:
        sizes = self.slate_space.nvec
        return RandomPolicy(int(sizes[0]), len(sizes))

    def _best(self, observations: Observations) -> Ints:
        self.policy.set_training_mode(False)
        parts = []
        for block in blocks_of(observations, self.observation_space, self.device):
            with torch.no_grad():
                parts.append(self.best_slates(block).cpu().numpy())
        return np.concatenate(parts)
