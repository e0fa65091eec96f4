"""Learned weights of states in a log of sessions, for the marginalised estimators.

Weights are learned from what is observed, so they are right only as far as that tells the state:
how a session came to look alike must not matter for what follows. Features are the situation with
the step it is at, anew for each step where the log has 20 sessions or more for each such entry,
else with a line in the step; for weights of states with what is shown, those of reward models in
place of the situation.
"""

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from rlrec.arrays import Floats, Ints
from rlrec.errors import ConfigError
from rlrec.evaluation.offline.fitted_q import session_folds, with_constant
from rlrec.evaluation.offline.judged_log import JudgedLog
from rlrec.evaluation.offline.log_samples import ValueDraws
from rlrec.evaluation.offline.marginal_weights import (
    minimax_weights,
    regressed_state_weights,
    regressed_weights,
)
from rlrec.evaluation.offline.model_values import shown_instead
from rlrec.evaluation.offline.reward_features import situation
from rlrec.evaluation.offline.reward_models import RidgeModel, fit_folds, predict_folds
from rlrec.evaluation.offline.session_sample import SessionSample
from rlrec.evaluation.offline.step_features import StepFeatures

Method = Literal["minimax", "regression"]

_SESSIONS_PER_ENTRY = 20
"""Sessions that each entry of steps and features must have for steps to have their own; with fewer,
minimax weights of a class so wide fit the noise, and features change along a line in the step."""


@dataclass(frozen=True, kw_only=True)
class WeightLearning:
    """How weights of states are learned, always from other users than they weigh."""

    method: Method = "minimax"
    """`minimax` balances the weighted log against what the target would reach; weights of states
    are then means over what is shown. `regression` regresses the product of ratios so far on the
    features (by ridge), varies more, and needs no policy that can be asked for other slates."""
    penalty: float = 1e-3
    """Of minimax, 0 or more: pulls weights towards 1."""
    n_folds: int = 3
    """Parts into which users are dealt, 2 or more."""

    def __post_init__(self) -> None:
        if self.method not in get_args(Method):
            raise ConfigError(f"method must be one of {get_args(Method)}, got {self.method!r}")
        if not self.penalty >= 0 or self.n_folds < 2:
            raise ConfigError(
                f"penalty must be 0 or more and n_folds 2 or more, got {self.penalty!r} and "
                f"{self.n_folds!r}"
            )


def state_weights(
    judged: JudgedLog, name: str, sample: SessionSample, learning: WeightLearning | None = None
) -> Floats:
    """Return `state_weights` (N,) of one policy."""
    learning = learning or WeightLearning()
    rows = judged.rows
    seen = [situation(block.observations, len(block.rows)) for block in judged.blocks()]
    states = with_steps(np.concatenate(seen), rows.steps)
    users, n_folds = rows.unit_users, min(learning.n_folds, rows.n_users)
    if learning.method == "regression":
        return regressed_state_weights(sample, states, users, n_folds=n_folds, seed=judged.seed)
    # The mean over what is shown of weights with what is shown. Balancing states alone would take
    # the next state as logged times its ratio, whose noise all sessions then share: no interval
    # knows of it (measured: 87 % of nominal 95 % intervals held the truth).
    shown = state_action_weights(judged, name, sample, learning)
    folds = session_folds(sample, users, n_folds, judged.seed)[sample.sessions]
    fitted = fit_folds(RidgeModel(), states, shown, folds, n_folds, sample.discounts)
    return predict_folds(fitted, states, folds)


def state_action_weights(
    judged: JudgedLog, name: str, sample: SessionSample, learning: WeightLearning | None = None
) -> Floats:
    """Return `state_action_weights` (N,) of one policy."""
    learning = learning or WeightLearning()
    rows = judged.rows
    users, n_folds = rows.unit_users, min(learning.n_folds, rows.n_users)
    if learning.method == "regression":
        described = [judged.describe(block.observations, block.slates) for block in judged.blocks()]
        features = with_steps(np.concatenate(described), rows.steps)
        return regressed_weights(sample, features, users, n_folds=n_folds, seed=judged.seed)
    return minimax_weights(
        sample,
        _expected_features(judged, name),
        users,
        penalty=learning.penalty,
        n_folds=n_folds,
        cut="end",
        seed=judged.seed,
    )


def with_steps(features: Floats, steps: Ints) -> Floats:
    """Return features (N, D) with the step: anew for each step, or as a line in it.

    Args:
        features: Shape (N, D).
        steps: Shape (N,). 0 begins a session.
    """
    n_steps, n_sessions = int(steps.max()) + 1, int((steps == 0).sum())
    if n_steps * (1 + features.shape[1]) * _SESSIONS_PER_ENTRY <= n_sessions:
        at = np.eye(n_steps)[steps]
        each = with_constant(features)
        anew: Floats = (at[:, :, None] * each[:, None, :]).reshape(len(features), -1)
        return anew
    progress = steps[:, None] / n_steps
    return np.concatenate([features, progress, features * progress], axis=1)


def _expected_features(judged: JudgedLog, name: str) -> StepFeatures:
    """Return features of what was shown, and those expected of what the policy shows."""
    describe, draws = judged.describe, ValueDraws(seed=judged.seed)
    logged, expected = [], []
    for block in judged.blocks():
        logged.append(describe(block.observations, block.slates))
        slates, chances = shown_instead(
            judged.policies[name],
            name,
            block.observations,
            block.rows,
            judged.observer,
            judged.slate_size,
            draws,
            block.number,
        )
        mean = np.zeros_like(logged[-1])
        for shown, chance in zip(slates, chances.T, strict=True):
            mean += chance[:, None] * describe(block.observations, shown)
        expected.append(mean)
    steps = judged.rows.steps
    options = with_steps(np.concatenate(expected), steps)[:, None]
    return StepFeatures(
        logged=with_steps(np.concatenate(logged), steps),
        options=options,
        option_probs=np.ones((len(options), 1)),
    )
