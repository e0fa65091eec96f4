"""Networks that score every item on offer for a user from what is observed."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from gymnasium import spaces
from torch import Tensor, nn

from rlrec.arrays import Floats32
from rlrec.errors import ConfigError

TensorDict = dict[str, Tensor]

_COUNT_SCALE = 4.0  # bring counts of a visit, and their logarithms, to about 1
_LOG_SCALE = 3.0


@dataclass(frozen=True)
class ItemKnowledge:
    """What is known of the items before training.

    Either array may be None. With fresh documents both are.
    """

    features: Floats32 | None = None
    """Shape (N, D). Open features of the catalogue."""
    factors: Floats32 | None = None
    """Shape (N, F). Item factors of a collaborative-filtering model."""


class ItemEncoder(nn.Module):
    """Maps each item on offer to a vector.

    A catalogue item's vector is a linear map of its features and factors plus a vector of its own
    that is learned from zero; a fresh document's is a linear map of its features.
    """

    def __init__(self, space: spaces.Dict, n_choices: int, items: ItemKnowledge, size: int) -> None:
        super().__init__()
        self.reads_candidates = "candidate_features" in space.spaces
        if self.reads_candidates:
            n_features = int(space["candidate_features"].shape[-1])  # type: ignore[index]
            known = np.zeros((0, n_features), np.float32)
            self.own = None
        else:
            parts = [part for part in (items.features, _scaled(items.factors)) if part is not None]
            known = np.hstack([np.zeros((n_choices, 0), np.float32), *parts]).astype(np.float32)
            self.own = nn.Parameter(torch.zeros(n_choices, size)) if known.shape[1] == 0 else None
        self.register_buffer("known", torch.from_numpy(known))
        self.known: Tensor
        self.project = nn.Linear(known.shape[1], size)

    def forward(self, observations: TensorDict) -> Tensor:
        """Return (N, size) for a catalogue, (B, M, size) for fresh documents."""
        if self.reads_candidates:
            projected: Tensor = self.project(observations["candidate_features"])
            return projected
        vectors: Tensor = self.project(self.known)
        return vectors if self.own is None else vectors + self.own


class StateEncoder(nn.Module):
    """Flattens what is observed of a user and the visit so far to two vectors.

    The plain vector holds `user`, `context` and `topic_counts` as they are: the time used up is
    linear in the counts. The bounded vector, for deep layers, holds `user` and `context`, logarithms
    of the counts and the mean vector of the items in `history_items`, so that visits longer than
    those learned from do not drive the layers out of their range.
    """

    def __init__(self, space: spaces.Dict, item_size: int) -> None:
        super().__init__()
        self.keys = tuple(key for key in ("user", "context") if key in space.spaces)
        self.has_counts = "topic_counts" in space.spaces
        self.has_history = "history_items" in space.spaces
        n_counts = int(np.prod(space["topic_counts"].shape or ())) if self.has_counts else 0
        known = sum(int(np.prod(space[key].shape or ())) for key in self.keys)
        self.plain_size = known + n_counts
        self.bounded_size = known + n_counts + (item_size if self.has_history else 0)
        if self.bounded_size == 0:
            raise ConfigError(
                "an agent needs at least one of the observation keys user, context, topic_counts "
                f"and history_items, got {sorted(space.spaces)}"
            )

    def forward(self, observations: TensorDict, items: Tensor) -> tuple[Tensor, Tensor]:
        """Return (B, plain_size) and (B, bounded_size); `items` are a catalogue's (N, item_size)."""
        known = [observations[key].float() for key in self.keys]
        plain, bounded = [*known], [*known]
        if self.has_counts:
            counts = observations["topic_counts"].float()
            plain.append(counts / _COUNT_SCALE)
            bounded.append(torch.log1p(counts) / _LOG_SCALE)
        if self.has_history:
            # Detached: reading a history must not pull at the vectors that score items.
            bounded.append(_mean_vector(observations["history_items"], items.detach()))
        empty = [torch.zeros(len(bounded[0]), 0, device=bounded[0].device)]
        return torch.cat(plain or empty, dim=1), torch.cat(bounded, dim=1)


class Scores(NamedTuple):
    """Scores of B users for items, in factors: whole rows are made only where they are needed."""

    query: Tensor
    """Shape (B, size)."""
    base: Tensor
    """Shape (B, 1). Added to every item."""
    nothing: Tensor
    """Shape (B,). Score of taking nothing."""
    items: Tensor
    """Shape (N, size) for a catalogue, (B, M, size) for fresh documents."""
    bias: Tensor
    """Shape (N,) or (B, M)."""

    def of_all(self) -> Tensor:
        """Return the scores of everything on offer, (B, n): for a catalogue one matrix product."""
        if self.items.dim() == 2:
            return torch.addmm(self.base + self.bias, self.query, self.items.T)
        return torch.einsum("bd,bmd->bm", self.query, self.items) + self.bias + self.base

    def of_slates(self, slates: Tensor) -> Tensor:
        """Return the scores of the items of slates (B, K), and no others."""
        if self.items.dim() == 2:
            items, bias = self.items[slates], self.bias[slates]
        else:
            items = self.items.gather(1, slates[:, :, None].expand(-1, -1, self.items.shape[2]))
            bias = self.bias.gather(1, slates)
        return torch.einsum("bd,bkd->bk", self.query, items) + bias + self.base


class ItemScorer(nn.Module):
    """Scores each item on offer, and taking nothing, for each user.

    score(s, i) = base(s) + f(s) . g(i) + bias(i), with f and base from a two-layer network with a
    linear path around it, and g the item vectors.
    """

    def __init__(
        self,
        space: spaces.Dict,
        n_choices: int,
        items: ItemKnowledge,
        item_size: int = 32,
        hidden: int = 256,
    ) -> None:
        super().__init__()
        self.items = ItemEncoder(space, n_choices, items, item_size)
        self.state = StateEncoder(space, item_size)
        self.deep = nn.Sequential(
            nn.Linear(self.state.bounded_size, hidden),
            nn.ReLU(),
            nn.Linear(hidden, hidden),
            nn.ReLU(),
            nn.Linear(hidden, item_size + 1),
        )
        self.linear = nn.Linear(self.state.plain_size, 1)
        self.item_bias = nn.Linear(item_size, 1)
        self.nothing = nn.Parameter(torch.zeros(item_size))
        self.nothing_bias = nn.Parameter(torch.zeros(()))

    def forward(self, observations: TensorDict) -> Scores:
        """Return the scores of a batch of users."""
        items = self.items(observations)
        plain, bounded = self.state(observations, items)
        out = self.deep(bounded)
        query, base = out[:, :-1], out[:, -1:] + self.linear(plain)
        nothing = query @ self.nothing + self.nothing_bias + base[:, 0]
        return Scores(query, base, nothing, items, self.item_bias(items)[..., 0])


def _mean_vector(history: Tensor, items: Tensor) -> Tensor:
    padded = torch.cat([torch.zeros_like(items[:1]), items])
    total = padded[history.long()].sum(dim=1)
    return total / (history > 0).sum(dim=1, keepdim=True).clamp(min=1)


def _scaled(factors: Floats32 | None) -> Floats32 | None:
    if factors is None:
        return None
    spread = float(np.std(factors)) or 1.0
    return (factors / spread).astype(np.float32)
