"""What on-policy agents have in common: imitation of a log, credit by slot, a leash."""

import copy
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np
import torch
from stable_baselines3.common.policies import BasePolicy
from torch import Tensor
from torch.nn import functional as F

from rlrec.agents.drawing import DrawsSlates
from rlrec.agents.on_policy.slate_on_policy_config import SlateOnPolicyConfig
from rlrec.agents.replay import LoggedTransitions
from rlrec.agents.slate_actor_critic import Judged, SlateActorCritic
from rlrec.agents.slate_agent import Progress, SlateAgent
from rlrec.agents.slate_rollouts import SlateRollout, SlateRolloutBuffer
from rlrec.data.log import InteractionLog

MOST_LOG_RATIO = 10.0
"""Beyond it a ratio is clipped in any case, and its exponential overflows."""
_BLOCK = 4096  # transitions judged at once


class Told(NamedTuple):
    """What the log of training shows of an update."""

    value_loss: float
    entropy: float
    divergence: float
    leashed: float


class SlateOnPolicy(DrawsSlates, SlateAgent):
    """Mixed into an on-policy algorithm of stable-baselines3, before it in the list of bases.

    The algorithm says in `_objective` what its actor is after, and does its updates in `train`.
    """

    network: ClassVar[type[BasePolicy]] = SlateActorCritic
    kept: ClassVar[tuple[str, ...]] = ("n_pretraining_updates", "num_timesteps", "leash")
    config: SlateOnPolicyConfig
    policy: SlateActorCritic
    leash: float
    """Present weight of the divergence from the pretrained actor."""
    _anchor: SlateActorCritic | None = None
    _sampler: np.random.Generator
    rollout_buffer: Any
    logger: Any
    gamma: float
    max_grad_norm: float
    _last_obs: Any
    _last_episode_starts: Any
    num_timesteps: int
    _num_timesteps_at_start: int
    _total_timesteps: int
    _n_updates: int

    def _setup_model(self) -> None:
        super()._setup_model()
        self.leash = self.config.leash

    def _algorithm_settings(self, users: Any) -> dict[str, Any]:
        config = self.config
        return {
            "learning_rate": config.learning_rate,
            "n_steps": max(2, config.n_transitions // int(getattr(users, "num_envs", 1))),
            "gamma": config.discount,
            "gae_lambda": config.trace,
            "ent_coef": config.entropy,
            "rollout_buffer_class": SlateRolloutBuffer,
            "policy_kwargs": {
                "items": self.items,
                "item_size": config.item_size,
                "hidden": config.hidden,
                "value_scale": config.value_scale,
                "topic_spread": config.topic_spread,
            },
            "_init_setup_model": False,
        }

    def pretrain(
        self, log: InteractionLog, n_updates: int = 2_000, *, progress: Progress | None = None
    ) -> Self:
        """Imitate the slates of a log, and learn values from its returns.

        Args:
            log: Slates with responses, rewards and ends, from users like those of `env`.
            n_updates: Updates with `batch_size` logged rows each.
            progress: Called with the updates done and `n_updates`.

        Returns:
            This agent; what it is now is what a leash in `learn` holds it to.

        Raises:
            CatalogueMismatchError: The log belongs to another catalogue.
        """
        logged = self.transitions_of(log, self.gamma)
        least = logged.return_quantile(1.0 - self.config.cloned_share)
        self.policy.set_training_mode(True)
        for update in range(n_updates):
            self._set_rate(self.config.learning_rate * (1.0 - 0.9 * update / n_updates))
            self._imitate(logged, least)
            if progress is not None and (update + 1) % 100 == 0:
                progress(update + 1, n_updates)
        self.n_pretraining_updates += n_updates
        self._anchor = copy.deepcopy(self.policy).requires_grad_(False)
        return self

    def further_networks(self) -> dict[str, torch.nn.Module]:
        """Return the pretrained actor that the leash holds to, if there is one."""
        if not self.n_pretraining_updates:
            return {}
        if self._anchor is None:  # about to be loaded
            self._anchor = copy.deepcopy(self.policy).requires_grad_(False)
        return {"anchor": self._anchor}

    def _imitate(self, logged: LoggedTransitions, least: float) -> None:
        batch = logged.sample_returns(self.config.batch_size, self._sampler)
        judged = self.policy.judge(batch.observations, batch.slates)
        is_good = (batch.returns >= least).float()
        likely = (judged.log_probs.mean(dim=1) * is_good).sum() / is_good.sum().clamp(min=1.0)
        loss = -likely
        if self.config.warm_values:
            loss = loss + self._value_loss(judged.values, batch.returns, batch.is_known)
            loss = loss + F.mse_loss(judged.responses, batch.responses)
        self._step(loss)

    def _begin_round(self) -> SlateRollout:
        """Return the transitions of a round, ready to be learned from."""
        self.rollout_buffer.see_responses(self._last_obs, self._last_episode_starts)
        self.policy.set_training_mode(True)
        self._set_rate(self._rate_now())
        whole: SlateRollout = self.rollout_buffer.tensors()
        return whole

    def _end_round(self, told: list[Told]) -> None:
        if not self._is_frozen():
            self._adapt_leash(float(np.mean([tells.leashed for tells in told])))
        for name, values in zip(Told._fields, zip(*told, strict=True), strict=True):
            self.logger.record(f"train/{name}", float(np.mean(values)))
        self.logger.record("train/n_updates", self._n_updates, exclude="tensorboard")
        self.logger.record("train/leash", self.leash)

    def _update_info_buffer(self, infos: list[dict[str, Any]], dones: Any = None) -> None:
        """Note what came back to the last slates of visits (called at each step)."""
        super()._update_info_buffer(infos, dones)  # type: ignore[misc]
        assert isinstance(self.rollout_buffer, SlateRolloutBuffer)
        self.rollout_buffer.see_ends(infos, dones)

    def _credits(self, whole: SlateRollout) -> Tensor:
        """Return the advantage of each slot, (n, K), of mean 0 and variance 1 over all of them."""
        credits = whole.advantages[:, None].expand(-1, self.policy.slate_size).clone()
        if self.config.credit != "slate":
            surprise = whole.responses - self._expected_responses(whole)
            surprise *= whole.is_known[:, None]
            above = surprise.cumsum(dim=1) - surprise
            others = surprise.sum(dim=1, keepdim=True) - surprise
            credits -= above if self.config.credit == "onward" else others
        return (credits - credits.mean()) / (credits.std() + 1e-8)

    def _expected_responses(self, whole: SlateRollout) -> Tensor:
        found = []
        for start in range(0, len(whole.slates), _BLOCK):
            rows = slice(start, start + _BLOCK)
            seen = {key: values[rows] for key, values in whole.observations.items()}
            with torch.no_grad():
                found.append(self.policy.judge(seen, whole.slates[rows]).responses)
        return torch.cat(found)

    def _loss(self, batch: SlateRollout, credits: Tensor, is_frozen: bool) -> tuple[Tensor, Told]:
        """Return what an update makes small: errors of the critic, and what the actor is after."""
        judged = self.policy.judge(batch.observations, batch.slates)
        change = log_ratio(judged, batch)
        value_loss = self._value_loss(judged.values, batch.returns)
        misses = ((judged.responses - batch.responses) ** 2).mean(dim=1)
        loss = value_loss + (misses * batch.is_known).mean()
        divergence = (change.exp() - 1.0 - change).mean().item()
        leashed = 0.0
        if not is_frozen:
            loss = loss + self._objective(judged, batch, credits)
            loss = loss - self.config.entropy * judged.entropy.mean()
            if self._anchor is not None and self.leash > 0:
                away = self._log_ratio_to_anchor(batch, judged)
                # On slates of the actor, this has the gradient of KL(actor, pretrained actor) of
                # each slot, given what stands above.
                loss = loss + self.leash * 0.5 * (away**2).mean()
                bounded = away.clamp(-MOST_LOG_RATIO, MOST_LOG_RATIO)
                leashed = (bounded.exp() - 1.0 - bounded).mean().item()
        return loss, Told(value_loss.item(), judged.entropy.mean().item(), divergence, leashed)

    def _objective(self, judged: Judged, batch: SlateRollout, credits: Tensor) -> Tensor:
        """Return what the actor is to make small.

        Args:
            judged: What actor and critic now say of the slates.
            batch: B transitions.
            credits: Shape (B, K). Advantage of each slot.
        """
        raise NotImplementedError

    def _log_ratio_to_anchor(self, batch: SlateRollout, judged: Judged) -> Tensor:
        """Return the log-ratio of pretrained to present probability of each slot, (B, K)."""
        assert self._anchor is not None
        with torch.no_grad():
            anchor = self._anchor.distribution(batch.observations).log_probs(batch.slates)
        return anchor - judged.log_probs

    def _value_loss(
        self, values: Tensor, returns: Tensor, is_known: Tensor | None = None
    ) -> Tensor:
        """Return the mean squared error of values, of the rows whose returns are known."""
        if is_known is not None and not is_known.all():
            values, returns = values[is_known], returns[is_known]
        if not len(values):
            return values.sum()
        scale = self.config.value_scale
        return F.mse_loss(values / scale, returns / scale)

    def _step(self, loss: Tensor) -> None:
        self.policy.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.policy.parameters(), self.max_grad_norm)
        self.policy.optimizer.step()

    def _set_rate(self, rate: float) -> None:
        for group in self.policy.optimizer.param_groups:
            group["lr"] = rate

    def _rate_now(self) -> float:
        factor = self.config.finetuning_rate if self.n_pretraining_updates else 1.0
        return self.config.learning_rate * factor

    def _is_frozen(self) -> bool:
        """Return whether this round began within the part of `learn` that the actor is held."""
        if not self.n_pretraining_updates:
            return False
        n_round = int(self.rollout_buffer.buffer_size * self.rollout_buffer.n_envs)
        first, last = self._num_timesteps_at_start, self._total_timesteps
        n_before = self.num_timesteps - n_round - first
        return n_before < self.config.frozen_actor * (last - first)

    def _adapt_leash(self, divergence: float) -> None:
        """Raise the leash's weight where the actor has gone further than the budget."""
        if self.config.leash > 0 and self._anchor is not None:
            factor = 1.5 if divergence > self.config.leash_budget else 1 / 1.1
            self.leash = float(np.clip(self.leash * factor, 1e-4, 1e3))


def log_ratio(judged: Judged, batch: SlateRollout) -> Tensor:
    """Return the log-ratio of each slot's probability now to that when acting, (B, K)."""
    return (judged.log_probs - batch.log_probs).clamp(-MOST_LOG_RATIO, MOST_LOG_RATIO)
