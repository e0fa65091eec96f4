"""Which items lie nearest to a vector, in a time that hardly grows with the catalogue."""

import numpy as np
import torch
from torch import Tensor, nn

from rlrec.arrays import Floats32, Ints

_PARTS = 8  # a power of 2
_LEAF = 32  # items
_USERS = 256  # searched for at once, to bound memory
_DECIMALS = 9  # dot products that agree so far are ties
_TIE = 1e-13


class ItemTree(nn.Module):
    """Finds items of large dot product by a beam search in a balanced tree of clusters.

    Clusters are halved along their principal direction until they hold 32 items or fewer, so a
    search compares a query with `8 * beam` cluster centres a level and with the items of `beam`
    clusters at last. Nearest items in clusters beside the beam are missed; with `beam` wide enough
    to hold all clusters the search is exact.

    Args:
        vectors: Shape (N, d). Of length 1.
        beam: Clusters followed at each level.
    """

    def __init__(self, vectors: Floats32, beam: int) -> None:
        super().__init__()
        self.beam = beam
        groups: list[Ints] = [np.arange(len(vectors))]
        self.n_levels = 0
        while max(map(len, groups)) > _LEAF:
            groups = [part for group in groups for part in _parts(vectors, group)]
            centres = np.stack([_centre(vectors[group]) for group in groups])
            self._keep(f"centres_{self.n_levels}", torch.from_numpy(centres))
            self.n_levels += 1
        leaves = np.full((len(groups), max(map(len, groups))), len(vectors))
        for row, group in enumerate(groups):
            leaves[row, : len(group)] = group
        self.fewest = min(map(len, groups)) * min(beam, len(groups))
        self._keep("leaves", torch.from_numpy(leaves))
        padded = np.vstack([vectors, np.zeros_like(vectors[:1])])
        self._keep("vectors", torch.from_numpy(padded))
        self.leaves: Tensor
        self.vectors: Tensor

    def forward(self, queries: Tensor, n: int) -> Tensor:
        """Return the `n` items (B, n) found for queries (B, d), nearest first.

        At most `fewest` can be asked for.
        """
        starts = range(0, len(queries), _USERS)
        return torch.cat([self._search(queries[at : at + _USERS], n) for at in starts])

    def _search(self, queries: Tensor, n: int) -> Tensor:
        nodes = torch.zeros(len(queries), 1, dtype=torch.long, device=queries.device)
        steps = torch.arange(_PARTS, device=queries.device)
        for level in range(self.n_levels):
            children = (nodes[:, :, None] * _PARTS + steps).flatten(1)
            centres = getattr(self, f"centres_{level}")[children]
            near = torch.einsum("bcd,bd->bc", centres, queries)
            best = near.topk(min(self.beam, children.shape[1]), dim=1).indices
            nodes = children.gather(1, best)
        items = self.leaves[nodes].flatten(1).sort(dim=1).values
        near = torch.einsum("bcd,bd->bc", self.vectors[items].double(), queries.double())
        near.masked_fill_(items == len(self.vectors) - 1, -torch.inf)
        return items.gather(1, top_of(near, n))

    def _keep(self, name: str, tensor: Tensor) -> None:
        self.register_buffer(name, tensor, persistent=False)


def top_of(scores: Tensor, n: int) -> Tensor:
    """Return the places (..., n) of the largest scores (..., N), ties by the lower place."""
    places = torch.arange(scores.shape[-1], device=scores.device, dtype=torch.double)
    return (scores.round(decimals=_DECIMALS) - _TIE * places).topk(n, dim=-1).indices


def _parts(vectors: Floats32, group: Ints) -> list[Ints]:
    """Return the parts of a cluster, of sizes that differ by at most 1 a halving."""
    parts = [group]
    while len(parts) < _PARTS:
        parts = [half for part in parts for half in _halves(vectors, part)]
    return parts


def _halves(vectors: Floats32, group: Ints) -> list[Ints]:
    spread = vectors[group] - vectors[group].mean(axis=0)
    direction = spread[np.argmax((spread**2).sum(axis=1))]
    for _ in range(5):  # power iteration towards the principal direction
        direction = (spread @ direction) @ spread
        direction = direction / max(float(np.linalg.norm(direction)), 1e-12)
    order = np.argsort(spread @ direction, kind="stable")
    return np.array_split(group[order], 2)


def _centre(vectors: Floats32) -> Floats32:
    centre = vectors.mean(axis=0)
    unit: Floats32 = (centre / max(float(np.linalg.norm(centre)), 1e-12)).astype(np.float32)
    return unit
