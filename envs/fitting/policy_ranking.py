"""Whether simulated users rank policies as real ones do."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy.stats import rankdata

from rlrec.arrays import Floats
from rlrec.errors import ConfigError, DataError
from rlrec.evaluation import Estimate, mean_interval

Values = Mapping[str, ArrayLike] | Mapping[str, Estimate]
"""By policy: the value of each of n users, (n,); or an estimate with its standard error."""


@dataclass(frozen=True, eq=False, kw_only=True)
class PolicyRanking:
    """Values of the same policies in a simulator and in truth, and how far the orders agree."""

    tau: Estimate
    """Kendall's tau-b, from -1 (reversed) to 1 (the same order), with its interval; n is the number
    of users on the side that has fewer."""
    simulated: dict[str, Estimate]
    """Mean value of each policy in the simulator."""
    true: dict[str, Estimate]
    """The same in truth, or as it was estimated."""

    def table(self) -> pd.DataFrame:
        """Return one row a policy, the truly best first.

        Columns: `simulated` and `true`, each with `_low` and `_high` of its 95 % interval and
        `_rank`, where 1 is the best and ties share the mean of their ranks.
        """
        columns = {}
        for name, side in (("simulated", self.simulated), ("true", self.true)):
            values = np.array([estimate.value for estimate in side.values()])
            columns[name] = values
            columns[f"{name}_low"] = np.array([estimate.low for estimate in side.values()])
            columns[f"{name}_high"] = np.array([estimate.high for estimate in side.values()])
            columns[f"{name}_rank"] = rankdata(-values)
        table = pd.DataFrame(columns, index=pd.Index(self.simulated, name="policy"))
        return table.sort_values("true", ascending=False, kind="stable")


def compare_rankings(
    simulated: Values,
    true: Values,
    *,
    same_users: bool = False,
    n_resamples: int = 2_000,
    rng: np.random.Generator | None = None,
    confidence: float = 0.95,
) -> PolicyRanking:
    """Return how far the order of policies in a simulator is that in truth.

    tau-b is the number of pairs of policies in the same order less that of pairs in opposite order,
    over the geometric mean of the numbers of pairs that are not tied in the one and in the other.
    Its interval is the percentile bootstrap over users: all policies are judged on the same users,
    so a user is drawn with the values of every policy. Where only estimates are known, normal
    errors are added to them, independent of each other: too wide where policies were judged on the
    same rows. Policies that are worth the same make the interval wide, as chance decides their
    order; it always holds tau itself. It says nothing of policies that were not judged.

    Args:
        simulated: Of 2 or more policies; shape (n,) each, the same n for all.
        true: Of the same policies; another number of users is fine.
        same_users: Whether row i is the same user on both sides, who is then drawn for both.
        n_resamples: 1 or more.
        rng: Source of the resamples; by default one with seed 0, so that a table repeats.
        confidence: In (0, 1).

    Raises:
        ConfigError: An argument is out of range.
        DataError: There are fewer than 2 policies or users, the sides are of different policies or
            (with `same_users`) users, a value is not finite, or all policies are worth the same.

    Reference:
        Kendall, 1945, "The Treatment of Ties in Ranking Problems".
    """
    if n_resamples < 1 or not 0 < confidence < 1:
        raise ConfigError(
            f"n_resamples must be 1 or more and confidence lie between 0 and 1, got "
            f"{n_resamples!r} and {confidence!r}"
        )
    rng = np.random.default_rng(0) if rng is None else rng
    first, second = _sides(simulated, true, same_users)
    value = float(_tau(first.gaps[None], second.gaps[None])[0])
    draws = first.counts(n_resamples, rng)
    others = draws if same_users else second.counts(n_resamples, rng)
    found = _tau(first.resampled(draws, rng), second.resampled(others, rng))
    low, high = np.quantile(found, [0.5 - confidence / 2, 0.5 + confidence / 2])
    error = float(found.std(ddof=1)) if n_resamples > 1 else float("nan")
    n = min(first.n_users, second.n_users)
    tau = Estimate(value, min(float(low), value), max(float(high), value), error, n)
    return PolicyRanking(
        tau=tau, simulated=first.estimates(confidence), true=second.estimates(confidence)
    )


def kendall_tau(simulated: ArrayLike, true: ArrayLike) -> float:
    """Return Kendall's tau-b of the values of P policies, (P,) each.

    Raises:
        DataError: There are fewer than 2, or all of one side are the same.
    """
    first, second = np.asarray(simulated, np.float64), np.asarray(true, np.float64)
    names = [str(number) for number in range(first.size)]
    for values in (first, second):
        if values.shape != (len(names),) or len(names) < 2:
            raise DataError(
                f"tau needs values of 2 or more policies on both sides, got shapes {first.shape} "
                f"and {second.shape}"
            )
        _check_told_apart(_gaps(values), "one side")
    return float(_tau(_gaps(first)[None], _gaps(second)[None])[0])


class _Users:
    """A side that knows the value (n, P) of each policy for each of n users."""

    def __init__(self, values: Mapping[str, Floats], name: str) -> None:
        self._values = values
        matrix = np.column_stack(list(values.values()))
        self.n_users = len(matrix)
        if self.n_users < 2:
            raise DataError(f"{name} needs the values of 2 or more users, got {self.n_users}")
        if not np.isfinite(matrix).all():
            raise DataError(f"{name} has values that are not finite")
        # Of each user, before any sum: policies that do the same stay tied to the last bit.
        self._user_gaps = np.apply_along_axis(_gaps, 1, matrix)
        self.gaps: Floats = self._user_gaps.mean(axis=0)
        _check_told_apart(self.gaps, name)

    def counts(self, n_resamples: int, rng: np.random.Generator) -> Floats:
        """Return how often each resample draws each user, (R, n)."""
        chances = np.full(self.n_users, 1.0 / self.n_users)
        return rng.multinomial(self.n_users, chances, size=n_resamples).astype(np.float64)

    def resampled(self, counts: Floats, rng: np.random.Generator) -> Floats:
        """Return the gaps between policies in each resample, (R, pairs)."""
        gaps: Floats = counts @ self._user_gaps
        return gaps

    def estimates(self, confidence: float) -> dict[str, Estimate]:
        """Return the mean value of each policy over users."""
        return {name: mean_interval(part, confidence) for name, part in self._values.items()}


class _Estimated:
    """A side of which only estimates with standard errors are known."""

    def __init__(self, values: Mapping[str, Estimate], name: str) -> None:
        self._values = values
        self._means = np.array([estimate.value for estimate in values.values()])
        self._errors = np.array([estimate.standard_error for estimate in values.values()])
        if not np.isfinite([self._means, self._errors]).all() or self._errors.min() < 0:
            raise DataError(f"{name} has estimates without a finite value and standard error")
        self.n_users = min(estimate.n for estimate in values.values())
        self.gaps = _gaps(self._means)
        _check_told_apart(self.gaps, name)

    def counts(self, n_resamples: int, rng: np.random.Generator) -> Floats:
        """Return rows, (R, 0): there are no users to draw."""
        return np.zeros((n_resamples, 0))

    def resampled(self, counts: Floats, rng: np.random.Generator) -> Floats:
        """Return the gaps between policies with errors added, (R, pairs)."""
        noise = rng.standard_normal((len(counts), len(self._means)))
        return np.apply_along_axis(_gaps, 1, self._means + self._errors * noise)

    def estimates(self, confidence: float) -> dict[str, Estimate]:
        """Return what was given."""
        return dict(self._values)


def _sides(
    simulated: Values, true: Values, same_users: bool
) -> tuple[_Users | _Estimated, _Users | _Estimated]:
    if set(simulated) != set(true) or len(simulated) < 2:
        raise DataError(
            f"a ranking needs 2 or more policies, the same on both sides, got {sorted(simulated)} "
            f"and {sorted(true)}"
        )
    first = _side(simulated, "the simulator")
    second = _side({name: true[name] for name in simulated}, "the truth")
    if same_users and not (
        isinstance(first, _Users) and isinstance(second, _Users) and first.n_users == second.n_users
    ):
        raise DataError("same_users needs the values of each user, equally many on both sides")
    return first, second


def _side(values: Values, name: str) -> _Users | _Estimated:
    estimates = {key: part for key, part in values.items() if isinstance(part, Estimate)}
    if len(estimates) == len(values):
        return _Estimated(estimates, name)
    if estimates:
        raise DataError(f"{name} has values of users for some policies and estimates for others")
    arrays = {key: np.asarray(part, np.float64) for key, part in values.items()}
    shapes = {array.shape for array in arrays.values()}
    if len(shapes) != 1 or len(next(iter(shapes))) != 1:
        raise DataError(
            f"{name} needs values of shape (n,), the same users for all policies, got "
            f"{sorted(shapes)}"
        )
    return _Users(arrays, name)


def _gaps(values: Floats) -> Floats:
    """Return the differences between all pairs of P values, (P (P - 1) / 2,)."""
    left, right = np.triu_indices(len(values), 1)
    gaps: Floats = values[left] - values[right]
    return gaps


def _check_told_apart(gaps: Floats, name: str) -> None:
    if not gaps.any():
        raise DataError(f"all policies are worth the same in {name}: there is no order to compare")


def _tau(first: Floats, second: Floats) -> Floats:
    """Return tau-b (R,) of gaps (R, pairs); 0 where one side is all ties."""
    signs, others = np.sign(first), np.sign(second)
    agreement = (signs * others).sum(axis=1)
    untied = np.sqrt(np.abs(signs).sum(axis=1) * np.abs(others).sum(axis=1))
    found: Floats = np.divide(agreement, untied, out=np.zeros(len(signs)), where=untied > 0)
    return found
