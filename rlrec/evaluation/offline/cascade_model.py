"""A model of the rewards of slots: what a slot and those below it bring, given those above.

Fitted from the bottom slot up, by fitted Q evaluation whose steps are slots: to the reward of a
slot plus what the model of the slot below expects of the target policy there.
"""

from typing import Any, NamedTuple

import numpy as np

from rlrec.arrays import Floats, Ints, Observations
from rlrec.errors import ConfigError, DataError
from rlrec.evaluation.offline.judged_log import Block, JudgedLog
from rlrec.evaluation.offline.policy_probabilities import TargetProbabilities, target_log_probs
from rlrec.evaluation.offline.reward_features import Features
from rlrec.evaluation.offline.reward_models import FittedModel, RewardModel, user_folds
from rlrec.evaluation.offline.reward_values import MOST_FITTED, N_FOLDS, as_model, kept_users
from rlrec.policy import SlatePolicy

_MOST_CELLS = 50_000_000
"""Numbers in `q_hat`, at most."""
_N_DRAWS = 8
"""Items drawn from the target policy where the value of the slot below is fitted to."""

Chain = list[FittedModel]
"""A model of each slot, from the top down."""


class CascadeColumns(NamedTuple):
    """What `cascade_dr` needs beyond propensities."""

    q_hat: Floats
    """Shape (n, K, A). Reward from a slot to the bottom, for the logged items above it."""
    target_given_prefix: Floats
    """Shape (n, K, A)."""


def cascade_columns(judged: JudgedLog, name: str) -> CascadeColumns:
    """Return the model's values under one policy, each by models fitted to other users.

    Args:
        judged: The log; its `rows` have the rewards of slots.
        name: Of the policy.

    Raises:
        DataError: The rewards of slots are not known.
        ConfigError: There are too many rows and choices to hold a value of each.
    """
    rows = judged.rows
    if rows.slot_rewards is None:
        raise DataError(
            "cascade_dr models the reward of each slot, and no response channel sums to the reward "
            "of its row; use dr, which models that of the slate"
        )
    n_choices = judged.observer.n_choices
    if rows.slates.size * n_choices > _MOST_CELLS:
        raise ConfigError(
            f"cascade_dr holds a value of each of {n_choices:,} choices in {rows.slates.size:,} "
            f"slots, more than {_MOST_CELLS:,} numbers; use dr or rips, or a part of the log"
        )
    given = _target_given_prefix(judged, name)
    n_folds = min(N_FOLDS, rows.n_users)
    folds = user_folds(rows.users, n_folds, judged.seed)
    kept = kept_users(rows.n_users, MOST_FITTED / len(folds), judged.seed)[rows.users]
    model = as_model(judged.reward_model)
    chains = [
        _fit_chain(judged, model, rows.slot_rewards, given, kept & (folds != fold))
        for fold in range(n_folds)
    ]
    q_hat = np.empty_like(given)
    for block in judged.blocks():
        for fold, chain in enumerate(chains):
            inside = np.flatnonzero(folds[block.rows] == fold)
            if not inside.size:
                continue
            seen = _at(block.observations, inside)
            for slot in range(judged.slate_size):
                for choice in range(given.shape[2]):
                    shown = np.full(len(inside), choice)
                    features = _features(judged.describe, seen, block.slates[inside], slot, shown)
                    predicted = np.asarray(chain[slot].predict(features), np.float64)
                    q_hat[block.rows[inside], slot, choice] = predicted
    return CascadeColumns(q_hat, given)


def _target_given_prefix(judged: JudgedLog, name: str) -> Floats:
    """Return the target's distribution (n, K, A) of each slot below the logged items."""
    policy = judged.policies[name]
    if isinstance(policy, TargetProbabilities) and policy.of_choices is not None:
        return policy.of_choices[:, None, :]
    asked = judged.needed_policy(name, "cascade_dr")
    slots = judged.rows.slates.shape
    given = np.empty((*slots, judged.observer.n_choices))
    for block in judged.blocks():
        for slot in range(slots[1]):
            for choice in range(given.shape[2]):
                given[block.rows, slot, choice] = _chance(asked, block, slot, choice)
    # Below items that the target never shows its distribution is not defined, and weighs nothing.
    sums = given.sum(axis=2, keepdims=True)
    possible = np.isfinite(sums) & (sums > 0)
    return np.where(possible, given / np.where(possible, sums, 1.0), 1.0 / given.shape[2])


def _chance(policy: SlatePolicy, block: Block, slot: int, choice: int) -> Floats:
    changed = block.slates.copy()
    changed[:, slot] = choice
    chance: Floats = np.exp(target_log_probs(policy, block.observations, changed)[:, slot])
    return chance


def _fit_chain(
    judged: JudgedLog, model: RewardModel, rewards: Floats, given: Floats, fitted_to: Any
) -> Chain:
    """Return models of all slots, fitted to some rows (n,)."""
    chain: Chain = []
    below = np.zeros(len(rewards))
    for slot in reversed(range(judged.slate_size)):
        features, targets = [], []
        for block in judged.blocks():
            some = np.flatnonzero(fitted_to[block.rows])
            if not some.size:
                continue
            seen, slates = _at(block.observations, some), block.slates[some]
            features.append(_features(judged.describe, seen, slates, slot, slates[:, slot]))
            targets.append((rewards[:, slot] + below)[block.rows[some]])
        fitted = model.fit(np.concatenate(features), np.concatenate(targets))
        chain.insert(0, fitted)
        if slot:
            below = _expected(judged, fitted, given, slot, fitted_to)
    return chain


def _expected(
    judged: JudgedLog, fitted: FittedModel, given: Floats, slot: int, fitted_to: Any
) -> Floats:
    """Return the model's value (n,) of a slot under the target policy, from drawn items."""
    values = np.zeros(len(given))
    for block in judged.blocks():
        some = np.flatnonzero(fitted_to[block.rows])
        if not some.size:
            continue
        rng = np.random.default_rng((judged.seed, slot, block.number))
        steps = np.cumsum(given[block.rows[some], slot], axis=1)[:, :-1]
        seen, slates = _at(block.observations, some), block.slates[some]
        total = np.zeros(len(some))
        for _ in range(_N_DRAWS):
            items = (steps < rng.random((len(some), 1))).sum(axis=1)
            features = _features(judged.describe, seen, slates, slot, items)
            total += np.asarray(fitted.predict(features), np.float64)
        values[block.rows[some]] = total / _N_DRAWS
    return values


def _features(
    describe: Features, observations: Observations, slates: Ints, slot: int, items: Ints
) -> Floats:
    """Return features of items (B,) at a slot: as a slate of the item first, then those above."""
    return describe(observations, np.concatenate([items[:, None], slates[:, :slot]], axis=1))


def _at(observations: Observations, rows: Ints) -> Observations:
    return {key: values[rows] for key, values in observations.items()}
