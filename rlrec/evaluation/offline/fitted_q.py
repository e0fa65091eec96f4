"""Fitted Q evaluation: the value of a target policy, learned from logged steps alone.

Q(state, what is shown) is fitted to the reward plus the discounted value of the next state under
the target policy. After the last step of a session nothing follows where the user left; where the
session was cut off, the value of the state after it does.

Reference:
    Le, Voloshin and Yue, 2019, "Batch Policy Learning under Constraints".
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, NamedTuple, Protocol

import numpy as np

from rlrec.arrays import Bools, Floats, Ints
from rlrec.errors import ConfigError, DataError
from rlrec.evaluation.offline.reward_models import (
    FittedModel,
    RewardModel,
    RidgeModel,
    user_folds,
)
from rlrec.evaluation.offline.session_sample import SessionSample
from rlrec.evaluation.offline.step_features import StepFeatures

_LOG = logging.getLogger(__name__)

Cut = Literal["bootstrap", "end"]
"""What follows a session that was cut off: "bootstrap", the value of the state after it (a last
row whose state after is not given is left out); "end", nothing, as where a time limit is part of
the task (the features should then tell the step)."""


class QModel(Protocol):
    """How to fit Q."""

    def fit(self, sample: SessionSample, features: StepFeatures, cut: Cut) -> FittedModel:
        """Return a model of Q fitted to the rows of a sample."""
        ...


class QValues(NamedTuple):
    """What a model of Q says of the rows of a sample."""

    q_hat: Floats
    """Shape (N,). Of what was shown."""
    v_hat: Floats
    """Shape (N,). Of what the target policy would show."""
    v_after: Floats | None
    """Shape (n,). Of the state after each session, where its features were given."""


@dataclass(frozen=True, kw_only=True)
class LinearQ:
    """Q linear in the features, solved at once: the point at which fitting again changes nothing.

    Reference:
        Lagoudakis and Parr, 2003, "Least-Squares Policy Iteration" (LSTDQ).
    """

    penalty: float = 1e-4
    """0 or more; of the squared coefficients of features of mean square 1."""

    def __post_init__(self) -> None:
        if not self.penalty >= 0:
            raise ConfigError(f"penalty must be 0 or more, got {self.penalty!r}")

    def fit(self, sample: SessionSample, features: StepFeatures, cut: Cut) -> FittedModel:
        """Return the fitted line."""
        _check_has_end(sample, cut)
        rows = rows_with_next(sample, features, cut)
        logged = with_constant(features.logged)
        scale = np.sqrt((logged**2).mean(axis=0))
        scale[scale == 0] = 1.0
        follows = next_features(sample, features, cut)
        shown = (logged / scale)[rows]
        change = shown - sample.discount * (follows / scale)[rows]
        gram = shown.T @ change / len(shown)
        target = shown.T @ sample.rewards[rows] / len(shown)
        gram += self.penalty * np.eye(len(gram))
        coefficients = np.linalg.lstsq(gram, target)[0] / scale
        return _Line(coefficients)


@dataclass(frozen=True, eq=False)
class _Line:
    coefficients: Floats
    """Shape (1 + F,), the constant first."""

    def predict(self, features: Floats) -> Floats:
        predicted: Floats = self.coefficients[0] + features @ self.coefficients[1:]
        return predicted


@dataclass(frozen=True, kw_only=True)
class IteratedQ:
    """Q by any model of numbers, fitted again and again to reward plus value of the next state."""

    model: RewardModel = field(default_factory=RidgeModel)
    """Ridge, gradient boosting, a network, or one of your own."""
    n_rounds: int = 100
    """Fits at most, 1 or more. Values reach as many steps ahead as there are fits."""
    tolerance: float = 1e-4
    """Stops once no target changes by more than this share of their spread; 0 or more."""

    def __post_init__(self) -> None:
        if self.n_rounds < 1 or not self.tolerance >= 0:
            raise ConfigError(
                f"n_rounds must be 1 or more and tolerance 0 or more, got {self.n_rounds!r} and "
                f"{self.tolerance!r}"
            )

    def fit(self, sample: SessionSample, features: StepFeatures, cut: Cut) -> FittedModel:
        """Return the last fitted model; a warning is logged where the fits have not settled."""
        _check_has_end(sample, cut)
        rows = rows_with_next(sample, features, cut)
        targets = sample.rewards
        fitted = self.model.fit(features.logged[rows], targets[rows])
        for _ in range(self.n_rounds - 1):
            values = _values(fitted, features)
            after = values.v_after if values.v_after is not None else np.zeros(sample.n_sessions)
            last = np.where(sample.ends_terminated | (cut == "end"), 0.0, after)
            before = targets
            targets = sample.rewards + sample.discount * sample.moved_up(values.v_hat, last)
            changed = float(np.abs(targets - before)[rows].max())
            if changed <= self.tolerance * float(targets[rows].std()):
                return fitted
            fitted = self.model.fit(features.logged[rows], targets[rows])
        if self.n_rounds > 1:
            _LOG.warning(
                "fitted Q evaluation has not settled after n_rounds=%d fits: targets still change "
                "by %.3g; allow more, or a simpler model",
                self.n_rounds,
                changed,
            )
        return fitted


def fitted_values(
    sample: SessionSample,
    features: StepFeatures,
    users: Ints | None = None,
    model: QModel | None = None,
    n_folds: int = 3,
    cut: Cut = "bootstrap",
    seed: int = 0,
) -> QValues:
    """Return the values of all rows by models fitted to other users.

    Args:
        sample: Rewards, lengths, ends and discount are read.
        features: Of its rows.
        users: Shape (n,). User of each session; None makes each session its own.
        model: `LinearQ()` by default.
        n_folds: Parts into which users are dealt, 2 or more; or 1 for one model of all users,
            which is then judged on whom it was fitted to.
        cut: What follows a session that was cut off.
        seed: Of the dealing.
    """
    check_features(sample, features)
    model = LinearQ() if model is None else model
    folds = session_folds(sample, users, n_folds, seed)
    q_hat, v_hat = np.empty(sample.n_rows), np.empty(sample.n_rows)
    v_after = None if features.after is None else np.empty(sample.n_sessions)
    for fold in range(n_folds):
        held = folds == fold
        others = ~held if n_folds > 1 else held
        fitted = model.fit(*part_of(sample, features, others), cut)
        _, some = part_of(sample, features, held)
        values = _values(fitted, some)
        rows = held[sample.sessions]
        q_hat[rows], v_hat[rows] = values.q_hat, values.v_hat
        if v_after is not None and values.v_after is not None:
            v_after[held] = values.v_after
    return QValues(q_hat, v_hat, v_after if cut == "bootstrap" else None)


def with_fitted_values(sample: SessionSample, values: QValues) -> SessionSample:
    """Return the sample with these values, for the direct and the doubly robust estimators."""
    return replace(sample, q_hat=values.q_hat, v_hat=values.v_hat, v_after=values.v_after)


def session_folds(sample: SessionSample, users: Ints | None, n_folds: int, seed: int) -> Ints:
    """Return the fold of each session (n,): all of a user's in one; 0 for all with one fold."""
    if n_folds == 1:
        return np.zeros(sample.n_sessions, np.int64)
    if users is None:
        users = np.arange(sample.n_sessions)
    if users.shape != (sample.n_sessions,):
        raise DataError(f"users must have shape ({sample.n_sessions},), got {users.shape}")
    numbered = np.unique(users, return_inverse=True)[1].astype(np.int64)
    return user_folds(numbered, n_folds, seed)


def part_of(
    sample: SessionSample, features: StepFeatures, sessions: Bools
) -> tuple[SessionSample, StepFeatures]:
    """Return some sessions (n,) of a sample: rewards, ends and ratios, with their features."""
    rows = sessions[sample.sessions]
    part = SessionSample(
        rewards=sample.rewards[rows],
        lengths=sample.lengths[sessions],
        terminated=sample.ends_terminated[sessions],
        discount=sample.discount,
        propensities=None if sample.propensities is None else sample.propensities[rows],
        target_probs=None if sample.target_probs is None else sample.target_probs[rows],
    )
    some = StepFeatures(
        logged=features.logged[rows],
        options=features.options[rows],
        option_probs=features.option_probs[rows],
        after=None if features.after is None else features.after[sessions],
        after_probs=None if features.after_probs is None else features.after_probs[sessions],
    )
    return part, some


def check_features(sample: SessionSample, features: StepFeatures) -> None:
    """Raise DataError where features are not of the rows and sessions of a sample."""
    if len(features.logged) != sample.n_rows:
        raise DataError(
            f"features must be of the {sample.n_rows} rows of the sample, got "
            f"{len(features.logged)}"
        )
    if features.after is not None and len(features.after) != sample.n_sessions:
        raise DataError(
            f"features after a session must be of the {sample.n_sessions} sessions, got "
            f"{len(features.after)}"
        )


def rows_with_next(sample: SessionSample, features: StepFeatures, cut: Cut) -> Bools:
    """Return the rows (N,) of which it is known what follows."""
    known = np.ones(sample.n_rows, bool)
    if cut == "bootstrap" and features.after is None:
        known[sample.last_rows[~sample.ends_terminated]] = False
    if not known.any():
        raise DataError(
            "each session was cut off after one step and no state after it is given, so nothing "
            'follows any row; give StepFeatures.after, or say cut="end"'
        )
    return known


def next_features(sample: SessionSample, features: StepFeatures, cut: Cut) -> Floats:
    """Return the features expected after each row, the constant first, (N, 1 + F).

    All are 0, the constant too, where nothing follows.
    """
    after = features.expected_after()
    last = np.zeros((sample.n_sessions, 1 + features.logged.shape[1]))
    if cut == "bootstrap" and after is not None:
        goes_on = ~sample.ends_terminated
        last[goes_on] = with_constant(after)[goes_on]
    return sample.moved_up(with_constant(features.expected()), last)


def with_constant(features: Floats) -> Floats:
    """Return features (B, F) after a column of ones, (B, 1 + F)."""
    return np.column_stack([np.ones(len(features)), features])


def _values(fitted: FittedModel, features: StepFeatures) -> QValues:
    after = None
    if features.after is not None and features.after_probs is not None:
        after = _expected(fitted, features.after, features.after_probs)
    expected = _expected(fitted, features.options, features.option_probs)
    return QValues(_predicted(fitted, features.logged), expected, after)


def _expected(fitted: FittedModel, options: Floats, probs: Floats) -> Floats:
    values = _predicted(fitted, options.reshape(-1, options.shape[-1])).reshape(probs.shape)
    expected: Floats = (probs * values).sum(axis=1)
    return expected


def _predicted(fitted: FittedModel, features: Floats) -> Floats:
    predicted = np.asarray(fitted.predict(features), np.float64)
    expected_shape: Sequence[int] = (len(features),)
    if predicted.shape != expected_shape or not np.isfinite(predicted).all():
        raise DataError(
            f"a model of Q must predict finite numbers of shape {expected_shape}, got shape "
            f"{predicted.shape}"
        )
    return predicted


def _check_has_end(sample: SessionSample, cut: Cut) -> None:
    if cut not in ("bootstrap", "end"):
        raise ConfigError(f'cut must be "bootstrap" or "end", got {cut!r}')
    if cut == "bootstrap" and sample.discount == 1 and not sample.ends_terminated.any():
        raise ConfigError(
            "with a discount of 1 and no session that ended by itself, values grow without end; "
            'give a discount below 1, or say cut="end" where the time limit is part of the task'
        )
