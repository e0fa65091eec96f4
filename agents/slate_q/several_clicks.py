"""Slots of slates from which several items may be taken."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

_MOST = 1.0 - 1e-6  # a probability of 1 leaves no chance of what happened


class Slots(nn.Module):
    """Position-based clicks: P(click at slot k) = sigmoid(score of the item) * sigmoid(slot k).

    Clicks are told apart slot by slot, so their gains add up: the value of a slate is
    `q(s, 0) + sum over k of P_k (q(s, a_k) - q(s, 0))`. For users who scan from the top and stop
    (a cascade) the slots learn how often each is reached, on average over what stands above.

    Args:
        slate_size: K.
    """

    def __init__(self, slate_size: int) -> None:
        super().__init__()
        self.logits = nn.Parameter(torch.zeros(slate_size))

    def examination(self) -> Tensor:
        """Return how often each slot is looked at, (K,)."""
        return torch.sigmoid(self.logits)

    def best_slates(self, scores: Tensor, values: Tensor, null: Tensor) -> tuple[Tensor, Tensor]:
        """Return the best slates (B, K) and their values (B,), exactly.

        The items of highest attraction times gain, the best of them where users look most.

        Args:
            scores: Shape (B, n). Of all on offer.
            values: Shape (B, n).
            null: Shape (B,). Value where nothing is taken.
        """
        gains = torch.sigmoid(scores) * (values - null[:, None])
        best = gains.topk(len(self.logits), dim=1)
        looked_at, order = self.examination().sort(descending=True, stable=True)
        slates = torch.empty_like(best.indices)
        slates[:, order] = best.indices
        return slates, null + (best.values * looked_at).sum(dim=1)

    def values_of(self, scores: Tensor, values: Tensor, null: Tensor) -> Tensor:
        """Return the values (B,) of slates of given scores (-inf: blank) and values, (B, K)."""
        clicked = torch.sigmoid(scores) * self.examination()
        return null + (clicked * (values - null[:, None])).sum(dim=1)

    def loss(self, scores: Tensor, responses: Tensor) -> Tensor:
        """Return the cross-entropy of clicks a slot; blank slots (score -inf) do not count."""
        shown = ~torch.isneginf(scores)
        probabilities = torch.sigmoid(scores.masked_fill(~shown, 0.0)) * self.examination()
        clicked = (responses > 0).to(probabilities)
        misses = F.binary_cross_entropy(probabilities.clamp(max=_MOST), clicked, reduction="none")
        return (misses * shown).sum() / shown.sum().clamp(min=1)
