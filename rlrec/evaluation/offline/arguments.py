"""Arguments that the ways into offline evaluation share, checked before a log is read."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from rlrec.data.log import InteractionLog
from rlrec.errors import ConfigError, DataError, UnknownNameError, nearest_hint
from rlrec.evaluation.offline.intervals import METHODS, RANGED
from rlrec.evaluation.offline.logging_policy import EstimatedLogging
from rlrec.evaluation.offline.scalars import check_whole, is_number
from rlrec.evaluation.offline.session_rows import has_propensities
from rlrec.evaluation.offline.verdict import Thresholds

FEWEST_REPLICATES = 100
"""Below it, the ends of an interval are those of single resamples and cover far too seldom."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How estimates are judged, whatever the log; checked when made.

    Raises:
        UnknownNameError: No interval has that name.
        ConfigError: An argument is of the wrong kind, outside its range, or not used.
    """

    interval: str = "bootstrap"
    """One of `METHODS`."""
    confidence: float = 0.95
    """Of the intervals, in (0, 1)."""
    n_replicates: int = 1000
    """Bootstrap replicates, `FEWEST_REPLICATES` or more."""
    seed: int = 0
    """Of the resamples."""
    thresholds: Thresholds | None = None
    """What makes an estimate supported; None for the usual ones."""
    value_range: tuple[float, float] | None = None
    """Lowest and highest value of a unit; None for what the log allows."""
    contribution_range: tuple[float, float] | None = None
    """Least and most that a unit can add to an estimate, for the intervals in `RANGED`."""

    def __post_init__(self) -> None:
        if not isinstance(self.interval, str) or self.interval not in METHODS:
            hint = nearest_hint(self.interval, METHODS)
            raise UnknownNameError(f"no interval is called {self.interval!r:.80}.{hint}")
        if not is_number(self.confidence) or not 0 < self.confidence < 1:
            raise ConfigError(
                f"confidence must lie between 0 and 1 (0.95 for 95 %), got {self.confidence!r:.80}"
            )
        why = "with fewer, intervals miss the truth far too often"
        check_whole("n_replicates", self.n_replicates, FEWEST_REPLICATES, why)
        check_whole("seed", self.seed, 0)
        if self.thresholds is not None and not isinstance(self.thresholds, Thresholds):
            raise ConfigError(
                f"thresholds must be Thresholds(...), got {self.thresholds!r:.80} "
                f"({type(self.thresholds).__name__})"
            )
        if self.value_range is not None:
            low, high = _two_numbers("value_range", self.value_range)
            if low > high:
                raise ConfigError(
                    f"value_range must rise from low to high, got {self.value_range!r}"
                )
        _check_contributions(self.interval, self.contribution_range)


def check_log(log: Any) -> None:
    """Raise ConfigError for what is no log."""
    if not isinstance(log, InteractionLog):
        raise ConfigError(
            f"log must be an InteractionLog (InteractionLog.open(folder) reads one), got "
            f"{type(log).__name__}"
        )


def check_logging(logging: Any, log: InteractionLog) -> None:
    """Check estimated propensities against the log they are to stand in for.

    Raises:
        ConfigError: They are something else, or the log has its own.
        DataError: They are of another log.
    """
    if logging is None:
        return
    if not isinstance(logging, EstimatedLogging):
        raise ConfigError(
            f"logging must be what estimate_logging_policy(log) returns, got {logging!r:.80}"
        )
    if logging.n_rows != log.n_rows:
        raise DataError(
            f"the estimated propensities are of {logging.n_rows} rows, the log has {log.n_rows}"
        )
    if has_propensities(log):
        raise ConfigError(
            f"{log.name} has propensities of its own, which estimated ones must not replace: leave "
            f"`logging` out, or make the log without log_propensity and propensity_given_prefix"
        )


def check_rounds_discount(discount: float) -> None:
    """Raise ConfigError for a discount where every session has one step."""
    if discount != 1:
        raise ConfigError(
            f"discount weighs later steps of a session, but each session of this log has one step: "
            f"leave it out, got {discount!r}"
        )


def names_of(estimators: Any) -> list[Any]:
    """Return estimators as a list; a name alone, or an estimator alone, is a list of one.

    Raises:
        ConfigError: There is none.
    """
    if isinstance(estimators, str) or hasattr(estimators, "terms"):
        return [estimators]
    if not isinstance(estimators, Iterable):
        raise ConfigError(
            f"estimators must be names or estimators in a list, got {estimators!r:.80}"
        )
    names = list(estimators)
    if not names:
        raise ConfigError("there must be at least one estimator, got none")
    return names


def check_once(names: list[str]) -> None:
    """Raise ConfigError where a name stands twice."""
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ConfigError(f"each estimator must stand once; these stand twice: {twice}")


def _check_contributions(interval: str, contribution_range: Any) -> None:
    if (contribution_range is not None) != (interval in RANGED):
        use = "needs" if interval in RANGED else "does not use"
        raise ConfigError(
            f"interval {interval!r} {use} contribution_range: the least and the most that a unit "
            f"can add to an estimate, known without the log (used by {' and '.join(RANGED)})"
        )
    if contribution_range is not None:
        low, high = _two_numbers("contribution_range", contribution_range)
        if not (np.isfinite([low, high]).all() and low < high):
            raise ConfigError(
                f"contribution_range must be two finite numbers that rise, got "
                f"{contribution_range!r}"
            )


def _two_numbers(name: str, given: Any) -> tuple[float, float]:
    numbers = list(given) if isinstance(given, tuple | list | np.ndarray) else []
    if len(numbers) != 2 or not all(is_number(each) for each in numbers):
        raise ConfigError(f"{name} must be two numbers (lowest, highest), got {given!r:.80}")
    return float(numbers[0]), float(numbers[1])
