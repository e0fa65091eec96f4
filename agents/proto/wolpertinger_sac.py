"""WolpertingerSAC: soft actor-critic over proto-actions."""

from typing import Any, ClassVar

from stable_baselines3 import SAC
from stable_baselines3.common.policies import BasePolicy
from stable_baselines3.sac.policies import MultiInputPolicy
from torch import Tensor

from rlrec.agents.networks import TensorDict
from rlrec.agents.proto.entropy_weight import KeepsEntropyWeight
from rlrec.agents.proto.proto_decoder import least_value
from rlrec.agents.proto.wolpertinger import Wolpertinger
from rlrec.agents.proto.wolpertinger_config import WolpertingerSACConfig


class WolpertingerSAC(KeepsEntropyWeight, Wolpertinger, SAC):  # type: ignore[misc]
    """Soft actor-critic over vectors near which items lie.

    The actor draws a proto a from pi(s), which shows the slate A of the nearest items, of mean
    vector (or, slot by slot, vectors) e(A). The critics learn from what was shown,
    `Q(s, e(A)) <- r + discount * (1 - left) * (min Q_slow(s', e(A')) - w log pi(a' | s'))`, and the
    actor raises `(Q(s, a) - w log pi(a | s)) / mean size - pull * |a - e(A(a))|^2`. The weight w of
    the entropy is adapted to a target. In `pretrain` the actor is also held to
    `cloning_weight * |a - e(A)|^2` of the logged slates. What is shown in earnest are the slates of
    the mean proto, with a share of random ones.

    Items that the vectors do not tell apart are shown by the lower index, and in more than 1,024
    items the nearest are looked for in a tree, which misses some.

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
        Haarnoja et al., 2018, "Soft Actor-Critic Algorithms and Applications".

    Stability: experimental.
    """

    config_class: ClassVar[type[WolpertingerSACConfig]] = WolpertingerSACConfig
    kept: ClassVar[tuple[str, ...]] = (
        "n_pretraining_updates",
        "num_timesteps",
        "log_entropy_weight",
    )
    network: ClassVar[type[BasePolicy]] = MultiInputPolicy
    config: WolpertingerSACConfig

    def _algorithm_settings(self, users: Any) -> dict[str, Any]:
        return {
            **super()._algorithm_settings(users),
            "ent_coef": f"auto_{self.config.entropy}",
            "target_entropy": self.config.target_entropy * self.decoder.proto_size,
        }

    def _protos(self, observations: TensorDict) -> Tensor:
        protos: Tensor = self.actor(observations, deterministic=True)
        return protos

    def _varied_protos(self, observations: TensorDict) -> Tensor:
        protos: Tensor = self.actor(observations)
        return protos

    def _next_protos(self, observations: TensorDict) -> tuple[Tensor, Tensor]:
        protos, log_probs = self.actor.action_log_prob(observations)
        return protos, -self.entropy_weight * log_probs

    def _improve_actor(self, observations: TensorDict, executed: Tensor, cloning: float) -> None:
        protos, log_probs = self.actor.action_log_prob(observations)
        gains = least_value(self.critic, observations, protos) - self.entropy_weight * log_probs
        self._step_actor(observations, protos, gains, executed, cloning)
        self._adapt_entropy_weight(log_probs.detach())

    def _adapt_entropy_weight(self, log_probs: Tensor) -> None:
        assert self.log_ent_coef is not None and self.ent_coef_optimizer is not None
        missing = (log_probs + float(self.target_entropy)).mean()
        loss = -(self.log_ent_coef * missing).sum()
        self.ent_coef_optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self.ent_coef_optimizer.step()
