"""How likely each slot of a slate is responded to, and what slates are worth by that."""

from typing import NamedTuple

import torch
from gymnasium import spaces
from torch import Tensor, nn
from torch.nn import functional as F

from rlrec.agents.networks import ItemKnowledge, ItemScorer, Scores, TensorDict
from rlrec.agents.replay import SlateBatch
from rlrec.agents.several_clicks import Slots
from rlrec.agents.slate_value import blank_repeats
from rlrec.agents.topic_offsets import known_topic_offsets, offsets_of_slots


class Attraction(NamedTuple):
    """What draws B users to the slots of slates."""

    slots: Tensor
    """Shape (B, K). Scores; -inf for an item shown again."""
    nothing: Tensor
    """Shape (B,). Score of taking nothing; only where at most one item is taken."""


class ResponseModel(nn.Module):
    """Chances of a response in each slot, from `score(s, a_k) + offset(s, topic of a_k, m_k)`.

    Where users take one item at most, the chances are a softmax over the slots and taking nothing
    (a conditional logit); else each slot has its own, `sigmoid(score) * look_k`, as in `Slots`. m_k
    counts the items of the same topic above slot k; the offsets, only where topics are known and
    asked for, let a second item of a topic draw less than the first. An item shown again draws
    nothing.

    Args:
        space: What is observed.
        n_choices: Items (or candidates) that a slot may show.
        slate_size: K.
        items: What is known of the items.
        item_size: Length of an item's vector.
        hidden: Width of the hidden layers.
        takes_one: Whether a user takes one item of a slate at most.
        has_offsets: Whether topics have offsets, where `items` has topics.
    """

    def __init__(
        self,
        space: spaces.Dict,
        n_choices: int,
        slate_size: int,
        items: ItemKnowledge,
        item_size: int,
        hidden: int,
        takes_one: bool,
        has_offsets: bool = False,
    ) -> None:
        super().__init__()
        # Where one item is taken, a shift of all scores cancels in the softmax.
        self.scorer = ItemScorer(space, n_choices, items, item_size, hidden, not takes_one)
        self.slots = None if takes_one else Slots(slate_size)
        self.offsets = known_topic_offsets(space, items, slate_size) if has_offsets else None

    def forward(self, obs: TensorDict, slates: Tensor) -> Attraction:
        """Return what draws users to the slots of slates (B, K)."""
        found = self.scorer(obs)
        scores = found.of_slates(slates)
        if self.offsets is not None:
            scores = scores + offsets_of_slots(self.offsets(obs), self.offsets.groups, slates)
        return Attraction(blank_repeats(scores, slates), found.nothing)

    def chances(self, attraction: Attraction) -> Tensor:
        """Return the probability of a response in each slot, (B, K)."""
        if self.slots is not None:
            return torch.sigmoid(attraction.slots) * self.slots.examination()
        return _options(attraction).softmax(dim=1)[:, :-1]

    def chances_of_all(self, obs: TensorDict, attraction: Attraction) -> Tensor:
        """Return about how likely each item on offer is taken among those of a slate, (B, n)."""
        scores: Tensor = self.scorer(obs).of_all()
        if self.slots is not None:
            return torch.sigmoid(scores)
        others = torch.logsumexp(_options(attraction), dim=1, keepdim=True)
        return (scores - others).exp().clamp(max=1.0)

    def loss(self, attraction: Attraction, batch: SlateBatch) -> Tensor:
        """Return how badly what was taken is foretold: a cross-entropy."""
        if self.slots is not None:
            loss: Tensor = self.slots.loss(attraction.slots, batch.responses)
            return loss
        return F.cross_entropy(_options(attraction), batch.choices)


class SlateWorth(NamedTuple):
    """What slates are worth by what may be taken of them, in units of `value_scale`.

    The worth of taking an item is that of the response itself and of all that follows, which is
    taken to depend on a slate only through the responses to it.
    """

    nothing: Tensor
    """Shape (B,). Worth of taking nothing."""
    gains: Tensor
    """Shape (B, K). What taking each item is worth above that."""

    @classmethod
    def of(cls, scores: Scores, slates: Tensor) -> "SlateWorth":
        """Return what slates (B, K) are worth by the scores of their items."""
        return cls(scores.nothing, scores.of_slates(slates) - scores.nothing[:, None])

    def expected(self, chances: Tensor) -> Tensor:
        """Return the worth (B,) where each slot is taken with these chances (or was), (B, K)."""
        return self.nothing + (chances * self.gains).sum(dim=1)


def _options(attraction: Attraction) -> Tensor:
    return torch.cat([attraction.slots, attraction.nothing[:, None]], dim=1)
