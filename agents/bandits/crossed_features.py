"""What bandits are linear in: the state of the user, crossed with the item."""

from typing import NamedTuple

import torch
from gymnasium import spaces
from torch import Tensor, nn

from rlrec.agents.networks import ItemEncoder, ItemKnowledge, StateEncoder, TensorDict
from rlrec.errors import ConfigError


class Crossed(NamedTuple):
    """Both sides of the features of B users and what they are offered."""

    states: Tensor
    """Shape (B, P), first entry 1."""
    items: Tensor
    """Shape (N, D) for a catalogue, (B, M, D) for candidates and fresh documents; first entry 1."""
    offered: Tensor | None
    """Shape (B, M). Which items of the catalogue the candidates are; None for all of it, and for
    fresh documents."""

    def of_slates(self, slates: Tensor) -> Tensor:
        """Return the items' side for slates (B, K), (B, K, D)."""
        if self.items.dim() == 2:
            return self.items[slates]
        return self.items.gather(1, slates[:, :, None].expand(-1, -1, self.items.shape[2]))

    def names_of(self, slates: Tensor) -> Tensor:
        """Return which items of the catalogue slates (B, K) show."""
        return slates if self.offered is None else self.offered.gather(1, slates)


class CrossedFeatures(nn.Module):
    """Reads state and items; nothing in it is learned.

    A state is 1 and what `StateEncoder` reads of the user: `user`, `context`, shares of the topics
    taken and the mean vector of the items taken. An item is 1 and its vector: features and factors
    of the catalogue, centred, cut to the leading principal components and brought to a mean square
    length of 1; features of a fresh document as they are; where nothing is known of a few items,
    one entry each.

    Args:
        space: What is observed.
        n_choices: What slates may name.
        items: What is known of the items.
        item_size: Most entries of a catalogue item's vector.
        needs_items: Whether items must be told apart by their vectors.
    """

    def __init__(
        self,
        space: spaces.Dict,
        n_choices: int,
        items: ItemKnowledge,
        item_size: int,
        needs_items: bool,
    ) -> None:
        super().__init__()
        encoder = ItemEncoder(space, n_choices, items, 1)
        self.is_fresh, self.names_candidates = encoder.is_fresh, "candidates" in space.spaces
        self.n_items = 0 if self.is_fresh else len(encoder.known)
        nothing = torch.zeros(0, 0, dtype=torch.double)
        vectors = nothing if self.is_fresh else _vectors(encoder.known, item_size, needs_items)
        self.register_buffer("vectors", vectors)
        self.vectors: Tensor
        seen = space["candidate_features"].shape if self.is_fresh else vectors.shape
        self.state = StateEncoder(space, vectors.shape[1])
        self.state_size = 1 + self.state.manner_size
        self.item_size = 1 + int((seen or (0,))[-1])

    def forward(self, observations: TensorDict) -> Crossed:
        """Return both sides of the features, in double precision."""
        state = self.state(observations, None if self.is_fresh else self.vectors.float())
        states = _with_one(state.manner.double())
        if self.is_fresh:
            return Crossed(states, _with_one(observations["candidate_features"].double()), None)
        items = _with_one(self.vectors)
        if not self.names_candidates:
            return Crossed(states, items, None)
        offered = observations["candidates"].long()
        return Crossed(states, items[offered], offered)


def _with_one(vectors: Tensor) -> Tensor:
    return torch.cat([torch.ones_like(vectors[..., :1]), vectors], dim=-1)


def _vectors(known: Tensor, size: int, needs_items: bool) -> Tensor:
    """Return an item's vector for each row of what is known, in double precision."""
    n_items, n_known = known.shape
    if n_known == 0 and n_items > size:
        if needs_items:
            raise ConfigError(
                f"a bandit tells items apart by what is known of them, and nothing is known of "
                f"these {n_items}: give item_factors or a catalogue with features, set "
                f"item_size={n_items}, or disjoint=True"
            )
        return torch.zeros(n_items, 0, dtype=torch.double)
    vectors = known.double() if n_known else torch.eye(n_items, dtype=torch.double)
    vectors = vectors - vectors.mean(dim=0)
    if vectors.shape[1] > size:
        _, _, axes = torch.linalg.svd(vectors, full_matrices=False)
        vectors = vectors @ axes[:size].T
    length = (vectors**2).sum(dim=1).mean().sqrt()
    return vectors / length if length > 0 else vectors
