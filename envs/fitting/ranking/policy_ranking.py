"""Whether simulated users rank policies as real ones do."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy.stats import rankdata

from rlrec.arrays import Floats
from rlrec.envs.fitting.ranking.ranking_sides import (
    OfflineReplicates,
    Side,
    UserValues,
    Values,
    check_told_apart,
    gaps_of_pairs,
    side_of,
)
from rlrec.errors import ConfigError, DataError
from rlrec.evaluation import Estimate
from rlrec.evaluation.offline import OfflineResults


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
    order; it always holds tau itself. It says nothing of other policies, nor of what another fit of
    the simulator would give.

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
    _check_resampling(n_resamples, confidence)
    rng = np.random.default_rng(0) if rng is None else rng
    first, second = _sides(simulated, true, same_users)
    return _compared(first, second, same_users, n_resamples, rng, confidence)


def compare_with_offline(
    simulated: Values,
    offline: OfflineResults,
    estimator: str,
    *,
    n_resamples: int = 2_000,
    rng: np.random.Generator | None = None,
    confidence: float = 0.95,
) -> PolicyRanking:
    """Return how far the order of policies in a simulator is that of their off-policy estimates.

    As `compare_rankings`; on the side of the log its own bootstrap replicates are drawn from, in
    which all policies meet the same users. An estimate may be wrong in ways that no interval tells,
    and then so is this.

    Args:
        simulated: Of 2 or more policies.
        offline: From `evaluate_offline`, of the same policies and perhaps others.
        estimator: Whose estimates to take.
        n_resamples: As the others, see `compare_rankings`.
        rng: Source of the resamples.
        confidence: In (0, 1).

    Raises:
        DataError: As there; or an estimate is unsupported, or has no replicates.
        UnknownNameError: A policy was not estimated so.
    """
    _check_resampling(n_resamples, confidence)
    rng = np.random.default_rng(0) if rng is None else rng
    if len(simulated) < 2:
        raise DataError(f"a ranking needs 2 or more policies, got {sorted(simulated)}")
    second = OfflineReplicates(offline, list(simulated), estimator)
    first = side_of(simulated, "the simulator")
    return _compared(first, second, False, n_resamples, rng, confidence)


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
        check_told_apart(gaps_of_pairs(values), "one side")
    return float(_tau(gaps_of_pairs(first)[None], gaps_of_pairs(second)[None])[0])


def _check_resampling(n_resamples: int, confidence: float) -> None:
    if n_resamples < 1 or not 0 < confidence < 1:
        raise ConfigError(
            f"n_resamples must be 1 or more and confidence lie between 0 and 1, got "
            f"{n_resamples!r} and {confidence!r}"
        )


def _compared(
    first: Side,
    second: Side,
    same_users: bool,
    n_resamples: int,
    rng: np.random.Generator,
    confidence: float,
) -> PolicyRanking:
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


def _sides(simulated: Values, true: Values, same_users: bool) -> tuple[Side, Side]:
    if set(simulated) != set(true) or len(simulated) < 2:
        raise DataError(
            f"a ranking needs 2 or more policies, the same on both sides, got {sorted(simulated)} "
            f"and {sorted(true)}"
        )
    first = side_of(simulated, "the simulator")
    second = side_of({name: true[name] for name in simulated}, "the truth")
    if same_users and not (
        isinstance(first, UserValues)
        and isinstance(second, UserValues)
        and first.n_users == second.n_users
    ):
        raise DataError("same_users needs the values of each user, equally many on both sides")
    return first, second


def _tau(first: Floats, second: Floats) -> Floats:
    """Return tau-b (R,) of gaps (R, pairs); 0 where one side is all ties."""
    signs, others = np.sign(first), np.sign(second)
    agreement = (signs * others).sum(axis=1)
    untied = np.sqrt(np.abs(signs).sum(axis=1) * np.abs(others).sum(axis=1))
    found: Floats = np.divide(agreement, untied, out=np.zeros(len(signs)), where=untied > 0)
    return found
