"""SlateBC: behaviour cloning of slates."""

from typing import Any, ClassVar, NoReturn

import torch
from gymnasium import spaces
from stable_baselines3.common.type_aliases import Schedule
from torch import Tensor

from rlrec.agents.drawing import DrawsSlates
from rlrec.agents.log_and_live import LogAndLiveAgent
from rlrec.agents.networks import ItemKnowledge, TensorDict
from rlrec.agents.offline.slate_bc_config import SlateBCConfig
from rlrec.agents.replay import LoggedTransitions
from rlrec.agents.slate_actor_critic import SlateActorCritic
from rlrec.errors import ConfigError


class SlateBCPolicy(SlateActorCritic):
    """The actor of SlateBC; its critic is not trained."""

    def __init__(
        self,
        observation_space: spaces.Dict,
        action_space: spaces.MultiDiscrete,
        lr_schedule: Schedule,
        items: ItemKnowledge,
        config: SlateBCConfig,
    ) -> None:
        super().__init__(
            observation_space,
            action_space,
            lr_schedule,
            items,
            config.item_size,
            config.hidden,
            config.value_scale,
        )

    def likelihoods(self, obs: TensorDict, slates: Tensor) -> Tensor:
        """Return the mean log-probability of the slots of slates (B, K), (B,)."""
        return mean_of_slots(self.distribution(obs).log_probs(slates))


class SlateBC(DrawsSlates, LogAndLiveAgent):  # type: ignore[misc]
    """Behaviour cloning: shows what the log showed in such situations.

    Maximises the mean over logged slates of `log pi(A | s) = sum over k of log pi(a_k | s, above)`,
    pi being Plackett-Luce over the items. With `cloned_share` below 1 only the visits of the
    highest return are imitated, which is a simple way to do better than the log where good visits
    are good by choice rather than by luck.

    The floor of all learning from logs: an agent that is worse has learned nothing from rewards. It
    is made by `pretrain` alone.

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
        Pomerleau, 1991, "Efficient Training of Artificial Neural Networks for Autonomous
        Navigation"; Plackett, 1975, "The Analysis of Permutations".

    Stability: experimental.
    """

    learns_live: ClassVar[bool] = False
    config_class: ClassVar[type[SlateBCConfig]] = SlateBCConfig
    network: ClassVar[type[SlateBCPolicy]] = SlateBCPolicy
    config: SlateBCConfig
    policy: SlateBCPolicy

    def learn(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Not for an agent that imitates.

        Raises:
            ConfigError: Always.
        """
        raise ConfigError(
            "SlateBC imitates a log and has nothing to learn by interaction; pretrain SlateIQL or "
            "SlatePPO on the same log and call its `learn`"
        )

    def _learn_from(self, logged: LoggedTransitions, n_steps: int | None) -> None:
        share = self.config.cloned_share
        batch = logged.sample_returns(self.config.batch_size, self._sampler, share)
        self._descend(-self.policy.likelihoods(batch.observations, batch.slates).mean())


def mean_of_slots(log_probs: Tensor) -> Tensor:
    """Return the mean log-probability of the slots (B, K) without those that repeat an item."""
    shown = log_probs.isfinite()
    return torch.where(shown, log_probs, 0.0).sum(dim=1) / shown.sum(dim=1)
