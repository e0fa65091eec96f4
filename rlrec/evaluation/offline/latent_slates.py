"""Importance weights on an abstraction of slates: groups that matter instead of single slates."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from rlrec.arrays import Floats, Ints
from rlrec.errors import ConfigError, DataError, PropensityError
from rlrec.evaluation.offline.slate import SlateSample
from rlrec.evaluation.offline.slate_probabilities import slate_indices
from rlrec.evaluation.offline.terms import Terms, normalised, one_term


def lips(slate_rewards: Floats, abstraction_weights: Floats) -> Terms:
    """Return terms of latent importance weighting: mean of w(group) r, both (n,).

    Unbiased if, given the context, slates of a group have the same expected reward, and the
    logging policy shows each group that the target shows; biased in general where rewards differ
    within a group and the policies prefer different slates of it. Fewer groups, less variance.

    Reference:
        Kiyohara, Nomura and Saito, 2024, "Off-Policy Evaluation of Slate Bandit Policies via
        Optimizing Abstraction".
    """
    return one_term(abstraction_weights * slate_rewards, abstraction_weights)


def snlips(slate_rewards: Floats, abstraction_weights: Floats) -> Terms:
    """Return terms of `lips` over the mean weight."""
    return normalised(abstraction_weights * slate_rewards, abstraction_weights)


def abstraction_weights(
    logged: Ints, memberships: Floats | Ints, target_probs: Floats, propensities: Floats
) -> Floats:
    """Return target over logging probability of each logged slate's group, shape (n,).

    Args:
        logged: Shape (n,). Place of the logged slate among the S slates; see `slate_indices`.
        memberships: Shape (S,), the group of each slate counted from 0; or (S, Z), the probability
            of each group given the slate, over which the ratio is then averaged.
        target_probs: Shape (n, S), or (1, S) if contexts do not matter.
        propensities: Shape (n, S), or (1, S).

    Raises:
        DataError: Arrays that do not fit.
        PropensityError: The logging policy cannot show a logged slate.
    """
    shares = _shares(memberships)
    _check_enumeration(logged, shares, target_probs, propensities)
    chance = np.broadcast_to(propensities, (len(logged), len(shares)))
    impossible = np.take_along_axis(chance, logged[:, None], axis=1)[:, 0] <= 0
    if impossible.any():
        row = int(impossible.argmax())
        raise PropensityError(
            f"propensities of logged slates must be above 0; row {row}, slate {logged[row]} has 0"
        )
    target_mass, logging_mass = target_probs @ shares, propensities @ shares  # (n or 1, Z)
    target_mass, logging_mass = np.broadcast_arrays(target_mass, logging_mass)
    ratios = np.divide(
        target_mass, logging_mass, out=np.zeros(logging_mass.shape), where=logging_mass > 0
    )
    weights: Floats = (ratios * shares[logged]).sum(axis=1)
    return weights


def group_by_reward(
    slates: Ints, slate_rewards: Floats, every: Ints, n_groups: int, ridge: float = 1.0
) -> Ints:
    """Return a group (S,) for each slate of `every`, learned from logged slates.

    Rewards are predicted by a ridge regression on which item stands at which slot, and the
    predictions clustered by k-means on the line; so slates of a group promise about the same.
    Group 0 promises least.

    Args:
        slates: Shape (n, K). Logged slates.
        slate_rewards: Shape (n,).
        every: Shape (S, K). Slates to group.
        n_groups: 1 or more; fewer come back where predictions take fewer values.
        ridge: Above 0. Penalty, in logged slates.
    """
    if n_groups < 1 or not ridge > 0:
        raise ConfigError(
            f"n_groups must be 1 or more and ridge above 0, got {n_groups!r} and {ridge!r}"
        )
    n_items = int(max(slates.max(), every.max())) + 1
    mean = slate_rewards.mean()
    features = _one_hot(slates, n_items)
    gram = features.T @ features + ridge * np.eye(features.shape[1])
    effects = np.linalg.solve(gram, features.T @ (slate_rewards - mean))
    cells = every + n_items * np.arange(every.shape[1])
    return _kmeans_on_line(effects[cells].sum(axis=1), n_groups)


def learned_abstraction_weights(
    slates: Ints,
    slate_rewards: Floats,
    every: Ints,
    target_probs: Floats,
    propensities: Floats,
    *,
    n_groups: int = 10,
    users: Ints | None = None,
    n_folds: int = 3,
    ridge: float = 1.0,
    seed: int = 0,
) -> Floats:
    """Return abstraction weights (n,) with groups learned by `group_by_reward` across folds.

    The groups that weigh a user's slates are learned from other users, so a reward never chooses
    its own weight.

    Args:
        slates: Shape (n, K). Logged slates.
        slate_rewards: Shape (n,).
        every: Shape (S, K). All slates that either policy can show.
        target_probs: Shape (n, S), or (1, S).
        propensities: Shape (n, S), or (1, S).
        n_groups: Of the abstraction.
        users: Shape (n,). None makes each slate its own.
        n_folds: 2 or more, at most the number of users.
        ridge: See `group_by_reward`.
        seed: Of the deal of users into folds.
    """
    owners = np.arange(len(slates)) if users is None else users
    if len(owners) != len(slates) or len(slate_rewards) != len(slates):
        raise DataError(
            f"slates, slate_rewards and users must have n entries, got {len(slates)}, "
            f"{len(slate_rewards)} and {len(owners)}"
        )
    labels, codes = np.unique(owners, return_inverse=True)
    if not 2 <= n_folds <= len(labels):
        raise ConfigError(f"n_folds must lie in 2..{len(labels)} (the users), got {n_folds!r}")
    folds = np.random.default_rng(seed).permutation(len(labels))[codes.reshape(-1)] % n_folds
    logged = slate_indices(slates, every)
    weights = np.empty(len(slates))
    for fold in range(n_folds):
        inside = folds == fold
        groups = group_by_reward(slates[~inside], slate_rewards[~inside], every, n_groups, ridge)
        weights[inside] = abstraction_weights(
            logged[inside],
            groups,
            target_probs if len(target_probs) == 1 else target_probs[inside],
            propensities if len(propensities) == 1 else propensities[inside],
        )
    return weights


@dataclass(frozen=True, kw_only=True)
class LatentIPS:
    """Weights on groups of slates, from the sample's `abstraction_weights`; see `lips`."""

    needs: ClassVar[tuple[str, ...]] = ("abstraction_weights",)

    self_normalised: bool = False
    """Divide by the mean weight."""

    own_support: ClassVar[bool] = True

    @property
    def name(self) -> str:
        """Name in tables."""
        return "snlips" if self.self_normalised else "lips"

    def terms(self, sample: SlateSample) -> Terms:
        """Return the terms of the estimate."""
        if sample.abstraction_weights is None:
            raise DataError(
                "latent importance weighting needs abstraction_weights in the SlateSample; "
                "abstraction_weights makes them for groups of yours, learned_abstraction_weights "
                "for groups learned from the log"
            )
        estimate = snlips if self.self_normalised else lips
        return estimate(sample.total_rewards(), sample.abstraction_weights)


def _shares(memberships: Floats | Ints) -> Floats:
    """Return the probability (S, Z) of each group given each slate."""
    if memberships.ndim == 1:
        groups = memberships.astype(np.int64)
        if (groups != memberships).any() or (groups < 0).any():
            raise DataError("groups of slates must be whole numbers from 0")
        return np.eye(int(groups.max()) + 1)[groups]
    sums = memberships.sum(axis=1)
    wrong = ~((memberships >= 0).all(axis=1) & (np.abs(sums - 1) < 1e-6))
    if wrong.any():
        row = int(wrong.argmax())
        raise DataError(
            "memberships (S, Z) must be probabilities that sum to 1; slate "
            f"{row} has {memberships[row].tolist()}"
        )
    return memberships.astype(np.float64)


def _check_enumeration(
    logged: Ints, shares: Floats, target_probs: Floats, propensities: Floats
) -> None:
    n_rows, n_slates = len(logged), len(shares)
    for name, probs in (("target_probs", target_probs), ("propensities", propensities)):
        if probs.shape not in ((n_rows, n_slates), (1, n_slates)):
            raise DataError(
                f"{name} must have shape ({n_rows}, {n_slates}) or (1, {n_slates}), one entry for "
                f"each slate that has a group, got {probs.shape}"
            )
        wrong = ~((probs >= 0).all(axis=1) & (np.abs(probs.sum(axis=1) - 1) < 1e-6))
        if wrong.any():
            row = int(wrong.argmax())
            raise PropensityError(
                f"{name} must be 0 or more and sum to 1 over all slates; row {row} sums to "
                f"{probs[row].sum():g}"
            )


def _one_hot(slates: Ints, n_items: int) -> Floats:
    features = np.zeros((len(slates), slates.shape[1] * n_items))
    np.put_along_axis(features, slates + n_items * np.arange(slates.shape[1]), 1.0, axis=1)
    return features


def _kmeans_on_line(values: Floats, n_groups: int) -> Ints:
    """Return groups (S,) of numbers by Lloyd's iterations from their quantiles, 0 lowest."""
    centres = np.unique(np.quantile(values, (np.arange(n_groups) + 0.5) / n_groups))
    for _ in range(100):
        groups = np.searchsorted((centres[1:] + centres[:-1]) / 2, values)
        counts = np.bincount(groups, minlength=len(centres))
        sums = np.bincount(groups, values, len(centres))
        moved = np.where(counts > 0, sums / np.maximum(counts, 1), centres)
        if np.array_equal(moved, centres):
            break
        centres = moved
    return np.unique(groups, return_inverse=True)[1].reshape(-1).astype(np.int64)
