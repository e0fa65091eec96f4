"""The loss whose gradient is that of REINFORCE, corrected for who logged and for K slots."""

from typing import NamedTuple

import torch
from torch import Tensor


class Correction(NamedTuple):
    """How what was logged is weighed."""

    slots: int = 1
    """K, slots in which an item is served for each that is drawn; 1 for no correction."""
    cap: float = float("inf")
    """Most that a ratio of probabilities counts."""
    self_normalised: bool = False
    """Whether the weights of a batch are divided by their mean."""


def corrected_loss(
    log_probs: Tensor,
    logging_log_probs: Tensor | None,
    gains: Tensor,
    counts: Tensor,
    correction: Correction,
) -> Tensor:
    """Return a loss whose gradient is minus the mean of `w * l_K * gain * grad log pi`.

    The weight `w = min(pi / mu, cap)` and the factor `l_K = K (1 - pi)^(K - 1)`, the derivative of
    the chance `1 - (1 - pi)^K` that an item is among K draws, are constants to the gradient.

    Args:
        log_probs: Of what was logged, under the policy that learns, any shape.
        logging_log_probs: Of the same, under the policy that logged; None where that is the policy
            itself, so that all weights are 1.
        gains: What each is praised for.
        counts: 1 where something counts, 0 where it is left out.
        correction: Settings.
    """
    constant = log_probs.detach()
    weights = torch.ones_like(constant)
    if logging_log_probs is not None:
        most = torch.tensor(correction.cap).log().item()
        weights = (constant - logging_log_probs.detach()).clamp(max=most).exp()
    n_counted = counts.sum().clamp(min=1.0)
    if correction.self_normalised:
        weights = weights * n_counted / (weights * counts).sum().clamp(min=1e-8)
    if correction.slots > 1:
        others = (1.0 - constant.exp()).clamp(min=0.0) ** (correction.slots - 1)
        weights = weights * correction.slots * others
    return -(counts * weights * gains * log_probs).sum() / n_counted
