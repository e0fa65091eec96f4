"""Policies that write the logs of the bench, and baselines fitted to logs."""

from typing import Any

from rlrec.baselines import ALS, Recommender, TopicCapped, make_baseline
from rlrec.data import InteractionLog
from rlrec.envs import MyopicOracle, UserSimulator, make_simulator
from rlrec.policy import MixturePolicy, RandomPolicy, SlatePolicy
from rlrec.workflow.bench.tasks import Task

_FITTED_ON = 50_000  # random steps that a logging baseline is fitted to, at most the log's own
_CAPPED_ALS: dict[str, Any] = {"factors": 32, "regularisation": 1.0, "alpha": 5.0}


def task_log(task: Task, seed: int) -> InteractionLog:
    """Return the log of a task, written by its logger under a seed."""
    simulator = make_simulator(task.env_id, min(1_000, task.n_users * 2), **task.arguments)
    return InteractionLog.record(
        logging_policy(task, simulator, seed), simulator, task.n_logged, seed=seed
    )


def logging_policy(task: Task, simulator: UserSimulator, seed: int) -> SlatePolicy:
    """Return the policy that writes a task's log; baselines are fitted to random slates first."""
    random = RandomPolicy(simulator.n_choices, simulator.slate_size)
    if task.logger == "random":
        return random
    if task.logger == "half":
        return MixturePolicy([random, MyopicOracle()], [0.5, 0.5])
    if task.logger == "expert":
        reference = simulator.planning_reference(task.n_reference_users, seed + 1)
        return MixturePolicy([reference, random], [0.8, 0.2])
    n_random = min(_FITTED_ON, task.n_logged)
    log = InteractionLog.record(random, simulator, n_random, seed=seed + 1)
    if task.logger == "capped":
        return capped(ALS(**_CAPPED_ALS).fit(log, simulator.catalogue).softened(0.3), simulator)
    popular = make_baseline("popularity").fit(log, simulator.catalogue).softened(1.0)
    if task.logger == "popular":
        return popular
    return MixturePolicy([random, popular, MyopicOracle()], [1 / 3, 1 / 3, 1 / 3])


def capped(baseline: Recommender, simulator: UserSimulator) -> TopicCapped:
    """Return a baseline held to two items a topic."""
    assert simulator.catalogue is not None
    return TopicCapped(baseline, simulator.catalogue, most=2)


def fitted_baseline(
    name: str, settings: dict[str, Any], log: InteractionLog, simulator: UserSimulator
) -> SlatePolicy:
    """Return a baseline of the bench, fitted to the log of a task.

    Args:
        name: Of the entrant.
        settings: Of the model, and the `temperature` it draws at.
        log: Of the task.
        simulator: Users of the task.
    """
    chosen = {key: value for key, value in settings.items() if key != "temperature"}
    plain = "als" if name == "ALS, topics capped" else name.lower()
    model = make_baseline(plain, **chosen).fit(log, simulator.catalogue)
    model = model.softened(settings.get("temperature", 0.0))
    return capped(model, simulator) if name == "ALS, topics capped" else model
