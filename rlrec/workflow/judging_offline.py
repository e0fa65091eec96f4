"""Judging policies on a log, without letting them serve anybody."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rlrec.baselines import make_baseline
from rlrec.baselines.recommender import Recommender
from rlrec.data import InteractionLog
from rlrec.envs import UserSimulator, make_simulator
from rlrec.errors import ConfigError
from rlrec.evaluation.offline.arguments import Settings
from rlrec.evaluation.offline.evaluate import evaluate_offline
from rlrec.evaluation.offline.logging_policy import MODELS, estimate_logging_policy
from rlrec.evaluation.offline.offline_results import (
    OfflineResults,
    table_cells,
    table_titles,
)
from rlrec.evaluation.offline.session_rows import has_propensities
from rlrec.evaluation.offline.streaming import STREAMED, stream_offline
from rlrec.evaluation.offline.verdict import UNSUPPORTED, Thresholds
from rlrec.policy import RandomPolicy, SlatePolicy, with_random_slates
from rlrec.workflow.evaluating import load_policy
from rlrec.workflow.progress import Reporter
from rlrec.workflow.run_folder import RunFolder
from rlrec.workflow.saved_policies import ORACLE_LOGGER, logging_policy, servable_policies

RANDOM_WORD = "random"


@dataclass(frozen=True, kw_only=True)
class OfflineOrder:
    """What `rlrec ope` was asked for."""

    log: Path
    policies: tuple[str, ...]
    """Each `random`, the folder of a saved model, or a run, whose policies are all judged."""
    estimators: tuple[str, ...] = ()
    """Empty for those that fit the log."""
    interval: str = "bootstrap"
    reward_model: str | None = None
    estimate_logging: str | None = None
    """How to estimate propensities; None uses those of the log."""
    logging_policy: str | None = None
    """The policy that wrote the log: `random`, the folder of a saved model, or the run that
    recorded it. For estimators that need its probabilities of what was not logged."""
    logging_random_share: float = 0.0
    """Share of random slates that were mixed into it, 0 to 1; a run knows its own."""
    temperature: float | None = None
    """Of saved baselines under judgement; None as saved."""
    discount: float = 1.0
    confidence: float = 0.95
    seed: int = 0
    env_id: str | None = None
    """Environment that observes as the policies do; None for that of the log."""
    arguments: dict[str, Any] = field(default_factory=dict)
    value_range: tuple[float, float] | None = None
    contribution_range: tuple[float, float] | None = None
    """For the intervals hoeffding and empirical_bernstein."""
    stream: bool = False
    """Keep sums only, for a log that does not fit in memory."""
    thresholds: Thresholds = field(default_factory=Thresholds)


def judge_offline(order: OfflineOrder, reporter: Reporter) -> OfflineResults:
    """Return what policies would earn, by the log.

    Raises:
        ConfigError: The order does not fit the log.
        ModelFileError, RunFolderError, DataError: A folder cannot be used.
    """
    if not order.policies:
        raise ConfigError("name at least one policy with --policy: random, a saved model or a run")
    _check_policy_words(order.policies)
    Settings(
        interval=order.interval,
        confidence=order.confidence,
        seed=order.seed,
        thresholds=order.thresholds,
        value_range=order.value_range,
        contribution_range=order.contribution_range,
    )
    log = InteractionLog.open(order.log)
    env_id, arguments = _environment(order, log)
    users = None if env_id is None else make_simulator(env_id, 1, **arguments)
    if users is not None:
        log = InteractionLog.open(order.log, catalogue=users.catalogue)
    policies = _policies(order, log, users, env_id, arguments)
    reporter.say(f"judging {len(policies)} policies on {log.n_rows:,} slates of {log.name}")
    shared: dict[str, Any] = {
        "discount": order.discount,
        "confidence": order.confidence,
        "seed": order.seed,
        "thresholds": order.thresholds,
        "value_range": order.value_range,
        "users": users,
    }
    if order.stream:
        whole = (order.reward_model, order.estimate_logging, order.logging_policy)
        if any(whole) or order.interval != "bootstrap":
            raise ConfigError(
                "--stream keeps sums only: leave out --reward-model, --estimate-logging and "
                "--logging-policy, and use the interval bootstrap"
            )
        return stream_offline(policies, log, estimators=order.estimators or STREAMED, **shared)
    return evaluate_offline(
        policies,
        log,
        estimators=order.estimators or None,
        interval=order.interval,
        contribution_range=order.contribution_range,
        reward_model=order.reward_model,
        logging=_logging(order, log, users),
        logging_policy=_logging_policy(order, log, users, env_id, arguments),
        **shared,
    )


def table_rows(results: OfflineResults) -> list[tuple[str, list[str], list[list[str]]]]:
    """Return the tables to print: title, columns and rows of estimates, then of differences."""
    facts = results.facts
    title = (
        f"{facts.n_units:,} {facts.unit} of {facts.n_users:,} users, worth "
        f"{facts.logged_value:.4g} each as logged; {facts.confidence:.0%} intervals "
        f"({facts.interval})"
    )
    tables = [(title, table_titles(), [table_cells(each) for each in results.estimates])]
    if len({each.policy for each in results.estimates}) > 1:
        tables += _difference_tables(results)
    return tables


def _difference_tables(results: OfflineResults) -> list[tuple[str, list[str], list[list[str]]]]:
    """Return a table of the differences that the log supports, none where it supports none."""
    differences = results.differences()
    told = differences[differences["verdict"] != UNSUPPORTED]
    rows = [
        [
            f"{row['policy']} less {row['other']}",
            row["estimator"],
            f"{row['difference']:.4g}",
            f"{row['lower']:.4g} to {row['upper']:.4g}",
            f"{row['probability_better']:.3f}",
            row["verdict"],
        ]
        for _, row in told.iterrows()
    ]
    if not rows:
        return []
    left_out = len(differences) - len(told)
    rest = f"; {left_out} more are unsupported" if left_out else ""
    columns = ["difference", "estimator", "value", "interval", "better in", "verdict"]
    return [(f"Differences, on the same resamples{rest}", columns, rows)]


def _environment(order: OfflineOrder, log: InteractionLog) -> tuple[str | None, dict[str, Any]]:
    if order.env_id is not None:
        return order.env_id, order.arguments
    if order.arguments:
        raise ConfigError("--arg belongs to --env: name the environment too")
    return log.metadata.env_id, dict(log.metadata.env_arguments)


def _policies(
    order: OfflineOrder,
    log: InteractionLog,
    users: UserSimulator | None,
    env_id: str | None,
    arguments: dict[str, Any],
) -> dict[str, SlatePolicy]:
    found: list[tuple[str, str, SlatePolicy]] = []
    for word in order.policies:
        path = Path(word)
        if word == RANDOM_WORD:
            n_choices = _n_choices(log, users)
            random = RandomPolicy(n_choices, log.metadata.slate_size)
            found.append((word, word, random))
        elif (path / "run.json").is_file():
            if users is None:
                raise ConfigError(f"the policies of {path} need an environment: give --env")
            served = servable_policies(RunFolder.open(path), users)
            found += [(word, title, policy) for title, policy in served.items()]
        else:
            found.append((word, word, load_policy(path, env_id, arguments)))
    policies = _named_apart(found)
    return policies if order.temperature is None else _softened(policies, order.temperature)


def _named_apart(found: Sequence[tuple[str, str, SlatePolicy]]) -> dict[str, SlatePolicy]:
    """Return policies by title; by folder and title where two have one title.

    Args:
        found: Word of the command, title and policy.
    """
    titles = [title for _, title, _ in found]
    return {
        title if titles.count(title) == 1 else f"{word}: {title}": policy
        for word, title, policy in found
    }


def _check_policy_words(words: Sequence[str]) -> None:
    """Raise ConfigError where a policy is named twice, perhaps by two ways to one folder."""
    seen: dict[str, str] = {}
    for word in words:
        place = word if word == RANDOM_WORD else str(Path(word).resolve())
        if place in seen:
            raise ConfigError(f"--policy names {word} twice (first as {seen[place]}): name it once")
        seen[place] = word


def _softened(policies: dict[str, SlatePolicy], temperature: float) -> dict[str, SlatePolicy]:
    """Return policies with the baselines among them softened."""
    if not any(isinstance(policy, Recommender) for policy in policies.values()):
        raise ConfigError(
            f"--temperature softens saved baselines, and there is none among {sorted(policies)}: "
            f"leave it out"
        )
    return {
        name: policy.softened(temperature) if isinstance(policy, Recommender) else policy
        for name, policy in policies.items()
    }


def _logging_policy(
    order: OfflineOrder,
    log: InteractionLog,
    users: UserSimulator | None,
    env_id: str | None,
    arguments: dict[str, Any],
) -> SlatePolicy | None:
    """Return the policy that wrote the log, where it is named."""
    word, share = order.logging_policy, order.logging_random_share
    if word is None:
        if share:
            raise ConfigError("--logging-random-share belongs to --logging-policy: name it too")
        return None
    if word == RANDOM_WORD:
        return RandomPolicy(_n_choices(log, users), log.metadata.slate_size)
    path = Path(word)
    if (path / "run.json").is_file():
        return _logger_of_run(path, users, share)
    informed = load_policy(path, env_id, arguments)
    if not share:
        return informed
    if users is None:
        raise ConfigError("--logging-random-share needs an environment: give --env")
    return with_random_slates(informed, users, share)


def _logger_of_run(path: Path, users: UserSimulator | None, share: float) -> SlatePolicy:
    if users is None:
        raise ConfigError(f"the logging policy of {path} needs an environment: give --env")
    if share:
        raise ConfigError(
            f"--logging-random-share must be left out: the run {path} knows its own share"
        )
    folder = RunFolder.open(path)
    logged = folder.config.logging.baseline
    if logged is not None and logged.name == ORACLE_LOGGER:
        raise ConfigError(
            f"the logging policy of {path} reads the truth about users, so a log cannot ask it "
            f"again; leave out --logging-policy and use estimators of logged propensities"
        )
    return logging_policy(folder, folder.stage_path("log"), users)


def _n_choices(log: InteractionLog, users: UserSimulator | None) -> int:
    if users is not None:
        return users.n_choices
    raise ConfigError(
        f"{log.name} names no environment, so it is not known among how many items random slates "
        f"choose: give --env"
    )


def _logging(order: OfflineOrder, log: InteractionLog, users: UserSimulator | None) -> Any:
    if order.estimate_logging is None:
        return None
    word = order.estimate_logging
    model = word if word in MODELS else make_baseline(word)
    if has_propensities(log):
        raise ConfigError(f"{log.name} has propensities of its own: leave --estimate-logging out")
    return estimate_logging_policy(log, model, users=users, seed=order.seed)
