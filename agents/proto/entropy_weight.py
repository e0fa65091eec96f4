"""The weight of the entropy in soft actor-critic, which is learned, as a number to keep."""

import math
from typing import Any

import torch
from torch import Tensor


class KeepsEntropyWeight:
    """Mixed into agents on SAC, so that a saved agent goes on with the weight it had."""

    log_ent_coef: Tensor | None

    @property
    def entropy_weight(self) -> float:
        """Present weight of the entropy, in units of `value_scale` a nat."""
        return math.exp(self.log_entropy_weight)

    @property
    def log_entropy_weight(self) -> float:
        """Natural logarithm of the weight, which is what is learned."""
        assert self.log_ent_coef is not None
        return float(self.log_ent_coef.item())

    @log_entropy_weight.setter
    def log_entropy_weight(self, logarithm: float) -> None:
        assert self.log_ent_coef is not None
        with torch.no_grad():
            self.log_ent_coef.fill_(logarithm)

    def optimizers(self) -> dict[str, torch.optim.Optimizer]:
        """Return the optimisers of actor, critics and weight."""
        agent: Any = self
        return {
            "actor_optimizer": agent.actor.optimizer,
            "critic_optimizer": agent.critic.optimizer,
            "entropy_optimizer": agent.ent_coef_optimizer,
        }
