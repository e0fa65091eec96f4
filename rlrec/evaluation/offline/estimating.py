"""Estimates with intervals and verdicts, from samples of one log."""

import math
from collections.abc import Mapping

from rlrec.arrays import Floats, Ints
from rlrec.errors import ConfigError
from rlrec.evaluation.offline.arguments import Settings
from rlrec.evaluation.offline.estimator_menu import Chosen, Sample
from rlrec.evaluation.offline.intervals import confidence_interval, stretched_interval
from rlrec.evaluation.offline.offline_results import OfflineEstimate, OfflineFacts, OfflineResults
from rlrec.evaluation.offline.resampling import Resamples
from rlrec.evaluation.offline.terms import Terms
from rlrec.evaluation.offline.verdict import (
    NO_WEIGHTS,
    UNKNOWN_SUPPORT,
    UNSUPPORTED,
    Diagnostics,
    Support,
    Thresholds,
    Verdict,
    diagnose,
    doubted,
    judge,
    judge_interval,
    weight_sums,
    widened,
)


def results_of(
    samples: Mapping[str, Mapping[str, Sample]],
    chosen: list[Chosen],
    *,
    users: Ints,
    supports: Mapping[str, Support],
    values: Floats,
    log_name: str,
    n_rows: int,
    discount: float,
    settings: Settings,
    seen_range: tuple[float, float],
    caveats: tuple[str, ...],
    doubt: str = "",
    notes: tuple[str, ...] = (),
) -> OfflineResults:
    """Return the estimates of samples, by policy and kind, on shared resamples.

    Args:
        samples: By policy, then by kind; rounds that tell of each choice are of the kind "choices".
        chosen: The estimators.
        users: Shape (n_units,). Of each unit, numbered from 0.
        supports: By policy.
        values: Shape (n_units,). What each unit earned in the log.
        log_name: For the facts.
        n_rows: Of the log.
        discount: Weight of the reward one step ahead.
        settings: How estimates are judged.
        seen_range: Of a unit, as the log allows; for settings without.
        caveats: What every weighted estimate rests on.
        doubt: What makes every weighted estimate unsupported; "" for nothing.
        notes: What the results must say beside.
    """
    lowest, highest = settings.value_range or seen_range
    thresholds = settings.thresholds or Thresholds()
    n_users = int(users.max()) + 1
    facts = OfflineFacts(
        log=log_name,
        unit="sessions" if any(each.kind == "sessions" for each in chosen) else "rounds",
        n_rows=n_rows,
        n_units=len(values),
        n_users=n_users,
        interval=settings.interval,
        confidence=settings.confidence,
        discount=discount,
        n_replicates=settings.n_replicates,
        seed=settings.seed,
        value_range=(lowest, highest),
        range_origin="seen in the log" if settings.value_range is None else "given",
        logged_value=float(values.mean()),
        caveats=caveats + notes,
    )
    resamples = Resamples(users, len(values), settings.n_replicates, settings.seed)
    estimates, replicates = [], {}
    for name, of_policy in samples.items():
        for each in chosen:
            sample = _sample_for(each, name, of_policy)
            terms: Terms = each.estimator.terms(sample)
            support = UNKNOWN_SUPPORT if each.own_support else supports[name]
            drawn = resamples.of(terms)
            replicates[name, each.name] = drawn
            diagnostics = NO_WEIGHTS
            if terms.weights is not None:
                diagnostics = diagnose(weight_sums(terms.weights, users))
            verdict = judge(diagnostics, support, n_users, thresholds, terms.value)
            if terms.weights is not None:
                verdict = doubted(verdict, doubt)
            verdict = doubted(verdict, each.doubt(sample))
            if settings.interval == "bootstrap":
                lower, upper = stretched_interval(drawn, settings.confidence)
            else:
                lower, upper = confidence_interval(
                    terms,
                    settings.interval,
                    settings.confidence,
                    users=users,
                    value_range=settings.contribution_range,
                )
            verdict = judge_interval(verdict, lower, upper)
            missing = max(diagnostics.missing, support.missing)
            lower, upper = widened((lower, upper), missing, terms.value, (lowest, highest))
            if verdict.word == UNSUPPORTED:
                lower, upper = lowest, highest
            estimates.append(
                OfflineEstimate(
                    policy=name,
                    estimator=each.name,
                    value=terms.value,
                    lower=lower,
                    upper=upper,
                    diagnostics=diagnostics,
                    unsupported_share=support.share,
                    verdict=_with_caveats(verdict, diagnostics, caveats),
                )
            )
    return OfflineResults(estimates=tuple(estimates), facts=facts, replicates=replicates)


def _sample_for(each: Chosen, policy: str, samples: Mapping[str, Sample]) -> Sample:
    if each.is_of_choices and "choices" in samples:
        return samples["choices"]
    if each.kind not in samples:
        raise ConfigError(f"policy {policy!r} has no sample of {each.kind} for {each.name!r}")
    return samples[each.kind]


def _with_caveats(verdict: Verdict, diagnostics: Diagnostics, caveats: tuple[str, ...]) -> Verdict:
    """Add what a weighted estimate rests on to its reason."""
    if not caveats or math.isnan(diagnostics.mean_weight):
        return verdict
    reason = "; ".join(part for part in (verdict.reason, *caveats) if part)
    return Verdict(word=verdict.word, reason=reason)
