"""Features of logged steps and of what a target policy would have shown instead."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

import numpy as np

from rlrec.arrays import Floats, Ints
from rlrec.errors import DataError

_TOLERANCE = 1e-6  # of the sum of the probabilities of a row


@dataclass(frozen=True, kw_only=True, eq=False)
class StepFeatures:
    """F features of a state together with what is shown in it, for each row of a session sample.

    What the target policy would show is given by M options a row and their probabilities: all
    actions of a bandit, or slates drawn from the policy with probability 1 / M each.

    Raises:
        DataError: Shapes do not fit, a feature is not finite, or the probabilities of a row do not
            sum to 1; the row is named.
    """

    logged: Floats
    """Shape (N, F). The state of a row with what was shown."""
    options: Floats
    """Shape (N, M, F). The state of a row with each option."""
    option_probs: Floats
    """Shape (N, M). Probability of each option under the target policy; a row sums to 1."""
    after: Floats | None = None
    """Shape (n, M, F). The state after the last row of each session with each option; read only
    where a session was cut off."""
    after_probs: Floats | None = None
    """Shape (n, M). Their probabilities."""

    def __post_init__(self) -> None:
        if self.logged.ndim != 2 or self.options.ndim != 3:
            raise DataError(
                f"features must have shapes (N, F) and (N, M, F), got {self.logged.shape} and "
                f"{self.options.shape}"
            )
        n_rows, n_features = self.logged.shape
        n_options = self.options.shape[1]
        _check("logged", self.logged, (n_rows, n_features))
        _check("options", self.options, (n_rows, n_options, n_features))
        _check_probs("option_probs", self.option_probs, (n_rows, n_options))
        if (self.after is None) != (self.after_probs is None):
            raise DataError("after and after_probs must be given together")
        if self.after is not None and self.after_probs is not None:
            n_sessions = len(self.after)
            _check("after", self.after, (n_sessions, n_options, n_features))
            _check_probs("after_probs", self.after_probs, (n_sessions, n_options))

    def expected(self) -> Floats:
        """Return the features of each row expected under the target policy, (N, F)."""
        return _expected(self.options, self.option_probs)

    def expected_after(self) -> Floats | None:
        """Return the same of the state after each session, (n, F)."""
        if self.after is None or self.after_probs is None:
            return None
        return _expected(self.after, self.after_probs)

    def mapped(self, function: Callable[[Floats], Floats]) -> Self:
        """Return these features after a function of (B, F) to (B, G), such as a kernel."""

        def map_options(options: Floats) -> Floats:
            flat = function(options.reshape(-1, options.shape[-1]))
            return flat.reshape(*options.shape[:2], flat.shape[-1])

        return type(self)(
            logged=function(self.logged),
            options=map_options(self.options),
            option_probs=self.option_probs,
            after=None if self.after is None else map_options(self.after),
            after_probs=self.after_probs,
        )


def action_features(
    states: Floats,
    actions: Ints,
    target_probs: Floats,
    states_after: Floats | None = None,
    target_probs_after: Floats | None = None,
) -> StepFeatures:
    """Return features of few actions: those of the state, anew for each action.

    A linear function of them is a line in the state for each action.

    Args:
        states: Shape (N, D). A column of ones, or an entry a state, gives each action a level.
        actions: Shape (N,). What was shown, 0 to A - 1.
        target_probs: Shape (N, A). Of each action under the target policy.
        states_after: Shape (n, D). After the last row of each session.
        target_probs_after: Shape (n, A). There.
    """
    n_actions = target_probs.shape[1]
    if actions.min() < 0 or actions.max() >= n_actions:
        wrong = int(((actions < 0) | (actions >= n_actions)).argmax())
        raise DataError(f"actions must lie in 0..{n_actions - 1}; row {wrong} has {actions[wrong]}")
    logged = np.eye(n_actions)[actions][:, :, None] * states[:, None, :]
    after = None if states_after is None else _each_action(states_after, n_actions)
    return StepFeatures(
        logged=logged.reshape(len(states), -1),
        options=_each_action(states, n_actions),
        option_probs=target_probs,
        after=after,
        after_probs=target_probs_after,
    )


def kernel_features(centres: Floats, width: float) -> Callable[[Floats], Floats]:
    """Return a function of points (B, F) to exp(-|point - centre|^2 / (2 width^2)), (B, C).

    Lines in such features are functions of the Gaussian kernel's class, from C centres.

    Args:
        centres: Shape (C, F), such as some of the logged rows.
        width: Above 0.
    """
    if not width > 0:
        raise DataError(f"width must be above 0, got {width!r}")
    squares = (centres**2).sum(axis=1)

    def near(points: Floats) -> Floats:
        distances = (points**2).sum(axis=1)[:, None] + squares - 2 * points @ centres.T
        nearness: Floats = np.exp(-np.maximum(distances, 0.0) / (2 * width**2))
        return nearness

    return near


def _each_action(states: Floats, n_actions: int) -> Floats:
    options = np.eye(n_actions)[None, :, :, None] * states[:, None, None, :]  # (N, A, A, D)
    return options.reshape(len(states), n_actions, -1)


def _expected(options: Floats, probs: Floats) -> Floats:
    expected: Floats = (options * probs[:, :, None]).sum(axis=1)
    return expected


def _check(name: str, values: Floats, shape: tuple[int, ...]) -> None:
    if values.shape != shape:
        raise DataError(f"{name} must have shape {shape}, got {values.shape}")
    wrong = ~np.isfinite(values.reshape(len(values), -1)).all(axis=1)
    if wrong.any():
        raise DataError(f"{name} must be finite; row {int(wrong.argmax())} is not")


def _check_probs(name: str, values: Floats, shape: tuple[int, ...]) -> None:
    _check(name, values, shape)
    off = (np.abs(values.sum(axis=1) - 1) > _TOLERANCE) | (values < 0).any(axis=1)
    if off.any():
        row = int(off.argmax())
        raise DataError(
            f"{name} must be 0 or more and sum to 1 in each row; row {row} sums to "
            f"{values[row].sum():g} with a smallest of {values[row].min():g}"
        )
