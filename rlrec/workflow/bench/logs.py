"""The log of a task, and who writes it."""

from collections.abc import Callable
from typing import Any

from rlrec.baselines import Recommender, TopicCapped, make_baseline
from rlrec.data import InteractionLog
from rlrec.envs import MyopicOracle, UserSimulator
from rlrec.policy import RandomPolicy, SlatePolicy, with_random_slates
from rlrec.workflow.bench.tasks import REFERENCE_SEED, Task
from rlrec.workflow.bench.worlds import seed_for, simulator_of_task

RANDOM_SHARE = 0.1
MOST_OF_A_TOPIC, UNIT = 4, 5.0
"""Users tire at 5 counted clicks, which `context` tells as a share of 5."""
_TEMPERATURES = {"popular": 1.0, "als": 0.5, "capped": 0.3}
_MODELS: dict[str, tuple[str, dict[str, Any]]] = {
    "popular": ("popularity", {}),
    "als": ("als", {"factors": 16}),
    "capped": ("als", {"factors": 32, "regularisation": 1.0, "alpha": 5.0}),
}


def logger_of(task: Task, seed: int) -> SlatePolicy:
    """Return the policy that writes the log of a task."""
    users = simulator_of_task(task, "training", task.budget.log_users)
    oracles: dict[str, Callable[[], SlatePolicy]] = {
        "mixed": MyopicOracle,
        "expert": lambda: users.planning_reference(task.budget.reference_users, REFERENCE_SEED),
    }
    if task.logger == "random":
        return random_slates(users)
    if task.logger in oracles:
        share = 0.5 if task.logger == "mixed" else RANDOM_SHARE
        return with_random_slates(oracles[task.logger](), users, share)
    name, settings = _MODELS[task.logger]
    model = _fitted_to_random_slates(make_baseline(name, **settings), task, users, seed)
    soft = model.softened(_TEMPERATURES[task.logger])
    logger = topic_capped(soft, users) if task.logger == "capped" else soft
    return with_random_slates(logger, users, RANDOM_SHARE)


def topic_capped(model: Recommender, users: UserSimulator) -> TopicCapped:
    """Return a baseline held to what a topic has room for before it bores."""
    assert users.catalogue is not None  # as Entry.needs_items says
    return TopicCapped(model, users.catalogue, MOST_OF_A_TOPIC, unit=UNIT)


def recorded_log(task: Task, seed: int, logger: SlatePolicy | None = None) -> InteractionLog:
    """Return the log of a task, in memory; same seed, same log."""
    users = simulator_of_task(task, "training", task.budget.log_users)
    return InteractionLog.record(
        logger_of(task, seed) if logger is None else logger,
        users,
        task.budget.log_steps,
        seed=seed_for(task, "log", seed),
        policy_name=task.logger,
    )


def random_slates(users: UserSimulator) -> RandomPolicy:
    """Return random slates of what these users may be shown."""
    return RandomPolicy(users.n_choices, users.slate_size)


def _fitted_to_random_slates(
    model: Recommender, task: Task, users: UserSimulator, seed: int
) -> Recommender:
    log = InteractionLog.record(
        random_slates(users),
        users,
        task.budget.log_steps // 4,
        seed=seed_for(task, "bootstrap", seed),
        policy_name="random",
    )
    return model.fit(log, users.catalogue)
