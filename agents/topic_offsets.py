"""How many items of each topic a slate should hold, from what was shown and taken lately."""

import torch
from gymnasium import spaces
from torch import Tensor, nn

from rlrec.agents.networks import ItemKnowledge, TensorDict, offers_candidates
from rlrec.agents.plackett_luce import Groups

_WINDOWS = (5, 10, 20)  # of the newest items responded to
_LOG_SCALE = 3.0


class TopicOffsets(nn.Module):
    """Logits of the first, second, ... item of each topic in a slate.

    One small network serves all topics. Of a topic it sees how often it was responded to in this
    visit and lately, how much of it the last slate showed and brought, and `context`, where that
    has an entry a topic. An untrained network asks for variety as far as `spread` says.

    Args:
        space: What is observed.
        groups: Topics of the items.
        slate_size: K.
        spread: What the logit of an item loses at first for each item of its topic that stands
            above, 0 or more.
        hidden: Width of the hidden layers.
    """

    def __init__(
        self,
        space: spaces.Dict,
        groups: Groups,
        slate_size: int,
        spread: float = 0.0,
        hidden: int = 32,
    ) -> None:
        super().__init__()
        self.groups = groups
        n_topics = groups.n_groups
        shapes = {key: box.shape or () for key, box in space.spaces.items()}
        self.has_counts = shapes.get("topic_counts") == (n_topics + 1,)
        self.has_context = shapes.get("context") == (n_topics,)
        self.windows: tuple[int, ...] = ()
        if "history_items" in shapes:
            length = shapes["history_items"][0]
            self.windows = tuple(window for window in _WINDOWS if window <= length)
        self.has_last = {"last_slate", "last_response"} <= shapes.keys()
        self.n_seen = 2 * self.has_counts + self.has_context + len(self.windows) + 2 * self.has_last
        self.net = nn.Sequential()
        if not self.n_seen:  # such offsets are of no use, as `known_topic_offsets` says
            return
        self.net = nn.Sequential(
            nn.Linear(self.n_seen, hidden),
            nn.ReLU(),
            nn.Linear(hidden, hidden),
            nn.ReLU(),
            nn.Linear(hidden, slate_size),
        )
        last = self.net[-1]
        assert isinstance(last, nn.Linear)
        nn.init.zeros_(last.weight)
        with torch.no_grad():
            last.bias.copy_(-spread * torch.arange(slate_size))

    def forward(self, observations: TensorDict) -> Tensor:
        """Return offsets (B, T, K)."""
        offsets: Tensor = self.net(torch.stack(self._seen(observations), dim=2))
        return offsets

    def _seen(self, observations: TensorDict) -> list[Tensor]:
        """Return what is seen of each topic, (B, T) each."""
        seen = []
        if self.has_counts:
            counts = observations["topic_counts"].float()
            taken = counts[:, :-1]
            seen.append(torch.log1p(taken) / _LOG_SCALE)
            seen.append(taken / (counts.sum(dim=1, keepdim=True) + 1.0))
        if self.has_context:
            seen.append(observations["context"].float())
        for window in self.windows:
            items = observations["history_items"][:, -window:]
            seen.append(self._by_topic(items, torch.ones_like(items, dtype=torch.float)) / window)
        if self.has_last:
            slate = observations["last_slate"]
            responses = observations["last_response"][..., 0].float()
            seen.append(self._by_topic(slate, torch.ones_like(responses)) / slate.shape[1])
            seen.append(self._by_topic(slate, responses) / slate.shape[1])
        return seen

    def _by_topic(self, items: Tensor, values: Tensor) -> Tensor:
        """Return sums of values (B, n) of items (item_index + 1; 0 for none) by topic, (B, T)."""
        topics = self.groups.topics[(items.long() - 1).clamp(min=0)]
        sums = values.new_zeros(len(items), self.groups.n_groups)
        return sums.scatter_add(1, topics, values * (items > 0))


def known_topic_offsets(
    space: spaces.Dict, items: ItemKnowledge, slate_size: int, spread: float = 0.0
) -> TopicOffsets | None:
    """Return offsets, or None where topics are not known or nothing is observed of them.

    Args:
        space: What is observed.
        items: What is known of the items.
        slate_size: K.
        spread: As of `TopicOffsets`.
    """
    if items.topics is None or offers_candidates(space):
        return None
    offsets = TopicOffsets(space, Groups(items.topics), slate_size, spread)
    return offsets if offsets.n_seen else None


def offsets_of_slots(offsets: Tensor, groups: Groups, slates: Tensor) -> Tensor:
    """Return the offset of each slot of slates (B, K) by its topic and those above, (B, K).

    An item shown again is not counted.

    Args:
        offsets: Shape (B, T, K), as `TopicOffsets` returns them.
        groups: Topics of the items.
        slates: Shape (B, K).
    """
    topics = groups.topics[slates]
    alike = topics[:, :, None] == topics[:, None, :]
    same = torch.tril(slates[:, :, None] == slates[:, None, :], diagonal=-1)
    counted = alike & ~same.any(dim=2)[:, None, :]
    above = torch.tril(counted, diagonal=-1).sum(dim=2, keepdim=True)
    by_slot = offsets.gather(1, topics[:, :, None].expand(-1, -1, slates.shape[1]))
    return by_slot.gather(2, above)[:, :, 0]
