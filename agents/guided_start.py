"""Guided start: another policy plays the first steps of each visit, ever fewer of them."""

import logging
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm

from rlrec.agents.settings import CheckedSettings, Rule, count, not_negative
from rlrec.arrays import Floats
from rlrec.errors import ConfigError
from rlrec.evaluation import Estimate, mean_interval
from rlrec.policy import SlatePolicy

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class GuidedStartConfig(CheckedSettings):
    """Settings of `GuidedStart`."""

    n_steps: int = 40
    """Steps of each visit that the guide plays at first, 1 or more."""
    n_stages: int = 10
    """Equal parts by which these steps shrink to none, 1 or more."""
    n_visits: int = 50
    """Visits whose mean return is looked at before the next stage, 1 or more."""
    tolerance: float = 0.01
    """Share of the mean return of the last stage that may be lost, beside one standard error, and
    the steps still shrink; 0 or more."""

    rules: ClassVar[tuple[Rule, ...]] = (
        count("n_steps n_stages n_visits"),
        not_negative("tolerance"),
    )


class GuidedStart(BaseCallback):
    """Lets a guide play the first h steps of each visit, and the agent that learns the rest.

    `agent.learn(n, GuidedStart(guide))`. So the agent begins in situations that a good policy
    reaches, and learns what to do there before it has to find the way. Whenever the mean return of
    `n_visits` visits begun under the present h is within `tolerance`, and one standard error, of
    that at which h shrank last, h shrinks a stage. (Against the best mean of all, as published,
    the luck of a window would hold h for ever.)

    For off-policy agents that show slates, such as SlateQ: they may learn from slates of others,
    and the guide's are stored as what they are, the slates that were shown. On-policy agents, which
    would take them for their own, are refused.

    Args:
        guide: Draws its slates from what is observed; one that reads the truth must be bound.
        config: Settings.
        seed: Of the guide's chance.

    Reference:
        Uchendu et al., 2023, "Jump-Start Reinforcement Learning".

    Stability: experimental.
    """

    def __init__(
        self, guide: SlatePolicy, config: GuidedStartConfig | None = None, *, seed: int = 0
    ) -> None:
        super().__init__()
        self.guide = guide
        self.config = config or GuidedStartConfig()
        self.n_guided = self.config.n_steps
        """Steps the guide plays now."""
        self.goal: Estimate | None = None
        """Mean return of the visits after which the guide's part shrank last."""
        self._stage = 0
        self._rng = np.random.default_rng(seed)

    def _init_callback(self) -> None:
        agent: Any = self.model
        if not isinstance(agent, OffPolicyAlgorithm):
            raise ConfigError(
                f"a guided start fits off-policy agents (such as SlateQ), got "
                f"{type(agent).__name__}, which would take the guide's slates for its own; let it "
                "imitate a log of the guide instead, by `pretrain`"
            )
        if not isinstance(agent.action_space, spaces.MultiDiscrete):
            raise ConfigError(
                f"a guided start fits agents that show slates, got actions {agent.action_space}"
            )

    def _on_training_start(self) -> None:
        """Step between the agent and its users."""
        agent: Any = self.model
        self._steps = np.zeros(agent.n_envs, np.int64)
        self._returns = np.zeros(agent.n_envs)
        self._begun_at = np.full(agent.n_envs, self.n_guided)
        self._ended: list[float] = []
        agent._sample_action = self._guided  # shadows the method of the class

    def _on_training_end(self) -> None:
        """Step aside."""
        vars(self.model).pop("_sample_action", None)
        if self.n_guided:
            _LOG.warning(
                "the guide still plays the first %d steps as training ends: go on with the same "
                "GuidedStart, or take fewer n_stages, fewer n_visits or a larger tolerance",
                self.n_guided,
            )

    def _guided(self, *args: Any, **kwargs: Any) -> tuple[NDArray[Any], NDArray[Any]]:
        """Return the agent's slates, and the guide's for users who are at the start of a visit."""
        agent: Any = self.model
        slates, stored = type(agent)._sample_action(agent, *args, **kwargs)
        users = np.flatnonzero(self._steps < self._begun_at)
        if users.size:
            seen = {key: array[users] for key, array in agent._last_obs.items()}
            slates = slates.copy()
            slates[users] = stored[users] = self.guide.act(seen, self._rng).slates
        return slates, stored

    def _on_step(self) -> bool:
        self._steps += 1
        self._returns += self.locals["rewards"]
        ended = np.flatnonzero(self.locals["dones"])
        counted = ended[self._begun_at[ended] == self.n_guided]
        self._ended += self._returns[counted].tolist()
        if len(self._ended) >= self.config.n_visits:
            self._judge(np.array(self._ended))
            self._ended.clear()
        self._steps[ended], self._returns[ended] = 0, 0.0
        self._begun_at[ended] = self.n_guided
        self.logger.record("guided/n_steps", self.n_guided)
        return True

    def _judge(self, returns: Floats) -> None:
        """Shrink the guide's part if the mean of returns (n,) holds."""
        found = mean_interval(returns)
        if self._holds(found) and self._stage < self.config.n_stages:
            self.goal = found
            self._stage += 1
            left = 1.0 - self._stage / self.config.n_stages
            self.n_guided = round(self.config.n_steps * left)
            _LOG.info("the guide now plays %d steps (return %.2f)", self.n_guided, found.value)

    def _holds(self, found: Estimate) -> bool:
        if self.goal is None:
            return True
        error = float(np.hypot(found.standard_error, self.goal.standard_error))
        # The error of one visit alone is not known: nan, which counts as none.
        allowed = self.config.tolerance * abs(self.goal.value) + float(np.nan_to_num(error))
        return found.value >= self.goal.value - allowed
