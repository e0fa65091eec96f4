"""What bandits for slates have in common: learning from examined slots, exact propensities."""

from abc import abstractmethod
from collections.abc import Iterator
from typing import Any, ClassVar, Self

import numpy as np
import torch
from gymnasium import spaces
from numpy.typing import NDArray
from stable_baselines3.common.noise import ActionNoise
from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm
from stable_baselines3.common.policies import BasePolicy
from torch import Tensor

from rlrec.agents.bandits.crossed_features import Crossed
from rlrec.agents.bandits.slate_bandit_config import SlateBanditConfig
from rlrec.agents.bandits.slate_bandit_policy import SlateBanditPolicy
from rlrec.agents.networks import TensorDict
from rlrec.agents.replay import SlateReplayBuffer
from rlrec.agents.serving import blocks_of
from rlrec.agents.slate_agent import Progress, SlateAgent
from rlrec.arrays import Floats, Ints, Observations
from rlrec.data.log import InteractionLog
from rlrec.policy import RandomPolicy, n_users_of
from rlrec.slates import SlateDraw, given_prefix

_MOST_SCORES = 4_000_000  # held at once


class SlateBandit(SlateAgent, OffPolicyAlgorithm):  # type: ignore[misc]
    """Shows the items of the highest scores, and learns what came back from each examined slot.

    A subclass says by `_scores` which scores it ranks by. What comes after a slate is no matter to
    a bandit, so its replay buffer holds no more than the last step.
    """

    config_class: ClassVar[type[Any]] = SlateBanditConfig
    network: ClassVar[type[BasePolicy]] = SlateBanditPolicy
    config: Any
    policy: SlateBanditPolicy

    def _algorithm_settings(self, users: Any) -> dict[str, Any]:
        return {
            "learning_rate": 1.0,  # nothing here descends a gradient
            "buffer_size": 2 * getattr(users, "num_envs", 1),
            "learning_starts": 0,
            "train_freq": 1,
            "gradient_steps": 1,
            "replay_buffer_class": SlateReplayBuffer,
            "replay_buffer_kwargs": {"discount": 0.0, "n_steps": 1},
            "policy_kwargs": {
                "items": self.items,
                "config": self.config,
                "n_draws": self.n_rankings,
            },
            "support_multi_env": True,
            "sde_support": False,
            "supported_action_spaces": (spaces.MultiDiscrete,),
        }

    @property
    def n_rankings(self) -> int:
        """Rankings that `act` draws from, all equally likely."""
        return 1

    def _setup_model(self) -> None:
        super()._setup_model()
        self._random = RandomPolicy(self.n_choices, self.policy.slate_size)

    def optimizers(self) -> dict[str, torch.optim.Optimizer]:
        """Return none: the posterior is exact."""
        return {}

    def pretrain(
        self, log: InteractionLog, n_updates: int = 100, *, progress: Progress | None = None
    ) -> Self:
        """Learn from each row of a log once, in the order of time.

        Args:
            log: Slates with responses, from users like those of `env`. Where it has no times, the
                first slates of all users come first, then their second ones, and so on.
            n_updates: Blocks that the rows are cut into.
            progress: Called with the updates done and `n_updates`.

        Returns:
            This agent.

        Raises:
            CatalogueMismatchError: The log belongs to another catalogue.
            LogFormatError: The log lacks what the agent observes.
        """
        logged = self.transitions_of(log, 0.0)
        for update, rows in enumerate(np.array_split(_in_time(log), n_updates)):
            if rows.size:
                self._see(*logged.rows(rows))
            if progress is not None:
                progress(update + 1, n_updates)
        self.n_pretraining_updates += n_updates
        return self

    def train(self, gradient_steps: int, batch_size: int = 64) -> None:
        """Learn from the last step of all users (called by `learn`)."""
        buffer = self.replay_buffer
        assert isinstance(buffer, SlateReplayBuffer)
        newest = (buffer.pos - 1) % buffer.buffer_size
        seen = {key: buffer.to_torch(array[newest]) for key, array in buffer.observations.items()}
        slates = buffer.to_torch(buffer.actions[newest]).long()
        self._see(seen, slates, buffer.to_torch(buffer.responses[newest]))
        self._n_updates += 1
        self.logger.record("train/n_updates", self._n_updates, exclude="tensorboard")

    @torch.no_grad()
    def _see(self, observations: TensorDict, slates: Tensor, responses: Tensor) -> None:
        """Learn from slates (B, K) and what came back from each slot."""
        self.policy.posterior.forget(self.config.forgetting)
        models, rows = self.policy.rows(self.policy.features(observations), slates)
        examined = self._examined(responses.double()).flatten()
        used = examined > 0
        self._learn_rows(
            models[used], rows[used], responses.double().flatten()[used], examined[used]
        )

    def _learn_rows(
        self, models: Tensor, rows: Tensor, responses: Tensor, examined: Tensor
    ) -> None:
        """Update the posterior: a slot seen with chance e brings e times what its item would."""
        posterior = self.policy.posterior
        posterior.see(models, rows * examined[:, None], torch.ones_like(examined), responses)

    def _examined(self, responses: Tensor) -> Tensor:
        """Return the chance that each slot was looked at, (B, K)."""
        if self.config.examination == "all":
            return torch.ones_like(responses)
        if self.config.examination == "position":
            slots = torch.arange(responses.shape[1], device=responses.device)
            chances: Tensor = self.config.examination_decay ** slots.double()
            return chances.expand_as(responses)
        responded = (responses > 0).double()
        return (responded.cumsum(dim=1) - responded == 0).double()

    @abstractmethod
    def _scores(self, crossed: Crossed) -> Tensor:
        """Return the scores of each ranking that `act` draws from, (B, n_rankings, n)."""

    def _sample_action(
        self, learning_starts: int, action_noise: ActionNoise | None = None, n_envs: int = 1
    ) -> tuple[NDArray[Any], NDArray[Any]]:
        assert isinstance(self._last_obs, dict)
        slates = self._with_random(self._live_slates(self._last_obs), self._last_obs, self._sampler)
        return slates, slates

    def _live_slates(self, observations: Observations) -> Ints:
        """Return the slates shown in `learn`, but for exploration."""
        return _drawn(self._rankings(observations), self._sampler)

    def act(
        self, observations: Observations, rng: np.random.Generator, deterministic: bool = False
    ) -> SlateDraw:
        """Return the slates that it would show while learning, or those it expects most of."""
        if deterministic:
            blocks = self._blocks(observations)
            with torch.no_grad():
                best = torch.cat([self.policy.best(block) for block in blocks]).cpu().numpy()
            return SlateDraw(best, np.zeros(best.shape))
        rankings = self._rankings(observations)
        slates = self._with_random(_drawn(rankings, rng), observations, rng)
        return SlateDraw(slates, self._log_probs(observations, slates, rankings))

    def log_probs(self, observations: Observations, slates: Ints) -> Floats:
        """Return log-probabilities (B, K) given the prefix of the mixture that `act` draws from.

        It consists of `n_rankings` rankings, and a share of `exploration` random slates.
        """
        return self._log_probs(observations, slates, self._rankings(observations))

    def _log_probs(self, observations: Observations, slates: Ints, rankings: Ints) -> Floats:
        share = self.config.exploration
        follows = np.logical_and.accumulate(slates[:, None] == rankings, axis=2).mean(axis=1)
        uniform = np.cumsum(self._random.log_probs(observations, slates), axis=1)
        with np.errstate(divide="ignore"):  # a share of 0 or 1
            return given_prefix(
                np.logaddexp(np.log((1 - share) * follows), np.log(share) + uniform)
            )

    def _with_random(
        self, slates: Ints, observations: Observations, rng: np.random.Generator
    ) -> Ints:
        explores = rng.random(len(slates)) < self.config.exploration
        random = self._random.act(observations, rng).slates
        return np.where(explores[:, None], random, slates)

    @torch.no_grad()
    def _rankings(self, observations: Observations) -> Ints:
        """Return the slates of each ranking, (B, n_rankings, K)."""
        parts = []
        for block in self._blocks(observations):
            scores = self._scores(self.policy.features(block))
            parts.append(scores.topk(self.policy.slate_size, dim=2).indices.cpu().numpy())
        return np.concatenate(parts)

    def _blocks(self, observations: Observations) -> Iterator[TensorDict]:
        """Yield what is observed of as many users as can be scored at once."""
        n_numbers = self.n_rankings * max(self.n_choices, self.policy.posterior.moment.numel())
        n_users = max(1, min(256, _MOST_SCORES // n_numbers))
        for start in range(0, n_users_of(observations), n_users):
            part = {key: array[start : start + n_users] for key, array in observations.items()}
            yield from blocks_of(part, self.observation_space, self.device)


def _drawn(rankings: Ints, rng: np.random.Generator) -> Ints:
    """Return one of each user's rankings (B, S, K), (B, K)."""
    chosen = rng.integers(rankings.shape[1], size=len(rankings))
    drawn: Ints = rankings[np.arange(len(rankings)), chosen]
    return drawn


def _in_time(log: InteractionLog) -> Ints:
    """Return the rows of a log in the order of time."""
    if log.has("timestamp"):
        return np.argsort(log.column("timestamp"), kind="stable")
    users = log.column("user_id")
    begins = np.flatnonzero(np.append(True, users[1:] != users[:-1]))
    number = np.arange(len(users)) - np.repeat(begins, np.diff(np.append(begins, len(users))))
    return np.argsort(number, kind="stable")
