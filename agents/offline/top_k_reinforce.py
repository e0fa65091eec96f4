"""TopKReinforce: policy gradient from logs, corrected for the logging policy and for K slots."""

import logging
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np
import torch
from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm
from stable_baselines3.common.policies import BasePolicy
from torch import Tensor
from torch.nn import functional as F

from rlrec.agents.drawing import DrawsSlates
from rlrec.agents.offline.corrected_gradient import Correction, corrected_loss
from rlrec.agents.offline.top_k_policy import TopKPolicy
from rlrec.agents.offline.top_k_reinforce_config import TopKReinforceConfig
from rlrec.agents.plackett_luce import PlackettLuce
from rlrec.agents.replay import LoggedTransitions, SlateBatch
from rlrec.agents.slate_agent import Progress, SlateAgent
from rlrec.agents.slate_rollouts import SlateRollout, SlateRolloutBuffer
from rlrec.arrays import Floats
from rlrec.data.log import InteractionLog

_LOG = logging.getLogger(__name__)
_LOGGED = "logging_log_probs"  # beside the observations of a row


class TopKReinforce(DrawsSlates, SlateAgent, OnPolicyAlgorithm):  # type: ignore[misc]
    """REINFORCE with off-policy and top-K correction.

    `pretrain` follows, over the rows of a log, the gradient
    `w * l_K * (R - baseline) * grad log pi(a | s)` of what was logged, never of something drawn
    anew: pi is a softmax over the items, `w = min(pi / mu, cap)` weighs what the logging policy mu
    showed by how likely it is shown now, `l_K = K (1 - pi)^(K - 1)` makes it the gradient of the
    chance that the item is among K draws, and R is the discounted return to the end of the visit,
    with the critic's value where the log cuts it off. What later steps owe to the logging policy is
    not weighed, as published. Unless the log states its propensities, mu is a softmax head on the
    actor's inner state, fitted to what was shown; it leaves the actor alone.

    `learn` follows the gradient on slates that the agent itself shows: all weights are 1, and the
    likelihood is that of the whole slate (`log pi(A | s)`, a sum over slots), so nothing is left to
    correct. Slates are always drawn by the softmax without repeats (Plackett-Luce), the surest one
    being the K likeliest items. Each item is praised by itself, so these K can be much alike:
    drawn slates (`deterministic=False`) can earn far more, and the published system draws some too.

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
        Chen, Beutel, Covington, Jain, Belletti and Chi, 2019, "Top-K Off-Policy Correction for a
        REINFORCE Recommender System".

    Stability: experimental.
    """

    config_class: ClassVar[type[TopKReinforceConfig]] = TopKReinforceConfig
    network: ClassVar[type[BasePolicy]] = TopKPolicy
    config: TopKReinforceConfig
    policy: TopKPolicy  # type: ignore[assignment]

    def _algorithm_settings(self, users: Any) -> dict[str, Any]:
        config = self.config
        return {
            "learning_rate": config.learning_rate,
            "n_steps": max(1, config.n_transitions // getattr(users, "num_envs", 1)),
            "gamma": config.discount,
            # Returns as they were, the critic's value where they are cut off.
            "gae_lambda": 1.0,
            "ent_coef": config.entropy,
            "vf_coef": 1.0,
            "max_grad_norm": config.max_grad_norm,
            "use_sde": False,
            "sde_sample_freq": -1,
            "rollout_buffer_class": SlateRolloutBuffer,
            "policy_kwargs": {
                "items": self.items,
                "item_size": config.item_size,
                "hidden": config.hidden,
                "value_scale": config.value_scale,
            },
            "_init_setup_model": False,
        }

    def pretrain(
        self, log: InteractionLog, n_updates: int = 1_500, *, progress: Progress | None = None
    ) -> Self:
        """Learn from what a log's slates brought.

        Args:
            log: Slates with responses, rewards and ends, from users like those of `env`.
            n_updates: Updates with `batch_size` logged rows each. Too many can harm: items are
                judged by what they brought among those logged beside them, and the further the
                agent leaves these slates, the less that holds.
            progress: Called with the updates done and `n_updates`.

        Returns:
            This agent.

        Raises:
            CatalogueMismatchError: The log belongs to another catalogue.
            LogFormatError: The log lacks what the agent observes.
        """
        logged = self._remember(log)
        self.policy.set_training_mode(True)
        n_warmup = round(n_updates * self.config.warmup_share)
        for update in range(n_updates):
            self._set_rate(1.0 - 0.9 * update / n_updates)
            batch = logged.sample(self.config.batch_size, self._sampler, n_steps=len(log))
            self._step(self.logged_loss(batch, is_warmup=update < n_warmup))
            if progress is not None and (update + 1) % 100 == 0:
                progress(update + 1, n_updates)
        self.n_pretraining_updates += n_updates
        return self

    def logged_loss(self, batch: SlateBatch, is_warmup: bool = False) -> Tensor:
        """Return the loss of a batch of logged rows.

        Args:
            batch: With rewards up to the end of the visit, or of what the log holds of it.
            is_warmup: Whether only the critic and the model of the logging policy learn.
        """
        seen = dict(batch.observations)
        known = seen.pop(_LOGGED, None)
        with torch.no_grad():
            following = self.policy.predict_values(batch.next_observations)
        returns = batch.rewards + batch.next_discounts * following
        values = self.policy.predict_values(seen)
        loss = self._value_loss(values, returns)
        if known is None:
            fitted = self._likelihood(self.policy.logging_distribution(seen), batch.slates)
            loss, known = loss - fitted.mean(), fitted.detach()
        if is_warmup:
            return loss
        slates_of = self.policy.distribution(seen)
        gains = self._gains(returns, values)[:, None].expand_as(known)
        loss = loss + corrected_loss(
            self._likelihood(slates_of, batch.slates),
            known,
            gains,
            self._counts(batch).expand_as(known),
            self._correction(),
        )
        return loss - self.config.entropy * _entropy(slates_of.logits)

    def train(self) -> None:
        """Do one update on the transitions of a round (called by `learn`)."""
        assert isinstance(self.rollout_buffer, SlateRolloutBuffer)
        self.policy.set_training_mode(True)
        self._set_rate(1.0)
        loss, tells = self._drawn_loss(self.rollout_buffer.tensors())
        self._step(loss)
        self._n_updates += 1
        for name, value in tells._asdict().items():
            self.logger.record(f"train/{name}", value)
        self.logger.record("train/n_updates", self._n_updates, exclude="tensorboard")

    def _drawn_loss(self, whole: SlateRollout) -> tuple[Tensor, "_Told"]:
        """Return the loss of slates that the agent itself has drawn."""
        judged = self.policy.judge(whole.observations, whole.slates)
        value_loss = self._value_loss(judged.values, whole.returns)
        likelihood = judged.log_probs.sum(dim=1)
        gains = self._gains(whole.returns, judged.values)
        praised = corrected_loss(likelihood, None, gains, torch.ones_like(gains), Correction())
        entropy = judged.entropy.mean()
        loss = value_loss + praised - self.config.entropy * entropy
        return loss, _Told(value_loss.item(), entropy.item())

    def _remember(self, log: InteractionLog) -> LoggedTransitions:
        """Return a log's transitions, with the logging probabilities if they are known."""
        logged = self.transitions_of(log, self.gamma)
        known = self._logged_log_probs(log)
        if known is None:
            _LOG.info("%s: the logging policy is fitted to what it showed", log.name)
        else:
            logged.attach(_LOGGED, known.astype(np.float32))
        return logged

    def _logged_log_probs(self, log: InteractionLog) -> Floats | None:
        """Return what the log says of its slates, (n, K) or (n, 1), in the form of the head."""
        if self.config.propensities == "fitted":
            return None
        slate_size = self.policy.slate_size
        if self.config.head == "items" and log.has("propensity_marginal"):
            logs: Floats = np.log(log.column("propensity_marginal")) - np.log(slate_size)
            return logs
        if (self.config.head == "slate" or slate_size == 1) and log.has("log_propensity"):
            return log.column("log_propensity")[:, None]
        return None

    def _likelihood(self, slates_of: PlackettLuce, slates: Tensor) -> Tensor:
        """Return log-probabilities of the items shown, (B, K), or of the slate, (B, 1)."""
        if self.config.head == "slate":
            return slates_of.log_probs(slates).sum(dim=1, keepdim=True)
        return slates_of.logits.log_softmax(dim=1).gather(1, slates)

    def _counts(self, batch: SlateBatch) -> Tensor:
        """Return which of the items shown (B, K), or which slates (B, 1), are learned from."""
        if self.config.learns_from == "shown":
            return torch.ones_like(batch.rewards)[:, None]
        responded = (batch.responses > 0).float()
        return responded if self.config.head == "items" else responded.amax(dim=1, keepdim=True)

    def _correction(self) -> Correction:
        config = self.config
        is_corrected = config.top_k_correction and config.head == "items"
        slots = self.policy.slate_size if is_corrected else 1
        return Correction(slots, config.cap, config.self_normalised)

    def _gains(self, returns: Tensor, values: Tensor) -> Tensor:
        """Return what is praised: returns less the baseline, in units of `value_scale`."""
        if self.config.baseline == "value":
            returns = returns - values.detach()
        elif self.config.baseline == "mean":
            returns = returns - returns.mean()
        return returns / self.config.value_scale

    def _value_loss(self, values: Tensor, returns: Tensor) -> Tensor:
        scale = self.config.value_scale
        return F.mse_loss(values / scale, returns / scale)

    def _step(self, loss: Tensor) -> None:
        self.policy.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.policy.parameters(), self.max_grad_norm)
        self.policy.optimizer.step()

    def _set_rate(self, share: float) -> None:
        for group in self.policy.optimizer.param_groups:
            group["lr"] = self.config.learning_rate * share


class _Told(NamedTuple):
    """What the log of training shows of an update."""

    value_loss: float
    entropy: float


def _entropy(logits: Tensor) -> Tensor:
    """Return the mean entropy of the softmax over items, in nats."""
    logs = logits.log_softmax(dim=1)
    return -(logs.exp() * logs).sum(dim=1).mean()
