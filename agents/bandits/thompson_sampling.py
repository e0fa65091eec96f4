"""ThompsonSampling: slates that are best under parameters drawn from their posterior."""

from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from rlrec.agents.bandits.crossed_features import Crossed
from rlrec.agents.bandits.slate_bandit import SlateBandit
from rlrec.agents.bandits.thompson_sampling_config import ThompsonSamplingConfig
from rlrec.arrays import Ints, Observations


class ThompsonSampling(SlateBandit):
    """Ranks items by the response they would bring under parameters drawn from the posterior.

    `theta ~ N(A^-1 b, s^2 A^-1)` with `A = l I + sum of x x'` and `b = sum of r x` for `linear`
    responses; for `logistic` ones a Laplace approximation, s being 1. One theta is drawn for each
    user and slate. The features x are the products of the user's state and the item's vector, each
    with an entry of 1 (one model for all items), or the state alone (`disjoint`, a model an item).
    Only examined slots teach (`examination`); the past may be forgotten (`forgetting`).

    In `learn` each theta is a draw of its own. The chance of a slate has no closed form then, so
    `act` takes one of `n_draws` thetas, each user any of them with equal chance, and `log_probs`
    states this distribution exactly: where few are drawn or `exploration` is 0, many slates have no
    chance. `predict`, and `act` where `deterministic`, rank by the mean.

    Items are ranked one by one: where users take one item of a slate, items that are alike compete,
    and such slates may bring less than varied, even random ones.

    Args:
        env: Users: a `VecEnv` (such as `rlrec.make_users` returns) or the name of an environment.
            It must observe `last_response`.
        config: Settings.
        item_factors: Shape (N, F). Factors of a collaborative-filtering model; None for none.
        catalogue: The items; by default that of `env`, if it has one.
        seed: Of networks, draws and of `env` too; None leaves `env` with its own seed.
        tensorboard_log: Folder for TensorBoard, or None.
        verbose: As in stable-baselines3.
        device: As in stable-baselines3.

    Reference:
        Agrawal and Goyal, 2013, "Thompson Sampling for Contextual Bandits with Linear Payoffs";
        Chapelle and Li, 2011, "An Empirical Evaluation of Thompson Sampling"; for the finite
        set of draws, Lu and Van Roy, 2017, "Ensemble Sampling".

    Stability: experimental.
    """

    config_class: ClassVar[type[ThompsonSamplingConfig]] = ThompsonSamplingConfig
    config: ThompsonSamplingConfig

    @property
    def n_rankings(self) -> int:
        """Rankings that `act` draws from, all equally likely."""
        return self.config.n_draws

    def _scores(self, crossed: Crossed) -> Tensor:
        parameters = self._drawn_parameters(self.policy.noises)
        return self.policy.scores(crossed, parameters[None])

    @torch.no_grad()
    def _live_slates(self, observations: Observations) -> Ints:
        policy, parts = self.policy, []
        for block in self._blocks(observations):
            crossed = policy.features(block)
            shape = (len(crossed.states), 1, *policy.posterior.mean.shape)
            noises = torch.as_tensor(self._sampler.standard_normal(shape), device=self.device)
            scores = policy.scores(crossed, self._drawn_parameters(noises))[:, 0]
            parts.append(scores.topk(policy.slate_size, dim=1).indices.cpu().numpy())
        return np.concatenate(parts)

    def _drawn_parameters(self, noises: Tensor) -> Tensor:
        spread = self.config.noise if self.config.rewards == "linear" else 1.0
        return self.policy.posterior.drawn(spread * noises)

    def _learn_rows(
        self, models: Tensor, rows: Tensor, responses: Tensor, examined: Tensor
    ) -> None:
        if self.config.rewards == "linear":
            super()._learn_rows(models, rows, responses, examined)
        else:
            chosen = (responses > 0).double()
            self.policy.posterior.see_choices(models, rows, chosen, examined)
