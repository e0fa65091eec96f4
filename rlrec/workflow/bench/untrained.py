"""The policies of a benchmark that are no agents: floor, oracles, loggers, baselines."""

from collections.abc import Callable

from rlrec.baselines import make_baseline
from rlrec.envs import MyopicOracle, UserSimulator
from rlrec.policy import DrawingPolicy, SlatePolicy
from rlrec.workflow.bench.logs import logger_of, random_slates, recorded_log, topic_capped
from rlrec.workflow.bench.menu import Entry
from rlrec.workflow.bench.tasks import REFERENCE_SEED, Task
from rlrec.workflow.bench.worlds import World, simulator_of_task

Untrained = Callable[[World], SlatePolicy]
"""The policy for a world: only the planning reference looks which one it is."""


def untrained(entry: Entry, task: Task, seed: int) -> Untrained:
    """Return a policy that is no agent, baselines fitted to the log of the task."""
    users = simulator_of_task(task, "training", task.budget.reference_users)
    if entry.builder == "reference":
        return lambda world: _reference(task, world)
    policy = _policy(entry, task, seed, users)
    return lambda world: policy


def _reference(task: Task, world: World) -> SlatePolicy:
    users = simulator_of_task(task, world, 1)
    return users.planning_reference(task.budget.reference_users, REFERENCE_SEED)


def _policy(entry: Entry, task: Task, seed: int, users: UserSimulator) -> SlatePolicy:
    if entry.builder == "random":
        return random_slates(users)
    if entry.builder == "myopic":
        return MyopicOracle()
    if entry.builder == "logger":
        return DrawingPolicy(logger_of(task, seed))
    log = recorded_log(task, seed)
    settings = entry.settings_for(task)
    temperature = settings.pop("temperature", 0.0)
    name = "als" if entry.builder == "als-capped" else entry.builder
    model = make_baseline(name, **settings).fit(log, users.catalogue).softened(temperature)
    policy = topic_capped(model, users) if entry.builder == "als-capped" else model
    return DrawingPolicy(policy) if temperature else policy
