"""WolpertingerTD3: twin delayed deterministic policy gradients over proto-actions."""

from typing import Any, ClassVar

import numpy as np
import torch
from stable_baselines3 import TD3
from stable_baselines3.common.policies import BasePolicy
from stable_baselines3.common.utils import polyak_update
from stable_baselines3.td3.policies import MultiInputPolicy
from torch import Tensor

from rlrec.agents.networks import TensorDict
from rlrec.agents.proto.proto_decoder import least_value
from rlrec.agents.proto.wolpertinger import Wolpertinger
from rlrec.agents.proto.wolpertinger_config import WolpertingerTD3Config


class WolpertingerTD3(Wolpertinger, TD3):  # type: ignore[misc]
    """Twin delayed deterministic policy gradients over vectors near which items lie.

    The actor gives a proto `a(s)`, which shows the slate A of the nearest items, of mean vector
    (or, slot by slot, vectors) e(A). The critics learn from what was shown,
    `Q(s, e(A)) <- r + discount * (1 - left) * min Q_slow(s', e(A'))` with A' what the slow actor's
    proto plus a clipped noise shows, and the actor raises
    `Q(s, a(s)) / mean |Q| - pull * |a(s) - e(A(s))|^2`.

    `pretrain` is TD3+BC on protos: the actor is also held to `cloning_weight * |a(s) - e(A)|^2` of
    the logged slates. Items that the vectors do not tell apart are shown by the lower index, and in
    more than 1,024 items the nearest are looked for in a tree, which misses some.

    Args:
        env: Users: a `VecEnv` (such as `rlrec.make_users` returns) or the name of an environment.
            It must observe `last_response`.
        config: Settings.
        item_factors: Shape (N, F). Factors of a collaborative-filtering model, whose directions
            then are the vectors; by default they are features and topics.
        catalogue: The items; by default that of `env`, if it has one.
        seed: Of networks, exploration and sampling, and as in stable-baselines3 of `env` too; None
            leaves `env` with its own seed and draws the rest anew.
        tensorboard_log: Folder for TensorBoard, or None.
        verbose: As in stable-baselines3.
        device: As in stable-baselines3.

    Reference:
        Dulac-Arnold et al., 2015, "Deep Reinforcement Learning in Large Discrete Action Spaces";
        Fujimoto, van Hoof and Meger, 2018, "Addressing Function Approximation Error in Actor-Critic
        Methods"; Fujimoto and Gu, 2021, "A Minimalist Approach to Offline Reinforcement Learning".

    Stability: experimental.
    """

    config_class: ClassVar[type[WolpertingerTD3Config]] = WolpertingerTD3Config
    network: ClassVar[type[BasePolicy]] = MultiInputPolicy
    config: WolpertingerTD3Config

    def _algorithm_settings(self, users: Any) -> dict[str, Any]:
        return {
            **super()._algorithm_settings(users),
            "policy_delay": self.config.policy_delay,
            "target_policy_noise": self.config.target_noise,
            "target_noise_clip": self.config.target_noise_clip,
        }

    def optimizers(self) -> dict[str, torch.optim.Optimizer]:
        """Return the optimisers of actor and critics."""
        return {
            "actor_optimizer": self.actor.optimizer,
            "critic_optimizer": self.critic.optimizer,
        }

    def _protos(self, observations: TensorDict) -> Tensor:
        protos: Tensor = self.actor(observations)
        return protos

    def _varied_protos(self, observations: TensorDict) -> Tensor:
        return self._noisy(self._protos(observations), self.config.proto_noise)

    def _next_protos(self, observations: TensorDict) -> tuple[Tensor, Tensor]:
        config = self.config
        protos: Tensor = self.actor_target(observations)
        varied = self._noisy(protos, config.target_noise, config.target_noise_clip)
        return varied, torch.zeros_like(protos[:, 0])

    def _noisy(self, protos: Tensor, scale: float, most: float = 1.0) -> Tensor:
        noise = self._sampler.standard_normal(tuple(protos.shape), np.float32) * scale
        added = torch.as_tensor(noise, device=protos.device).clamp(-most, most)
        return (protos + added).clamp(-1.0, 1.0)

    def _improve_actor(self, observations: TensorDict, executed: Tensor, cloning: float) -> None:
        if (self.n_pretraining_updates + self._n_updates) % self.policy_delay:
            return
        protos = self._protos(observations)
        values = least_value(self.critic, observations, protos)
        self._step_actor(observations, protos, values, executed, cloning)
        polyak_update(
            self.actor.parameters(), self.actor_target.parameters(), self.config.target_rate
        )
