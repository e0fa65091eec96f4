"""Slates drawn item by item without repeats, aware of what stands above, in torch."""

from collections.abc import Callable
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor, nn

from rlrec.arrays import Ints

_SHOWN = -1e30  # a logit that is out of the game; -inf would have no gradient where all are shown

Uniforms = Callable[..., Tensor]
"""Takes a shape and returns draws in [0, 1)."""


class Groups(nn.Module):
    """Which items belong together; a buffer of networks, so that it moves with them.

    Args:
        topics: Shape (n,). Group of each item, numbered from 0.
    """

    def __init__(self, topics: Ints) -> None:
        super().__init__()
        order = np.argsort(topics, kind="stable")
        sizes = np.bincount(topics)
        self.n_groups, self.largest = len(sizes), int(sizes.max())
        place = np.arange(len(topics)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        members = np.full((self.n_groups, self.largest), len(topics))
        members[topics[order], place] = order
        places = np.empty(len(topics), np.int64)
        places[order] = topics[order] * self.largest + place
        self.register_buffer("topics", torch.from_numpy(topics.astype(np.int64)), persistent=False)
        self.register_buffer("members", torch.from_numpy(members), persistent=False)
        self.register_buffer("places", torch.from_numpy(places), persistent=False)
        belongs = np.eye(self.n_groups, dtype=np.float32)[topics]
        self.register_buffer("belongs", torch.from_numpy(belongs), persistent=False)
        self.topics: Tensor
        self.members: Tensor
        self.places: Tensor
        self.belongs: Tensor

    @classmethod
    def one(cls, n_items: int) -> Self:
        """Return a single group of all items."""
        return cls(np.zeros(n_items, np.int64))

    def grouped(self, logits: Tensor) -> Tensor:
        """Return logits (B, n) by group, (B, G, largest), filled up with what is never drawn."""
        if self.n_groups == 1:
            return logits[:, None]
        padded = torch.cat([logits, logits.new_full((len(logits), 1), _SHOWN)], dim=1)
        grouped = padded.index_select(1, self.members.flatten())
        return grouped.view(len(logits), self.n_groups, self.largest)

    def sums_without(self, slates: Tensor, logits: Tensor) -> tuple[Tensor, Tensor]:
        """Return log-sums of the logits (B, n) of each group, and expected logits, (B, G) each.

        Of the items that are not in the slates (B, K).
        """
        log_sums, means = _GroupSums.apply(logits, slates, self)  # type: ignore[no-untyped-call]
        return log_sums, means

    def tops_without(self, slates: Tensor, logits: Tensor) -> Tensor:
        """Return the largest logit of each group, (B, G), of items not in the slates."""
        if self.n_groups == 1:
            return logits.scatter(1, slates, _SHOWN).amax(dim=1, keepdim=True)
        grouped = self.grouped(logits)
        grouped.view(len(logits), -1).scatter_(1, self.places[slates], _SHOWN)
        return grouped.amax(dim=2)


class _GroupSums(torch.autograd.Function):
    """What `Groups.sums_without` returns, with a gradient of few passes over the logits."""

    @staticmethod
    def forward(ctx: Any, logits: Tensor, slates: Tensor, groups: Groups) -> tuple[Tensor, Tensor]:
        """Return log-sums and expected logits."""
        top = groups.tops_without(slates, logits)
        of_groups = groups.belongs.to(logits.dtype)
        shift = top if groups.n_groups == 1 else top.index_select(1, groups.topics)
        weights = (logits - shift).scatter_(1, slates, -torch.inf).exp_()
        sums = (weights @ of_groups).clamp_(min=torch.finfo(logits.dtype).tiny)  # 0: no items
        means = (weights * logits) @ of_groups / sums
        ctx.groups = groups
        ctx.save_for_backward(logits, weights, sums, means)
        return sums.log() + top, means

    @staticmethod
    def backward(ctx: Any, log_sums: Tensor, means: Tensor) -> tuple[Tensor, None, None]:
        """Return w / sum * (g + h * (1 + z - mean)), g and h being the gradients of both."""
        logits, weights, sums, expected = ctx.saved_tensors
        groups = ctx.groups
        factors = torch.cat([(log_sums + means * (1.0 - expected)) / sums, means / sums])
        factors = factors @ groups.belongs.T.to(logits.dtype)
        constant, slope = factors.chunk(2)
        return torch.addcmul(constant, slope, logits).mul_(weights), None, None


class PlackettLuce:
    """Slates of K items, each drawn in proportion to its weight from those not drawn yet.

    The logarithm of the weight of item i is `z_i + offset[g, m]`, g being its group (topic) and m
    the items of this group that stand above: so an actor can say how many of a topic it wants. With
    offsets of 0 this is the Plackett-Luce distribution.

    What the sums of all slots have in common, the items outside the slate, is summed once a group,
    and the slate's own items are added from the last slot upwards. Nothing is ever subtracted, so
    log-probabilities are exact however peaked the logits are.

    Args:
        logits: Shape (B, n).
        slate_size: K, at most n.
        groups: G groups of the items; None for one of all.
        offsets: Shape (B, G, K); None for zeros.

    Reference:
        Plackett, 1975, "The Analysis of Permutations"; drawn by perturbed logits as in Kool, van
        Hoof and Welling, 2019, "Stochastic Beams and Where to Find Them".
    """

    def __init__(
        self,
        logits: Tensor,
        slate_size: int,
        groups: Groups | None = None,
        offsets: Tensor | None = None,
    ) -> None:
        self.logits, self.slate_size = logits, slate_size
        self.groups = Groups.one(logits.shape[1]) if groups is None else groups
        shape = (len(logits), self.groups.n_groups, slate_size)
        self.offsets = logits.new_zeros(shape) if offsets is None else offsets

    def double(self) -> "PlackettLuce":
        """Return the same distribution in double precision."""
        return PlackettLuce(
            self.logits.double(), self.slate_size, self.groups, self.offsets.double()
        )

    def sample(self, uniforms: Uniforms = torch.rand) -> Tensor:
        """Return drawn slates (B, K)."""
        # Within a group the order of perturbed logits is an order of drawing; which group comes
        # next does not depend on it.
        firsts, left = self._firsts(self.logits + _gumbel(uniforms, self.logits))
        picks = (len(left), self.slate_size, left.shape[1])
        return self._picked(firsts, left, _gumbel(uniforms, left, picks))

    def mode(self) -> Tensor:
        """Return slates (B, K) of the likeliest item in each slot, given those above."""
        if self.groups.n_groups == 1:
            return self.logits.topk(self.slate_size, dim=1).indices
        firsts, _ = self._firsts(self.logits)
        padded = torch.cat([self.logits, self.logits.new_full((len(firsts), 1), _SHOWN)], dim=1)
        best = padded.gather(1, firsts.flatten(1)).view(firsts.shape)
        none_left = best.new_full((*best.shape[:2], 1), _SHOWN)
        return self._picked(firsts, torch.cat([best, none_left], dim=2), None)

    def first_probs(self) -> Tensor:
        """Return the probability that each item comes first, (B, n)."""
        firsts = self.offsets[:, :, 0].index_select(1, self.groups.topics)
        return (self.logits + firsts).softmax(dim=1)

    def log_probs(self, slates: Tensor) -> Tensor:
        """Return log-probabilities (B, K) of slots given those above, -inf for an item again."""
        return _Slots(self, slates).log_probs

    def log_probs_and_entropy(self, slates: Tensor) -> tuple[Tensor, Tensor]:
        """Return log-probabilities (B, K), and the entropy (B, K) of each slot given those above.

        The mean over drawn slates of the sum of these entropies is the entropy of the distribution.
        """
        slots = _Slots(self, slates)
        return slots.log_probs, slots.entropy()

    def _firsts(self, ordering: Tensor) -> tuple[Tensor, Tensor]:
        """Return the items each group would show first, and what is left of it after each of them.

        Args:
            ordering: Shape (B, n). Items of a group are shown in falling order of it.

        Returns:
            Items, (B, G, J), and log-sums of logits after 0..J items, (B, G, J + 1).
        """
        groups = self.groups
        n_firsts = min(self.slate_size, groups.largest)
        places = groups.grouped(ordering).topk(n_firsts, dim=2).indices
        logits = groups.grouped(self.logits)
        own = logits.gather(2, places)
        outside = logits.scatter(2, places, _SHOWN).logsumexp(dim=2, keepdim=True)
        left = torch.cat([outside, own.flip(2)], dim=2).logcumsumexp(dim=2).flip(2)
        items = groups.members.expand(len(logits), -1, -1).gather(2, places)
        return items, left

    def _picked(self, firsts: Tensor, worth: Tensor, noise: Tensor | None) -> Tensor:
        """Return slates made by picking a group for each slot; (B, G, J) and (B, G, J + 1)."""
        n_rows, n_groups, n_firsts = firsts.shape
        rows = torch.arange(n_rows, device=firsts.device)
        taken = torch.zeros(n_rows, n_groups, dtype=torch.long, device=firsts.device)
        slots = []
        for slot in range(self.slate_size):
            scores = worth.gather(2, taken[:, :, None])[:, :, 0]
            offsets = self.offsets.gather(2, taken.clamp(max=self.slate_size - 1)[:, :, None])
            scores = scores + offsets[:, :, 0]
            group = (scores if noise is None else scores + noise[:, slot]).argmax(dim=1)
            slots.append(firsts[rows, group, taken[rows, group].clamp(max=n_firsts - 1)])
            taken[rows, group] += 1
        return torch.stack(slots, dim=1)


class _Slots:
    """The sums behind the probabilities of given slates, slot by slot."""

    def __init__(self, drawn: PlackettLuce, slates: Tensor) -> None:
        groups = drawn.groups
        same = slates[:, :, None] == slates[:, None, :]
        again = torch.tril(same, diagonal=-1).any(dim=2)  # an item that stands above already
        self.shown = drawn.logits.gather(1, slates).masked_fill(again, _SHOWN)  # (B, K)
        self.of = groups.topics[slates]
        belongs = torch.nn.functional.one_hot(self.of, groups.n_groups)  # (B, K, G)
        belongs = belongs * ~again[:, :, None]
        above = belongs.cumsum(dim=1) - belongs
        self.offsets = drawn.offsets.gather(2, above.transpose(1, 2)).transpose(1, 2)
        # Of each group's items outside the slate, (B, G).
        self.outside, self.mean = groups.sums_without(slates, drawn.logits)
        own = torch.where(belongs.bool(), self.shown[:, :, None], _SHOWN)
        upwards = torch.cat([self.outside[:, None], own.flip(1)], dim=1).logcumsumexp(dim=1)
        self.left = upwards[:, 1:].flip(1)  # (B, K, G): log-sum of a group's items left at a slot
        self.weights = self.left + self.offsets
        self.total = self.weights.logsumexp(dim=2)  # (B, K)
        offsets = self.offsets.gather(2, self.of[:, :, None])[:, :, 0]
        log_probs = self.shown + offsets - self.total
        self.log_probs = log_probs.masked_fill(again, -torch.inf)

    def entropy(self) -> Tensor:
        """Return the entropy of each slot given those above, (B, K)."""
        chances = (self.weights - self.total[:, :, None]).exp()  # (B, K, G)
        share = (self.outside[:, None] - self.left).exp()
        expected = (chances * (self.offsets + share * self.mean[:, None])).sum(dim=2)
        below = self.of[:, None, :].expand(-1, self.of.shape[1], -1)  # slot k, item of slot j
        is_left = torch.ones_like(below[0]).triu().bool()
        away = torch.where(is_left, self.shown[:, None, :] - self.left.gather(2, below), _SHOWN)
        own = away.exp() * self.shown[:, None, :] * chances.gather(2, below)
        expected = expected + own.sum(dim=2)
        return self.total - expected


def _gumbel(uniforms: Uniforms, like: Tensor, shape: tuple[int, ...] | None = None) -> Tensor:
    draws = uniforms(tuple(like.shape) if shape is None else shape)
    tiny = torch.finfo(like.dtype).tiny
    return -(-(draws.to(like).clamp(min=tiny).log())).clamp(min=tiny).log()
