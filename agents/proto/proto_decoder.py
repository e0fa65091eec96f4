"""From proto-actions, vectors in the space of the items, to slates and back."""

from typing import Literal

import torch
from stable_baselines3.common.policies import ContinuousCritic
from torch import Tensor, nn

from rlrec.agents.networks import TensorDict
from rlrec.agents.proto.item_embeddings import ItemEmbeddings
from rlrec.agents.proto.nearest_items import top_of

Form = Literal["top_k", "slots"]


class ProtoDecoder(nn.Module):
    """Decodes protos (B, A) to slates, and tells which protos slates would have had.

    Args:
        items: Vectors of length 1.
        form: "top_k": a proto is one vector, A = d, and shows the items of the largest dot product.
            "slots": it holds a vector for each slot, A = K * d; from the top, each slot shows that
            of its nearest items not yet shown which the critic values most.
        slate_size: K.
        n_nearest: Items of each slot that the critic compares.
        n_choices: Items on offer.
    """

    def __init__(
        self, items: ItemEmbeddings, form: Form, slate_size: int, n_nearest: int, n_choices: int
    ) -> None:
        super().__init__()
        self.items, self.form, self.slate_size = items, form, slate_size
        self.n_nearest = n_nearest
        self.n_asked = min(n_nearest + slate_size - 1, n_choices)
        self.n_vectors = slate_size if form == "slots" else 1
        self.proto_size = self.n_vectors * items.size

    def executed(self, observations: TensorDict, slates: Tensor) -> Tensor:
        """Return slates as protos (B, A): their items' vectors, or for "top_k" their mean."""
        vectors = self.items.of_slates(observations, slates)
        return vectors.flatten(1) if self.form == "slots" else vectors.mean(dim=1)

    @torch.no_grad()
    def slates(self, observations: TensorDict, protos: Tensor, critic: ContinuousCritic) -> Tensor:
        """Return the slates (B, K) that protos (B, A) show, without repeats."""
        queries = protos.view(len(protos), self.n_vectors, -1)
        if self.form == "top_k":
            return self.items.nearest(observations, queries, self.slate_size)[:, 0]
        near = self.items.nearest(observations, queries, self.n_asked)
        features = critic.extract_features(observations, critic.features_extractor)
        shown = queries.clone()
        slates: list[Tensor] = []
        for slot in range(self.slate_size):
            options = near[:, slot]
            is_free = torch.ones_like(options, dtype=torch.bool)
            for item in slates:
                is_free &= options != item[:, None]
            is_free &= is_free.cumsum(dim=1) <= self.n_nearest
            vectors = self.items.of_slates(observations, options)
            values = _values_in_slot(critic, features, shown, vectors, slot)
            values = values.double().masked_fill(~is_free, -torch.inf)
            best = top_of(values, 1)
            slates.append(options.gather(1, best)[:, 0])
            shown[:, slot] = vectors.gather(1, best[:, :, None].expand(-1, -1, vectors.shape[2]))[
                :, 0
            ]
        return torch.stack(slates, dim=1)


def least_value(critic: ContinuousCritic, observations: TensorDict, protos: Tensor) -> Tensor:
    """Return the lowest value (B,) that the critics give to protos (B, A)."""
    values: tuple[Tensor, ...] = critic(observations, protos)
    return torch.cat(values, dim=1).amin(dim=1)


def _values_in_slot(
    critic: ContinuousCritic, features: Tensor, shown: Tensor, vectors: Tensor, slot: int
) -> Tensor:
    """Return the values (B, n) of what is shown (B, K, d) with each of (B, n, d) in a slot."""
    n = vectors.shape[1]
    whole = shown[:, None].repeat(1, n, 1, 1)
    whole[:, :, slot] = vectors
    rows = torch.cat([features[:, None].expand(-1, n, -1), whole.flatten(2)], dim=2)
    values = [net(rows.flatten(0, 1)) for net in critic.q_networks]
    return torch.cat(values, dim=1).amin(dim=1).view(-1, n)
