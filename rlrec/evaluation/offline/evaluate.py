"""One call from policies and a log to estimates that say whether the log supports them."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from rlrec.arrays import Floats, Ints
from rlrec.data.catalogue import Catalogue
from rlrec.data.log import InteractionLog
from rlrec.errors import ConfigError
from rlrec.evaluation.offline.arguments import (
    Settings,
    check_log,
    check_logging,
    check_rounds_discount,
    names_of,
)
from rlrec.evaluation.offline.balance import propensity_doubt, row_sums
from rlrec.evaluation.offline.bandit_sample import BanditSample
from rlrec.evaluation.offline.estimating import results_of
from rlrec.evaluation.offline.estimator_menu import Sample, choose
from rlrec.evaluation.offline.further_columns import FurtherColumns, Learning
from rlrec.evaluation.offline.given_samples import check_kinds, samples_by_kind, user_numbers_of
from rlrec.evaluation.offline.judged_log import JudgedLog, as_logging_policy, with_logging_policy
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
from rlrec.evaluation.offline.never_shown import share_never_shown
from rlrec.evaluation.offline.offline_results import OfflineResults
from rlrec.evaluation.offline.policy_probabilities import as_judged, as_policies
from rlrec.evaluation.offline.reward_features import Features
from rlrec.evaluation.offline.scalars import check_discount
from rlrec.evaluation.offline.session_rows import check_propensities, possible_range
from rlrec.evaluation.offline.session_sample import SessionSample
from rlrec.evaluation.offline.slate import SlateSample
from rlrec.evaluation.offline.user_blocks import Observer
from rlrec.evaluation.offline.verdict import (
    UNKNOWN_SUPPORT,
    Support,
    Thresholds,
    share_without_support,
    summed,
)
from rlrec.policy import SlatePolicy

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
    logging_policy: Any = None,
    learning: Learning | None = None,
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
        logging_policy: The SlatePolicy (or model of stable-baselines3) that wrote the log, as it
            drew, with any random slates mixed in. For estimators that need its probabilities
            of what was not logged too (iips, pi, lips, mrdr and their like; see the table in
            `docs/architecture.md`). Checked against the log's propensities; stands in for them
            where the log has none.
        learning: How probabilities of slots, weights of states and of embeddings are found.
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
        PropensityError: An estimator needs propensities that the log lacks, or they are wrong, or
            not those of `logging_policy`.
        UnknownNameError, ConfigError: An estimator is unknown or does not fit the log, or needs
            something that was not given, or an argument is outside what it may be, or would be
            ignored.

    Stability: experimental.
    """
    settings = Settings(
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
    observer = Observer(log, catalogue, users)
    writer = None if logging_policy is None else as_logging_policy(logging_policy)
    rows = _rows(log, logging, writer, observer)
    if not rows.is_sessions:
        check_rounds_discount(discount)
    chosen = choose(_wanted(estimators, rows, reward_model), rows.is_sessions)
    needs_model = any(each.needs_model for each in chosen)
    uses_model = needs_model or any(each.needs for each in chosen)
    check_model_use(reward_model, features, uses_model, rows.is_sessions)
    if rows.log_joint is None and not all(each.is_direct for each in chosen):
        check_propensities(log)
    judged = {
        name: as_judged(policy, name, rows.slates) for name, policy in as_policies(policies).items()
    }
    columns = target_columns(log, judged, observer)
    models: Mapping[str, ModelValues | None] = dict.fromkeys(judged)
    model = "ridge" if reward_model is None else reward_model
    if needs_model:
        models = model_values(log, rows, judged, observer, model, features, discount, seed)
    judged_log = JudgedLog(
        log=log,
        rows=rows,
        policies=judged,
        log_probs=columns,
        observer=observer,
        logging_policy=writer,
        reward_model=model,
        features=features,
        discount=discount,
        seed=seed,
    )
    further = FurtherColumns(judged_log, chosen, learning or Learning())
    kinds = {each.kind for each in chosen}
    samples = {name: _samples(kinds, judged_log, name, models[name], further) for name in judged}
    if rows.log_joint is None:
        supports: Mapping[str, Support] = share_never_shown(log, judged, observer)
    else:
        supports = {name: _support(rows, columns[name]) for name in judged}
    return results_of(
        samples,
        chosen,
        users=rows.unit_users,
        supports=supports,
        values=unit_values(log, rows, discount),
        log_name=log.name,
        n_rows=log.n_rows,
        discount=discount,
        settings=settings,
        seen_range=_seen_range(rows.rewards, int(rows.steps.max()) + 1, discount),
        caveats=() if logging is None else (logging.caveat,),
        doubt=_doubt(log, rows, observer.n_choices) if logging is None else logging.doubt,
        notes=further.notes,
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
    settings = Settings(
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
    return results_of(
        by_kind,
        chosen,
        users=numbers,
        supports={name: _support_of(some, numbers) for name, some in by_kind.items()},
        values=values,
        log_name="arrays",
        n_rows=len(values) if not isinstance(first, SessionSample) else first.n_rows,
        discount=first.discount if isinstance(first, SessionSample) else 1.0,
        settings=settings,
        seen_range=_seen_range_of(first, values),
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


def _rows(
    log: InteractionLog,
    logging: EstimatedLogging | None,
    writer: SlatePolicy | None,
    observer: Observer,
) -> LoggedRows:
    if logging is not None and writer is not None:
        raise ConfigError(
            "logging (estimated propensities) and logging_policy (the policy itself) exclude each "
            "other; give the policy where you have it"
        )
    if logging is not None:
        return read_rows(log, logging.log_joint, logging.given_prefix)
    rows = read_rows(log)
    return rows if writer is None else with_logging_policy(log, rows, writer, observer)


def _samples(
    kinds: Iterable[str],
    judged: JudgedLog,
    name: str,
    model: ModelValues | None,
    further: FurtherColumns,
) -> dict[str, Sample]:
    rows, log_probs = judged.rows, judged.log_probs[name]
    found: dict[str, Sample] = {}
    if "rounds" in kinds:
        found["rounds"] = bandit_sample(rows, log_probs, model)
        choices = further.choices(name)
        if choices is not None:
            found["choices"] = choices
    if "slates" in kinds:
        whole = slate_sample(rows, log_probs, further.needs_slots)
        found["slates"] = further.slates(whole, name)
    if "sessions" in kinds:
        sessions = session_sample(rows, log_probs, model, judged.discount)
        found["sessions"] = further.sessions(sessions, name)
    return found


def _doubt(log: InteractionLog, rows: LoggedRows, n_choices: int) -> str:
    """Return how the logged propensities disagree with what was shown."""
    if rows.log_joint is None:
        return ""
    seen = [log.column(key) for key in ("context", "user") if log.has(key)]
    observed = np.concatenate(seen, axis=1) if seen else None
    sums = row_sums(rows.users, rows.slates, rows.given_prefix, rows.log_joint, n_choices, observed)
    return propensity_doubt(sums)


def _support(rows: LoggedRows, log_probs: Floats) -> Support:
    ratios = row_ratios(rows, log_probs)
    if ratios is None:
        return UNKNOWN_SUPPORT
    n_users = rows.n_users
    return share_without_support(
        summed(rows.users, ratios, n_users), summed(rows.users, np.ones(len(ratios)), n_users)
    )


def _support_of(samples: Mapping[str, Sample], users: Ints) -> Support:
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
