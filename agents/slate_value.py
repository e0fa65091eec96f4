"""Values of slates under weighted choice, and the best slate, in torch."""

import torch
from torch import Tensor


def slate_value(
    slates: Tensor, weights: Tensor, values: Tensor, null_weight: Tensor, null_value: Tensor
) -> Tensor:
    """Return (sum of v q + v_0 q_0) / (sum of v + v_0) of each slate, shape (B,)."""
    shown = weights.gather(1, slates)
    gained = (shown * values.gather(1, slates)).sum(dim=1) + null_weight * null_value
    return gained / (shown.sum(dim=1) + null_weight)


def best_slates(
    weights: Tensor,
    values: Tensor,
    null_weight: Tensor,
    null_value: Tensor,
    slate_size: int,
    rounds: int,
) -> tuple[Tensor, Tensor]:
    """Return the slates of highest value and these values, by parametric search.

    Like `rlrec.slates.best_slates`, with a fixed number of rounds for all rows. It starts at the
    value of taking nothing, which leads to nearly the same future, so few rounds are needed; each
    can only raise the value.

    Args:
        weights: Shape (B, n), above 0.
        values: Shape (B, n).
        null_weight: Shape (B,), above 0.
        null_value: Shape (B,).
        slate_size: K.
        rounds: Rounds of the search.
    """
    level = null_value
    slates = None
    for _ in range(rounds):
        slates = (weights * (values - level[:, None])).topk(slate_size, dim=1).indices
        level = slate_value(slates, weights, values, null_weight, null_value)
    assert slates is not None
    return slates, level


def blank_repeats(scores: Tensor, slates: Tensor) -> Tensor:
    """Return `scores` of the slots (B, K), -inf where a slot repeats an item shown above it."""
    same = slates[:, :, None] == slates[:, None, :]
    repeated = torch.tril(same, diagonal=-1).any(dim=2)
    return scores.masked_fill(repeated, -torch.inf)
