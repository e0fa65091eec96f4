"""SlatePPO: proximal policy optimisation of slates drawn without repeats."""

from typing import Any, ClassVar

import torch
from stable_baselines3 import PPO
from torch import Tensor

from rlrec.agents.on_policy.slate_on_policy import MOST_LOG_RATIO, SlateOnPolicy, Told, log_ratio
from rlrec.agents.on_policy.slate_ppo_config import SlatePPOConfig
from rlrec.agents.slate_actor_critic import Judged
from rlrec.agents.slate_rollouts import SlateRollout, parts


class SlatePPO(SlateOnPolicy, PPO):  # type: ignore[misc]
    """Proximal policy optimisation with a Plackett-Luce head over the items.

    Slates are drawn item by item without repeats, so the likelihood of a slate is exact, unlike
    with independent slots (a MultiDiscrete head), which show items twice. The clipped objective is
    `min(r A, clip(r, 1 - c, 1 + c) A)` with r the ratio of a slot given those above it, or of the
    slate; A is the generalised advantage, if asked for less what other slots brought (`credit`).
    Once the policy has left the neighbourhood of the one that acted, no further step follows.

    `pretrain` imitates the slates of a log (or of its best part) and learns values from its
    returns; `learn` then can hold the actor still at first and keep it on a leash to the pretrained
    one, `leash * KL`, its weight adapted to a budget.

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
        Schulman, Wolski, Dhariwal, Radford and Klimov, 2017, "Proximal Policy Optimization
        Algorithms"; Plackett, 1975, "The Analysis of Permutations".

    Stability: experimental.
    """

    config_class: ClassVar[type[SlatePPOConfig]] = SlatePPOConfig
    config: SlatePPOConfig

    def _algorithm_settings(self, users: Any) -> dict[str, Any]:
        shared = super()._algorithm_settings(users)
        return {
            **shared,
            # Updates here take parts of `config.batch_size`.
            "batch_size": shared["n_steps"] * getattr(users, "num_envs", 1),
            "n_epochs": self.config.n_epochs,
            "clip_range": self.config.clip,
            "target_kl": self.config.stop_kl,
        }

    def train(self) -> None:
        """Do updates on the transitions of a round (called by `learn`)."""
        whole = self._begin_round()
        credits = self._credits(whole)
        is_frozen = self._is_frozen()
        told: list[Told] = []
        for _ in range(self.n_epochs):
            for rows, batch in parts(whole, self.config.batch_size, self._sampler):
                loss, tells = self._loss(batch, credits[rows], is_frozen)
                told.append(tells)
                if tells.divergence > self.config.stop_kl:
                    break  # the step that went too far is not followed by another
                self._step(loss)
                self._n_updates += 1
            else:
                continue
            break
        self._end_round(told)

    def _objective(self, judged: Judged, batch: SlateRollout, credits: Tensor) -> Tensor:
        """Return the clipped objective, to be made small."""
        change = log_ratio(judged, batch)
        if self.config.clipping == "slate":
            total = change.sum(dim=1, keepdim=True).clamp(-MOST_LOG_RATIO, MOST_LOG_RATIO)
            change, credits = total, credits.mean(dim=1, keepdim=True)
        ratio, clip = change.exp(), self.config.clip
        clipped = ratio.clamp(1.0 - clip, 1.0 + clip)
        return -torch.minimum(ratio * credits, clipped * credits).mean()
