"""Values of slates under weighted choice, and three ways to search for the best, in torch."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor


class Weights(NamedTuple):
    """Choice weights of B users: an option is taken with probability proportional to its weight."""

    items: Tensor
    """Shape (B, n), 0 or more. Of all on offer."""
    nothing: Tensor
    """Shape (B,), 0 or more. Of taking nothing."""


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
        null_weight: Shape (B,), 0 or more.
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


def greedy_slates(
    weights: Tensor,
    values: Tensor,
    null_weight: Tensor,
    null_value: Tensor,
    slate_size: int,
    rounds: int,
) -> tuple[Tensor, Tensor]:
    """Return slates filled item by item, each the one that makes the slate so far most valuable.

    Args as in `best_slates`, `rounds` aside. At most a little below the best slate in general, but
    an item that was good in a short slate is never taken back.
    """
    mass, gained = null_weight[:, None], (null_weight * null_value)[:, None]
    worth, left = weights * values, torch.zeros_like(weights)
    slots = []
    for _ in range(slate_size):
        with_item = (gained + worth) / (mass + weights) + left
        slot = with_item.argmax(dim=1, keepdim=True)
        slots.append(slot)
        mass, gained = mass + weights.gather(1, slot), gained + worth.gather(1, slot)
        left = left.scatter(1, slot, -torch.inf)
    return torch.cat(slots, dim=1), (gained / mass)[:, 0]


def top_slates(
    weights: Tensor,
    values: Tensor,
    null_weight: Tensor,
    null_value: Tensor,
    slate_size: int,
    rounds: int,
) -> tuple[Tensor, Tensor]:
    """Return the items of highest weight times value; args as in `best_slates`, `rounds` aside.

    Far below the best slate where much is taken: such an item takes from better ones beside it.
    """
    slates = (weights * values).topk(slate_size, dim=1).indices
    return slates, slate_value(slates, weights, values, null_weight, null_value)


Search = Callable[[Tensor, Tensor, Tensor, Tensor, int, int], tuple[Tensor, Tensor]]
SEARCHES: dict[str, Search] = {"exact": best_slates, "greedy": greedy_slates, "top_k": top_slates}
"""By the name they have in the settings of SlateQ."""


def blank_repeats(scores: Tensor, slates: Tensor) -> Tensor:
    """Return `scores` of the slots (B, K), -inf where a slot repeats an item shown above it."""
    return scores.masked_fill(repeats(slates), -torch.inf)


def repeats(slates: Tensor) -> Tensor:
    """Return which slots (B, K) repeat an item shown above them."""
    same = slates[:, :, None] == slates[:, None, :]
    return torch.tril(same, diagonal=-1).any(dim=2)
