"""Logged sessions of different lengths, as the sequential estimators take them."""

from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rlrec.arrays import Bools, Floats, Ints
from rlrec.errors import DataError, PropensityError
from rlrec.evaluation.offline.sample_arrays import as_array
from rlrec.evaluation.offline.scalars import check_discount

_TOLERANCE = 1e-6  # relative, of a joint against the product of its slots

_DTYPES = {"lengths": np.int64, "terminated": np.bool_}

# Tables of sessions by steps: made whole up to so many numbers, or numbers a row, and steps.
_SMALL_TABLE = 2**22
_CELLS_PER_ROW = 8
_FEW_STEPS = 4_096
_ENOUGH_SESSIONS = 20
"""Sessions that must reach a step of a larger table for it to have a term of its own."""
_MOST_STEPS = 10_000


class StepTerms(NamedTuple):
    """What steps add to an estimate, and what divides it; see `SessionSample.step_terms`."""

    numerators: Floats
    """Shape (n, J)."""
    denominators: Floats
    """Shape (n, J)."""


@dataclass(frozen=True, kw_only=True, eq=False)
class SessionSample:
    """What n sessions of N steps in all say about a target policy.

    Rows are steps, ordered by session and by step within it; session i has `lengths[i]` of them.
    What is estimated is the discounted return from the first step to the session's end. A session
    that was cut off (not `terminated`) is judged up to the cut, or beyond it where `v_after` says
    what was still to come. Arrays of other number types are taken as float64 or int64.

    Raises:
        ConfigError: The discount is outside its range.
        DataError: Shapes do not fit, or a value is not finite; the row is named.
        PropensityError: A propensity or probability is outside its range; the row is named.
    """

    rewards: Floats
    """Shape (N,)."""
    lengths: Ints
    """Shape (n,). Steps of each session, 1 or more; they sum to N. `session_lengths` counts them
    from a column of steps."""
    terminated: Bools | None = None
    """Shape (n,). Whether the user left after the last row; False where the session was cut off.
    None: all left."""
    discount: float = 1.0
    """Of a reward one step later, above 0 and at most 1."""
    propensities: Floats | None = None
    """Shape (N,). Probability in (0, 1] of what was shown (the whole slate) when it was shown."""
    target_probs: Floats | None = None
    """Shape (N,). Probability in [0, 1] that the target policy shows it."""
    q_hat: Floats | None = None
    """Shape (N,). Modelled value, under the target policy, of what was shown: this reward and what
    follows, discounted to this step."""
    v_hat: Floats | None = None
    """Shape (N,). The same of what the target policy would show instead."""
    v_after: Floats | None = None
    """Shape (n,). Modelled value of the state after the last row; read only where a session was
    cut off. None: nothing counts after the cut."""
    state_weights: Floats | None = None
    """Shape (N,). Ratio of how often the two policies reach the state of a row."""
    state_action_weights: Floats | None = None
    """Shape (N,). Ratio of how often they reach that state and show there what was shown."""
    slot_rewards: Floats | None = None
    """Shape (N, K). Part of a row's reward that each slot brought; they sum to `rewards`."""
    slot_propensities: Floats | None = None
    """Shape (N, K). Probability of each slot given the slots above it; their product is
    `propensities`."""
    slot_target_probs: Floats | None = None
    """Shape (N, K). The same under the target policy, with `target_probs` as the product; 0 below
    a slot that the target never shows."""

    def __post_init__(self) -> None:
        check_discount(self.discount)
        for name in ("rewards", "lengths"):
            if getattr(self, name) is None:
                raise DataError(f"a SessionSample needs {name}, got None")
        for each in fields(self):
            if each.name != "discount" and getattr(self, each.name) is not None:
                dtype = _DTYPES.get(each.name, np.float64)
                values = as_array(each.name, getattr(self, each.name), dtype)
                object.__setattr__(self, each.name, values)
        _check_shape("rewards", self.rewards, (self.rewards.size,))
        _check_lengths(self.lengths, len(self.rewards))
        rows = (len(self.rewards),)
        if self.terminated is not None:
            _check_shape("terminated", self.terminated, (len(self.lengths),))
        for name in ("rewards", "q_hat", "v_hat", "state_weights", "state_action_weights"):
            self._check_finite(name, rows)
        self._check_v_after()
        self._check_probabilities("propensities", rows, above_zero=True)
        self._check_probabilities("target_probs", rows, above_zero=False)
        self._check_slots()

    @property
    def n_sessions(self) -> int:
        """How many sessions, n."""
        return len(self.lengths)

    @property
    def n_rows(self) -> int:
        """How many steps in all, N."""
        return len(self.rewards)

    @property
    def n_steps(self) -> int:
        """Steps of the longest session."""
        return int(self.lengths.max())

    @cached_property
    def ends_terminated(self) -> Bools:
        """Whether each session ended by itself, shape (n,)."""
        return np.ones(self.n_sessions, bool) if self.terminated is None else self.terminated

    @cached_property
    def first_rows(self) -> Ints:
        """Row in which each session begins, shape (n,)."""
        return np.cumsum(self.lengths) - self.lengths

    @cached_property
    def last_rows(self) -> Ints:
        """Row in which each session ends, shape (n,)."""
        return np.cumsum(self.lengths) - 1

    @cached_property
    def sessions(self) -> Ints:
        """Session of each row, shape (N,)."""
        return np.repeat(np.arange(self.n_sessions), self.lengths)

    @cached_property
    def steps(self) -> Ints:
        """Step of each row in its session, shape (N,)."""
        return np.arange(self.n_rows) - np.repeat(self.first_rows, self.lengths)

    @cached_property
    def discounts(self) -> Floats:
        """What a reward of each row counts at the first step, shape (N,)."""
        powers: Floats = np.power(self.discount, np.arange(self.n_steps))
        return powers[self.steps]

    @cached_property
    def returns(self) -> Floats:
        """Discounted sum of the rewards of each session, shape (n,)."""
        return self.session_sums(self.discounts * self.rewards)

    @cached_property
    def ratios(self) -> Floats:
        """Target probability over propensity of each row, shape (N,)."""
        ratios: Floats = self.needed("target_probs") / self.needed("propensities")
        return ratios

    @cached_property
    def weights(self) -> Floats:
        """Product of the ratios of a session down to each row, shape (N,)."""
        return self.running_products(self.ratios)

    @cached_property
    def values_after(self) -> Floats:
        """Modelled value of the state after each row, 0 after a session's end, shape (N,)."""
        after = np.zeros(self.n_sessions) if self.v_after is None else self.v_after
        return self.moved_up(self.needed("v_hat"), np.where(self.ends_terminated, 0.0, after))

    def needed(self, name: str) -> Floats:
        """Return a column, or say that it is missing.

        Raises:
            DataError: The sample lacks it.
        """
        values: Floats | None = getattr(self, name)
        if values is None:
            raise DataError(
                f"this estimator needs `{name}`, which the session sample lacks; give it as "
                f"SessionSample({name}=...)"
            )
        return values

    def session_sums(self, values: Floats) -> Floats:
        """Return the sum of values (N, ...) over each session, shape (n, ...)."""
        sums: Floats = np.add.reduceat(values, self.first_rows, axis=0)
        return sums

    def running_products(self, values: Floats) -> Floats:
        """Return the product of values (N,) of a session down to each row, shape (N,)."""
        products = values.copy()
        longest_first = np.argsort(-self.lengths, kind="stable")
        starts, lengths = self.first_rows[longest_first], self.lengths[longest_first]
        for step in range(1, self.n_steps):
            rows = starts[: np.searchsorted(-lengths, -step)] + step  # of sessions still running
            products[rows] *= products[rows - 1]
        return products

    def moved_down(self, values: Floats, first: float) -> Floats:
        """Return the value of the row above within the session, `first` at its top, (N,)."""
        moved = np.empty_like(values)
        moved[1:] = values[:-1]
        moved[self.first_rows] = first
        return moved

    def moved_up(self, values: Floats, last: Floats) -> Floats:
        """Return the values (N, ...) of the row below, `last` (n, ...) at a session's end."""
        moved = np.empty_like(values)
        moved[:-1] = values[1:]
        moved[self.last_rows] = last
        return moved

    @cached_property
    def own_steps(self) -> int:
        """How many first steps have a term of their own in `step_terms`, 1 or more.

        All of them in a table that is small beside the rows. Else those that enough sessions
        reach: further out, the mean weight of a step rests on a handful of sessions, and a single
        long one would decide how much memory and time the estimate takes.
        """
        cells = max(_SMALL_TABLE, _CELLS_PER_ROW * self.n_rows)
        if self.n_sessions * self.n_steps <= cells and self.n_steps <= _FEW_STEPS:
            return self.n_steps
        enough = min(_ENOUGH_SESSIONS, self.n_sessions)
        reached = int(np.partition(self.lengths, self.n_sessions - enough)[-enough])
        return min(reached, max(1, cells // self.n_sessions), _MOST_STEPS)

    def step_terms(self, values: Floats, weights: Floats, over: Floats) -> StepTerms:
        """Return what each step adds, beside the weights whose mean divides it.

        A session that is over keeps a weight, so the mean of every step's weights is over all
        sessions. Steps from `own_steps` on share one term: the sum of their values, over the mean
        of their weights, steps counting by how many sessions reach them, discounted.

        Args:
            values: Shape (N,).
            weights: Shape (N,).
            over: Shape (n,). Weight that a session keeps once it is over.
        """
        own = self.own_steps
        is_own = self.steps < own
        place = self.sessions[is_own], self.steps[is_own]
        numerators = np.zeros((self.n_sessions, own + (own < self.n_steps)))
        numerators[place] = values[is_own]
        denominators = np.repeat(over[:, None], numerators.shape[1], axis=1)
        denominators[place] = weights[is_own]
        if own < self.n_steps:
            later = np.where(is_own, 0.0, values)
            numerators[:, -1] = self.session_sums(later)
            shares = self._later_shares(own)
            left = np.append(1.0, 1.0 - np.cumsum(shares))[self.lengths]
            running = self.session_sums(shares[self.steps] * weights)
            denominators[:, -1] = running + np.maximum(left, 0.0) * over
        return StepTerms(numerators, denominators)

    def _later_shares(self, own: int) -> Floats:
        """Return how much each step counts in the term of those from `own` on, (n_steps,)."""
        shares = np.zeros(self.n_steps)
        running = np.bincount(self.steps, minlength=self.n_steps)[own:]
        shares[own:] = running * np.power(self.discount, np.arange(self.n_steps - own))
        shares /= shares.sum()
        return shares

    def _check_finite(self, name: str, shape: tuple[int, ...]) -> None:
        values: Floats | None = getattr(self, name)
        if values is not None:
            _check_shape(name, values, shape)
            self._check_rows(DataError, f"{name} must be finite", values, ~np.isfinite(values))

    def _check_v_after(self) -> None:
        if self.v_after is None:
            return
        _check_shape("v_after", self.v_after, (self.n_sessions,))
        wrong = ~np.isfinite(self.v_after) & ~self.ends_terminated
        if wrong.any():
            session = int(wrong.argmax())
            raise DataError(
                f"v_after must be finite where a session was cut off; session {session} breaks "
                f"this: {self.v_after[session]:g}"
            )

    def _check_probabilities(self, name: str, shape: tuple[int, ...], above_zero: bool) -> None:
        values: Floats | None = getattr(self, name)
        if values is None:
            return
        _check_shape(name, values, shape)
        low = values > 0 if above_zero else values >= 0
        rule = f"{name} must lie in {'(' if above_zero else '['}0, 1]"
        self._check_rows(PropensityError, rule, values, ~(low & (values <= 1)))

    def _check_slots(self) -> None:
        given = (self.slot_rewards, self.slot_propensities, self.slot_target_probs)
        shapes = [values.shape for values in given if values is not None]
        if not shapes:
            return
        if len(shapes[0]) != 2 or shapes[0][1] == 0:
            raise DataError(f"slots must have shape ({self.n_rows}, K), got {shapes[0]}")
        shape = (self.n_rows, shapes[0][1])
        self._check_finite("slot_rewards", shape)
        self._check_probabilities("slot_propensities", shape, above_zero=True)
        self._check_probabilities("slot_target_probs", shape, above_zero=False)
        self._check_joint("propensities", self.slot_propensities, self.propensities)
        self._check_joint("target_probs", self.slot_target_probs, self.target_probs)
        if self.slot_rewards is not None:
            total = self.slot_rewards.sum(axis=1)
            scale = 1 + np.abs(self.slot_rewards).sum(axis=1)
            off = np.abs(total - self.rewards) > _TOLERANCE * scale
            self._check_rows(DataError, "slot_rewards must sum to rewards", self.rewards, off)

    def _check_joint(self, name: str, slots: Floats | None, joint: Floats | None) -> None:
        if slots is None or joint is None:
            return
        product = slots.prod(axis=1)
        off = np.abs(product - joint) > _TOLERANCE * np.maximum(product, joint)
        rule = f"{name} must be the product of slot_{name}"
        self._check_rows(PropensityError, rule, joint, off)

    def _check_rows(
        self, kind: type[DataError], rule: str, values: NDArray[Any], wrong: Bools
    ) -> None:
        if not wrong.any():
            return
        place = tuple(int(axis) for axis in np.argwhere(wrong)[0])
        slot = f", slot {place[1]}" if len(place) > 1 else ""
        n_wrong = int(wrong.reshape(len(wrong), -1).any(axis=1).sum())
        raise kind(
            f"{rule}; {n_wrong} of {self.n_rows} rows break this, the first is row {place[0]} "
            f"(session {self.sessions[place[0]]}, step {self.steps[place[0]]}{slot}): "
            f"{values[place]:g}"
        )


def session_lengths(steps: Ints) -> Ints:
    """Return the length of each session from the step (N,) of each row, shape (n,).

    Raises:
        DataError: The steps of a session do not count 0, 1, 2, ...; the row is named.
    """
    if steps.ndim != 1 or not steps.size:
        raise DataError(f"steps must have shape (N,) with N of 1 or more, got {steps.shape}")
    starts = np.flatnonzero(steps == 0)
    if not starts.size or starts[0] > 0:
        raise DataError(f"the first session must begin with step 0; row 0 has step {steps[0]}")
    lengths = np.diff(np.append(starts, len(steps)))
    expected = np.arange(len(steps)) - np.repeat(starts, lengths)
    wrong = steps != expected
    if wrong.any():
        row = int(wrong.argmax())
        raise DataError(
            f"steps of a session must count 0, 1, 2, ... without gaps, rows ordered by session and "
            f"step; row {row} has step {steps[row]} where {expected[row]} or 0 should stand"
        )
    return lengths.astype(np.int64)


def geometric_sums(discount: float, n_steps: int) -> Floats:
    """Return the sums of the first 0, 1, ..., n_steps powers of `discount`, (n_steps + 1,)."""
    sums: Floats = np.append(0.0, np.cumsum(np.power(discount, np.arange(n_steps))))
    return sums


def _check_lengths(lengths: Ints, n_rows: int) -> None:
    if lengths.ndim != 1 or not lengths.size:
        raise DataError(f"lengths must have shape (n,) with n of 1 or more, got {lengths.shape}")
    if lengths.min() < 1:
        raise DataError(
            f"a session needs one step or more; session {int(lengths.argmin())} has {lengths.min()}"
        )
    if lengths.sum() != n_rows:
        raise DataError(f"lengths must sum to the {n_rows} rows, they sum to {lengths.sum()}")


def _check_shape(name: str, values: NDArray[Any], shape: tuple[int, ...]) -> None:
    if values.shape != shape:
        raise DataError(f"{name} must have shape {shape}, got {values.shape}")
