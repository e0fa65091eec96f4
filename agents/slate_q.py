"""SlateQ: values of single items, learned from slates."""

from typing import Any, ClassVar, Self

import numpy as np
import torch
from gymnasium import spaces
from numpy.typing import NDArray
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.noise import ActionNoise
from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm
from stable_baselines3.common.policies import BasePolicy
from stable_baselines3.common.type_aliases import GymEnv
from stable_baselines3.common.utils import polyak_update
from torch import Tensor

from rlrec.agents.known_choice import known_choice_of
from rlrec.agents.replay import LoggedTransitions, SlateBatch, SlateReplayBuffer, joined
from rlrec.agents.serving import blocks_of
from rlrec.agents.slate_agent import Progress, SlateAgent
from rlrec.agents.slate_q_config import SlateQConfig
from rlrec.agents.slate_q_policy import SlateQPolicy
from rlrec.arrays import Floats, Floats32, Ints, Observations
from rlrec.data.catalogue import Catalogue
from rlrec.data.log import InteractionLog
from rlrec.policy import RandomPolicy
from rlrec.slates import SlateDraw, given_prefix


class SlateQ(SlateAgent, OffPolicyAlgorithm):  # type: ignore[misc]
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

    policy_aliases: ClassVar[dict[str, type[BasePolicy]]] = {"SlateQPolicy": SlateQPolicy}
    config_class: ClassVar[type[SlateQConfig]] = SlateQConfig
    kept: ClassVar[tuple[str, ...]] = ("n_pretraining_updates", "num_timesteps", "exploration")
    policy: SlateQPolicy

    def __init__(
        self,
        env: GymEnv | str | None,
        config: SlateQConfig | None = None,
        *,
        item_factors: Floats32 | None = None,
        catalogue: Catalogue | None = None,
        seed: int | None = None,
        tensorboard_log: str | None = None,
        verbose: int = 0,
        device: torch.device | str = "auto",
        _init_setup_model: bool = True,
    ) -> None:
        self.config = config or SlateQConfig()
        env = self._meet(env, item_factors, catalogue, verbose=verbose)
        known = known_choice_of(env, "SlateQ") if self.config.choice == "known" else None
        self._logged: LoggedTransitions | None = None
        updates_a_step = getattr(env, "num_envs", 1) * self.config.updates_per_transition
        steps_between = max(1, round(1 / updates_a_step))
        super().__init__(
            SlateQPolicy,
            env,
            self.config.learning_rate,
            buffer_size=self.config.buffer_size,
            learning_starts=self.config.learning_starts,
            batch_size=self.config.batch_size,
            tau=self.config.target_rate,
            gamma=self.config.discount,
            train_freq=steps_between,
            gradient_steps=max(1, round(updates_a_step * steps_between)),
            replay_buffer_class=SlateReplayBuffer,
            replay_buffer_kwargs={
                "discount": self.config.discount,
                "n_steps": self.config.n_steps,
            },
            policy_kwargs={"items": self.items, "config": self.config, "known_choice": known},
            tensorboard_log=tensorboard_log,
            verbose=verbose,
            device=device,
            support_multi_env=True,
            seed=seed,
            sde_support=False,
            supported_action_spaces=(spaces.MultiDiscrete,),
        )
        self._sampler = np.random.default_rng(seed)
        self.exploration = self.config.exploration_start
        if _init_setup_model:
            self._setup_model()

    def _setup_model(self) -> None:
        super()._setup_model()
        self._random = RandomPolicy(self.n_choices, self.policy.slate_size)

    def _setup_learn(self, *args: Any, **kwargs: Any) -> tuple[int, BaseCallback]:
        """End the visits in the replay buffer where `learn` is about to start new ones."""
        resets = args[2] if len(args) > 2 else kwargs.get("reset_num_timesteps", True)
        if (resets or self._last_obs is None) and isinstance(self.replay_buffer, SlateReplayBuffer):
            self.replay_buffer.cut_off()
        return super()._setup_learn(*args, **kwargs)

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
        transitions = self.remember(log)
        self.policy.set_training_mode(True)
        n_warmup = round(n_updates * self.config.warmup_share)
        for update in range(n_updates):
            self._set_rate(1.0 - 0.9 * update / n_updates)
            n_steps = None if update < n_warmup else 1
            batch = transitions.sample(self.config.batch_size, self._sampler, n_steps)
            self._update(batch, self.config.pretraining_target_rate)
            if progress is not None and (update + 1) % 100 == 0:
                progress(update + 1, n_updates)
        self.policy.target.load_state_dict(self.policy.values.state_dict())
        self.n_pretraining_updates += n_updates
        self.exploration = self.config.exploration_end
        return self

    def _sample(self, batch_size: int) -> SlateBatch:
        """Return transitions from interaction, a share of them from the log if there is one."""
        assert isinstance(self.replay_buffer, SlateReplayBuffer)
        n_logged = round(batch_size * self.config.log_share) if self._logged else 0
        live = self.replay_buffer.sample_slates(batch_size - n_logged, self._sampler)
        if self._logged is None or n_logged == 0:
            return live
        return joined(live, self._logged.sample(n_logged, self._sampler, self.config.n_steps))

    def _set_rate(self, share: float) -> None:
        for group in self.policy.optimizer.param_groups:
            group["lr"] = self.config.learning_rate * group["share"] * share

    def remember(self, log: InteractionLog) -> LoggedTransitions:
        """Keep a log's transitions for the updates of `learn` (`pretrain` does it by itself).

        Args:
            log: As in `pretrain`.
        """
        self._logged = self.transitions_of(log, self.config.discount)
        return self._logged

    def train(self, gradient_steps: int, batch_size: int = 64) -> None:
        """Do updates on transitions from interaction (called by `learn`)."""
        self.policy.set_training_mode(True)
        self._set_rate(self.config.finetuning_rate if self.n_pretraining_updates else 1.0)
        rate = self.config.target_rate
        losses = [self._update(self._sample(batch_size), rate) for _ in range(gradient_steps)]
        self._n_updates += gradient_steps
        value_loss, choice_loss = np.mean(losses, axis=0)
        self.logger.record("train/n_updates", self._n_updates, exclude="tensorboard")
        self.logger.record("train/value_loss", value_loss)
        self.logger.record("train/choice_loss", choice_loss)

    def _update(self, batch: SlateBatch, target_rate: float) -> tuple[float, float]:
        """Do one step on both losses and let the target follow."""
        policy = self.policy
        targets = self._targets(batch) / self.config.value_scale
        misses = (policy.values_taken(batch) - targets) ** 2
        teaches = self._teaches(batch)
        value_loss = (misses * teaches).sum() / teaches.sum().clamp(min=1)
        choice_loss = policy.choice_loss(batch)
        policy.optimizer.zero_grad()
        (value_loss + choice_loss).backward()  # type: ignore[no-untyped-call]
        policy.optimizer.step()
        polyak_update(policy.values.parameters(), policy.target.parameters(), target_rate)
        return value_loss.item(), choice_loss.item()

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
        random = self._random.act(self._last_obs, self._sampler).slates
        slates = np.where(explores[:, None], random, slates)
        return slates, slates

    def _exploration_now(self) -> float:
        config = self.config
        shrinking = max(1.0, config.exploration_share * self._total_timesteps)
        done = min(1.0, self.num_timesteps / shrinking)
        return self.exploration + done * (config.exploration_end - self.exploration)

    def act(
        self, observations: Observations, rng: np.random.Generator, deterministic: bool = False
    ) -> SlateDraw:
        """Return the best slates; unless `deterministic`, a share of `exploration_end` random."""
        slates = self._best(observations)
        if deterministic:
            return SlateDraw(slates, np.zeros(slates.shape))
        explores = rng.random(len(slates)) < self.config.exploration_end
        random = self._random.act(observations, rng).slates
        slates = np.where(explores[:, None], random, slates)
        return SlateDraw(slates, self.log_probs(observations, slates))

    def log_probs(self, observations: Observations, slates: Ints) -> Floats:
        """Return log-probabilities (B, K) given the prefix of the mixture that `act` draws from."""
        share = self.config.exploration_end
        follows = np.logical_and.accumulate(slates == self._best(observations), axis=1)
        uniform = np.cumsum(self._random.log_probs(observations, slates), axis=1)
        with np.errstate(divide="ignore"):  # a share of 0 or 1
            joint = np.logaddexp(np.log((1.0 - share) * follows), np.log(share) + uniform)
        return given_prefix(joint)

    def _best(self, observations: Observations) -> Ints:
        self.policy.set_training_mode(False)
        parts = []
        for block in blocks_of(observations, self.observation_space, self.device):
            with torch.no_grad():
                parts.append(self.policy(block).cpu().numpy())
        return np.concatenate(parts)
