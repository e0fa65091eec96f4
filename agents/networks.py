"""Networks that score every item on offer for a user from what is observed."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from gymnasium import spaces
from torch import Tensor, nn

from rlrec.arrays import Floats32, Ints
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
    topics: Ints | None = None
    """Shape (N,). Topic of each item, from 0."""


class ItemVectors(NamedTuple):
    """Vectors of the items."""

    offered: Tensor
    """Shape (N, size) where the whole catalogue is on offer, else (B, M, size)."""
    catalogue: Tensor | None
    """Shape (N, size). What histories name; None for fresh documents, which have no identity."""


class ItemEncoder(nn.Module):
    """Maps each item on offer to a vector.

    It is a linear map of what is known of the item: features and factors in a catalogue, features
    of a fresh document. Where nothing is known, each item has a vector of its own, drawn at random
    (at zero nothing would ever be learned, since what reads it starts at zero). Candidates from a
    catalogue have the vectors of their items, plus a linear map of what is seen of them now.
    """

    def __init__(self, space: spaces.Dict, n_choices: int, items: ItemKnowledge, size: int) -> None:
        super().__init__()
        self.is_fresh = is_fresh(space)
        self.sees_features = "candidate_features" in space.spaces
        seen = space["candidate_features"].shape if self.sees_features else None
        n_seen = int((seen or (0,))[-1])
        n_items = _n_items(space, n_choices)
        known = np.zeros((n_items, 0), np.float32) if self.is_fresh else _known(n_items, items)
        n_known = n_seen if self.is_fresh else known.shape[1]
        self.register_buffer("known", torch.from_numpy(known), persistent=False)
        self.known: Tensor
        own = None if n_known else torch.randn(n_items, size) / size**0.5
        self.own = None if own is None else nn.Parameter(own)
        self.project = nn.Linear(n_known, size) if n_known else None
        adds_features = self.sees_features and not self.is_fresh
        self.project_seen = nn.Linear(n_seen, size, bias=False) if adds_features else None

    def forward(self, observations: TensorDict) -> ItemVectors:
        """Return the vectors of what is on offer, and of the catalogue."""
        if self.is_fresh:
            assert self.project is not None
            return ItemVectors(self.project(observations["candidate_features"]), None)
        catalogue = self.project(self.known) if self.project is not None else self.own
        assert catalogue is not None
        if "candidates" not in observations:
            return ItemVectors(catalogue, catalogue)
        offered = catalogue[observations["candidates"].long()]
        if self.project_seen is not None:
            offered = offered + self.project_seen(observations["candidate_features"])
        return ItemVectors(offered, catalogue)


class State(NamedTuple):
    """What is observed of B users, as three vectors each."""

    manner: Tensor
    """What the user is like: `user`, `context`, shares of the counts, mean of the history. Bounded,
    so a visit longer than any learned from looks like nothing new."""
    progress: Tensor
    """How far the visit has come: logarithms of the counts."""
    counts: Tensor
    """The counts as they are: the time used up is linear in them."""


class StateEncoder(nn.Module):
    """Reads `user`, `context`, `topic_counts` and `history_items`, as far as they are observed."""

    def __init__(self, space: spaces.Dict, item_size: int) -> None:
        super().__init__()
        self.keys = tuple(key for key in ("user", "context") if key in space.spaces)
        self.has_counts = "topic_counts" in space.spaces
        self.has_history = "history_items" in space.spaces and not is_fresh(space)
        known = sum(int(np.prod(space[key].shape or ())) for key in self.keys)
        self.count_size = int(np.prod(space["topic_counts"].shape or ())) if self.has_counts else 0
        self.manner_size = known + self.count_size + (item_size if self.has_history else 0)
        if self.manner_size == 0:
            raise ConfigError(
                "an agent needs at least one of the observation keys user, context, topic_counts "
                f"and history_items, got {sorted(space.spaces)}"
            )

    def forward(self, observations: TensorDict, items: Tensor | None) -> State:
        """Return the state of B users.

        Args:
            observations: Of B users.
            items: Shape (N, item_size). A catalogue's vectors; None for fresh documents.
        """
        manner = [observations[key].float() for key in self.keys]
        some = next(iter(observations.values()))
        counts = torch.zeros(len(some), 0, device=some.device)
        if self.has_counts:
            counts = observations["topic_counts"].float()
            manner.append(counts / (counts.sum(dim=1, keepdim=True) + 1.0))
        if self.has_history:
            assert items is not None
            # Detached: reading a history must not pull at the vectors that score items.
            manner.append(_mean_vector(observations["history_items"], items.detach()))
        return State(
            torch.cat(manner, dim=1), torch.log1p(counts) / _LOG_SCALE, counts / _COUNT_SCALE
        )


class Scores(NamedTuple):
    """Scores of B users for items, in factors: whole rows are made only where they are needed."""

    query: Tensor
    """Shape (B, size)."""
    base: Tensor
    """Shape (B, 1). Added to every item."""
    nothing: Tensor
    """Shape (B,). Score of taking nothing."""
    items: Tensor
    """Shape (N, size) for a catalogue, (B, M, size) for candidates and fresh documents."""
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

    score(s, i) = base(s) + f(s) . g(i) + bias(i): g are the item vectors, f a two-layer network of
    the user's manner, base another one that also sees the progress, plus a linear map of the
    counts. Taking nothing has a vector and a bias of its own and shares the base, so that
    comparisons do not depend on it.
    """

    def __init__(
        self,
        space: spaces.Dict,
        n_choices: int,
        items: ItemKnowledge,
        item_size: int,
        hidden: int,
        has_base: bool,
    ) -> None:
        super().__init__()
        self.items = ItemEncoder(space, n_choices, items, item_size)
        self.state = StateEncoder(space, item_size)
        sizes = (self.state.manner_size, self.state.count_size)
        self.query = _two_layers(sizes[0], hidden, item_size)
        self.item_bias = nn.Linear(item_size, 1)
        self.nothing = nn.Parameter(torch.zeros(item_size))
        self.nothing_bias = nn.Parameter(torch.zeros(1))
        self.base = _two_layers(sum(sizes), hidden, 1) if has_base else None
        self.linear_base = nn.Linear(sizes[1], 1) if has_base and sizes[1] else None
        # All items start equal: differences drawn at random would first have to be unlearned.
        for parameter in (*self.query[-1].parameters(), *self.item_bias.parameters()):
            nn.init.zeros_(parameter)

    def base_parameters(self) -> list[nn.Parameter]:
        """Return the parameters that shift all scores of a state alike."""
        parts = [part for part in (self.base, self.linear_base) if part is not None]
        return [parameter for part in parts for parameter in part.parameters()]

    def comparing_parameters(self) -> list[nn.Parameter]:
        """Return the parameters that set items apart."""
        shifting = {id(parameter) for parameter in self.base_parameters()}
        return [p for p in self.parameters() if id(p) not in shifting]

    def forward(self, observations: TensorDict) -> Scores:
        """Return the scores of a batch of users."""
        items = self.items(observations)
        state = self.state(observations, items.catalogue)
        query = self.query(state.manner)
        base = torch.zeros_like(query[:, :1])
        if self.base is not None:
            base = self.base(torch.cat([state.manner, state.progress], dim=1))
        if self.linear_base is not None:
            base = base + self.linear_base(state.counts)
        nothing = query @ self.nothing + self.nothing_bias + base[:, 0]
        offered = items.offered
        return Scores(query, base, nothing, offered, self.item_bias(offered)[..., 0])


def is_fresh(space: spaces.Dict) -> bool:
    """Return whether what is on offer are documents without identity."""
    return "candidate_features" in space.spaces and "candidates" not in space.spaces


def offers_candidates(space: spaces.Dict) -> bool:
    """Return whether slates name positions among candidates or documents, not items."""
    return "candidates" in space.spaces or "candidate_features" in space.spaces


def _n_items(space: spaces.Dict, n_choices: int) -> int:
    """Return how many items the catalogue has: all that candidates may be."""
    if "candidates" not in space.spaces:
        return n_choices
    candidates = space["candidates"]
    assert isinstance(candidates, spaces.Box)
    return int(candidates.high.max()) + 1


def _two_layers(n_in: int, hidden: int, n_out: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(n_in, hidden),
        nn.ReLU(),
        nn.Linear(hidden, hidden),
        nn.ReLU(),
        nn.Linear(hidden, n_out),
    )


def _mean_vector(history: Tensor, items: Tensor) -> Tensor:
    padded = torch.cat([torch.zeros_like(items[:1]), items])
    total = padded[history.long()].sum(dim=1)
    return total / (history > 0).sum(dim=1, keepdim=True).clamp(min=1)


def _known(n_items: int, items: ItemKnowledge) -> Floats32:
    """Return what is known of a catalogue's items, (N, D + F)."""
    given = {"the catalogue's features": items.features, "item_factors": items.factors}
    for name, array in given.items():
        if array is not None and (array.ndim != 2 or len(array) != n_items):
            raise ConfigError(
                f"{name} must have a row for each of the {n_items} items, got shape {array.shape}"
            )
    parts = [part for part in (items.features, _scaled(items.factors)) if part is not None]
    return np.hstack([np.zeros((n_items, 0), np.float32), *parts]).astype(np.float32)


def _scaled(factors: Floats32 | None) -> Floats32 | None:
    if factors is None:
        return None
    spread = float(np.std(factors)) or 1.0
    return (factors / spread).astype(np.float32)
