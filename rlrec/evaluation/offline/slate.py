"""Offline estimates for slates from probabilities of the whole slate, its prefixes or its slots.

Slots are an axis, so no estimate depends on the order in which rows were stored. Three kinds of
probability are told apart by name, since each is plausible in the place of another and wrong there:

- joint: of the whole ordered slate, shape (n,);
- prefix: of all items from the top down to a slot, shape (n, K);
- slot: of an item to stand at its slot whatever stands elsewhere, shape (n, K). That is not the
  probability to stand anywhere in the slate, which a log calls `propensity_marginal`.
"""

from dataclasses import dataclass, fields
from typing import Any, ClassVar, TypeVar

import numpy as np
from numpy.typing import NDArray

from rlrec.arrays import Bools, Floats, Ints
from rlrec.errors import DataError, PropensityError
from rlrec.evaluation.offline.sample_arrays import as_array
from rlrec.evaluation.offline.terms import Terms, normalised, one_term

_TOLERANCE = 1e-6  # relative, between probabilities that must agree
_DISTRIBUTION_TOLERANCE = 1e-5  # a softmax over many items in float32 errs more

_KINDS = ("joint", "prefix", "slot")

MOST_OUTSIDE = 0.05
"""Of a policy's mass at a slot: where more of it lies outside the log, estimates that do without
the weights of whole slates are in doubt."""

_SLATE_ARRAYS = ("slate_rewards", "pseudo_inverse_weights", "unidentified", "abstraction_weights")

_Number = TypeVar("_Number", np.float64, np.int64)


@dataclass(frozen=True, kw_only=True, eq=False)
class SlateSample:
    """Logged slates with what their estimators need; only rewards are needed by all.

    Probabilities given as prefixes also give the joint ones. Arrays are checked here, once.

    Raises:
        DataError: Shapes that do not fit, or values that are not finite.
        PropensityError: Probabilities outside their range or at odds with each other; the message
            names row and slot, both counted from 0.
    """

    rewards: Floats | None = None
    """Shape (n, K). Reward of each slot."""
    slate_rewards: Floats | None = None
    """Shape (n,). Reward of each slate; None for the sum over its slots."""
    joint_propensities: Floats | None = None
    """Shape (n,). In (0, 1]."""
    joint_target_probs: Floats | None = None
    """Shape (n,). In [0, 1]."""
    prefix_propensities: Floats | None = None
    """Shape (n, K). In (0, 1], never rising from the top down."""
    prefix_target_probs: Floats | None = None
    """Shape (n, K). In [0, 1], never rising from the top down."""
    slot_propensities: Floats | None = None
    """Shape (n, K). In (0, 1], at least those of prefix and slate."""
    slot_target_probs: Floats | None = None
    """Shape (n, K). In [0, 1], at least those of prefix and slate."""
    actions: Ints | None = None
    """Shape (n, K). Items shown, counted from 0; needed with `q_hat`."""
    q_hat: Floats | None = None
    """Shape (n, K, A). Predicted reward from a slot to the bottom of the slate under the target
    policy, for the logged items above it and each item there."""
    target_given_prefix: Floats | None = None
    """Shape (n, K, A). Target distribution of a slot given the logged items above it."""
    pseudo_inverse_weights: Floats | None = None
    """Shape (n,). From `pseudo_inverse_weights` and its like; may be negative."""
    unidentified: Floats | None = None
    """Shape (n,). From the same: share of the target's mass that the log does not identify."""
    abstraction_weights: Floats | None = None
    """Shape (n,). From `abstraction_weights`, 0 or more."""

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if value is not None:
                kind = np.int64 if field.name == "actions" else np.float64
                object.__setattr__(self, field.name, as_array(field.name, value, kind))
        _check_sample(self)

    @property
    def n_slates(self) -> int:
        """Number of slates, n."""
        rewards = self.rewards if self.slate_rewards is None else self.slate_rewards
        assert rewards is not None
        return len(rewards)

    def slot_rewards(self) -> Floats:
        """Return the rewards (n, K) of the slots."""
        return _needed(self.rewards, "rewards", "the reward of each slot")

    def total_rewards(self) -> Floats:
        """Return the rewards (n,) of whole slates."""
        if self.slate_rewards is not None:
            return self.slate_rewards
        totals: Floats = self.slot_rewards().sum(axis=1)
        return totals

    def joint_weights(self) -> Floats:
        """Return target over logging probability of the whole slate, shape (n,)."""
        targets, propensities = (
            whole if whole is not None or prefix is None else prefix[:, -1]
            for whole, prefix in (
                (self.joint_target_probs, self.prefix_target_probs),
                (self.joint_propensities, self.prefix_propensities),
            )
        )
        return _ratio(targets, propensities, "joint")

    def prefix_weights(self) -> Floats:
        """Return target over logging probability down to each slot, shape (n, K)."""
        return _ratio(self.prefix_target_probs, self.prefix_propensities, "prefix")

    def slot_weights(self) -> Floats:
        """Return target over logging probability of each slot's item there, shape (n, K)."""
        return _ratio(self.slot_target_probs, self.slot_propensities, "slot")


def sips(slate_rewards: Floats, joint_weights: Floats) -> Terms:
    """Return terms of joint importance weighting: mean of w r, both (n,).

    Unbiased wherever the logging policy can show what the target can; the weight of many slots
    varies widely.
    """
    return one_term(joint_weights * slate_rewards, joint_weights)


def snsips(slate_rewards: Floats, joint_weights: Floats) -> Terms:
    """Return terms of `sips` over the mean weight: consistent, within the range of rewards."""
    return normalised(joint_weights * slate_rewards, joint_weights)


def per_slot_ips(rewards: Floats, slot_or_prefix_weights: Floats) -> Terms:
    """Return terms of the mean over slates of sum_l w_l r_l, both (n, K).

    With weights of slots: independent IPS, unbiased if a slot's reward depends on its own item
    alone. With weights of prefixes: reward-interaction IPS, unbiased if it depends on that item
    and those above. Biased in general where it depends on more.

    The weights kept for diagnostics are those of the slot with the smallest effective sample.

    References:
        Li et al., 2018, "Offline Evaluation of Ranking Policies with Click Models";
        McInerney et al., 2020, "Counterfactual Evaluation of Slate Recommendations with
        Sequential Reward Interactions".
    """
    weights = slot_or_prefix_weights
    return one_term((weights * rewards).sum(axis=1), _least_effective(weights))


def self_normalised_per_slot(rewards: Floats, slot_or_prefix_weights: Floats) -> Terms:
    """Return terms of `per_slot_ips` with each slot's weights over their mean."""
    weights = slot_or_prefix_weights
    return Terms(weights * rewards, weights, _least_effective(weights))


def cascade_dr(
    rewards: Floats,
    prefix_weights: Floats,
    q_hat: Floats,
    target_given_prefix: Floats,
    actions: Ints,
) -> Terms:
    """Return terms of the doubly robust estimate for rewards that look up the slate.

    The mean over slates of sum_l [w_l (r_l - Q_l(a_l)) + w_(l-1) sum_a pi(a | prefix) Q_l(a)],
    w_0 = 1. Unbiased for any `q_hat` not fitted to the same slates, if a slot's reward depends on
    its item and those above (and then less variable than reward-interaction IPS where `q_hat` is
    good); biased in general where it depends on items below.

    Args:
        rewards: Shape (n, K).
        prefix_weights: Shape (n, K).
        q_hat: Shape (n, K, A). Predicted reward from the slot to the bottom.
        target_given_prefix: Shape (n, K, A).
        actions: Shape (n, K).

    Reference:
        Kiyohara et al., 2022, "Doubly Robust Off-Policy Evaluation for Ranking Policies under the
        Cascade Behavior Model".
    """
    predicted = np.take_along_axis(q_hat, actions[..., None], axis=2)[..., 0]
    expected = (target_given_prefix * q_hat).sum(axis=2)
    above = np.concatenate([np.ones_like(prefix_weights[:, :1]), prefix_weights[:, :-1]], axis=1)
    values = (prefix_weights * (rewards - predicted) + above * expected).sum(axis=1)
    return one_term(values, _least_effective(prefix_weights))


@dataclass(frozen=True, kw_only=True)
class JointIPS:
    """Importance weights of whole slates; assumes nothing of the reward."""

    self_normalised: bool = False
    """Divide by the mean weight."""

    @property
    def name(self) -> str:
        """Name in tables."""
        return "snsips" if self.self_normalised else "sips"

    def terms(self, sample: SlateSample) -> Terms:
        """Return the terms of the estimate."""
        estimate = snsips if self.self_normalised else sips
        return estimate(sample.total_rewards(), sample.joint_weights())


@dataclass(frozen=True, kw_only=True)
class IndependentIPS:
    """Importance weights of slots; assumes that a slot's reward depends on its item alone."""

    needs: ClassVar[tuple[str, ...]] = ("slot_probabilities",)

    self_normalised: bool = False
    """Divide each slot's weights by their mean."""

    own_support: ClassVar[bool] = True

    @property
    def name(self) -> str:
        """Name in tables."""
        return "sniips" if self.self_normalised else "iips"

    def terms(self, sample: SlateSample) -> Terms:
        """Return the terms of the estimate."""
        estimate = self_normalised_per_slot if self.self_normalised else per_slot_ips
        return estimate(sample.slot_rewards(), sample.slot_weights())

    def doubt(self, sample: SlateSample) -> str:
        """Return which slot lacks support in the log; "" where none does."""
        return slots_without_support(sample.slot_weights())


@dataclass(frozen=True, kw_only=True)
class RewardInteractionIPS:
    """Importance weights of prefixes; assumes that a slot's reward depends on none below it."""

    self_normalised: bool = False
    """Divide each slot's weights by their mean."""

    @property
    def name(self) -> str:
        """Name in tables."""
        return "snrips" if self.self_normalised else "rips"

    def terms(self, sample: SlateSample) -> Terms:
        """Return the terms of the estimate."""
        estimate = self_normalised_per_slot if self.self_normalised else per_slot_ips
        return estimate(sample.slot_rewards(), sample.prefix_weights())


@dataclass(frozen=True, kw_only=True)
class CascadeDR:
    """Weights of prefixes corrected by a reward model; see `cascade_dr`."""

    needs: ClassVar[tuple[str, ...]] = ("q_hat",)

    @property
    def name(self) -> str:
        """Name in tables."""
        return "cascade_dr"

    def terms(self, sample: SlateSample) -> Terms:
        """Return the terms of the estimate."""
        return cascade_dr(
            sample.slot_rewards(),
            sample.prefix_weights(),
            _needed(sample.q_hat, "q_hat", "a reward model"),
            _needed(sample.target_given_prefix, "target_given_prefix", "the target distribution"),
            _needed(sample.actions, "actions", "the items shown"),
        )


def rows_to_slates(slate_ids: NDArray[Any], slots: Ints, values: NDArray[Any]) -> NDArray[Any]:
    """Return a column with one row a slot as an array with slots along the second axis.

    Args:
        slate_ids: Shape (n * K,). Of any type; the rows of a slate stand together.
        slots: Shape (n * K,). 0 to K - 1 from the top down within each slate.
        values: Shape (n * K, ...).

    Returns:
        Shape (n, K, ...).

    Raises:
        DataError: Slates of different lengths, or rows out of order; the message names the row.
    """
    slate_ids, slots = np.asarray(slate_ids), np.asarray(slots)
    if not len(slots) or not len(slate_ids) == len(slots) == len(values):
        raise DataError(
            f"slate_ids, slots and values must have one entry a row, got {len(slate_ids)}, "
            f"{len(slots)} and {len(values)}"
        )
    slate_size = int(slots.max()) + 1
    expected = np.arange(len(slots)) % slate_size
    same_slate = np.concatenate([[False], slate_ids[1:] == slate_ids[:-1]])
    wrong = (slots != expected) | (same_slate != (expected > 0))
    if len(slots) % slate_size and not wrong.any():
        wrong[-1] = True
    if wrong.any():
        row = int(wrong.argmax())
        raise DataError(
            f"the rows of each slate must stand together with slots 0 to {slate_size - 1} in "
            f"order; row {row} breaks this: slate {slate_ids[row]}, slot {slots[row]}. Sort the "
            "rows by slate and slot; slates of different lengths must be evaluated apart"
        )
    _, first_rows = np.unique(slate_ids[::slate_size], return_index=True)
    if len(first_rows) < len(slots) // slate_size:
        again = np.setdiff1d(np.arange(len(slots) // slate_size), first_rows)[0] * slate_size
        raise DataError(f"slate {slate_ids[again]} stands twice, again from row {again}")
    return np.asarray(values).reshape(-1, slate_size, *np.shape(values)[1:])


def slots_without_support(slot_weights: Floats) -> str:
    """Return which slot's weights (n, K) have a mean too far below 1; "" where none has.

    The weights kept for diagnostics are those of one slot, and another one may be that which the
    log cannot support. Too far is by more than `MOST_OUTSIDE` and 4 standard errors, of slates.
    """
    means = slot_weights.mean(axis=0)
    errors = slot_weights.std(axis=0) / np.sqrt(len(slot_weights))
    missing = 1.0 - means
    slot = int((missing - 4 * errors).argmax())
    if not missing[slot] - 4 * errors[slot] > MOST_OUTSIDE:
        return ""
    return (
        f"{missing[slot]:.0%} of what the policy shows at slot {slot} has no support there in the "
        f"log, more than {MOST_OUTSIDE:.0%}"
    )


def _least_effective(weights: Floats) -> Floats:
    """Return the column (n,) of weights (n, K) with the smallest effective sample size."""
    sums, squares = weights.sum(axis=0), (weights * weights).sum(axis=0)
    sizes = np.divide(sums * sums, squares, out=np.zeros_like(sums), where=squares > 0)
    column: Floats = weights[:, int(sizes.argmin())]
    return column


def _ratio(targets: Floats | None, propensities: Floats | None, kind: str) -> Floats:
    numerator = _needed(targets, f"{kind}_target_probs", f"{kind} target probabilities")
    denominator = _needed(propensities, f"{kind}_propensities", f"{kind} propensities")
    return np.asarray(numerator / denominator)


def _needed(array: NDArray[_Number] | None, name: str, what: str) -> NDArray[_Number]:
    if array is None:
        raise DataError(f"this estimator needs {what}; give the SlateSample `{name}`")
    return array


def _check_sample(sample: SlateSample) -> None:
    if sample.rewards is None and sample.slate_rewards is None:
        raise DataError("a SlateSample needs rewards (n, K) or slate_rewards (n,)")
    n_slates, slate_size = _sizes(sample)
    n_items = _n_items(sample)
    for name in _SLATE_ARRAYS:
        _check_array(name, getattr(sample, name), (n_slates,))
    for name in ("rewards", "actions"):
        _check_array(name, getattr(sample, name), (n_slates, slate_size))
    for name in ("q_hat", "target_given_prefix"):
        _check_array(name, getattr(sample, name), (n_slates, slate_size, n_items))
    for side in ("propensities", "target_probs"):
        _check_array(f"joint_{side}", getattr(sample, f"joint_{side}"), (n_slates,))
        for name in (f"prefix_{side}", f"slot_{side}"):
            _check_array(name, getattr(sample, name), (n_slates, slate_size))
    for side in ("propensities", "target_probs"):
        _check_agreement(sample, side)
    weights = sample.abstraction_weights
    if weights is not None:
        _refuse(weights < 0, weights, "abstraction_weights must be 0 or more", DataError)
    _check_distribution(sample, n_items)


def _n_items(sample: SlateSample) -> int:
    """Return A, 0 where nothing has an axis of items."""
    for name in ("q_hat", "target_given_prefix"):
        array = getattr(sample, name)
        if array is not None:
            if array.ndim != 3:
                raise DataError(f"{name} must have shape (n, K, A), got {array.shape}")
            return int(array.shape[2])
    return 0


def _sizes(sample: SlateSample) -> tuple[int, int]:
    """Return n and K as the first array with slots has them."""
    per_slot = [sample.rewards, sample.actions]
    for side in ("propensities", "target_probs"):
        per_slot += [getattr(sample, f"{kind}_{side}") for kind in ("prefix", "slot")]
    for array in per_slot:
        if array is not None:
            if array.ndim != 2 or not array.size:
                raise DataError(f"arrays with slots must have shape (n, K), got {array.shape}")
            return array.shape[0], array.shape[1]
    assert sample.slate_rewards is not None
    if sample.slate_rewards.ndim != 1 or not sample.slate_rewards.size:
        raise DataError(f"slate_rewards must have shape (n,), got {sample.slate_rewards.shape}")
    return len(sample.slate_rewards), 1


def _check_array(name: str, array: NDArray[Any] | None, shape: tuple[int, ...]) -> None:
    if array is None:
        return
    if array.shape != shape:
        raise DataError(f"{name} must have shape {shape}, got {array.shape}")
    if name.endswith("propensities"):
        wrong = ~((array > 0) & (array <= 1))
        _refuse(wrong, array, f"{name} must lie in (0, 1]", PropensityError)
    elif name.endswith("target_probs") or name == "target_given_prefix":
        wrong = ~((array >= 0) & (array <= 1))
        _refuse(wrong, array, f"{name} must lie in [0, 1]", PropensityError)
    else:
        _refuse(~np.isfinite(array), array, f"{name} must be finite", DataError)


def _check_agreement(sample: SlateSample, side: str) -> None:
    """Check probabilities of one policy against each other."""
    joint, prefix, slot = (getattr(sample, f"{kind}_{side}") for kind in _KINDS)
    if prefix is not None:
        wrong = np.zeros(prefix.shape, dtype=bool)
        wrong[:, 1:] = prefix[:, 1:] > prefix[:, :-1] * (1 + _TOLERANCE)
        _refuse(wrong, prefix, f"prefix_{side} must not rise from the top down", PropensityError)
    if prefix is not None and joint is not None:
        wrong = np.zeros(prefix.shape, dtype=bool)
        wrong[:, -1] = _differ(prefix[:, -1], joint)
        rule = f"prefix_{side} of the last slot must equal joint_{side}"
        _refuse(wrong, prefix, rule, PropensityError)
    if slot is None:
        return
    if prefix is not None:
        wrong = np.zeros(slot.shape, dtype=bool)
        wrong[:, 0] = _differ(slot[:, 0], prefix[:, 0])
        rule = f"slot_{side} of the first slot must equal prefix_{side} there"
        _refuse(wrong, slot, rule, PropensityError)
        wrong = prefix > slot * (1 + _TOLERANCE)
        rule = f"slot_{side} must be at least prefix_{side}"
        _refuse(wrong, slot, rule, PropensityError)
    if joint is not None:
        wrong = joint[:, None] > slot * (1 + _TOLERANCE)
        rule = f"slot_{side} must be at least joint_{side}"
        _refuse(wrong, slot, rule, PropensityError)


def _check_distribution(sample: SlateSample, n_items: int) -> None:
    actions, given, prefix = sample.actions, sample.target_given_prefix, sample.prefix_target_probs
    if actions is None:
        return
    wrong = actions < 0
    if n_items:
        wrong |= actions >= n_items
    _refuse(wrong, actions, f"actions must lie in 0..{n_items - 1 if n_items else 'A - 1'}")
    if given is None:
        return
    sums = given.sum(axis=2)
    wrong = np.abs(sums - 1) > _DISTRIBUTION_TOLERANCE
    rule = "target_given_prefix must sum to 1 over items"
    _refuse(wrong, sums, rule, PropensityError)
    if prefix is None:
        return
    above = np.concatenate([np.ones_like(prefix[:, :1]), prefix[:, :-1]], axis=1)
    implied = above * np.take_along_axis(given, actions[..., None], axis=2)[..., 0]
    wrong = np.abs(implied - prefix) > _DISTRIBUTION_TOLERANCE * np.maximum(implied, prefix)
    rule = "prefix_target_probs must be the product of target_given_prefix at the items shown"
    _refuse(wrong, prefix, rule, PropensityError)


def _differ(left: Floats, right: Floats) -> Bools:
    return np.asarray(np.abs(left - right) > _TOLERANCE * np.maximum(left, right))


def _refuse(
    wrong: Bools, values: NDArray[Any], rule: str, kind: type[DataError] = DataError
) -> None:
    if wrong.any():
        place = tuple(int(axis) for axis in np.argwhere(wrong)[0])
        slot = f", slot {place[1]}" if len(place) > 1 else ""
        n_rows = int(wrong.any(axis=tuple(range(1, wrong.ndim))).sum())
        raise kind(
            f"{rule}; {n_rows} of {len(wrong)} rows break this, the first is row {place[0]}"
            f"{slot}: {values[place]:g}"
        )
