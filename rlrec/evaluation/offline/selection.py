"""Which of several policies is best, as far as one log can tell.

All policies meet the same resamples of the log, so what they share (the same lucky users) cancels.
A bootstrap replicate stands for what the truth may be: how often a policy leads there is the
probability that it is best.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import stats

from rlrec.arrays import Floats, Ints
from rlrec.errors import ConfigError, DataError, UnknownNameError, nearest_hint
from rlrec.evaluation.offline.offline_results import OfflineResults
from rlrec.evaluation.offline.verdict import UNSUPPORTED, Verdict


class TopRisk(NamedTuple):
    """What may go wrong if only the k policies with the best estimates are tried online."""

    k: int
    missed: float
    """Probability that the truly best policy is not among them."""
    expected_regret: float
    """Expected value of the best policy less that of the best among them, 0 or more."""
    expected_worst: float
    """Expected value of the worst among them."""


class Quality(NamedTuple):
    """How good a ranking is against known true values."""

    kendall_tau: float
    """Agreement in order, -1 to 1; nan with fewer than two ranked policies or all truths equal."""
    regret_at_1: float
    """True value of the best policy less that of the one ranked first, 0 or more."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Ranking:
    """Policies by estimated value, best first, with how sure the log is of that order.

    Probabilities are about the ranked policies alone: of the `unranked`, any may be best.

    Stability: experimental.
    """

    estimator: str
    policies: tuple[str, ...]
    values: Floats
    """Shape (P,). Estimates, falling."""
    replicates: Floats
    """Shape (R, P). The estimates in each bootstrap replicate, stretched."""
    unranked: Mapping[str, str]
    """Policies without a supported estimate, and why."""
    verdicts: Mapping[str, Verdict]
    """Of each policy, ranked or not: a place that rests on a model alone says so here."""

    def probability_best(self) -> Floats:
        """Return for each policy how likely it is the best of those ranked, (P,), summing to 1."""
        return probability_best(self.replicates)

    def top_risk(self, k: int = 1) -> TopRisk:
        """Return what may go wrong if only the first k policies are tried."""
        if not 1 <= k <= len(self.policies):
            raise ConfigError(f"k must lie in 1..{len(self.policies)} (ranked policies), got {k!r}")
        return top_risk(self.replicates, np.arange(k))

    def table(self) -> pd.DataFrame:
        """Return one row a policy, best first; those that are not ranked stand below, with why.

        `verdict` is that of the estimate: what is `model only` is ranked by a model whose error no
        probability here knows. `missed_from_here` is `top_risk(k).missed` with k the policy's
        place: the probability that the best one stands below it.
        """
        n = len(self.policies)
        ranked = pd.DataFrame(
            {
                "place": np.arange(1, n + 1, dtype=np.float64),
                "policy": list(self.policies),
                "value": self.values,
                "probability_best": self.probability_best(),
                "missed_from_here": [self.top_risk(k).missed for k in range(1, n + 1)],
                "verdict": [self.verdicts[name].word for name in self.policies],
                "reason": [self.verdicts[name].reason for name in self.policies],
            }
        )
        rest = pd.DataFrame(
            [
                {
                    "place": math.nan,
                    "policy": name,
                    "value": math.nan,
                    "probability_best": math.nan,
                    "missed_from_here": math.nan,
                    "verdict": self.verdicts[name].word,
                    "reason": reason,
                }
                for name, reason in self.unranked.items()
            ],
            columns=ranked.columns,
        )
        return ranked if rest.empty else pd.concat([ranked, rest], ignore_index=True)

    def against(self, truth: Mapping[str, float]) -> Quality:
        """Return how good this ranking is, where true values are known (simulated logs).

        Args:
            truth: True value of each policy; of the unranked too, which count for the regret.

        Raises:
            UnknownNameError: A policy has no true value.
        """
        for name in (*self.policies, *self.unranked):
            if name not in truth:
                raise UnknownNameError(f"{name!r} has no true value.{nearest_hint(name, truth)}")
        known = np.array([truth[name] for name in self.policies], np.float64)
        best = max(truth[name] for name in (*self.policies, *self.unranked))
        return Quality(kendall_tau(self.values, known), best - float(known[0]))


def rank_policies(results: OfflineResults, estimator: str) -> Ranking:
    """Rank the policies of one evaluation by one estimator.

    Args:
        results: Of `evaluate_offline` with several policies.
        estimator: Whose estimates to rank by.

    Raises:
        UnknownNameError: The results have no such estimator.
        ConfigError: No policy has a supported estimate, or the replicates were not kept.
    """
    known = list(dict.fromkeys(each.estimator for each in results.estimates))
    if estimator not in known:
        raise UnknownNameError(
            f"these results have no estimator {estimator!r}.{nearest_hint(estimator, known)}"
        )
    estimates = [each for each in results.estimates if each.estimator == estimator]
    if any((each.policy, estimator) not in results.replicates for each in estimates):
        raise ConfigError("a ranking needs the replicates, which results from JSON lack")
    drawn = {
        each.policy: results.replicates[each.policy, estimator].stretched() for each in estimates
    }
    unranked = {}
    for each in estimates:
        if each.verdict.word == UNSUPPORTED:
            unranked[each.policy] = each.verdict.reason
        elif not np.isfinite(drawn[each.policy]).all():
            unranked[each.policy] = "some resamples have no estimate"
    ranked = [each for each in estimates if each.policy not in unranked]
    if not ranked:
        reasons = "; ".join(f"{name}: {reason}" for name, reason in unranked.items())
        raise ConfigError(
            f"no policy has a supported estimate by {estimator!r}, so there is nothing to rank "
            f"({reasons})"
        )
    ranked.sort(key=lambda each: -each.value)  # stable: ties stay in the order given
    return Ranking(
        estimator=estimator,
        policies=tuple(each.policy for each in ranked),
        values=np.array([each.value for each in ranked]),
        replicates=np.stack([drawn[each.policy] for each in ranked], axis=1),
        unranked=unranked,
        verdicts={each.policy: each.verdict for each in estimates},
    )


def probability_best(replicates: Floats) -> Floats:
    """Return how often each policy leads, (R, P) to (P,); ties share a replicate."""
    leads = _checked(replicates) == replicates.max(axis=1, keepdims=True)
    shares: Floats = (leads / leads.sum(axis=1, keepdims=True)).mean(axis=0)
    return shares


def top_risk(replicates: Floats, chosen: Ints) -> TopRisk:
    """Return what may go wrong if only some policies are tried.

    Args:
        replicates: Shape (R, P).
        chosen: Shape (k,). Which of the P.
    """
    best = _checked(replicates).max(axis=1)
    taken = replicates[:, chosen]
    leads = replicates == best[:, None]
    missed = 1.0 - leads[:, chosen].sum(axis=1) / leads.sum(axis=1)
    return TopRisk(
        k=len(chosen),
        missed=float(missed.mean()),
        expected_regret=float((best - taken.max(axis=1)).mean()),
        expected_worst=float(taken.min(axis=1).mean()),
    )


def kendall_tau(estimates: Floats, truth: Floats) -> float:
    """Return Kendall's tau-b of two orders, -1 to 1; nan where either has no order."""
    if len(truth) < 2 or np.ptp(truth) == 0 or np.ptp(estimates) == 0:
        return math.nan
    return float(stats.kendalltau(estimates, truth).statistic)


def _checked(replicates: Floats) -> Floats:
    if replicates.ndim != 2 or not replicates.size:
        raise DataError(f"replicates must have shape (R, P), got {replicates.shape}")
    if not np.isfinite(replicates).all():
        row, policy = np.argwhere(~np.isfinite(replicates))[0]
        raise DataError(f"replicates must be finite; row {row} of policy {policy} is not")
    return replicates
