"""Columns of slate samples that go beyond propensities: weights of slots, and of groups of slates.

Each is found for all policies at once from a `JudgedLog`.
"""

import logging
import math

import numpy as np

from rlrec.arrays import Floats, Ints
from rlrec.errors import ConfigError, DataError
from rlrec.evaluation.offline.judged_log import Block, JudgedLog
from rlrec.evaluation.offline.latent_slates import abstraction_weights, group_by_reward
from rlrec.evaluation.offline.pseudo_inverse import (
    factorised_weights,
    policy_pseudo_inverse_weights,
)
from rlrec.evaluation.offline.reward_models import user_folds
from rlrec.evaluation.offline.reward_values import N_FOLDS
from rlrec.evaluation.offline.slate_probabilities import (
    MOST_SLATES,
    all_slates,
    policy_slate_probs,
    slate_indices,
)
from rlrec.evaluation.offline.slot_probabilities import (
    SlotDraws,
    SlotProbabilities,
    fills_slots_independently,
    slot_probabilities,
)
from rlrec.policy import SlatePolicy

_LOG = logging.getLogger(__name__)

_MOST_ASKED = 100_000_000
"""Rows times slates of which a policy is asked the probability, at most."""
_MOST_UNIDENTIFIED = 0.01
N_GROUPS = 10
"""Groups of slates that `lips` learns."""

Columns = dict[str, Floats]


class SlotColumns:
    """Probabilities of slots under the logging policy, found once, and under each policy.

    Args:
        judged: The log and its policies.
        estimator: For messages.
        draws: How slots that are not exact are found.
    """

    def __init__(self, judged: JudgedLog, estimator: str, draws: SlotDraws) -> None:
        self._judged, self._estimator, self._draws = judged, estimator, draws
        given, log_joint = judged.rows.given_prefix, judged.rows.log_joint
        self.relative_variance = 0.0
        """Of the propensities; the share by which weights are too large, about."""
        if judged.slate_size == 1 and log_joint is not None:
            self.propensities: Floats = np.exp(log_joint)[:, None]
            return
        policy = judged.needed_logging_policy(estimator, "the probability of items at their slots")
        found = self._of(policy)
        self.relative_variance = found.relative_variance
        self.propensities = found.probs
        if given is not None:
            self.propensities = _above_prefix(found.probs, given)

    def of(self, name: str) -> Columns:
        """Return the columns of a policy."""
        target = np.exp(self._judged.log_probs[name])
        if self._judged.slate_size > 1:
            policy = self._judged.needed_policy(name, self._estimator)
            target = _above_prefix(self._of(policy).probs, target)
        return {"slot_propensities": self.propensities, "slot_target_probs": target}

    @property
    def note(self) -> str | None:
        """What results must say of the estimated propensities of slots; None where exact."""
        if not self.relative_variance:
            return None
        return (
            f"Probabilities of items at their slots are estimated from {self._draws.n_draws} drawn "
            f"slates a row, so weights of slots are too large by about "
            f"{100 * self.relative_variance:.2g} % of themselves"
        )

    def _of(self, policy: SlatePolicy) -> SlotProbabilities:
        judged = self._judged
        parts = [
            slot_probabilities(
                policy,
                block.observations,
                block.slates,
                judged.observer.n_choices,
                self._draws,
                seed=(judged.seed, block.number),
            )
            for block in judged.blocks()
        ]
        return SlotProbabilities(*(np.concatenate(arrays) for arrays in zip(*parts, strict=True)))


def _above_prefix(slot: Floats, given: Floats) -> Floats:
    """Return probabilities of slots (n, K), equal to that of the prefix at the top, never below.

    Args:
        slot: Shape (n, K). Estimated, or with rounding of its own.
        given: Shape (n, K). Of slots given those above.
    """
    prefix: Floats = np.cumprod(given, axis=1).astype(np.float64)
    above: Floats = np.maximum(slot, prefix)
    above[:, 0] = prefix[:, 0]
    return above


def pseudo_inverse_column(judged: JudgedLog, name: str, estimator: str, draws: SlotDraws) -> Floats:
    """Return `pseudo_inverse_weights` (n,) of one policy.

    In closed form where slates have one slot or the logging policy fills slots independently;
    otherwise by enumeration of all slates.

    Raises:
        ConfigError: There are too many slates, or the logging policy is not given.
    """
    logging_policy = judged.logging_policy
    independent = logging_policy is not None and fills_slots_independently(logging_policy)
    if judged.slate_size == 1 or independent:
        columns = SlotColumns(judged, estimator, draws).of(name)
        return factorised_weights(columns["slot_target_probs"] / columns["slot_propensities"])
    policy = judged.needed_policy(name, estimator)
    logged = judged.needed_logging_policy(estimator, "the probability of every slate")
    every_slate(judged, estimator)
    found = [
        policy_pseudo_inverse_weights(
            logged, policy, block.observations, block.slates, judged.observer.n_choices
        )
        for block in judged.blocks()
    ]
    unidentified = float(np.concatenate([each.unidentified for each in found]).mean())
    if unidentified > _MOST_UNIDENTIFIED:
        _LOG.warning(
            "%s: %.1f %% of what policy %r shows at slots cannot be told from slates of the "
            "logging policy; the estimate leaves it out",
            estimator,
            100 * unidentified,
            name,
        )
    return np.concatenate([each.weights for each in found])


def abstraction_column(judged: JudgedLog, name: str, estimator: str) -> Floats:
    """Return `abstraction_weights` (n,) of one policy, groups learned from other users' slates.

    Raises:
        ConfigError: There are too many slates, or the logging policy is not given.
        DataError: Slates name positions among candidates that differ by row.
    """
    if judged.has_candidates:
        raise DataError(
            f"estimator {estimator!r} groups slates by their items, but slates of this log name "
            f"positions among candidates that differ by row; use rips, iips or pi"
        )
    every = every_slate(judged, estimator)
    target_probs = judged.slate_probs(name, estimator)
    logged_by = judged.needed_logging_policy(estimator, "the probability of every slate")
    folds, groups = _groups(judged, every)
    weights = np.empty(len(folds))
    for block in judged.blocks():
        for rows in _slices(block, len(every)):
            shown = Block(
                block.number,
                block.rows[rows],
                {key: values[rows] for key, values in block.observations.items()},
                block.slates[rows],
                block.steps[rows],
            )
            target = target_probs(shown, every)
            propensities = policy_slate_probs(logged_by, shown.observations, every)
            logged = slate_indices(shown.slates, every)
            for fold, grouped in enumerate(groups):
                inside = folds[shown.rows] == fold
                weights[shown.rows[inside]] = abstraction_weights(
                    logged[inside], grouped, target[inside], propensities[inside]
                )
    return weights


def _groups(judged: JudgedLog, every: Ints) -> tuple[Ints, list[Ints]]:
    """Return the fold (n,) of each row, and for each fold the group (S,) of each slate."""
    rows = judged.rows
    n_folds = min(N_FOLDS, rows.n_users)
    folds = user_folds(rows.users, n_folds, judged.seed)
    groups = []
    for fold in range(n_folds):
        others = folds != fold
        groups.append(group_by_reward(rows.slates[others], rows.rewards[others], every, N_GROUPS))
    return folds, groups


def every_slate(judged: JudgedLog, estimator: str) -> Ints:
    """Return all slates (S, K) that can be shown, or say that they are too many."""
    n_choices, slate_size = judged.observer.n_choices, judged.slate_size
    n_slates, n_rows = math.perm(n_choices, slate_size), judged.log.n_rows
    if n_slates > MOST_SLATES or n_slates * n_rows > _MOST_ASKED:
        raise ConfigError(
            f"estimator {estimator!r} asks both policies for the probability of all {n_slates:,} "
            f"slates of {slate_size} of {n_choices} choices in each of {n_rows:,} rows, more than "
            f"{MOST_SLATES:,} slates or {_MOST_ASKED:,} in all; use iips, rips or ips, or a part "
            f"of the log"
        )
    return all_slates(n_choices, slate_size)


def _slices(block: Block, n_slates: int) -> list[slice]:
    step = max(1, 4_000_000 // n_slates)
    return [slice(start, start + step) for start in range(0, len(block.rows), step)]
