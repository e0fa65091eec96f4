"""One call from policies and a log to estimates that say whether the log supports them."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from rlrec.arrays import Floats, Ints
from rlrec.data.catalogue import Catalogue
from rlrec.data.log import InteractionLog
from rlrec.errors import ConfigError, UnknownNameError, nearest_hint
from rlrec.evaluation.offline.arguments import (
    check_log,
    check_logging,
    check_rounds_discount,
    check_settings,
    names_of,
)
from rlrec.evaluation.offline.bandit_sample import BanditSample
from rlrec.evaluation.offline.estimator_menu import Chosen, Kind, Sample, choose
from rlrec.evaluation.offline.given_samples import check_kinds, samples_by_kind, user_numbers_of
from rlrec.evaluation.offline.intervals import METHODS, confidence_interval, stretched_interval
from rlrec.evaluation.offline.log_samples import (
    LoggedRows,
    ModelValues,
    bandit_sample,
    read_rows,
    row_ratios,
    session_sample,
    slate_sample,
    target_columns,
    unit_values,
)
from rlrec.evaluation.offline.logging_policy import EstimatedLogging
from rlrec.evaluation.offline.model_values import check_model, check_model_use, model_values
from rlrec.evaluation.offline.offline_results import OfflineEstimate, OfflineFacts, OfflineResults
from rlrec.evaluation.offline.policy_probabilities import as_judged, as_policies
from rlrec.evaluation.offline.resampling import Resamples
from rlrec.evaluation.offline.reward_features import Features
from rlrec.evaluation.offline.scalars import check_discount
from rlrec.evaluation.offline.session_rows import check_propensities, possible_range
from rlrec.evaluation.offline.session_sample import SessionSample
from rlrec.evaluation.offline.slate import SlateSample
from rlrec.evaluation.offline.terms import Terms
from rlrec.evaluation.offline.user_blocks import Observer
from rlrec.evaluation.offline.verdict import (
    NO_WEIGHTS,
    UNKNOWN_SUPPORT,
    UNSUPPORTED,
    Diagnostics,
    Support,
    Thresholds,
    Verdict,
    diagnose,
    judge,
    judge_interval,
    share_without_support,
    summed,
    weight_sums,
)

_ROUNDS = ("ips", "snips")
_SLATES = ("rips", "snrips")
_SESSIONS = ("pdis", "snpdis", "sntis")
_WITH_MODEL = ("dm", "dr", "sndr")


def evaluate_offline(
    policies: Any,
    log: InteractionLog,
    *,
    estimators: str | Iterable[Any] | None = None,
    interval: str = "bootstrap",
    reward_model: Any = None,
    features: Features | None = None,
    logging: EstimatedLogging | None = None,
    discount: float = 1.0,
    confidence: float = 0.95,
    n_replicates: int = 1000,
    seed: int = 0,
    thresholds: Thresholds | None = None,
    value_range: tuple[float, float] | None = None,
    contribution_range: tuple[float, float] | None = None,
    users: Any = None,
    catalogue: Catalogue | None = None,
) -> OfflineResults:
    """Return what policies would earn, from a log of another one, with verdicts.

    A log whose episodes have one step is one of rounds, and the value is the mean reward a round;
    otherwise it is one of sessions, and the value is the mean discounted return a session. Users
    are what is resampled; all estimators and policies meet the same resamples.

    Args:
        policies: A SlatePolicy, a model of stable-baselines3, or an array of probabilities (see
            `as_judged`); or a dict of several by name.
        log: Of real or simulated users.
        estimators: Names (see `choose`) or estimators. By default ips and snips of rounds, rips
            and snrips where slots have rewards, pdis, snpdis and sntis of sessions; with
            `reward_model` also dm, dr and sndr; without propensities dm alone.
        interval: One of `METHODS`.
        reward_model: `ridge`, `boosting`, `network` or one's own (`RewardModel`), for estimators
            that need one, and only with such; by default ridge. For sessions it models returns, by
            fitted Q evaluation.
        features: What models see; by default `SlateFeatures`.
        logging: Propensities from `estimate_logging_policy`, for a log without its own.
        discount: Weight of the reward one step ahead, above 0 and at most 1; of sessions.
        confidence: Of the intervals, in (0, 1).
        n_replicates: Bootstrap replicates, 100 or more.
        seed: Of resamples, folds and draws.
        thresholds: What makes an estimate supported.
        value_range: Lowest and highest value of a unit, for unsupported estimates; by default
            what the rewards and lengths seen in the log allow.
        contribution_range: For the intervals `hoeffding` and `empirical_bernstein`: least and
            most that a unit can add to an estimate.
        users: Simulator or environment that observes as the policies do; without it they see
            the history in default sizes.
        catalogue: The items, where observations or models need them; by default that of `users`.

    Raises:
        PropensityError: An estimator needs propensities that the log lacks, or they are wrong.
        UnknownNameError, ConfigError: An estimator is unknown or does not fit the log, or an
            argument is outside what it may be, or would be ignored.

    Stability: experimental.
    """
    check_settings(
        interval=interval,
        confidence=confidence,
        n_replicates=n_replicates,
        seed=seed,
        thresholds=thresholds,
        value_range=value_range,
        contribution_range=contribution_range,
    )
    check_discount(discount)
    check_log(log)
    check_logging(logging, log)
    check_model(reward_model, features)
    if logging is None:
        rows = read_rows(log)
    else:
        rows = read_rows(log, logging.log_joint, logging.given_prefix)
    if not rows.is_sessions:
        check_rounds_discount(discount)
    chosen = choose(_wanted(estimators, rows, reward_model), rows.is_sessions)
    needs_model = any(each.needs_model for each in chosen)
    check_model_use(reward_model, features, needs_model, rows.is_sessions)
    if rows.log_joint is None and not all(each.is_direct for each in chosen):
        check_propensities(log)
    observer = Observer(log, catalogue, users)
    judged = {
        name: as_judged(policy, name, rows.slates) for name, policy in as_policies(policies).items()
    }
    columns = target_columns(log, judged, observer)
    models: Mapping[str, ModelValues | None] = dict.fromkeys(judged)
    if needs_model:
        model = "ridge" if reward_model is None else reward_model
        models = model_values(log, rows, judged, observer, model, features, discount, seed)
    kinds = {each.kind for each in chosen}
    samples = {
        name: _samples(kinds, rows, columns[name], models[name], discount) for name in judged
    }
    supports = {name: _support(rows, columns[name]) for name in judged}
    return _results(
        samples,
        chosen,
        users=rows.unit_users,
        supports=supports,
        values=unit_values(log, rows, discount),
        log_name=log.name,
        n_rows=log.n_rows,
        interval=interval,
        discount=discount,
        confidence=confidence,
        n_replicates=n_replicates,
        seed=seed,
        thresholds=thresholds or Thresholds(),
        value_range=value_range,
        seen_range=_seen_range(rows.rewards, int(rows.steps.max()) + 1, discount),
        contribution_range=contribution_range,
        caveats=() if logging is None else (logging.caveat,),
    )


def evaluate_samples(
    samples: Mapping[str, Sequence[Sample]],
    estimators: str | Iterable[Any],
    *,
    users: ArrayLike | None = None,
    interval: str = "bootstrap",
    confidence: float = 0.95,
    n_replicates: int = 1000,
    seed: int = 0,
    thresholds: Thresholds | None = None,
    value_range: tuple[float, float] | None = None,
    contribution_range: tuple[float, float] | None = None,
) -> OfflineResults:
    """Return estimates from arrays: as `evaluate_offline`, for what a log does not hold.

    Args:
        samples: For each policy its samples of the same units, at most one a kind (rounds, slates
            or sessions).
        estimators: Names or estimators.
        users: Shape (n_units,). Who each unit belongs to; None makes each its own.
        interval: One of `METHODS`.
        confidence: Of the intervals, in (0, 1).
        n_replicates: Bootstrap replicates, 100 or more.
        seed: Of the resamples.
        thresholds: What makes an estimate supported.
        value_range: Lowest and highest value of a unit.
        contribution_range: Least and most that a unit can add to an estimate, for the intervals
            `hoeffding` and `empirical_bernstein`.

    Raises:
        DataError: Samples are of different units, or `users` of other ones.
        UnknownNameError, ConfigError: As `evaluate_offline`.
    """
    check_settings(
        interval=interval,
        confidence=confidence,
        n_replicates=n_replicates,
        seed=seed,
        thresholds=thresholds,
        value_range=value_range,
        contribution_range=contribution_range,
    )
    by_kind = samples_by_kind(samples)
    is_sessions = any("sessions" in some for some in by_kind.values())
    chosen = choose(estimators, is_sessions)
    check_kinds(by_kind, chosen)
    first = next(iter(next(iter(by_kind.values())).values()))
    values = _unit_values_of(first)
    numbers = user_numbers_of(users, len(values))
    return _results(
        by_kind,
        chosen,
        users=numbers,
        supports={name: _support_of(some, numbers) for name, some in by_kind.items()},
        values=values,
        log_name="arrays",
        n_rows=len(values) if not isinstance(first, SessionSample) else first.n_rows,
        interval=interval,
        discount=first.discount if isinstance(first, SessionSample) else 1.0,
        confidence=confidence,
        n_replicates=n_replicates,
        seed=seed,
        thresholds=thresholds or Thresholds(),
        value_range=value_range,
        seen_range=_seen_range_of(first, values),
        contribution_range=contribution_range,
        caveats=(),
    )


def _wanted(estimators: Any, rows: LoggedRows, reward_model: Any) -> list[Any]:
    if estimators is not None:
        return names_of(estimators)
    if rows.log_joint is None:
        return ["dm"]
    names: list[Any] = list(_SESSIONS if rows.is_sessions else _ROUNDS)
    has_slots = rows.slot_rewards is not None and rows.given_prefix is not None
    if not rows.is_sessions and has_slots and rows.slates.shape[1] > 1:
        names += _SLATES
    return names if reward_model is None else names + list(_WITH_MODEL)


def _samples(
    kinds: Iterable[str],
    rows: LoggedRows,
    log_probs: Floats,
    model: ModelValues | None,
    discount: float,
) -> dict[Kind, Sample]:
    found: dict[Kind, Sample] = {}
    if "rounds" in kinds:
        found["rounds"] = bandit_sample(rows, log_probs, model)
    if "slates" in kinds:
        found["slates"] = slate_sample(rows, log_probs)
    if "sessions" in kinds:
        found["sessions"] = session_sample(rows, log_probs, model, discount)
    return found


def _support(rows: LoggedRows, log_probs: Floats) -> Support:
    ratios = row_ratios(rows, log_probs)
    if ratios is None:
        return UNKNOWN_SUPPORT
    n_users = rows.n_users
    return share_without_support(
        summed(rows.users, ratios, n_users), summed(rows.users, np.ones(len(ratios)), n_users)
    )


def _support_of(samples: Mapping[Kind, Sample], users: Ints) -> Support:
    n_users = int(users.max()) + 1
    for sample in samples.values():
        if isinstance(sample, SessionSample) and sample.propensities is not None:
            ratios = sample.session_sums(sample.ratios)
            sizes = sample.lengths.astype(np.float64)
        elif isinstance(sample, BanditSample):
            ratios, sizes = sample.weights, np.ones(sample.n_rounds)
        elif isinstance(sample, SlateSample) and _has_joint(sample):
            ratios, sizes = sample.joint_weights(), np.ones(sample.n_slates)
        else:
            continue
        return share_without_support(summed(users, ratios, n_users), summed(users, sizes, n_users))
    return UNKNOWN_SUPPORT


def _has_joint(sample: SlateSample) -> bool:
    targets = sample.joint_target_probs, sample.prefix_target_probs
    propensities = sample.joint_propensities, sample.prefix_propensities
    return any(each is not None for each in targets) and any(
        each is not None for each in propensities
    )


def _unit_values_of(sample: Sample) -> Floats:
    if isinstance(sample, SessionSample):
        return sample.returns
    return sample.rewards if isinstance(sample, BanditSample) else sample.total_rewards()


def _seen_range(rewards: Floats, longest: int, discount: float) -> tuple[float, float]:
    return possible_range(float(rewards.min()), float(rewards.max()), longest, discount)


def _seen_range_of(sample: Sample, values: Floats) -> tuple[float, float]:
    if isinstance(sample, SessionSample):
        return _seen_range(sample.rewards, sample.n_steps, sample.discount)
    return _seen_range(values, 1, 1.0)


def _results(
    samples: Mapping[str, Mapping[Kind, Sample]],
    chosen: list[Chosen],
    *,
    users: Ints,
    supports: Mapping[str, Support],
    values: Floats,
    log_name: str,
    n_rows: int,
    interval: str,
    discount: float,
    confidence: float,
    n_replicates: int,
    seed: int,
    thresholds: Thresholds,
    value_range: tuple[float, float] | None,
    seen_range: tuple[float, float],
    contribution_range: tuple[float, float] | None,
    caveats: tuple[str, ...],
) -> OfflineResults:
    if interval not in METHODS:
        raise UnknownNameError(
            f"no interval is called {interval!r}.{nearest_hint(interval, METHODS)}"
        )
    if not 0 < confidence < 1:
        raise ConfigError(f"confidence must lie between 0 and 1, got {confidence!r}")
    lowest, highest = value_range or seen_range
    if not lowest <= highest:
        raise ConfigError(f"value_range must rise from low to high, got {value_range!r}")
    n_users = int(users.max()) + 1
    facts = OfflineFacts(
        log=log_name,
        unit="sessions" if any(each.kind == "sessions" for each in chosen) else "rounds",
        n_rows=n_rows,
        n_units=len(values),
        n_users=n_users,
        interval=interval,
        confidence=confidence,
        discount=discount,
        n_replicates=n_replicates,
        seed=seed,
        value_range=(lowest, highest),
        range_origin="seen in the log" if value_range is None else "given",
        logged_value=float(values.mean()),
        caveats=caveats,
    )
    resamples = Resamples(users, len(values), n_replicates, seed)
    estimates, replicates = [], {}
    for name, of_policy in samples.items():
        for each in chosen:
            if each.kind not in of_policy:
                raise ConfigError(f"policy {name!r} has no sample of {each.kind} for {each.name!r}")
            terms: Terms = each.estimator.terms(of_policy[each.kind])
            drawn = resamples.of(terms)
            replicates[name, each.name] = drawn
            diagnostics = NO_WEIGHTS
            if terms.weights is not None:
                diagnostics = diagnose(weight_sums(terms.weights, users))
            verdict = judge(diagnostics, supports[name], n_users, thresholds, terms.value)
            if interval == "bootstrap":
                lower, upper = stretched_interval(drawn, confidence)
            else:
                lower, upper = confidence_interval(
                    terms, interval, confidence, users=users, value_range=contribution_range
                )
            verdict = judge_interval(verdict, lower, upper)
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
                    unsupported_share=supports[name].share,
                    verdict=_with_caveats(verdict, diagnostics, caveats),
                )
            )
    return OfflineResults(estimates=tuple(estimates), facts=facts, replicates=replicates)


def _with_caveats(verdict: Verdict, diagnostics: Diagnostics, caveats: tuple[str, ...]) -> Verdict:
    """Add what a weighted estimate rests on to its reason."""
    if not caveats or math.isnan(diagnostics.mean_weight):
        return verdict
    reason = "; ".join(part for part in (verdict.reason, *caveats) if part)
    return Verdict(word=verdict.word, reason=reason)
