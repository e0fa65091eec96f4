"""Settings of GeMS."""

from dataclasses import dataclass
from typing import ClassVar

from rlrec.agents.settings import (
    CheckedSettings,
    Rule,
    above_0,
    count,
    count_or_0,
    finite,
    not_negative,
    share,
    share_above_0,
)


@dataclass(frozen=True, kw_only=True)
class GeMSConfig(CheckedSettings):
    """Settings of `GeMS`."""

    latent_size: int = 16
    """Numbers of a latent slate, 1 or more."""
    item_size: int = 32
    """Length of an item's vector."""
    coder_hidden: int = 128
    """Width of the hidden layers that slates are encoded and decoded with."""
    response_weight: float = 0.5
    """Weight of the cross-entropy of responses a slot, against that of items, 0 or more."""
    divergence_weight: float = 0.1
    """Weight of the divergence of latent slates from a standard normal, in nats a slate, 0 or more.
    The larger, the smoother the latent space, and the fewer slates it tells apart."""
    coder_learning_rate: float = 1e-3
    """Step size of Adam in `pretrain`, above 0."""
    coder_batch_size: int = 256
    """Slates an update of `pretrain`, 1 or more."""
    exploration: float = 0.05
    """Share of random slates in `act`, in 0..1; at 0 slates have no propensities. `learn` explores
    in the latent space only."""
    discount: float = 0.9
    """Weight of the value one step ahead, in 0..1."""
    learning_rate: float = 1e-3
    """Step size of Adam in `learn`, above 0."""
    batch_size: int = 256
    """Transitions an update, 1 or more."""
    buffer_size: int = 100_000
    """Transitions kept from interaction."""
    learning_starts: int = 2_000
    """Interactions with latent slates drawn evenly, before the first update of `learn`."""
    updates_per_transition: float = 1 / 16
    """Updates of `learn` for each transition, above 0."""
    target_rate: float = 0.01
    """Part of the way that the target networks follow at each update, in (0, 1]."""
    value_scale: float = 10.0
    """Values are learned in this unit of discounted return, above 0."""
    entropy: float = 0.1
    """Weight of the entropy as training starts, above 0; then adapted to `target_entropy`."""
    target_entropy: float = -1.0
    """Entropy that the weight is adapted to, in nats for each latent number."""
    hidden: int = 128
    """Width of the hidden layers of actor and critics."""

    rules: ClassVar[tuple[Rule, ...]] = (
        count("latent_size item_size coder_hidden coder_batch_size batch_size buffer_size hidden"),
        count_or_0("learning_starts"),
        not_negative("response_weight divergence_weight"),
        share("exploration discount"),
        share_above_0("target_rate"),
        above_0("coder_learning_rate learning_rate updates_per_transition value_scale entropy"),
        finite("target_entropy"),
    )
