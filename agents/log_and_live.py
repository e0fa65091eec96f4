"""What agents have in common that learn from a log first and from interaction beside it later."""

from typing import Any, ClassVar, Self

import numpy as np
import torch
from gymnasium import spaces
from numpy.typing import NDArray
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.noise import ActionNoise
from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm

from rlrec.agents.log_memory import RemembersLog
from rlrec.agents.replay import LoggedTransitions, SlateBatch, SlateReplayBuffer
from rlrec.agents.slate_agent import Progress, SlateAgent, pace
from rlrec.data.log import InteractionLog


class LogAndLiveAgent(RemembersLog, SlateAgent, OffPolicyAlgorithm):  # type: ignore[misc]
    """Learns off policy: `pretrain` from a log alone, `learn` from transitions of both kinds.

    An agent says what its networks are made with (`_network_settings`), what one update does
    (`_update`), and how it acts, by `DrawsSlates` or `ShowsBestSlates`.

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
    """

    config_class: ClassVar[type[Any]]
    config: Any
    policy: Any
    """Settings: those of `LogAndLiveConfig`, as far as the agent has a use for them."""

    def _algorithm_settings(self, users: Any) -> dict[str, Any]:
        config = self.config
        return {
            "learning_rate": config.learning_rate,
            "buffer_size": config.buffer_size,
            "learning_starts": config.learning_starts,
            "batch_size": config.batch_size,
            "gamma": config.discount,
            **pace(getattr(users, "num_envs", 1), config.updates_per_transition),
            "replay_buffer_class": SlateReplayBuffer,
            "replay_buffer_kwargs": {"discount": config.discount, "n_steps": self._n_steps},
            "policy_kwargs": self._network_settings(users),
            "support_multi_env": True,
            "sde_support": False,
            "supported_action_spaces": (spaces.MultiDiscrete,),
        }

    def _network_settings(self, env: Any) -> dict[str, Any]:
        """Return what `network` is made with."""
        return {"items": self.items, "config": self.config}

    def _setup_learn(self, *args: Any, **kwargs: Any) -> tuple[int, BaseCallback]:
        """End the visits in the replay buffer where `learn` is about to start new ones."""
        resets = args[2] if len(args) > 2 else kwargs.get("reset_num_timesteps", True)
        if (resets or self._last_obs is None) and isinstance(self.replay_buffer, SlateReplayBuffer):
            self.replay_buffer.cut_off()
        return super()._setup_learn(*args, **kwargs)

    def pretrain(
        self, log: InteractionLog, n_updates: int = 10_000, *, progress: Progress | None = None
    ) -> Self:
        """Learn from a log alone, before `learn`.

        Args:
            log: Slates with responses, rewards and ends, from users like those of `env`.
            n_updates: Updates with `batch_size` logged transitions each.
            progress: Called with the updates done and `n_updates`.

        Returns:
            This agent.

        Raises:
            CatalogueMismatchError: The log belongs to another catalogue.
            LogFormatError: The log lacks what the agent observes.
        """
        logged = self.remember(log)
        self.policy.set_training_mode(True)
        n_warmup = round(n_updates * self.config.warmup_share)
        for update in range(n_updates):
            self._set_rate(1.0 - 0.9 * update / n_updates)
            self._learn_from(logged, None if update < n_warmup else 1)
            if progress is not None and (update + 1) % 100 == 0:
                progress(update + 1, n_updates)
        self.n_pretraining_updates += n_updates
        return self

    def train(self, gradient_steps: int, batch_size: int = 64) -> None:
        """Do updates on transitions from interaction and from the log (called by `learn`)."""
        self.policy.set_training_mode(True)
        self._set_rate(self.config.finetuning_rate if self.n_pretraining_updates else 1.0)
        told = [self._update(self._sample(batch_size)) for _ in range(gradient_steps)]
        self._n_updates += gradient_steps
        self.logger.record("train/n_updates", self._n_updates, exclude="tensorboard")
        for name in told[0]:
            self.logger.record(f"train/{name}", float(np.mean([losses[name] for losses in told])))

    def _learn_from(self, logged: LoggedTransitions, n_steps: int | None) -> None:
        """Do one update of `pretrain`, on transitions of `n_steps` steps; None for all."""
        self._update(logged.sample(self.config.batch_size, self._sampler, n_steps))

    def _update(self, batch: SlateBatch) -> dict[str, float]:
        """Do one step on all losses, and return them by name."""
        raise NotImplementedError

    def _sample_action(
        self, learning_starts: int, action_noise: ActionNoise | None = None, n_envs: int = 1
    ) -> tuple[NDArray[Any], NDArray[Any]]:
        """Show each user a slate that the agent draws."""
        assert isinstance(self._last_obs, dict)
        slates = self.act(self._last_obs, self._sampler).slates
        return slates, slates

    def _set_rate(self, share: float) -> None:
        for group in self.policy.optimizer.param_groups:
            group["lr"] = self.config.learning_rate * group.get("share", 1.0) * share

    def _descend(self, loss: torch.Tensor) -> None:
        self.policy.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self.policy.optimizer.step()
