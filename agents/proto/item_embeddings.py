"""Items as fixed vectors of length 1, and the search for those nearest to a vector."""

import numpy as np
import torch
from gymnasium import spaces
from torch import Tensor, nn

from rlrec.agents.networks import ItemKnowledge, TensorDict, is_fresh
from rlrec.agents.proto.nearest_items import ItemTree, top_of
from rlrec.arrays import Floats32, Ints
from rlrec.data.catalogue import Catalogue
from rlrec.errors import ConfigError

_FEW = 1024  # items that are compared one by one


class ItemEmbeddings(nn.Module):
    """Vectors of length 1 of the items: the order by distance is that by dot product.

    Of a catalogue they are made of the factors given, else of the features and topics; of fresh
    documents, of the `candidate_features` seen. Where that is one number x, (x, 1) is what is
    brought to length 1.

    Args:
        space: What is observed.
        items: What is known of the items.
        catalogue: The items, None for fresh documents.
        beam: Clusters followed in the search through more than 1,024 items.
    """

    def __init__(
        self, space: spaces.Dict, items: ItemKnowledge, catalogue: Catalogue | None, beam: int
    ) -> None:
        super().__init__()
        self.is_fresh = is_fresh(space)
        self.has_candidates = "candidates" in space.spaces
        table = None if self.is_fresh else known_directions(items, catalogue)
        self.tree: ItemTree | None = None
        if table is None:
            n_features = int((space["candidate_features"].shape or (0,))[-1])
            self.size = n_features + (n_features == 1)
            self.register_buffer("table", None)
        else:
            self.size = table.shape[1]
            self.register_buffer("table", torch.from_numpy(table), persistent=False)
            if len(table) > _FEW and not self.has_candidates:
                self.tree = ItemTree(table, beam)
        self.table: Tensor | None

    def offered(self, observations: TensorDict) -> Tensor:
        """Return the vectors of what is on offer: (N, d), or (B, M, d) where it changes."""
        if self.table is None:
            return _unit(_lifted(observations["candidate_features"].float()))
        if self.has_candidates:
            return self.table[observations["candidates"].long()]
        return self.table

    def of_slates(self, observations: TensorDict, slates: Tensor) -> Tensor:
        """Return the vectors (B, K, d) of the items of slates (B, K)."""
        offered = self.offered(observations)
        if offered.dim() == 2:
            return offered[slates]
        return offered.gather(1, slates[:, :, None].expand(-1, -1, self.size))

    def nearest(self, observations: TensorDict, queries: Tensor, n: int) -> Tensor:
        """Return the `n` nearest on offer (B, Q, n) of queries (B, Q, d), nearest first.

        Ties go to the lower index of those found.
        """
        if self.tree is not None and n <= self.tree.fewest:
            found: Tensor = self.tree(queries.flatten(0, 1), n)
            return found.view(*queries.shape[:2], n)
        offered = self.offered(observations).double()
        form = "nd,bqd->bqn" if offered.dim() == 2 else "bnd,bqd->bqn"
        return top_of(torch.einsum(form, offered, queries.double()), n)


def known_directions(items: ItemKnowledge, catalogue: Catalogue | None) -> Floats32:
    """Return what is known of a catalogue's items as vectors (N, d) of length 1.

    Raises:
        ConfigError: Nothing is known, or not of all items.
    """
    if items.factors is not None:
        known = items.factors
    elif catalogue is not None:
        known = np.hstack([catalogue.features, _new_topics(catalogue.features, catalogue.topics)])
    else:
        known = np.zeros((0, 0), np.float32)
    n_items = len(known) if catalogue is None else catalogue.n_items
    if known.ndim != 2 or len(known) != n_items or not np.isfinite(known).all():
        raise ConfigError(
            f"item_factors must be finite, with a row for each of the {n_items} items, got shape "
            f"{known.shape}"
        )
    if not known.any():
        raise ConfigError(
            "the agent needs something known of the items: give item_factors of shape (N, F), or a "
            "catalogue with features or topics"
        )
    directions: Floats32 = _unit(_lifted(torch.from_numpy(np.float32(known)))).numpy()
    return directions


def _new_topics(features: Floats32, topics: Ints) -> Floats32:
    """Return the topics (N, T) as ones and zeros, without columns if the features hold them."""
    n_topics = int(topics.max(initial=-1)) + 1
    if n_topics < 2:
        return np.zeros((len(features), 0), np.float32)
    ones = np.eye(n_topics, dtype=np.float32)[topics]
    seen = {column.tobytes() for column in np.ascontiguousarray(features.T, np.float32)}
    if all(np.ascontiguousarray(column).tobytes() in seen for column in ones.T):
        return np.zeros((len(features), 0), np.float32)
    return ones


def _lifted(vectors: Tensor) -> Tensor:
    """Return vectors of one number, of which only the sign would be left, with a 1 beside it."""
    if vectors.shape[-1] != 1:
        return vectors
    return torch.cat([vectors, torch.ones_like(vectors)], dim=-1)


def _unit(vectors: Tensor) -> Tensor:
    lengths: Tensor = vectors.norm(dim=-1, keepdim=True)
    return vectors / lengths.clamp(min=1e-12)
