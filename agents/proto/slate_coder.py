"""A variational autoencoder of slates with the responses they got."""

from typing import NamedTuple

import torch
from gymnasium import spaces
from torch import Tensor, nn
from torch.nn import functional as F

from rlrec.agents.networks import ItemEncoder, ItemKnowledge, TensorDict, offers_candidates
from rlrec.agents.proto.nearest_items import top_of

_OWN = 0.1  # of an item's vector, at first
_LEAST_WIDTH = 1e-3


class CoderLoss(NamedTuple):
    """What the autoencoder is trained to make small, in nats."""

    items: Tensor
    """Mean cross-entropy of a slot's item."""
    responses: Tensor
    """Mean cross-entropy of whether a slot was responded to."""
    divergence: Tensor
    """Mean divergence of a latent slate from a standard normal."""


class SlateCoder(nn.Module):
    """Encodes slates and responses to latent vectors, and decodes these to slates.

    The encoder reads the vectors of a slate's items and which of them got a response, and gives
    mean and standard deviation of the latent vector; the decoder gives a query for each slot, whose
    dot products with the items on offer are their logits, and a logit of the response. An item's
    vector is a linear map of what is known of it, in a catalogue plus a part of its own.

    Args:
        space: What is observed.
        n_choices: Items on offer.
        slate_size: K.
        items: What is known of the items.
        item_size: Length of an item's vector.
        latent_size: Length of a latent vector.
        hidden: Width of the hidden layers.
    """

    def __init__(
        self,
        space: spaces.Dict,
        n_choices: int,
        slate_size: int,
        items: ItemKnowledge,
        item_size: int,
        latent_size: int,
        hidden: int,
    ) -> None:
        super().__init__()
        self.slate_size, self.latent_size = slate_size, latent_size
        self.items = ItemEncoder(space, n_choices, items, item_size)
        own = None if offers_candidates(space) else _OWN * torch.randn(n_choices, item_size)
        self.own = None if own is None else nn.Parameter(own)
        read, told = slate_size * (item_size + 1), slate_size * (item_size + 1)
        self.encoder = _layers(read, hidden, 2 * latent_size)
        self.decoder = _layers(latent_size, hidden, told)
        # Latent slates of the log lie in this box, which actions from -1 to 1 span.
        self.register_buffer("centre", torch.zeros(latent_size))
        self.register_buffer("width", torch.ones(latent_size))
        self.centre: Tensor
        self.width: Tensor

    def encode(
        self, observations: TensorDict, slates: Tensor, responded: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return mean and log-variance (B, L) of the latent vectors of slates."""
        return self._encode(_at(self._offered(observations), slates), responded)

    def losses(
        self, observations: TensorDict, slates: Tensor, responded: Tensor, noise: Tensor
    ) -> CoderLoss:
        """Return the losses on slates (B, K), with standard normal noise (B, L)."""
        offered = self._offered(observations)
        mean, log_variance = self._encode(_at(offered, slates), responded)
        latent = mean + (0.5 * log_variance).exp() * noise
        logits, responses = self._decode(offered, latent)
        divergence = 0.5 * (mean**2 + log_variance.exp() - 1.0 - log_variance).sum(dim=1)
        return CoderLoss(
            F.cross_entropy(logits.flatten(0, 1), slates.flatten()),
            F.binary_cross_entropy_with_logits(responses, responded),
            divergence.mean(),
        )

    def latent_of(self, actions: Tensor) -> Tensor:
        """Return the latent vectors that actions (B, L) in [-1, 1] stand for."""
        return self.centre + self.width * actions

    def span(self, lowest: Tensor, highest: Tensor) -> None:
        """Let actions span the box from `lowest` (L,) to `highest`."""
        self.centre.copy_((highest + lowest) / 2)
        self.width.copy_(((highest - lowest) / 2).clamp(min=_LEAST_WIDTH))

    @torch.no_grad()
    def slates(self, observations: TensorDict, latent: Tensor) -> Tensor:
        """Return the slates (B, K): from the top, each slot's likeliest item not yet shown."""
        logits = self._decode(self._offered(observations), latent)[0].double()
        slates: list[Tensor] = []
        for slot in range(self.slate_size):
            best = top_of(logits[:, slot], 1)
            slates.append(best[:, 0])
            logits.scatter_(2, best[:, None].expand(-1, self.slate_size, -1), -torch.inf)
        return torch.stack(slates, dim=1)

    def _encode(self, shown: Tensor, responded: Tensor) -> tuple[Tensor, Tensor]:
        read = torch.cat([shown.flatten(1), responded], dim=1)
        mean, log_variance = self.encoder(read).chunk(2, dim=1)
        return mean, log_variance.clamp(-10.0, 4.0)

    def _decode(self, offered: Tensor, latent: Tensor) -> tuple[Tensor, Tensor]:
        """Return logits of items (B, K, N) and of responses (B, K)."""
        told = self.decoder(latent).view(len(latent), self.slate_size, -1)
        queries, responses = told[:, :, :-1], told[:, :, -1]
        if offered.dim() == 2:
            return queries @ offered.T, responses
        return torch.einsum("bkd,bnd->bkn", queries, offered), responses

    def _offered(self, observations: TensorDict) -> Tensor:
        offered: Tensor = self.items(observations).offered
        return offered if self.own is None else offered + self.own


def _at(offered: Tensor, slates: Tensor) -> Tensor:
    """Return the vectors (B, K, d) of slates among what is on offer."""
    if offered.dim() == 2:
        return offered[slates]
    return offered.gather(1, slates[:, :, None].expand(-1, -1, offered.shape[2]))


def _layers(n_in: int, hidden: int, n_out: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(n_in, hidden),
        nn.ReLU(),
        nn.Linear(hidden, hidden),
        nn.ReLU(),
        nn.Linear(hidden, n_out),
    )
