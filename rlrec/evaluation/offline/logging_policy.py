"""The logging policy of a log without propensities, estimated from the log itself.

An estimate stands in for the truth only as far as the model holds: what moved the logging policy
but is not in the log cannot be found here, and no interval knows of it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy import optimize

from rlrec.arrays import Floats, Ints, Observations
from rlrec.data.catalogue import Catalogue
from rlrec.data.log import InteractionLog
from rlrec.errors import ConfigError, UnknownNameError, nearest_hint
from rlrec.evaluation.offline.logging_calibration import (
    MOST_ERRORS,
    MOST_OFF,
    Calibration,
    described,
    mixed_gap,
    worst_cell,
)
from rlrec.evaluation.offline.policy_probabilities import target_log_probs
from rlrec.evaluation.offline.reward_features import situation
from rlrec.evaluation.offline.reward_models import user_folds
from rlrec.evaluation.offline.user_blocks import Observer, user_blocks, user_numbers
from rlrec.policy import MixturePolicy, RandomPolicy, SlatePolicy
from rlrec.slates import SlateDraw, plackett_luce_log_probs, sample_plackett_luce

MODELS = ("multinomial", "popularity")
"""Models by name: logits of each item with and without what is observed."""

_MOST_CELLS = 20_000_000
"""Rows times items that a model is fitted to, about."""
_MOST_CALIBRATED = 200_000_000
_MOST_COUNTED = 60_000_000
_BLOCK_CELLS = 2_000_000
_PENALTIES = (0.3, 3.0, 30.0, 300.0)
_TEMPERATURES = (0.05, 0.1, 0.2, 0.35, 0.5, 0.7, 1.0, 1.5, 2.5, 5.0)


@dataclass(frozen=True, eq=False, kw_only=True)
class EstimatedLogging:
    """Propensities estimated from a log; give them to `evaluate_offline` as `logging`."""

    given_prefix: Floats
    """Shape (n_rows, K). Probability of each slot given the slots above it, by a model fitted to
    other users."""
    calibration: pd.DataFrame
    """Of the first slot, by predicted probability: `predicted` and `observed` share of `n` pairs
    of row and item, and how far the observed one is beyond what random slates explain, as `gap` in
    standard errors and `off`, relative to the predicted one."""
    contexts: pd.DataFrame
    """The same by item (-1: all rarer ones), where an `observed_number` lies between two of its
    quartiles, `low` and `high`, or is just one: of cells with enough rows."""
    random_share: float
    """Of random slates in what is predicted."""
    log_likelihood: float
    """Mean logarithm of the probability of a slate, of users the model was not fitted to."""
    uniform_log_likelihood: float
    """The same of random slates: what the model must beat."""
    model: str

    @property
    def n_rows(self) -> int:
        """Rows of the log."""
        return len(self.given_prefix)

    @property
    def log_joint(self) -> Floats:
        """Logarithm of the propensity of each slate, (n_rows,)."""
        joint: Floats = np.log(self.given_prefix).sum(axis=1)
        return joint

    @property
    def largest_gap(self) -> float:
        """Largest gap of the calibration, overall or within contexts, in standard errors."""
        gaps = pd.concat([self.calibration["gap"], self.contexts["gap"]])
        return float(gaps.abs().max())

    @property
    def doubt(self) -> str:
        """Why no estimate with these propensities can be trusted; "" where calibration is passed.

        It fails where a gap is beyond both `MOST_ERRORS` standard errors and `MOST_OFF` of what
        was predicted. A model may fail in the slots below the first, which are not looked at.
        """
        cell = worst_cell([self.calibration, self.contexts])
        if cell is None:
            return ""
        return f"the estimated propensities ({self.model}) miss what was shown: {described(cell)}"

    @property
    def caveat(self) -> str:
        """What every estimate made with these propensities must say."""
        mixed = max(mixed_gap(self.calibration), mixed_gap(self.contexts))
        cell = worst_cell([self.calibration, self.contexts])
        if cell is not None:
            calibrated = (
                f"they miss what was shown, and estimates with them are wrong: {described(cell)}"
            )
        elif self.largest_gap > MOST_ERRORS:
            calibrated = (
                f"they miss what was shown by up to {self.largest_gap:.1f} standard errors, but "
                f"nowhere by more than {MOST_OFF:.0%}"
            )
        elif mixed > MOST_ERRORS:
            calibrated = (
                f"they miss what was shown by up to {mixed:.1f} standard errors, no more than the "
                f"{self.random_share:.2g} of random slates mixed into them explains"
            )
        else:
            calibrated = (
                "they agree with what was shown to other users, overall and within contexts"
            )
        return (
            f"Propensities are estimated ({self.model}), not logged: {calibrated}; what moved the "
            f"logging policy but is not in the log is not accounted for, in no interval"
        )


class SoftmaxPolicy:
    """Draws slates by Plackett-Luce from logits linear in what is observed.

    Args:
        levels: Shape (N,). Logit of each item where nothing is observed.
        slopes: Shape (D, N). Its change with each entry of the situation, standardised.
        mean: Shape (D,). Of the situation.
        scale: Shape (D,).
        slate_size: K.
    """

    def __init__(
        self, levels: Floats, slopes: Floats, mean: Floats, scale: Floats, slate_size: int
    ) -> None:
        self.levels, self.slopes, self.mean, self.scale = levels, slopes, mean, scale
        self.slate_size = slate_size

    def act(
        self, observations: Observations, rng: np.random.Generator, deterministic: bool = False
    ) -> SlateDraw:
        """Return drawn slates; `deterministic` makes no difference."""
        return sample_plackett_luce(self._logits(observations), self.slate_size, rng)

    def log_probs(self, observations: Observations, slates: Ints) -> Floats:
        """Return log-probabilities (B, K) given the prefix."""
        return plackett_luce_log_probs(self._logits(observations), slates)

    def _logits(self, observations: Observations) -> Floats:
        n_rows = len(next(iter(observations.values())))
        seen = (situation(observations, n_rows) - self.mean) / self.scale
        # Sums over the last axis: the same to the bit in batches of any size.
        logits = np.stack(
            [self.levels[a] + (seen * w).sum(-1) for a, w in _columns(self.slopes)], 1
        )
        if "candidates" in observations:
            return np.take_along_axis(logits, np.asarray(observations["candidates"]), axis=1)
        return logits


def _columns(slopes: Floats) -> list[tuple[int, Floats]]:
    return list(enumerate(np.ascontiguousarray(slopes.T)))


def estimate_logging_policy(
    log: InteractionLog,
    model: Any = "multinomial",
    *,
    users: Any = None,
    catalogue: Catalogue | None = None,
    n_folds: int = 3,
    penalty: float | None = None,
    random_share: float = 0.02,
    seed: int = 0,
) -> EstimatedLogging:
    """Return propensities of a log's slates, each from a model fitted to other users.

    Args:
        log: Slates of items of a catalogue or of candidates with identity.
        model: `multinomial` (logits linear in what is observed, slates drawn without repeats),
            `popularity` (the same chance for everybody), or an unfitted baseline such as
            `make_baseline("als")`, softened by the temperature that fits best.
        users: Simulator or environment that observes as the logging policy did.
        catalogue: The items; by default those of `users`, or those the log shows.
        n_folds: Parts into which users are dealt, 2 or more.
        penalty: Of squared levels and slopes, in rows, above 0; None takes the one under which
            users left out of the fit are most likely.
        random_share: Of random slates mixed in, so that no slate is impossible; in (0, 1).
        seed: Of the folds.

    Raises:
        UnknownNameError: No model has that name.
        ConfigError: The log shows fresh documents without identity, or too few users.

    Stability: experimental.
    """
    if not 0 < random_share < 1 or not (penalty is None or penalty > 0):
        raise ConfigError(
            f"random_share must lie between 0 and 1 and penalty be above 0, got "
            f"{random_share!r} and {penalty!r}"
        )
    if log.has("candidate_features") and not log.has("candidates"):
        raise ConfigError(
            f"{log.name} shows fresh documents without identity, so there are no items whose "
            f"chances could be learned; use the estimator 'dm'"
        )
    fit = _fitting(model, penalty)
    observer = Observer(log, catalogue, users)
    numbers = user_numbers(log)
    folds = user_folds(numbers, n_folds, seed)
    anything = RandomPolicy(observer.n_choices, log.metadata.slate_size)
    policies: list[SlatePolicy] = [
        MixturePolicy(
            [fit(_part(log, folds != fold), observer), anything], [1 - random_share, random_share]
        )
        for fold in range(n_folds)
    ]
    predicted = np.empty(log.column("slate").shape)
    calibration = Calibration(log, observer, random_share)
    most = min(
        _MOST_CALIBRATED // observer.n_choices**2,
        _MOST_COUNTED // (observer.n_choices * calibration.n_parts),
    )
    share = min(1.0, max(1, most) / log.n_rows)
    for fold, policy in enumerate(policies):
        rows = np.flatnonzero(folds == fold)
        done, calibrated = 0, int(np.ceil(share * len(rows)))
        for part in user_blocks(_part(log, folds == fold)):
            observations, slates = observer.observations(part), part.column("slate")
            log_probs = target_log_probs(policy, observations, slates)
            predicted[rows[done : done + part.n_rows]] = np.exp(log_probs)
            n_some = max(0, min(part.n_rows, calibrated - done))
            if n_some:
                some = {key: values[:n_some] for key, values in observations.items()}
                calibration.add(policy, some, slates[:n_some])
            done += part.n_rows
    name = model if isinstance(model, str) else type(model).__name__
    uniform = -float(np.log(observer.n_choices - np.arange(log.metadata.slate_size)).sum())
    return EstimatedLogging(
        given_prefix=predicted,
        calibration=calibration.overall(),
        contexts=calibration.within_contexts(),
        random_share=random_share,
        log_likelihood=float(np.log(predicted).sum(axis=1).mean()),
        uniform_log_likelihood=uniform,
        model=name,
    )


_Fit = Callable[[InteractionLog, Observer], SlatePolicy]


def _fitting(model: Any, penalty: float | None) -> _Fit:
    """Return a function from a log to the fitted policy."""
    if isinstance(model, str):
        if model not in MODELS:
            raise UnknownNameError(
                f"no model of a logging policy is called {model!r}.{nearest_hint(model, MODELS)}"
            )
        sees = model == "multinomial"
        if penalty is None:
            return lambda log, observer: _fit_best(log, observer, sees)
        return lambda log, observer: fit_softmax(log, observer, penalty, sees)
    if not hasattr(model, "fit") or not hasattr(model, "softened"):
        raise ConfigError(
            f"a model of the logging policy must be one of {MODELS}, or a baseline with fit and "
            f"softened, got {model!r}"
        )
    return lambda log, observer: _fit_baseline(model, log, observer)


def _fit_best(log: InteractionLog, observer: Observer, sees: bool) -> SoftmaxPolicy:
    """Return the fit whose penalty suits users left out best, of `_PENALTIES`."""
    numbers = user_numbers(log)
    held_out = numbers >= numbers[-1] * 3 // 4
    if held_out.all():
        return fit_softmax(log, observer, _PENALTIES[0], sees)
    some = _part(log, held_out)
    observations, slates = observer.observations(some), some.column("slate")
    scores = [
        fit_softmax(_part(log, ~held_out), observer, penalty, sees)
        .log_probs(observations, slates)
        .sum(axis=1)
        .mean()
        for penalty in _PENALTIES
    ]
    return fit_softmax(log, observer, _PENALTIES[int(np.argmax(scores))], sees)


def fit_softmax(
    log: InteractionLog, observer: Observer, penalty: float, sees: bool = True
) -> SoftmaxPolicy:
    """Return the Plackett-Luce policy of greatest likelihood, slopes shrunk.

    Args:
        log: In memory.
        observer: Makes its observations.
        penalty: Of squared levels and slopes, in rows.
        sees: Whether logits depend on what is observed.
    """
    n_items = _n_items(log, observer)
    seen, shown, barred = _design(log, observer, n_items, sees)
    mean, scale = seen.mean(axis=0), seen.std(axis=0)
    scale = np.where(scale > 1e-9, scale, np.inf)  # what never varies tells nothing
    inputs = (seen - mean) / scale
    start = np.zeros((1 + inputs.shape[1]) * n_items)

    def loss(point: Floats) -> tuple[float, Floats]:
        level, slopes = point[:n_items], point[n_items:].reshape(-1, n_items)
        total, at_levels, at_slopes = 0.0, np.zeros(n_items), np.zeros(slopes.shape)
        size = max(1, _BLOCK_CELLS // n_items)
        for first in range(0, len(inputs), size):
            rows = slice(first, first + size)
            logits = level + inputs[rows] @ slopes
            if barred is not None:
                logits[barred[rows]] = -np.inf
            gain, change = _likelihood(logits, shown[rows])
            total += gain
            at_levels += change.sum(axis=0)
            at_slopes += inputs[rows].T @ change
        shrunk = 0.5 * penalty * float((point**2).sum())
        gradient = penalty * point - np.concatenate([at_levels, at_slopes.reshape(-1)])
        return (shrunk - total) / len(inputs), gradient / len(inputs)

    found = optimize.minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": 100})
    best: Floats = np.asarray(found.x, np.float64)
    slopes = best[n_items:].reshape(-1, n_items)
    finite = np.where(np.isfinite(scale), scale, 1.0)
    slopes = np.where(np.isfinite(scale)[:, None], slopes, 0.0)
    if not sees:
        return _Popularity(best[:n_items], log.metadata.slate_size)
    return SoftmaxPolicy(best[:n_items], slopes, mean, finite, log.metadata.slate_size)


class _Popularity(SoftmaxPolicy):
    """The same logits for everybody."""

    def __init__(self, levels: Floats, slate_size: int) -> None:
        super().__init__(levels, np.zeros((0, len(levels))), np.zeros(0), np.ones(0), slate_size)

    def _logits(self, observations: Observations) -> Floats:
        n_rows = len(next(iter(observations.values())))
        logits = np.broadcast_to(self.levels, (n_rows, len(self.levels))).copy()
        if "candidates" in observations:
            return np.take_along_axis(logits, np.asarray(observations["candidates"]), axis=1)
        return logits


def _likelihood(logits: Floats, shown: Ints) -> tuple[float, Floats]:
    """Return the log-likelihood of slates (B, K) under logits (B, N), and its gradient (B, N)."""
    mass = np.exp(logits - logits.max(axis=1, keepdims=True))
    taken = np.take_along_axis(mass, shown, axis=1)
    above = np.cumsum(taken, axis=1) - taken
    left = np.maximum(mass.sum(axis=1, keepdims=True) - above, np.finfo(float).tiny)
    gain = float((np.log(np.maximum(taken, 1e-300)) - np.log(left)).sum())
    inverse = 1.0 / left  # (B, K)
    change = -mass * inverse.sum(axis=1, keepdims=True)
    below = inverse.sum(axis=1, keepdims=True) - np.cumsum(inverse, axis=1)
    kept = np.take_along_axis(change, shown, axis=1) + 1.0 + taken * below
    np.put_along_axis(change, shown, kept, axis=1)
    return gain, change


def _n_items(log: InteractionLog, observer: Observer) -> int:
    if observer.catalogue is not None:
        return observer.catalogue.n_items
    if log.has("candidates"):
        return int(log.column("candidates").max()) + 1
    return observer.n_choices


def _design(
    log: InteractionLog, observer: Observer, n_items: int, sees: bool
) -> tuple[Floats, Ints, Any]:
    """Return the situation (n, D), items shown (n, K) and what was not on offer (n, N)."""
    seen, shown, barred = [], [], []
    most_rows = max(1_000, _MOST_CELLS // n_items)
    n_rows = 0
    for part in user_blocks(log):
        observations, slates = observer.observations(part), part.column("slate")
        found = situation(observations, part.n_rows)
        seen.append(found if sees else found[:, :0])
        if "candidates" in observations:
            offered = np.asarray(observations["candidates"])
            missing = np.ones((part.n_rows, n_items), bool)
            np.put_along_axis(missing, offered, False, axis=1)
            barred.append(missing)
            slates = np.take_along_axis(offered, slates, axis=1)
        shown.append(slates)
        n_rows += part.n_rows
        if n_rows > most_rows:
            break
    offers = np.concatenate(barred)[:most_rows] if barred else None
    return np.concatenate(seen)[:most_rows], np.concatenate(shown)[:most_rows], offers


def _fit_baseline(baseline: Any, log: InteractionLog, observer: Observer) -> SlatePolicy:
    """Return the baseline fitted to a log, at the temperature of greatest likelihood."""
    fitted = baseline.fit(log, observer.catalogue)
    part = next(user_blocks(log, n_rows=4_096))
    observations, slates = observer.observations(part), part.column("slate")
    options: list[SlatePolicy] = [fitted.softened(each) for each in _TEMPERATURES]
    scores = [
        np.maximum(each.log_probs(observations, slates).sum(axis=1), -100.0).mean()
        for each in options
    ]
    return options[int(np.argmax(scores))]


def _part(log: InteractionLog, kept: Any) -> InteractionLog:
    columns = {name: values[kept] for name, values in log.columns().items()}
    return type(log)(columns, log.metadata, log.name)
