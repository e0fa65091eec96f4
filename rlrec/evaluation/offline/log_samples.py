"""From a log and policies to the samples that estimators take."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from rlrec.arrays import Floats, Ints, Observations
from rlrec.data.log import InteractionLog
from rlrec.data.log_columns import response_column
from rlrec.errors import ConfigError, DataError
from rlrec.evaluation.offline.bandit_sample import BanditSample
from rlrec.evaluation.offline.policy_probabilities import (
    Judged,
    TargetProbabilities,
    target_log_probs,
)
from rlrec.evaluation.offline.session_rows import Sessions
from rlrec.evaluation.offline.session_sample import SessionSample, session_lengths
from rlrec.evaluation.offline.slate import SlateSample
from rlrec.evaluation.offline.user_blocks import Observer, user_blocks, user_numbers
from rlrec.policy import SlatePolicy

_REST = 1e-9
"""Mass below which what a policy does beside the logged slate is left out."""


@dataclass(frozen=True, kw_only=True, eq=False)
class LoggedRows:
    """What estimates need of a log, whatever the policy."""

    users: Ints
    """Shape (n_rows,). Numbered from 0."""
    steps: Ints
    """Shape (n_rows,)."""
    rewards: Floats
    """Shape (n_rows,)."""
    terminated: Any
    """Shape (n_rows,)."""
    slates: Ints
    """Shape (n_rows, K)."""
    slot_rewards: Floats | None
    """Shape (n_rows, K). The response channel that sums to the reward; None where none does."""
    log_joint: Floats | None
    """Shape (n_rows,). Logarithm of the propensity of the slate; None where unknown."""
    given_prefix: Floats | None
    """Shape (n_rows, K). Propensity of each slot given those above; None where unknown."""

    @property
    def n_users(self) -> int:
        """Number of users."""
        return int(self.users[-1]) + 1

    @property
    def is_sessions(self) -> bool:
        """Whether any episode has several steps."""
        return bool(self.steps.any())

    @property
    def unit_users(self) -> Ints:
        """User of each unit (round or session), (n_units,)."""
        users: Ints = self.users[self.steps == 0]
        return users


@dataclass(frozen=True, eq=False)
class ModelValues:
    """What a fitted model says of the logged rows under one policy."""

    q_logged: Floats
    """Shape (n_rows,). Of what was shown."""
    values: Floats
    """Shape (n_rows,). Of what the policy does instead."""
    after: Floats | None = None
    """Shape (n_sessions,). Of the state after each session's last row, where known."""


def read_rows(
    log: InteractionLog, log_joint: Floats | None = None, given_prefix: Floats | None = None
) -> LoggedRows:
    """Return what estimates need of a log.

    Args:
        log: Whose rows to read.
        log_joint: Shape (n_rows,). In place of the log's own propensities.
        given_prefix: Shape (n_rows, K). The same, slot by slot.
    """
    if log_joint is None and log.has("propensity_given_prefix"):
        given_prefix = log.column("propensity_given_prefix")
        log_joint = np.log(given_prefix).sum(axis=1)
    if log_joint is None and log.has("log_propensity"):
        log_joint = log.column("log_propensity")
        if log.metadata.slate_size == 1:
            given_prefix = np.exp(log_joint)[:, None]
    rewards = log.column("reward")
    return LoggedRows(
        users=user_numbers(log),
        steps=log.column("step"),
        rewards=rewards,
        terminated=log.column("terminated"),
        slates=log.column("slate"),
        slot_rewards=_slot_rewards(log, rewards),
        log_joint=log_joint,
        given_prefix=given_prefix,
    )


def _slot_rewards(log: InteractionLog, rewards: Floats) -> Floats | None:
    """Return the responses (n_rows, K) of the first channel that sums to the reward."""
    if log.metadata.slate_size == 1:
        return rewards[:, None]
    for channel in log.metadata.response_channels:
        responses = log.column(response_column(channel)).astype(np.float64)
        total = responses.sum(axis=1)
        if np.allclose(total, rewards, rtol=1e-6, atol=1e-9):
            return responses
    return None


def target_columns(
    log: InteractionLog, policies: Mapping[str, Judged], observer: Observer
) -> dict[str, Floats]:
    """Return log-probabilities (n_rows, K) given the prefix of what was logged, by policy.

    Observations are made again for blocks of whole users, so that they need little memory.
    """
    acting = {name: each for name, each in policies.items() if isinstance(each, SlatePolicy)}
    found: dict[str, list[Floats]] = {name: [] for name in acting}
    if acting:
        for part in user_blocks(log, observer.columns(log)):
            observations = observer.observations(part)
            slates = part.column("slate")
            for name, policy in acting.items():
                found[name].append(target_log_probs(policy, observations, slates))
    columns = {name: np.concatenate(blocks) for name, blocks in found.items()}
    for name, each in policies.items():
        if isinstance(each, TargetProbabilities):
            columns[name] = _given_columns(each, name, log)
    return {name: columns[name] for name in policies}


def _given_columns(policy: TargetProbabilities, name: str, log: InteractionLog) -> Floats:
    log_probs = policy.log_probs()
    if len(log_probs) != log.n_rows:
        raise DataError(
            f"policy {name!r}: probabilities must have a row for each of the {log.n_rows} rows of "
            f"the log, got {len(log_probs)}"
        )
    return log_probs


def bandit_sample(rows: LoggedRows, log_probs: Floats, model: ModelValues | None) -> BanditSample:
    """Return rounds: a slate is one action, all other slates together are another one.

    So doubly robust estimates of slates need the model's value of the logged slate and of the
    policy as a whole, not of every slate.
    """
    propensities, target = _joint(rows, log_probs)
    arrays: dict[str, Any] = {}
    if model is not None:
        rest = 1.0 - target
        is_all = rest < _REST
        other = np.where(
            is_all,
            model.q_logged,
            (model.values - target * model.q_logged) / np.where(is_all, 1.0, rest),
        )
        arrays = {
            "actions": np.zeros(len(target), np.int64),
            "target_distribution": np.stack([target, rest], axis=1),
            "q_hat": np.stack([model.q_logged, other], axis=1),
        }
    return BanditSample(
        rewards=rows.rewards, propensities=propensities, target_probs=target, **arrays
    )


def slate_sample(rows: LoggedRows, log_probs: Floats, needs_slots: bool = True) -> SlateSample:
    """Return slates with the probabilities of their prefixes, or of the whole where it must do.

    Args:
        rows: Of the log.
        log_probs: Shape (n_rows, K). Of the policy.
        needs_slots: Whether rewards of slots and probabilities of prefixes are needed.

    Raises:
        DataError: No response channel sums to the reward, so the reward of a slot is not known; or
            the probabilities of prefixes are not.
    """
    if needs_slots and rows.slot_rewards is None:
        raise DataError(
            "estimators of slots need the reward of each slot, and no response channel sums to "
            "the reward of its row; use estimators of whole slates (ips, snips, dr, pi, lips)"
        )
    if needs_slots and rows.given_prefix is None:
        raise DataError(
            "estimators of slots need the column propensity_given_prefix, which the log lacks; "
            "give the policy that wrote it as `logging_policy`, or use estimators of whole slates "
            "(ips, snips, dr)"
        )
    if rows.given_prefix is None:
        propensities, target = _joint(rows, log_probs)
        probabilities = {"joint_propensities": propensities, "joint_target_probs": target}
    else:
        probabilities = {
            "prefix_propensities": np.cumprod(rows.given_prefix, axis=1).astype(np.float64),
            "prefix_target_probs": np.exp(np.cumsum(log_probs, axis=1)),
        }
    return SlateSample(
        rewards=rows.slot_rewards,
        slate_rewards=rows.rewards,
        actions=rows.slates,
        **probabilities,
    )


def session_sample(
    rows: LoggedRows, log_probs: Floats, model: ModelValues | None, discount: float
) -> SessionSample:
    """Return sessions; a step's probability is that of its whole slate."""
    lengths = session_lengths(rows.steps)
    last = np.cumsum(lengths) - 1
    arrays: dict[str, Any] = {}
    if rows.log_joint is not None:
        propensities, target = _joint(rows, log_probs)
        arrays = {"propensities": propensities, "target_probs": target}
    if rows.given_prefix is not None and rows.slot_rewards is not None:
        arrays |= {
            "slot_rewards": rows.slot_rewards,
            "slot_propensities": rows.given_prefix,
            "slot_target_probs": np.exp(log_probs),
        }
    if model is not None:
        arrays |= {"q_hat": model.q_logged, "v_hat": model.values, "v_after": model.after}
    return SessionSample(
        rewards=rows.rewards,
        lengths=lengths,
        terminated=rows.terminated[last],
        discount=discount,
        **arrays,
    )


def row_ratios(rows: LoggedRows, log_probs: Floats) -> Floats | None:
    """Return target over logging probability of each row's slate, (n_rows,); None if unknown."""
    if rows.log_joint is None:
        return None
    ratios: Floats = np.exp(log_probs.sum(axis=1) - rows.log_joint)
    return ratios


def unit_values(log: InteractionLog, rows: LoggedRows, discount: float) -> Floats:
    """Return what each unit earned, (n_units,), discounted."""
    if not rows.is_sessions:
        return rows.rewards
    return Sessions.of(log, discount).returns


def _joint(rows: LoggedRows, log_probs: Floats) -> tuple[Floats, Floats]:
    """Return propensity and target probability (n_rows,) of the logged slates."""
    if rows.log_joint is None:  # estimates of a model alone never read the propensities
        return np.ones(len(rows.rewards)), np.exp(log_probs.sum(axis=1))
    propensities = np.exp(rows.log_joint)
    if not propensities.min() > 0:
        row = int(propensities.argmin())
        raise DataError(
            f"the propensity of row {row}, exp({rows.log_joint[row]:g}), is too small to be a "
            f"number; use estimators of prefixes, or shorter slates"
        )
    return np.minimum(propensities, 1.0), np.exp(log_probs.sum(axis=1))


@dataclass(frozen=True, kw_only=True)
class ValueDraws:
    """How a policy's value under a model is taken: exactly, or from slates drawn by it."""

    n_draws: int = 16
    """Slates drawn from the policy in each row, 1 or more."""
    most_choices: int = 50
    """For slates of one, all choices are counted where there are at most so many."""
    seed: int = 0

    def __post_init__(self) -> None:
        if self.n_draws < 1:
            raise ConfigError(f"n_draws must be 1 or more, got {self.n_draws!r}")


def policy_values(
    policy: Judged,
    name: str,
    observations: Observations,
    rows: Ints,
    n_choices: int,
    slate_size: int,
    predict: Callable[[Ints], Floats],
    draws: ValueDraws,
) -> Floats:
    """Return what a policy is worth in each row under a model, (B,).

    Args:
        policy: Under judgement.
        name: For messages.
        observations: Of B rows.
        rows: Shape (B,). Their numbers in the log.
        n_choices: Items or candidates.
        slate_size: K.
        predict: Takes slates (B, K), one a row, and returns the model's value of each.
        draws: How.
    """
    n = len(rows)
    if isinstance(policy, TargetProbabilities):
        if policy.of_choices is None:
            raise ConfigError(
                f"policy {name!r}: models of the reward need the probabilities of all choices "
                f"(an array (n_rows, A), for slates of one), or a SlatePolicy"
            )
        chances = policy.of_choices[rows]
        values = [predict(np.full((n, 1), a, np.int64)) for a in range(chances.shape[1])]
        total: Floats = (np.stack(values, axis=1) * chances).sum(axis=1)
        return total
    if slate_size == 1 and n_choices <= draws.most_choices:
        total = np.zeros(n)
        for choice in range(n_choices):
            slates = np.full((n, 1), choice, np.int64)
            total += np.exp(target_log_probs(policy, observations, slates)[:, 0]) * predict(slates)
        return total
    rng = np.random.default_rng((draws.seed, int(rows[0])))
    drawn = [predict(policy.act(observations, rng).slates) for _ in range(draws.n_draws)]
    mean: Floats = np.mean(drawn, axis=0)
    return mean
