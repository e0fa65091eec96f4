"""Learning how often a target policy would reach the states of a log.

Two ways, both cross-fitted by user. Minimax: weights under which no function of a class can tell
the weighted log from the target policy's visits. Ratio regression: the mean product of ratios down
to a step, given what the step looks like. Features that tell the step give weights of a state at a
certain step; features that do not, stationary ones.

References:
    Uehara, Huang and Jiang, 2020, "Minimax Weight and Q-Function Learning for Off-Policy
    Evaluation"; Liu, Bacon and Brunskill, 2020, "Understanding the Curse of Horizon in Off-Policy
    Evaluation via Conditional Importance Sampling".
"""

from collections.abc import Callable

import numpy as np

from rlrec.arrays import Bools, Floats, Ints
from rlrec.errors import ConfigError, DataError
from rlrec.evaluation.offline.fitted_q import (
    Cut,
    check_features,
    next_features,
    part_of,
    rows_with_next,
    session_folds,
    with_constant,
)
from rlrec.evaluation.offline.reward_models import (
    RewardModel,
    RidgeModel,
    fit_folds,
    predict_folds,
)
from rlrec.evaluation.offline.session_sample import SessionSample
from rlrec.evaluation.offline.step_features import StepFeatures


def minimax_weights(
    sample: SessionSample,
    features: StepFeatures,
    users: Ints | None = None,
    penalty: float = 1e-3,
    n_folds: int = 2,
    cut: Cut = "bootstrap",
    seed: int = 0,
) -> Floats:
    """Return `state_action_weights` (N,), linear in features (or in `kernel_features`).

    Solves E[sum over t of discount^t w(x_t) (f(x_t) - discount f(next under the target))] =
    E[f(first under the target)] for all f of the class, x being a state with what is shown.

    Args:
        sample: Rewards are not read.
        features: Of its rows; their class serves both for w and for f.
        users: Shape (n,). User of each session; None makes each session its own.
        penalty: 0 or more; pulls the weights towards 1.
        n_folds: Parts into which users are dealt; 1 learns from those who are weighed.
        cut: What follows a session that was cut off.
        seed: Of the dealing.
    """
    check_features(sample, features)

    def learn(sessions: Bools) -> Floats:
        part, some = part_of(sample, features, sessions)
        logged = with_constant(some.logged)
        first = with_constant(some.expected())[part.first_rows]
        rows = rows_with_next(part, some, cut)
        return _balanced(part, logged, next_features(part, some, cut), first, rows, penalty)

    return _weigh(sample, features.logged, learn, session_folds(sample, users, n_folds, seed))


def minimax_state_weights(
    sample: SessionSample,
    states: Floats,
    states_after: Floats | None = None,
    users: Ints | None = None,
    penalty: float = 1e-3,
    n_folds: int = 2,
    cut: Cut = "bootstrap",
    seed: int = 0,
) -> Floats:
    """Return `state_weights` (N,), linear in features of the state.

    Solves the same with f of the state alone, the next state as logged times the ratio of its step.

    Args:
        sample: With `propensities` and `target_probs`.
        states: Shape (N, D).
        states_after: Shape (n, D). After the last row; read only where a session was cut off.
        users: Shape (n,). User of each session; None makes each session its own.
        penalty: 0 or more; pulls the weights towards 1.
        n_folds: Parts into which users are dealt; 1 learns from those who are weighed.
        cut: What follows a session that was cut off.
        seed: Of the dealing.

    Reference:
        Liu, Li, Tang and Zhou, 2018, "Breaking the Curse of Horizon".
    """
    one_option = StepFeatures(
        logged=states,
        options=states[:, None, :],
        option_probs=np.ones((len(states), 1)),
        after=None if states_after is None else states_after[:, None, :],
        after_probs=None if states_after is None else np.ones((len(states_after), 1)),
    )
    check_features(sample, one_option)

    def learn(sessions: Bools) -> Floats:
        part, some = part_of(sample, one_option, sessions)
        logged = with_constant(some.logged)
        follows = part.ratios[:, None] * next_features(part, some, cut)
        rows = rows_with_next(part, some, cut)
        return _balanced(part, logged, follows, logged[part.first_rows], rows, penalty)

    return _weigh(sample, states, learn, session_folds(sample, users, n_folds, seed))


def regressed_weights(
    sample: SessionSample,
    features: Floats,
    users: Ints | None = None,
    model: RewardModel | None = None,
    n_folds: int = 3,
    seed: int = 0,
) -> Floats:
    """Return `state_action_weights` (N,): the mean weight down to a row, given its features.

    Negative predictions become 0.

    Args:
        sample: With `propensities` and `target_probs`.
        features: Shape (N, F). Of a state with what was shown.
        users: Shape (n,). User of each session; None makes each session its own.
        model: `RidgeModel()` by default.
        n_folds: Parts into which users are dealt, 2 or more.
        seed: Of the dealing.
    """
    return _regressed(sample, features, sample.weights, users, model, n_folds, seed)


def regressed_state_weights(
    sample: SessionSample,
    states: Floats,
    users: Ints | None = None,
    model: RewardModel | None = None,
    n_folds: int = 3,
    seed: int = 0,
) -> Floats:
    """Return `state_weights` (N,): the mean weight down to the row above, given the state.

    Args:
        sample: With `propensities` and `target_probs`.
        states: Shape (N, D).
        users: Shape (n,). User of each session; None makes each session its own.
        model: `RidgeModel()` by default.
        n_folds: Parts into which users are dealt, 2 or more.
        seed: Of the dealing.
    """
    above = sample.moved_down(sample.weights, 1.0)
    return _regressed(sample, states, above, users, model, n_folds, seed)


def _regressed(
    sample: SessionSample,
    features: Floats,
    targets: Floats,
    users: Ints | None,
    model: RewardModel | None,
    n_folds: int,
    seed: int,
) -> Floats:
    if features.ndim != 2 or len(features) != sample.n_rows:
        raise DataError(f"features must have shape ({sample.n_rows}, F), got {features.shape}")
    if n_folds < 2:
        raise ConfigError(f"n_folds must be 2 or more, got {n_folds!r}")
    folds = session_folds(sample, users, n_folds, seed)[sample.sessions]
    model = RidgeModel() if model is None else model
    fitted = fit_folds(model, features, targets, folds, n_folds, sample.discounts)
    return np.maximum(predict_folds(fitted, features, folds), 0.0)


def _balanced(
    sample: SessionSample,
    logged: Floats,
    follows: Floats,
    first: Floats,
    rows: Bools,
    penalty: float,
) -> Floats:
    """Return the coefficients (1 + F,) of balanced weights.

    Args:
        sample: Of n sessions.
        logged: Shape (N, 1 + F).
        follows: Shape (N, 1 + F). What is expected after each row.
        first: Shape (n, 1 + F). What is expected of first steps.
        rows: Shape (N,). Rows of which that is known.
        penalty: Of the squared distance of the weights from 1.
    """
    if not penalty >= 0:
        raise ConfigError(f"penalty must be 0 or more, got {penalty!r}")
    scale = np.sqrt((logged**2).mean(axis=0))
    scale[scale == 0] = 1.0
    shown = logged / scale
    change = (logged - sample.discount * follows) / scale
    counted = np.where(rows, sample.discounts, 0.0) / sample.n_sessions
    balance = (change * counted[:, None]).T @ shown
    wanted = first.mean(axis=0) / scale
    ones = np.zeros(len(scale))
    ones[0] = 1.0
    # Least squares of the balance, with the penalty as further rows.
    system = np.vstack([balance, np.sqrt(penalty) * np.eye(len(scale))])
    target = np.concatenate([wanted, np.sqrt(penalty) * ones])
    coefficients: Floats = np.linalg.lstsq(system, target)[0] / scale
    return coefficients


def _weigh(
    sample: SessionSample, features: Floats, learn: Callable[[Bools], Floats], folds: Ints
) -> Floats:
    """Return the weight of each row by what was learned from the sessions of other folds."""
    weights = np.empty(sample.n_rows)
    n_folds = int(folds.max()) + 1
    for fold in range(n_folds):
        held = folds == fold
        coefficients = learn(~held if n_folds > 1 else held)
        rows = held[sample.sessions]
        weights[rows] = with_constant(features[rows]) @ coefficients
    return weights
