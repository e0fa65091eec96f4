"""SlateBCQ: batch-constrained Q-learning of slates."""

import math
from typing import ClassVar

import torch
from gymnasium import spaces
from stable_baselines3.common.utils import polyak_update
from torch import Tensor
from torch.nn import functional as F

from rlrec.agents.drawing import DrawsSlates
from rlrec.agents.log_and_live import LogAndLiveAgent
from rlrec.agents.networks import ItemKnowledge, ItemScorer, TensorDict
from rlrec.agents.offline.item_value_policy import ItemValuePolicy, ItemValueSettings
from rlrec.agents.offline.slate_bc import mean_of_slots
from rlrec.agents.offline.slate_bcq_config import SlateBCQConfig
from rlrec.agents.plackett_luce import PlackettLuce
from rlrec.agents.replay import SlateBatch


class SlateBCQPolicy(ItemValuePolicy):
    """Values of items, and (`imitator`) which of them the log shows."""

    log_threshold: float

    def _add_networks(
        self, space: spaces.Dict, n_choices: int, items: ItemKnowledge, config: ItemValueSettings
    ) -> None:
        assert isinstance(config, SlateBCQConfig)
        self.log_threshold = math.log(config.threshold) if config.threshold else -math.inf
        sizes = (config.item_size, config.hidden)
        self.imitator = ItemScorer(space, n_choices, items, *sizes, False)

    def likelihoods(self, obs: TensorDict, slates: Tensor) -> Tensor:
        """Return the mean log-probability of the slots of slates (B, K) in the log, (B,)."""
        logits = self.imitator(obs).of_all()
        return mean_of_slots(PlackettLuce(logits, self.slate_size).log_probs(slates))

    @torch.no_grad()
    def allowed(self, obs: TensorDict) -> Tensor:
        """Return which items the log shows often enough, (B, n), K or more for each user."""
        logits = self.imitator(obs).of_all()
        best = logits.topk(self.slate_size, dim=1)
        least = best.values[:, -1:] + self.log_threshold
        allowed: Tensor = (logits > least).scatter(1, best.indices, True)
        return allowed


class SlateBCQ(DrawsSlates, LogAndLiveAgent):  # type: ignore[misc]
    """Batch-constrained Q-learning: the best of the items that the log shows in such situations.

    `Q(s, A) <- r + discount * (1 - left) * max over A' of Q(s', A')`, where slates, here and when
    acting, hold only items with `mu(i | s) / max mu > threshold`. mu are the weights of a
    Plackett-Luce policy that clones the log; the K likeliest items are always allowed, and as any
    of them may stand last, the maximum is that of the K-th. The maximum over slates is chosen by
    the present and valued by the slow copy.

    What is decomposed: Q is the sum of what the items of a slate add, weighted by slot
    (`SlateCritic`), which takes an item to add the same whatever it is shown with; and items are
    allowed one by one, whatever the log shows them with.

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
        Fujimoto, Conti, Ghavamzadeh and Pineau, 2019, "Benchmarking Batch Deep Reinforcement
        Learning Algorithms".

    Stability: experimental.
    """

    config_class: ClassVar[type[SlateBCQConfig]] = SlateBCQConfig
    network: ClassVar[type[SlateBCQPolicy]] = SlateBCQPolicy
    config: SlateBCQConfig
    policy: SlateBCQPolicy

    def _update(self, batch: SlateBatch) -> dict[str, float]:
        policy, config, seen = self.policy, self.config, batch.observations
        following = policy.best_values(batch.next_observations)
        aims = batch.rewards / config.value_scale + batch.next_discounts * following
        value_loss = F.mse_loss(policy.values(seen).of(batch.slates), aims)
        cloning_loss = -policy.likelihoods(seen, batch.slates).mean()
        self._descend(value_loss + cloning_loss)
        polyak_update(policy.values.parameters(), policy.target.parameters(), config.target_rate)
        return {"value_loss": value_loss.item(), "cloning_loss": cloning_loss.item()}
