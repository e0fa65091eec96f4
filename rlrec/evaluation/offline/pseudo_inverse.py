"""The pseudo-inverse estimate: slates whose reward adds up over slots, seen or not."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np
from scipy.sparse import csr_array

from rlrec.arrays import Floats, Ints, Observations
from rlrec.errors import DataError
from rlrec.evaluation.offline.slate import MOST_OUTSIDE, SlateSample, slots_without_support
from rlrec.evaluation.offline.slate_probabilities import (
    MOST_SLATES,
    all_slates,
    plackett_luce_slate_probs,
    policy_slate_probs,
    slot_marginals,
)
from rlrec.evaluation.offline.terms import Terms, normalised, one_term
from rlrec.policy import SlatePolicy

_RELATIVE_CUTOFF = 1e-10
_BLOCK = 4_000_000  # numbers held at once


def pi(slate_rewards: Floats, weights: Floats) -> Terms:
    """Return terms of the pseudo-inverse estimate: mean of w r, both (n,).

    Unbiased if, given the context, the reward of a slate is a sum over slots of something that
    depends on slot and item alone, and the logging policy can show at each slot what the target
    can; biased in general where items of a slate interact. Weights may be negative.

    Reference:
        Swaminathan et al., 2017, "Off-Policy Evaluation for Slate Recommendation".
    """
    return one_term(weights * slate_rewards, weights)


def wpi(slate_rewards: Floats, weights: Floats) -> Terms:
    """Return terms of `pi` over the mean weight; consistent where `pi` is unbiased."""
    return normalised(weights * slate_rewards, weights)


def factorised_weights(slot_weights: Floats) -> Floats:
    """Return pseudo-inverse weights (n,) where logging fills slots independently: 1 - K + sum w.

    Args:
        slot_weights: Shape (n, K). Target over logging probability of the item at its slot. The
            target policy need not be independent.
    """
    weights: Floats = 1.0 - slot_weights.shape[1] + slot_weights.sum(axis=1)
    return weights


def slate_moments(slate_probs: Floats, slates: Ints, n_items: int) -> Floats:
    """Return P(item a at slot l and item b at slot m), shape (n, K * A, K * A).

    Args:
        slate_probs: Shape (n, S). Probability of each slate; a row sums to 1.
        slates: Shape (S, K).
        n_items: A. Row l * A + a stands for item a at slot l.
    """
    n_slates, slate_size = slates.shape
    width = slate_size * n_items
    cells = slates + n_items * np.arange(slate_size)  # (S, K)
    pairs = (cells[:, :, None] * width + cells[:, None]).reshape(-1)
    of_slate = np.repeat(np.arange(n_slates), slate_size**2)
    spread = csr_array((np.ones(len(pairs)), (pairs, of_slate)), shape=(width**2, n_slates))
    moments: Floats = np.asarray(spread @ slate_probs.T).T
    return moments.reshape(len(slate_probs), width, width)


class PseudoInverseWeights(NamedTuple):
    """Weights of logged slates, and how far the logging policy supports them."""

    weights: Floats
    """Shape (n,). Negative ones are right; their mean is 1 where all is identified."""
    unidentified: Floats
    """Shape (n,). Share of the target's mass on (slot, item) that slates of the logging policy do
    not tell apart from other mass, or never show: 0 up to rounding where the estimate can be
    unbiased. The mean weight does not always tell: it may be 1 where this is not 0."""


def pseudo_inverse_weights(
    moments: Floats, target_marginals: Floats, slates: Ints
) -> PseudoInverseWeights:
    """Return q_target^T pinv(Gamma) 1_slate of each logged slate.

    Args:
        moments: Shape (n, K * A, K * A), or (1, ...) for logging that does not look at contexts.
            Gamma, from `slate_moments`. Eigenvalues below 1e-10 of the largest count as 0, so
            items this unlikely count as never shown.
        target_marginals: Shape (n, K, A), or (1, K, A). P(item at slot) under the target policy.
        slates: Shape (n, K). Logged slates.
    """
    slate_size, n_items = target_marginals.shape[1:]
    inverse = np.linalg.pinv(moments, rcond=_RELATIVE_CUTOFF, hermitian=True)
    targets = target_marginals.reshape(len(target_marginals), -1)
    cell_weights = (targets[:, :, None] * inverse).sum(axis=1)  # (n or 1, K * A)
    identified = (cell_weights[:, :, None] * moments).sum(axis=1)
    missing = np.abs(targets - identified).sum(axis=1) / (2 * slate_size)
    cells = slates + n_items * np.arange(slate_size)
    spread = np.broadcast_to(cell_weights, (len(slates), cell_weights.shape[1]))
    weights = np.take_along_axis(spread, cells, axis=1).sum(axis=1)
    return PseudoInverseWeights(weights, np.broadcast_to(missing, len(slates)).copy())


def plackett_luce_moments(logits: Floats, slate_size: int, most: int = MOST_SLATES) -> Floats:
    """Return `slate_moments` of Plackett-Luce slates by enumeration, shape (n, K * A, K * A).

    Args:
        logits: Shape (n, A).
        slate_size: K.
        most: Slates at most.

    Raises:
        SlateError: More slates than `most`.
    """
    slates = all_slates(logits.shape[1], slate_size, most=most)
    return slate_moments(plackett_luce_slate_probs(logits, slates), slates, logits.shape[1])


def plackett_luce_pseudo_inverse_weights(
    logging_logits: Floats, target_logits: Floats, slates: Ints, most: int = MOST_SLATES
) -> PseudoInverseWeights:
    """Return pseudo-inverse weights of n slates where both policies draw Plackett-Luce slates.

    Args:
        logging_logits: Shape (n, A).
        target_logits: Shape (n, A).
        slates: Shape (n, K). Logged slates.
        most: Slates enumerated at most.

    Raises:
        SlateError: More slates than `most`.
    """
    n_rows, n_items = logging_logits.shape
    if target_logits.shape != logging_logits.shape or len(slates) != n_rows:
        raise DataError(
            "logits of both policies must have shape (n, A) and slates (n, K), got "
            f"{logging_logits.shape}, {target_logits.shape} and {slates.shape}"
        )
    every = all_slates(n_items, slates.shape[1], most=most)
    parts = []
    for rows in _blocks(n_rows, every, n_items):
        logging = plackett_luce_slate_probs(logging_logits[rows], every)
        target = plackett_luce_slate_probs(target_logits[rows], every)
        parts.append(_enumerated_weights(logging, target, every, n_items, slates[rows]))
    return _joined(parts)


def policy_pseudo_inverse_weights(
    logging_policy: SlatePolicy,
    target_policy: SlatePolicy,
    observations: Observations,
    slates: Ints,
    n_choices: int,
    most: int = MOST_SLATES,
) -> PseudoInverseWeights:
    """Return pseudo-inverse weights of any two policies, by asking them for every slate.

    Args:
        logging_policy: That made the log.
        target_policy: Under judgement.
        observations: Of the n logged steps.
        slates: Shape (n, K). Logged slates.
        n_choices: Items, or candidates, to choose from.
        most: Slates enumerated at most; slates that repeat an item are left out.

    Raises:
        SlateError: More slates than `most`.
    """
    every = all_slates(n_choices, slates.shape[1], most=most)
    parts = []
    for rows in _blocks(len(slates), every, n_choices):
        seen = {key: values[rows] for key, values in observations.items()}
        logging = policy_slate_probs(logging_policy, seen, every)
        target = policy_slate_probs(target_policy, seen, every)
        parts.append(_enumerated_weights(logging, target, every, n_choices, slates[rows]))
    return _joined(parts)


def _blocks(n_rows: int, every: Ints, n_items: int) -> Iterator[slice]:
    """Yield runs of rows whose probabilities and moments fit in memory."""
    step = max(1, _BLOCK // max(len(every), (every.shape[1] * n_items) ** 2))
    for start in range(0, n_rows, step):
        yield slice(start, start + step)


def _enumerated_weights(
    logging: Floats, target: Floats, every: Ints, n_items: int, slates: Ints
) -> PseudoInverseWeights:
    moments = slate_moments(logging, every, n_items)
    return pseudo_inverse_weights(moments, slot_marginals(target, every, n_items), slates)


def _joined(parts: list[PseudoInverseWeights]) -> PseudoInverseWeights:
    weights, unidentified = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    return PseudoInverseWeights(weights, unidentified)


@dataclass(frozen=True, kw_only=True)
class PseudoInverse:
    """Weights of slots and items, joined by the logging policy's moments; see `pi`."""

    self_normalised: bool = False
    """Divide by the mean weight."""
    factorised: bool = False
    """Logging filled slots independently: weights follow from those of slots. Otherwise the
    sample's `pseudo_inverse_weights` are used."""

    own_support: ClassVar[bool] = True

    @property
    def needs(self) -> tuple[str, ...]:
        """What a sample must hold beside rewards."""
        return ("slot_probabilities",) if self.factorised else ("pseudo_inverse_weights",)

    @property
    def name(self) -> str:
        """Name in tables."""
        return "wpi" if self.self_normalised else "pi"

    def terms(self, sample: SlateSample) -> Terms:
        """Return the terms of the estimate."""
        weights = sample.pseudo_inverse_weights
        if self.factorised:
            weights = factorised_weights(sample.slot_weights())
        if weights is None:
            raise DataError(
                "the pseudo-inverse estimate needs pseudo_inverse_weights in the SlateSample "
                "(plackett_luce_pseudo_inverse_weights makes them), or factorised=True if the "
                "logging policy filled slots independently"
            )
        estimate = wpi if self.self_normalised else pi
        return estimate(sample.total_rewards(), weights)

    def doubt(self, sample: SlateSample) -> str:
        """Return that the log does not tell apart what the target shows; "" where it does.

        Read from the sample's `unidentified`, or from the slots' weights for factorised logging.
        """
        if self.factorised:
            return slots_without_support(sample.slot_weights())
        if sample.unidentified is None or sample.unidentified.mean() <= MOST_OUTSIDE:
            return ""
        return (
            f"{sample.unidentified.mean():.0%} of what the policy shows at its slots cannot be "
            f"told from other items by the log, more than {MOST_OUTSIDE:.0%}"
        )
