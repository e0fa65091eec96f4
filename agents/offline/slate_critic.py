"""Values of slates as sums of what their items add, for agents that learn off policy."""

from dataclasses import dataclass

import torch
from gymnasium import spaces
from torch import Tensor, nn

from rlrec.agents.networks import ItemKnowledge, ItemScorer, Scores, TensorDict

_FIRST_FADING = 4.0  # a slot starts at sigmoid(4) = 0.98 of the one above


@dataclass(frozen=True)
class SlateValues:
    """What slates are worth to B users."""

    scores: Scores
    weights: Tensor
    """Shape (K,). Of the slots, 1 for the first and falling."""

    def of_items(self) -> Tensor:
        """Return what each item on offer adds in the first slot, (B, n)."""
        return self.scores.of_all() - self.scores.base

    def of_slots(self, slates: Tensor) -> Tensor:
        """Return what the item in each slot adds before its slot's weight, (B, K).

        An item shown again adds nothing.
        """
        same = torch.tril(slates[:, :, None] == slates[:, None, :], diagonal=-1)
        added = self.scores.of_slates(slates) - self.scores.base
        return added.masked_fill(same.any(dim=2), 0.0)

    def of(self, slates: Tensor) -> Tensor:
        """Return the values of slates (B, K), (B,)."""
        return self.scores.base[:, 0] + self.of_slots(slates) @ self.weights


class SlateCritic(nn.Module):
    """Q(s, A) = base(s) + sum over slots k of w_k d(s, a_k).

    d is what an item adds by itself; the weights w_k of the slots are learned, start near 1 and
    fall from the top down, so that a slate in falling order of d is the best one. An item is taken
    to add the same whatever it is shown with, which is near the truth where slates hold few of the
    items that a user would take. The step's response and all that follows are in d, so that several
    responses a slate are as good as one.

    Args:
        space: What is observed.
        n_choices: Items (or candidates) that a slot may show.
        slate_size: K.
        items: What is known of the items.
        item_size: Length of an item's vector.
        hidden: Width of the hidden layers.
    """

    def __init__(
        self,
        space: spaces.Dict,
        n_choices: int,
        slate_size: int,
        items: ItemKnowledge,
        item_size: int,
        hidden: int,
    ) -> None:
        super().__init__()
        self.scorer = ItemScorer(space, n_choices, items, item_size, hidden, True)
        self.fading = nn.Parameter(torch.full((slate_size - 1,), _FIRST_FADING))

    def forward(self, obs: TensorDict) -> SlateValues:
        """Return what slates are worth to a batch of users."""
        steps = torch.cat([self.fading.new_ones(1), torch.sigmoid(self.fading)])
        return SlateValues(self.scorer(obs), steps.cumprod(dim=0))
