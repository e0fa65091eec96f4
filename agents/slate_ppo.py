"""SlatePPO: proximal policy optimisation of slates drawn without repeats."""

import copy
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np
import torch
from stable_baselines3 import PPO
from stable_baselines3.common.policies import BasePolicy
from stable_baselines3.common.type_aliases import GymEnv
from torch import Tensor
from torch.nn import functional as F

from rlrec.agents.drawing import DrawsSlates
from rlrec.agents.replay import LoggedTransitions
from rlrec.agents.slate_actor_critic import Judged, SlateActorCritic
from rlrec.agents.slate_agent import Progress, SlateAgent
from rlrec.agents.slate_ppo_config import SlatePPOConfig
from rlrec.agents.slate_rollouts import SlateRollout, SlateRolloutBuffer, parts
from rlrec.arrays import Floats32
from rlrec.data.catalogue import Catalogue
from rlrec.data.log import InteractionLog

_BLOCK = 4096  # transitions judged at once
_MOST_LOG_RATIO = 10.0  # beyond it a ratio is clipped in any case, and its exponential overflows


class SlatePPO(DrawsSlates, SlateAgent, PPO):  # type: ignore[misc]
    """Proximal policy optimisation with a Plackett-Luce head over the items.

    Slates are drawn item by item without repeats, so the likelihood of a slate is exact, unlike
    with independent slots (a MultiDiscrete head), which show items twice. The clipped objective is
    `min(r A, clip(r, 1 - c, 1 + c) A)` with r the ratio of a slot given those above it, or of the
    slate; A is the generalised advantage, if asked for less what other slots brought (`credit`).
    Once the policy has left the neighbourhood of the one that acted, no further step follows.

    `pretrain` imitates the slates of a log (or of its best part) and learns values from its
    returns; `learn` then can hold the actor still at first and keep it on a leash to the pretrained
    one, `leash * KL`, its weight adapted to a budget.

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
        Schulman, Wolski, Dhariwal, Radford and Klimov, 2017, "Proximal Policy Optimization
        Algorithms"; Plackett, 1975, "The Analysis of Permutations".

    Stability: experimental.
    """

    policy_aliases: ClassVar[dict[str, type[BasePolicy]]] = {"SlateActorCritic": SlateActorCritic}
    config_class: ClassVar[type[SlatePPOConfig]] = SlatePPOConfig
    kept: ClassVar[tuple[str, ...]] = ("n_pretraining_updates", "num_timesteps", "leash")
    policy: SlateActorCritic  # type: ignore[assignment]

    def __init__(
        self,
        env: GymEnv | str | None,
        config: SlatePPOConfig | None = None,
        *,
        item_factors: Floats32 | None = None,
        catalogue: Catalogue | None = None,
        seed: int | None = None,
        tensorboard_log: str | None = None,
        verbose: int = 0,
        device: torch.device | str = "auto",
        _init_setup_model: bool = True,
    ) -> None:
        self.config = config = config or SlatePPOConfig()
        topic_aware = config.topic_aware
        env = self._meet(env, item_factors, catalogue, topic_aware=topic_aware, verbose=verbose)
        self.leash = config.leash
        self._anchor: SlateActorCritic | None = None
        n_users = getattr(env, "num_envs", 1)
        n_steps = max(2, config.n_transitions // n_users)
        super().__init__(
            SlateActorCritic,  # type: ignore[arg-type]
            env,
            config.learning_rate,
            n_steps=n_steps,
            batch_size=n_steps * n_users,  # updates here take parts of `config.batch_size`
            n_epochs=config.n_epochs,
            gamma=config.discount,
            gae_lambda=config.trace,
            clip_range=config.clip,
            ent_coef=config.entropy,
            target_kl=config.stop_kl,
            rollout_buffer_class=SlateRolloutBuffer,
            policy_kwargs={
                "items": self.items,
                "item_size": config.item_size,
                "hidden": config.hidden,
                "value_scale": config.value_scale,
                "topic_spread": config.topic_spread,
            },
            tensorboard_log=tensorboard_log,
            verbose=verbose,
            device=device,
            seed=seed,
            _init_setup_model=False,
        )
        self._sampler = np.random.default_rng(seed)
        if _init_setup_model:
            self._setup_model()

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
        loss = self._value_loss(judged, batch.returns) - likely
        self._step(loss + F.mse_loss(judged.responses, batch.responses))

    def train(self) -> None:
        """Do updates on the transitions of a round (called by `learn`)."""
        assert isinstance(self.rollout_buffer, SlateRolloutBuffer)
        assert isinstance(self._last_obs, dict)
        self.rollout_buffer.see_responses(self._last_obs, self._last_episode_starts)
        self.policy.set_training_mode(True)
        self._set_rate(self._rate_now())
        whole = self.rollout_buffer.tensors()
        credits = self._credits(whole)
        is_frozen = self._is_frozen()
        told: list[_Told] = []
        for _ in range(self.n_epochs):
            for rows, batch in parts(whole, self.config.batch_size, self._sampler):
                loss, tells = self._loss(batch, credits[rows], is_frozen)
                told.append(tells)
                if tells.divergence > self.config.stop_kl:
                    break  # the step that went too far is not followed by another
                self._step(loss)
                self._n_updates += 1
            else:
                continue
            break
        self._adapt_leash(float(np.mean([tells.leashed for tells in told])))
        for name, values in zip(_Told._fields, zip(*told, strict=True), strict=True):
            self.logger.record(f"train/{name}", float(np.mean(values)))
        self.logger.record("train/n_updates", self._n_updates, exclude="tensorboard")
        self.logger.record("train/leash", self.leash)

    def _update_info_buffer(self, infos: list[dict[str, Any]], dones: Any = None) -> None:
        """Note what came back to the last slates of visits (called at each step)."""
        super()._update_info_buffer(infos, dones)
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

    def _loss(
        self, batch: SlateRollout, credits: Tensor, is_frozen: bool
    ) -> tuple[Tensor, "_Told"]:
        judged = self.policy.judge(batch.observations, batch.slates)
        change = (judged.log_probs - batch.log_probs).clamp(-_MOST_LOG_RATIO, _MOST_LOG_RATIO)
        value_loss = self._value_loss(judged, batch.returns)
        misses = ((judged.responses - batch.responses) ** 2).mean(dim=1)
        loss = value_loss + (misses * batch.is_known).mean()
        divergence = (change.exp() - 1.0 - change).mean().item()
        leashed = 0.0
        if not is_frozen:
            loss = loss + self._objective(change, credits)
            loss = loss - self.config.entropy * judged.entropy.mean()
            if self._anchor is not None and self.leash > 0:
                away = self._log_ratio_to_anchor(batch, judged)
                # On slates of the actor, this has the gradient of KL(actor, pretrained actor).
                loss = loss + self.leash * 0.5 * (away**2).mean()
                leashed = (away.exp() - 1.0 - away).mean().item()
        return loss, _Told(value_loss.item(), judged.entropy.mean().item(), divergence, leashed)

    def _objective(self, change: Tensor, credits: Tensor) -> Tensor:
        """Return the clipped objective, to be made small."""
        if self.config.clipping == "slate":
            total = change.sum(dim=1, keepdim=True).clamp(-_MOST_LOG_RATIO, _MOST_LOG_RATIO)
            change, credits = total, credits.mean(dim=1, keepdim=True)
        ratio, clip = change.exp(), self.config.clip
        clipped = ratio.clamp(1.0 - clip, 1.0 + clip)
        return -torch.minimum(ratio * credits, clipped * credits).mean()

    def _log_ratio_to_anchor(self, batch: SlateRollout, judged: Judged) -> Tensor:
        """Return the log-ratio of pretrained to present probability of each slot, (B, K)."""
        assert self._anchor is not None
        with torch.no_grad():
            anchor = self._anchor.distribution(batch.observations).log_probs(batch.slates)
        return (anchor - judged.log_probs).clamp(-_MOST_LOG_RATIO, _MOST_LOG_RATIO)

    def _value_loss(self, judged: Judged, returns: Tensor) -> Tensor:
        scale = self.config.value_scale
        return F.mse_loss(judged.values / scale, returns / scale)

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
        if not self.n_pretraining_updates:
            return False
        done = min(1.0, 1.0 - self._current_progress_remaining)  # the last round may overshoot
        return done <= self.config.frozen_actor

    def _adapt_leash(self, divergence: float) -> None:
        """Raise the leash's weight where the actor has gone further than the budget."""
        if self.config.leash > 0 and self._anchor is not None:
            factor = 1.5 if divergence > self.config.leash_budget else 1 / 1.1
            self.leash = float(np.clip(self.leash * factor, 1e-4, 1e3))


class _Told(NamedTuple):
    """What the log of training shows of an update."""

    value_loss: float
    entropy: float
    divergence: float
    leashed: float
