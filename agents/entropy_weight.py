"""The weight of the entropy in soft actor-critic, which is learned, as a number to keep."""

import math

import torch
from torch import Tensor


class KeepsEntropyWeight:
    """Mixed into agents on SAC, so that a saved agent goes on with the weight it had."""

    log_ent_coef: Tensor | None

    @property
    def entropy_weight(self) -> float:
        """Present weight of the entropy, in units of `value_scale` a nat."""
        assert self.log_ent_coef is not None
        return float(self.log_ent_coef.exp().item())

    @entropy_weight.setter
    def entropy_weight(self, weight: float) -> None:
        assert self.log_ent_coef is not None
        with torch.no_grad():
            self.log_ent_coef.fill_(math.log(weight))
