"""A log with the policies judged on it, in blocks of whole users with what they observed."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from rlrec.arrays import Floats, Ints, Observations
from rlrec.data.log import InteractionLog
from rlrec.errors import ConfigError, PropensityError
from rlrec.evaluation.offline.log_samples import LoggedRows, target_columns
from rlrec.evaluation.offline.policy_probabilities import (
    Judged,
    TargetProbabilities,
    as_judged,
)
from rlrec.evaluation.offline.reward_features import Features, SlateFeatures
from rlrec.evaluation.offline.slate_probabilities import policy_slate_probs
from rlrec.evaluation.offline.user_blocks import Observer, user_blocks
from rlrec.policy import SlatePolicy

_AGREEMENT = 1e-4
"""Of logged and stated log-propensities; agents in single precision err by less."""


class Block(NamedTuple):
    """Rows of whole users."""

    number: int
    """Of the block."""
    rows: Ints
    """Shape (B,). Numbers of its rows in the log."""
    observations: Observations
    """Before each row."""
    slates: Ints
    """Shape (B, K)."""
    steps: Ints
    """Shape (B,)."""


@dataclass(frozen=True, kw_only=True, eq=False)
class JudgedLog:
    """Everything that columns beyond propensities are made from."""

    log: InteractionLog
    rows: LoggedRows
    policies: Mapping[str, Judged]
    log_probs: Mapping[str, Floats]
    """Shape (n_rows, K) by policy. Of the logged slates given the prefix."""
    observer: Observer
    logging_policy: SlatePolicy | None = None
    """That wrote the log."""
    reward_model: Any = "ridge"
    features: Features | None = None
    discount: float = 1.0
    seed: int = 0

    @property
    def slate_size(self) -> int:
        """K."""
        return self.log.metadata.slate_size

    @property
    def describe(self) -> Features:
        """What models see."""
        return self.features or SlateFeatures(self.observer.catalogue, self.observer.n_choices)

    @property
    def has_candidates(self) -> bool:
        """Whether slates name positions among candidates, not items."""
        return self.log.has("candidates") or self.log.has("candidate_features")

    def blocks(self) -> Iterator[Block]:
        """Yield the log in order."""
        first = 0
        columns = self.observer.columns(self.log)
        for number, part in enumerate(user_blocks(self.log, columns)):
            rows = np.arange(first, first + part.n_rows)
            first += part.n_rows
            observations = self.observer.observations(part)
            yield Block(number, rows, observations, part.column("slate"), part.column("step"))

    def needed_logging_policy(self, estimator: str, what: str) -> SlatePolicy:
        """Return the logging policy, or say why it is needed.

        Raises:
            ConfigError: It was not given.
        """
        if self.logging_policy is None:
            raise ConfigError(
                f"estimator {estimator!r} needs {what} under the policy that wrote the log, which "
                f"a log does not hold; give that policy as `logging_policy` (--logging-policy), or "
                f"use rips, ips or dr, which need the logged propensities alone"
            )
        return self.logging_policy

    def needed_policy(self, name: str, estimator: str) -> SlatePolicy:
        """Return a policy that can be asked for slates other than the logged ones.

        Raises:
            ConfigError: It is an array of probabilities.
        """
        policy = self.policies[name]
        if isinstance(policy, TargetProbabilities):
            raise ConfigError(
                f"policy {name!r}: estimator {estimator!r} needs probabilities of slates that were "
                f"not logged too, so the policy must be a SlatePolicy, not an array"
            )
        return policy

    def slate_probs(self, name: str, estimator: str) -> Callable[[Block, Ints], Floats]:
        """Return a function of a block and slates (S, K) to a policy's probabilities (B, S)."""
        policy = self.policies[name]
        if isinstance(policy, TargetProbabilities) and policy.of_choices is not None:
            chances = policy.of_choices
            return lambda block, slates: chances[block.rows][:, slates[:, 0]]
        asked = self.needed_policy(name, estimator)
        return lambda block, slates: policy_slate_probs(asked, block.observations, slates)


def as_logging_policy(policy: Any) -> SlatePolicy:
    """Return the policy that wrote a log, given as a SlatePolicy or stable-baselines3 model."""
    if isinstance(policy, np.ndarray | list | TargetProbabilities):
        raise ConfigError(
            "logging_policy must be the policy itself, a SlatePolicy, since it is asked for what "
            "was not logged; propensities of what was logged belong into the log"
        )
    asked = as_judged(policy, "logging_policy", None)
    assert not isinstance(asked, TargetProbabilities)
    return asked


def with_logging_policy(
    log: InteractionLog, rows: LoggedRows, policy: SlatePolicy, observer: Observer
) -> LoggedRows:
    """Return rows with the propensities that the logging policy states, where the log lacks them.

    Raises:
        PropensityError: The log states others: that policy did not write it.
    """
    stated = target_columns(log, {"logging_policy": policy}, observer)["logging_policy"]
    joint = stated.sum(axis=1)
    if rows.log_joint is not None:
        with np.errstate(invalid="ignore"):  # -inf where the policy cannot show a logged slate
            wrong = ~(np.abs(joint - rows.log_joint) <= _AGREEMENT * (1 + np.abs(joint)))
    else:
        wrong = np.isneginf(joint)
    if wrong.any():
        row = int(wrong.argmax())
        logged = "that it was shown"
        if rows.log_joint is not None:
            logged = f"{np.exp(rows.log_joint[row]):g}"
        raise PropensityError(
            f"logging_policy must be the policy that wrote the log, random slates mixed in "
            f"included; in {wrong.sum()} of {len(wrong)} rows it is not, the first is row {row}: "
            f"it shows that slate with probability {np.exp(joint[row]):g}, the log says {logged}"
        )
    return replace(
        rows,
        log_joint=joint if rows.log_joint is None else rows.log_joint,
        given_prefix=np.exp(stated) if rows.given_prefix is None else rows.given_prefix,
    )
