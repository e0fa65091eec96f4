"""ConstrainedPPO: the highest return that keeps costs within limits."""

import copy
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import torch
from gymnasium import spaces
from stable_baselines3.common.callbacks import BaseCallback
from torch import Tensor, nn
from torch.nn import functional as F

from rlrec.agents.networks import StateEncoder, TensorDict
from rlrec.agents.on_policy.constrained_ppo_config import ConstrainedPPOConfig
from rlrec.agents.on_policy.limits import COSTS, Cost, CostMeter
from rlrec.agents.on_policy.slate_ppo import SlatePPO
from rlrec.agents.on_policy.visit_costs import VisitCosts
from rlrec.agents.slate_rollouts import SlateRollout, parts
from rlrec.arrays import Floats
from rlrec.errors import ConfigError

_BLOCK = 4096  # transitions judged at once


class ConstrainedPPO(SlatePPO):
    """Proximal policy optimisation of the return under limits on mean costs, by multipliers.

    The advantage is `A - sum of l_j A_j`, with A_j that of cost j by a critic of its own, and after
    each round `l_j <- [l_j + rate * (J_j - d_j)]+`, with J_j the mean cost of the round (of its
    slates, or of the visits that ended in it: where none did, the multiplier stays) and d_j its
    limit; with `proportional` and `derivative` a controller that damps the swings of the rule.
    A floor is a ceiling on the negative cost.

    Limits hold for the slates that `act` draws in training, on average, once the multipliers have
    settled; the likeliest slates (`deterministic`) may be on one side of a limit altogether, since
    the best policy within limits mixes. Judge it on other users, drawn.

    Further costs: a subclass whose `costs` maps more names to functions of a `Limit` and a `Shown`
    (observations, slates, responses, and topics and features of the items).

    Args:
        env: Users: a `VecEnv` (such as `rlrec.make_users` returns) or the name of an environment.
            It must observe `last_response`.
        config: Settings; `limits` has no default.
        item_factors: Shape (N, F). Factors of a collaborative-filtering model; None for none.
        catalogue: The items; by default that of `env`, if it has one.
        seed: Of networks, draws and of `env` too; None leaves `env` with its own seed.
        tensorboard_log: Folder for TensorBoard, or None.
        verbose: As in stable-baselines3.
        device: As in stable-baselines3.

    Reference:
        Ray, Achiam and Amodei, 2019, "Benchmarking Safe Exploration in Deep Reinforcement
        Learning"; Stooke, Achiam and Abbeel, 2020, "Responsive Safety in Reinforcement Learning by
        PID Lagrangian Methods".

    Stability: experimental.
    """

    config_class: ClassVar[type[ConstrainedPPOConfig]] = ConstrainedPPOConfig
    kept: ClassVar[tuple[str, ...]] = (
        *SlatePPO.kept,
        "multipliers",
        "accumulated",
        "excess",
        "running_costs",
    )
    costs: ClassVar[Mapping[str, Cost]] = COSTS
    config: ConstrainedPPOConfig
    multipliers: list[float]
    """Of each limit: what a unit of its cost is worth, in reward."""
    accumulated: list[float]
    """Of each limit: the multiplier without what damps it."""
    excess: list[float]
    """Of each limit: how far the last round was beyond it, negative within."""

    @property
    def running_costs(self) -> dict[str, Any]:
        """What the visits of users cost so far: `running` (B, J), and which `is_whole` (B,)."""
        visits = self._visits
        return {"running": visits.running.tolist(), "is_whole": visits.is_whole.tolist()}

    @running_costs.setter
    def running_costs(self, told: dict[str, Any]) -> None:
        if len(told["is_whole"]) == self.n_envs:  # of as many users; others begin anew
            self._visits.running[:] = told["running"]
            self._visits.is_whole[:] = told["is_whole"]

    @classmethod
    def _checked(cls, config: Any) -> Any:
        config = super()._checked(config)
        if not config.limits:
            raise ConfigError(
                "ConstrainedPPO needs one limit or more, such as "
                "ConstrainedPPOConfig(limits=(Limit(cost='n_topics', at_least=3),)); without any, "
                "use SlatePPO"
            )
        return config

    def _setup_model(self) -> None:
        super()._setup_model()
        self.multipliers = [0.0] * len(self.config.limits)
        self.accumulated, self.excess = self.multipliers.copy(), self.multipliers.copy()
        self._cut_off: list[tuple[int, int, dict[str, Any]]] = []
        self._visits = VisitCosts(self.n_envs, len(self.config.limits))
        space = self.observation_space
        assert isinstance(space, spaces.Dict)
        seen = space["candidate_features"].shape if "candidate_features" in space.spaces else None
        n_seen = int((seen or (0,))[-1])
        self.meter = CostMeter(self.config.limits, self.costs, self.catalogue, n_seen)
        sizes = (self.config.item_size, self.config.hidden, len(self.config.limits))
        self.cost_critic = CostCritic(space, *sizes).to(self.device)
        self._cost_optimizer = torch.optim.Adam(self.cost_critic.parameters(), eps=1e-5)

    def optimizers(self) -> dict[str, torch.optim.Optimizer]:
        """Return the optimisers of actor with critic, and of the critic of costs."""
        return {**super().optimizers(), "cost_optimizer": self._cost_optimizer}

    def further_networks(self) -> dict[str, nn.Module]:
        """Return the pretrained actor, if there is one, and the critic of costs."""
        return {**super().further_networks(), "cost_critic": self.cost_critic}

    def _setup_learn(self, *args: Any, **kwargs: Any) -> tuple[int, BaseCallback]:
        """Drop the costs of visits that are not gone on with."""
        resets = args[2] if len(args) > 2 else kwargs.get("reset_num_timesteps", True)
        if resets or self._last_obs is None:
            self._visits.forget()
        return super()._setup_learn(*args, **kwargs)

    def _update_info_buffer(self, infos: list[dict[str, Any]], dones: Any = None) -> None:
        super()._update_info_buffer(infos, dones)
        for user in np.flatnonzero(dones):
            if infos[user].get("TimeLimit.truncated") and "terminal_observation" in infos[user]:
                final = infos[user]["terminal_observation"]
                self._cut_off.append((self.rollout_buffer.pos, int(user), final))

    def _begin_round(self) -> SlateRollout:
        """Return the transitions of a round, with advantages from which costs are taken away."""
        whole = super()._begin_round()
        costs = self.meter(whole.observations, whole.slates, whole.responses)
        self._adapt_multipliers(costs.cpu().numpy())
        credits = self._cost_credits(costs, whole.observations)
        self._cut_off.clear()
        self._learn_costs(whole, credits[1])
        multipliers = torch.tensor(self.multipliers, device=self.device)
        return whole._replace(advantages=whole.advantages - credits[0] @ multipliers)

    def _adapt_multipliers(self, costs: Floats) -> None:
        """Move the multipliers by how far a round, with costs (n, J), was beyond the limits."""
        of_steps = costs.reshape(*self.rollout_buffer.rewards.shape, -1)
        begins = np.vstack([self.rollout_buffer.episode_starts, self._last_episode_starts])
        of_visits = self._visits.ended(of_steps, begins > 0)
        for number, limit in enumerate(self.config.limits):
            counted = (costs if limit.per == "step" else of_visits)[:, number]
            if len(counted):
                self._adapt_multiplier(number, float(counted.mean()))
            self.logger.record(f"train/multiplier_{number}", self.multipliers[number])

    def _adapt_multiplier(self, number: int, mean: float) -> None:
        config, limit = self.config, self.config.limits[number]
        excess = limit.sign * (mean - limit.bound)
        self.logger.record(f"train/cost_{number}", mean)
        if not self._is_frozen():  # while nothing can follow, nothing should pile up
            summed = max(0.0, self.accumulated[number] + config.multiplier_rate * excess)
            away = max(0.0, excess - self.excess[number]) if self._n_updates else 0.0
            damped = summed + config.proportional * excess + config.derivative * away
            self.accumulated[number], self.multipliers[number] = summed, max(0.0, damped)
        self.excess[number] = excess

    def _cost_credits(self, costs: Tensor, seen: TensorDict) -> tuple[Tensor, Tensor]:
        """Return generalised advantages and returns of the costs, (n, J) each."""
        buffer = self.rollout_buffer
        shape = buffer.rewards.shape
        values = self._cost_values(seen).cpu().numpy().reshape(*shape, -1)
        assert isinstance(self._last_obs, dict)
        last = self._cost_values(self._tensors(self._last_obs))
        signals = costs.cpu().numpy().reshape(*shape, -1)
        found = []
        for number, limit in enumerate(self.config.limits):
            one = copy.copy(buffer)
            bound = limit.bound if limit.per == "step" else 0.0
            one.rewards = limit.sign * (signals[..., number] - bound)
            one.values, one.advantages = values[..., number], np.zeros_like(buffer.advantages)
            for step, user, final in self._cut_off:
                ahead = {key: array[None] for key, array in final.items()}
                worth = self._cost_values(self._tensors(ahead))[0, number].item()
                one.rewards[step, user] += self.gamma * worth
            one.compute_returns_and_advantage(last[:, number], self._last_episode_starts)
            found.append((one.advantages.reshape(-1), one.returns.reshape(-1)))
        advantages, returns = (np.stack(part, axis=1) for part in zip(*found, strict=True))
        return (
            torch.as_tensor(advantages, dtype=torch.float32, device=self.device),
            torch.as_tensor(returns, dtype=torch.float32, device=self.device),
        )

    def _learn_costs(self, whole: SlateRollout, returns: Tensor) -> None:
        for group in self._cost_optimizer.param_groups:
            group["lr"] = self.config.learning_rate
        for _ in range(self.n_epochs):
            for rows, batch in parts(whole, self.config.batch_size, self._sampler):
                seen = batch.observations
                values = self.cost_critic(seen, self._item_vectors(seen))
                self._cost_optimizer.zero_grad()
                F.mse_loss(values, returns[rows]).backward()  # type: ignore[no-untyped-call]
                self._cost_optimizer.step()

    @torch.no_grad()
    def _cost_values(self, seen: TensorDict) -> Tensor:
        """Return the value of each cost, (n, J)."""
        found, n = [], len(next(iter(seen.values())))
        for start in range(0, n, _BLOCK):
            block = {key: values[start : start + _BLOCK] for key, values in seen.items()}
            found.append(self.cost_critic(block, self._item_vectors(block)))
        return torch.cat(found)

    def _item_vectors(self, seen: TensorDict) -> Tensor | None:
        with torch.no_grad():
            vectors: Tensor | None = self.policy.actor.items(seen).catalogue
            return vectors

    def _tensors(self, observations: Mapping[str, Any]) -> TensorDict:
        return {k: torch.as_tensor(array, device=self.device) for k, array in observations.items()}


class CostCritic(nn.Module):
    """Discounted costs to come, of each of some limits."""

    def __init__(self, space: spaces.Dict, item_size: int, hidden: int, n_limits: int) -> None:
        super().__init__()
        self.state = StateEncoder(space, item_size)
        n_in = self.state.manner_size + self.state.count_size
        self.trunk = nn.Sequential(
            nn.Linear(n_in, hidden), nn.ReLU(), nn.Linear(hidden, hidden), nn.ReLU()
        )
        self.value = nn.Linear(hidden, n_limits)
        for parameter in self.value.parameters():
            nn.init.zeros_(parameter)

    def forward(self, obs: TensorDict, items: Tensor | None) -> Tensor:
        """Return values (B, J)."""
        state = self.state(obs, items)
        values: Tensor = self.value(self.trunk(torch.cat([state.manner, state.progress], dim=1)))
        return values
