"""What agents that act by proto-actions have in common, whatever algorithm trains them."""

from abc import abstractmethod
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from stable_baselines3.common.noise import ActionNoise
from stable_baselines3.common.policies import ContinuousCritic
from stable_baselines3.common.utils import polyak_update
from torch import Tensor
from torch.nn import functional as F

from rlrec.agents.log_memory import RemembersLog
from rlrec.agents.networks import TensorDict
from rlrec.agents.proto.decoding import DecodesActions
from rlrec.agents.proto.item_embeddings import ItemEmbeddings
from rlrec.agents.proto.proto_decoder import ProtoDecoder, least_value
from rlrec.agents.proto.wolpertinger_config import WolpertingerConfig
from rlrec.agents.replay import SlateBatch, SlateReplayBuffer
from rlrec.agents.serving import blocks_of
from rlrec.agents.slate_agent import Progress
from rlrec.arrays import Ints
from rlrec.data.log import InteractionLog

_LEAST_SIZE = 0.01  # of values, in units of `value_scale`


class Wolpertinger(RemembersLog, DecodesActions):
    """Mixed into an algorithm for continuous actions, which then acts in the space of the items.

    The algorithm's actor gives protos, a `ProtoDecoder` the slates they show; its critics are
    trained on what was shown, and what follows is valued by what would be shown next.
    """

    config: WolpertingerConfig
    actor: Any
    critic: ContinuousCritic
    critic_target: ContinuousCritic
    decoder: ProtoDecoder
    _n_updates: int

    def _prepare(self, users: Any) -> int:
        config = self.config
        items = ItemEmbeddings(users.observation_space, self.items, self.catalogue, config.beam)
        slate_size = len(self.slate_space.nvec)
        self.decoder = ProtoDecoder(
            items, config.form, slate_size, config.n_nearest, self.n_choices
        )
        # Items have length 1, so no number of theirs lies outside of [-1, 1].
        return self.decoder.proto_size

    def _history_vectors(self, users: Any) -> Tensor | None:
        return self.decoder.items.table

    def _setup_model(self) -> None:
        self.replay_buffer = SlateReplayBuffer(
            self.config.buffer_size,
            self.observation_space,
            self.slate_space,
            device=self.device,
            n_envs=self.n_envs,  # type: ignore[attr-defined]
            discount=self.config.discount,
            n_steps=1,
        )
        super()._setup_model()
        self.decoder.to(self.device)

    def best_slates(self, observations: TensorDict) -> Tensor:
        """Return the slates (B, K) that the actor's protos show."""
        return self.decoder.slates(observations, self._protos(observations), self.critic)

    def pretrain(
        self, log: InteractionLog, n_updates: int = 5_000, *, progress: Progress | None = None
    ) -> Self:
        """Learn values from a log, and protos of a high value near those of the logged slates.

        Args:
            log: Slates with responses, rewards and ends, from users like those of `env`.
            n_updates: Updates with `batch_size` logged transitions each.
            progress: Called with the updates done and `n_updates`.

        Returns:
            This agent. A later `learn` starts with its slates instead of random ones.

        Raises:
            CatalogueMismatchError: The log belongs to another catalogue.
        """
        transitions = self.remember(log)
        self.policy.set_training_mode(True)
        for update in range(n_updates):
            batch = transitions.sample(self.config.batch_size, self._sampler, 1)
            self.n_pretraining_updates += 1
            self._update(batch, self.config.cloning_weight)
            if progress is not None and (update + 1) % 100 == 0:
                progress(update + 1, n_updates)
        return self

    def train(self, gradient_steps: int, batch_size: int = 64) -> None:
        """Do updates on transitions from interaction and from the log (called by `learn`)."""
        self.policy.set_training_mode(True)
        losses = []
        for _ in range(gradient_steps):
            self._n_updates += 1
            losses.append(self._update(self._sample(batch_size), 0.0))
        logger = self.logger  # type: ignore[attr-defined]
        logger.record("train/n_updates", self._n_updates, exclude="tensorboard")
        logger.record("train/critic_loss", float(np.mean(losses)))

    def _update(self, batch: SlateBatch, cloning: float) -> float:
        """Do one step on the critics and, where one is due, on the actor."""
        executed = self.decoder.executed(batch.observations, batch.slates)
        targets = self._targets(batch)
        values: tuple[Tensor, ...] = self.critic(batch.observations, executed)
        loss = torch.stack([F.mse_loss(value[:, 0], targets) for value in values]).sum()
        _step(self.critic.optimizer, loss)
        self._improve_actor(batch.observations, executed, cloning)
        polyak_update(
            self.critic.parameters(), self.critic_target.parameters(), self.config.target_rate
        )
        return loss.item()

    @torch.no_grad()
    def _targets(self, batch: SlateBatch) -> Tensor:
        """Return the reward plus the discounted value of the slates shown next, (B,)."""
        seen = batch.next_observations
        protos, bonus = self._next_protos(seen)
        slates = self.decoder.slates(seen, protos, self.critic_target)
        shown = self.decoder.executed(seen, slates)
        following = least_value(self.critic_target, seen, shown) + bonus
        return batch.rewards / self.config.value_scale + batch.next_discounts * following

    def _step_actor(
        self,
        observations: TensorDict,
        protos: Tensor,
        gains: Tensor,
        executed: Tensor,
        cloning: float,
    ) -> None:
        """Do a step of the actor towards larger gains (B,), near what it shows and what was."""
        size = gains.detach().abs().mean().clamp(min=_LEAST_SIZE)
        slates = self.decoder.slates(observations, protos.detach(), self.critic)
        loss = -gains.mean() / size
        loss = loss + self.config.pull * self._distance(
            protos, self.decoder.executed(observations, slates)
        )
        if cloning:
            loss = loss + cloning * self._distance(protos, executed)
        _step(self.actor.optimizer, loss)

    def _distance(self, protos: Tensor, others: Tensor) -> Tensor:
        return ((protos - others) ** 2).sum(dim=1).mean() / self.decoder.n_vectors

    def _sample_action(
        self, learning_starts: int, action_noise: ActionNoise | None = None, n_envs: int = 1
    ) -> tuple[NDArray[Any], NDArray[Any]]:
        """Show each user the slate of a varied proto, or now and then a random one."""
        seen = self._last_obs  # type: ignore[attr-defined]
        random = self._random().act(seen, self._sampler).slates
        explores = self._sampler.random(n_envs) < self.config.exploration
        is_early = self.num_timesteps < learning_starts  # type: ignore[attr-defined]
        if is_early and not self.n_pretraining_updates:
            return random, random
        slates = np.where(explores[:, None], random, self._varied_slates(seen))
        return slates, slates

    @torch.no_grad()
    def _varied_slates(self, observations: dict[str, NDArray[Any]]) -> Ints:
        parts = []
        for block in blocks_of(observations, self.observation_space, self.device):
            slates = self.decoder.slates(block, self._varied_protos(block), self.critic)
            parts.append(slates.cpu().numpy())
        return np.concatenate(parts)

    @abstractmethod
    def _protos(self, observations: TensorDict) -> Tensor:
        """Return the actor's protos (B, A)."""

    @abstractmethod
    def _varied_protos(self, observations: TensorDict) -> Tensor:
        """Return protos (B, A) to explore with."""

    @abstractmethod
    def _next_protos(self, observations: TensorDict) -> tuple[Tensor, Tensor]:
        """Return the protos (B, A) of targets, and what is added to their values (B,)."""

    @abstractmethod
    def _improve_actor(self, observations: TensorDict, executed: Tensor, cloning: float) -> None:
        """Do a step of the actor, if one is due."""


def _step(optimizer: torch.optim.Optimizer, loss: Tensor) -> None:
    optimizer.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    optimizer.step()
