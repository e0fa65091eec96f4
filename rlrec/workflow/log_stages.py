"""The stages that make a log and fit the baselines to it."""

import numpy as np

from rlrec.baselines import load_baseline
from rlrec.data import InteractionLog
from rlrec.policy import SlatePolicy
from rlrec.workflow.policy_names import file_name
from rlrec.workflow.run_folder import Results
from rlrec.workflow.runner import StageContext, stage_seed
from rlrec.workflow.saved_policies import (
    ORACLE_LOGGER,
    logging_policy,
    random_policy,
    run_log,
    simulator_for,
    training_users,
    unfitted,
)


def record_log(context: StageContext) -> Results:
    """Record the log: random slates first, then a baseline fitted to them, softened and mixed.

    Files: `log` (the log), `baseline` (the fitted logging baseline).
    """
    settings = context.config.logging
    if settings.baseline is not None and settings.baseline.name != ORACLE_LOGGER:
        _fit_logging_baseline(context)
    users = training_users(context.folder, settings.n_users, context.seed)
    log = InteractionLog.record(
        logging_policy(context.folder, context.path, users.simulator),
        users,
        settings.n_steps,
        path=context.path / "log",
        seed=context.seed,
        progress=context.reporter.task("recording the log"),
        policy_name=_policy_name(context),
    )
    return _describe(log) | {"policy": _policy_name(context)}


def fit_baselines(context: StageContext) -> Results:
    """Fit every baseline to the log. Files: one folder a baseline."""
    log = run_log(context.folder)
    catalogue = simulator_for(context.folder, 1).catalogue  # a log may lack its last items
    advance = context.reporter.task("fitting baselines")
    baselines = context.config.baselines
    for number, baseline in enumerate(baselines, start=1):
        unfitted(baseline).fit(log, catalogue).save(context.path / file_name(baseline.title))
        advance(number, len(baselines))
    return {"fitted": [baseline.title for baseline in baselines]}


def _fit_logging_baseline(context: StageContext) -> None:
    settings = context.config.logging
    assert settings.baseline is not None
    seed = stage_seed(context.config.seed, "bootstrap")
    users = training_users(context.folder, settings.n_users, seed)
    policy: SlatePolicy = random_policy(users.simulator)
    bootstrap = InteractionLog.record(
        policy,
        users,
        settings.n_bootstrap_steps,
        seed=seed,
        progress=context.reporter.task("recording random slates"),
        policy_name="random",
    )
    model = unfitted(settings.baseline).fit(bootstrap, users.simulator.catalogue)
    model.save(context.path / "baseline")
    load_baseline(context.path / "baseline")  # a model that cannot be read back fails here


def _policy_name(context: StageContext) -> str:
    settings = context.config.logging
    if settings.baseline is None or settings.random_share == 1:
        return "random slates"
    if settings.baseline.name == ORACLE_LOGGER:
        informed = "the myopic oracle"
    else:
        informed = f"{settings.baseline.title} softened at temperature {settings.temperature:g}"
    if settings.random_share == 0:
        return informed
    return f"{informed}, {settings.random_share:.0%} random slates"


def _describe(log: InteractionLog) -> Results:
    """Return the counts of a log, read in blocks."""
    users, episodes = np.empty(0, np.int64), np.empty(0, np.int64)
    rewards = 0.0
    for block in log.blocks(("user_id", "episode_id", "reward")):
        users = np.union1d(users, block["user_id"])
        episodes = np.union1d(episodes, block["episode_id"])
        rewards += float(block["reward"].sum())
    return {
        "n_rows": log.n_rows,
        "n_users": len(users),
        "n_episodes": len(episodes),
        "mean_reward": rewards / log.n_rows,
    }
