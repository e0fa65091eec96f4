"""SlateQ: values of single items, learned from slates."""

from typing import Any, ClassVar, Self

import numpy as np
import torch
from numpy.typing import NDArray
from stable_baselines3.common.noise import ActionNoise
from stable_baselines3.common.policies import BasePolicy
from stable_baselines3.common.utils import polyak_update
from torch import Tensor

from rlrec.agents.best_slates import ShowsBestSlates
from rlrec.agents.log_and_live import LogAndLiveAgent
from rlrec.agents.networks import TensorDict
from rlrec.agents.replay import LoggedTransitions, SlateBatch
from rlrec.agents.slate_agent import Progress
from rlrec.agents.slate_q.known_choice import known_choice_of
from rlrec.agents.slate_q.slate_q_config import SlateQConfig
from rlrec.agents.slate_q.slate_q_policy import SlateQPolicy
from rlrec.data.log import InteractionLog


class SlateQ(ShowsBestSlates, LogAndLiveAgent):  # type: ignore[misc]
    """Q-learning for slates, by the values of their items.

    The value of a slate is the expectation over what is taken,
    `Q(s, A) = sum of P(i | s, A) q(s, i)` over the items of A and nothing, and q is learned from
    what was taken: `q(s, i) <- r + discount * (1 - left) * max over A' of Q_slow(s', A')`, in
    `learn` over `n_steps` steps. The choice probabilities are a conditional logit fitted to the
    same transitions, `P(i | s, A) = v(s, i) / (v(s, 0) + sum of v(s, j))`, or known (`choice`); the
    card of a saved agent says which. The best slate is found by parametric search in a few rounds,
    each of which can only raise its value. Taking nothing has a learned value of its own, since it
    leads to a next state like everything else. `target`, `target_optimiser` and `optimiser` give
    the published variants: QL or SARSA, and the search in training and in serving.

    Users take at most one item a slate; of several responses the first counts. With
    `clicks="several"` they may take any number: then no single choice is assumed, each slot has a
    fitted click probability P_k, and what clicks add to the value of none is summed,
    `Q(s, A) = q(s, 0) + sum of P_k (q(s, a_k) - q(s, 0))`.

    Args:
        env: Users: a `VecEnv` (such as `rlrec.make_users` returns) or the name of an environment.
            It must observe `last_response`.
        config: Settings.
        item_factors: Shape (N, F). Factors of a collaborative-filtering model, known to the
            networks from the start; None for none.
        catalogue: The items; by default that of `env`, if it has one.
        seed: Of networks, exploration and sampling, and as in stable-baselines3 of `env` too; None
            leaves `env` with its own seed and draws the rest anew.
        tensorboard_log: Folder for TensorBoard, or None.
        verbose: As in stable-baselines3.
        device: As in stable-baselines3.

    Reference:
        Ie et al., 2019, "SlateQ: A Tractable Decomposition for Reinforcement Learning with
        Recommendation Sets".

    Stability: experimental.
    """

    config_class: ClassVar[type[SlateQConfig]] = SlateQConfig
    kept: ClassVar[tuple[str, ...]] = ("n_pretraining_updates", "num_timesteps", "exploration")
    network: ClassVar[type[BasePolicy]] = SlateQPolicy
    config: SlateQConfig
    policy: SlateQPolicy

    def _setup_model(self) -> None:
        super()._setup_model()
        self.exploration = self.config.exploration_start

    def _network_settings(self, env: Any) -> dict[str, Any]:
        known = known_choice_of(env, "SlateQ") if self.config.choice == "known" else None
        return {**super()._network_settings(env), "known_choice": known}

    @property
    def _n_steps(self) -> int:
        return self.config.n_steps

    @property
    def random_share(self) -> float:
        """Share of random slates in what `act` draws."""
        return self.config.exploration_end

    def pretrain(
        self,
        log: InteractionLog,
        n_updates: int = 10_000,
        *,
        progress: Progress | None = None,
    ) -> Self:
        """Fit choice model and item values to a log alone.

        Args:
            log: Slates with responses, rewards and ends, from users like those of `env`.
            n_updates: Updates with `batch_size` logged transitions each.
            progress: Called with the updates done and `n_updates`.

        Returns:
            This agent. A later `learn` explores at `exploration_end` from the start.

        Raises:
            CatalogueMismatchError: The log belongs to another catalogue.
        """
        super().pretrain(log, n_updates, progress=progress)
        self.policy.target.load_state_dict(self.policy.values.state_dict())
        self.exploration = self.config.exploration_end
        return self

    def _learn_from(self, logged: LoggedTransitions, n_steps: int | None) -> None:
        batch = logged.sample(self.config.batch_size, self._sampler, n_steps)
        self._update(batch, self.config.pretraining_target_rate)

    def _update(self, batch: SlateBatch, target_rate: float | None = None) -> dict[str, float]:
        """Do one step on both losses and let the target follow."""
        policy = self.policy
        targets = self._targets(batch) / self.config.value_scale
        misses = (policy.values_taken(batch) - targets) ** 2
        teaches = self._teaches(batch)
        value_loss = (misses * teaches).sum() / teaches.sum().clamp(min=1)
        choice_loss = policy.choice_loss(batch)
        self._descend(value_loss + choice_loss)
        rate = self.config.target_rate if target_rate is None else target_rate
        polyak_update(policy.values.parameters(), policy.target.parameters(), rate)
        return {"value_loss": value_loss.item(), "choice_loss": choice_loss.item()}

    def _teaches(self, batch: SlateBatch) -> Tensor:
        """Return which transitions (B,) the values learn from."""
        if self.config.compat == "recsim":
            return batch.choices < batch.slates.shape[1]
        if self.config.target == "sarsa":
            return (batch.next_slates[:, 0] >= 0) | (batch.next_discounts == 0)
        return torch.ones_like(batch.choices, dtype=torch.bool)

    def _targets(self, batch: SlateBatch) -> Tensor:
        """Return the rewards plus the discounted value of what follows."""
        if not batch.next_discounts.any():  # all visits were followed to their end
            return batch.rewards
        return (
            batch.rewards + batch.next_discounts * self._following(batch) * self.config.value_scale
        )

    @torch.no_grad()
    def _following(self, batch: SlateBatch) -> Tensor:
        """Return the value (B,) of the next slate, in units of `value_scale`."""
        policy, config = self.policy, self.config
        observations = batch.next_observations
        if config.compat == "recsim":  # the mistake that is repeated for comparison
            observations = batch.observations
        elif config.target == "sarsa":
            shown = batch.next_slates.clamp(min=0)  # unknown ones do not count in the loss
            return policy.values_of_slates(policy.target, observations, shown)
        rounds, optimiser = config.target_rounds, config.target_optimiser
        return policy.best_slates(policy.target, observations, rounds, optimiser)[1]

    def _sample_action(
        self,
        learning_starts: int,
        action_noise: ActionNoise | None = None,
        n_envs: int = 1,
    ) -> tuple[NDArray[Any], NDArray[Any]]:
        """Show each user the best slate, or with probability `exploration` a random one."""
        assert isinstance(self._last_obs, dict)
        explores = self._sampler.random(n_envs) < self._exploration_now()
        slates = self.act(self._last_obs, self._sampler, deterministic=True).slates
        random = self._random().act(self._last_obs, self._sampler).slates
        slates = np.where(explores[:, None], random, slates)
        return slates, slates

    def _exploration_now(self) -> float:
        config = self.config
        shrinking = max(1.0, config.exploration_share * self._total_timesteps)
        done = min(1.0, self.num_timesteps / shrinking)
        return self.exploration + done * (config.exploration_end - self.exploration)

    def best_slates(self, observations: TensorDict) -> Tensor:
        """Return the best slates (B, K)."""
        slates: Tensor = self.policy(observations)
        return slates
