"""How the return to come is distributed, given the state, as quantiles."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

LOWEST, HIGHEST = 0.05, 0.95
"""First and last quantile."""
_N_LEVELS = 19


class ReturnQuantiles(nn.Module):
    """Quantiles of the return at levels from 0.05 to 0.95, rising by construction.

    Args:
        n_in: Length of what is known of the state.
        scale: Unit of the returns.
    """

    def __init__(self, n_in: int, scale: float) -> None:
        super().__init__()
        self.scale = scale
        self.head = nn.Linear(n_in, _N_LEVELS)
        levels = torch.linspace(LOWEST, HIGHEST, _N_LEVELS)
        self.register_buffer("levels", levels, persistent=False)
        self.levels: Tensor

    def forward(self, inner: Tensor) -> Tensor:
        """Return the quantiles (B, L), in units of reward, from (B, n_in)."""
        raw = self.head(inner)
        steps = F.softplus(raw[:, 1:]) / _N_LEVELS
        rising = torch.cat([raw[:, :1], raw[:, :1] + steps.cumsum(dim=1)], dim=1)
        return rising * self.scale

    def loss(self, quantiles: Tensor, returns: Tensor) -> Tensor:
        """Return the pinball loss of quantiles (B, L), least where a share of `levels` is below."""
        missed = (returns[:, None] - quantiles) / self.scale
        return torch.maximum(self.levels * missed, (self.levels - 1.0) * missed).mean()

    def ranks(self, quantiles: Tensor, returns: Tensor) -> Tensor:
        """Return the share (B,) of returns that lie below each, from 0.05 to 0.95."""
        upper = (returns[:, None] >= quantiles).sum(dim=1).clamp(1, _N_LEVELS - 1)[:, None]
        low, high = quantiles.gather(1, upper - 1), quantiles.gather(1, upper)
        part = (returns[:, None] - low) / (high - low).clamp(min=1e-6 * self.scale)
        step = (HIGHEST - LOWEST) / (_N_LEVELS - 1)
        return (self.levels[upper - 1] + part.clamp(0.0, 1.0) * step)[:, 0]

    @staticmethod
    def middle(quantiles: Tensor) -> Tensor:
        """Return the median (B,)."""
        return quantiles[:, _N_LEVELS // 2]
