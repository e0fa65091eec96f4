"""The users of a task: to learn with, to choose checkpoints on, to be judged on."""

from typing import Any, Literal

from rlrec.envs import UserSimulator, make_simulator, make_users
from rlrec.evaluation import Estimate, rollout
from rlrec.policy import SlatePolicy
from rlrec.workflow.bench.tasks import TEST_SEED, VALIDATION_SEED, Task
from rlrec.workflow.runner import stage_seed

World = Literal["training", "validation", "test", "shifted"]


def seed_for(task: Task, purpose: str, seed: int) -> int:
    """Return the seed of what a cell does for one purpose; below that of the validation users."""
    return stage_seed(seed, f"{task.name} {purpose}") % VALIDATION_SEED


def arguments_of(task: Task, world: World) -> dict[str, Any]:
    """Return the arguments of the environment in a world."""
    later: dict[World, list[Any]] = {
        "training": [],
        "validation": [task.validation],
        "test": [task.test],
        "shifted": [task.test, task.shifted or {}],
    }
    arguments = dict(task.arguments)
    for changed in later[world]:
        arguments |= changed
    return arguments


def simulator_of_task(task: Task, world: World, n_users: int) -> UserSimulator:
    """Return users of a world, not yet reset."""
    return make_simulator(task.env_id, n_users, **arguments_of(task, world))


def training_users(task: Task, seed: int) -> Any:
    """Return users for an agent to learn with, as a vector environment."""
    n_users = task.budget.train_users
    users_seed = seed_for(task, "training users", seed)
    return make_users(task.env_id, n_users, users_seed, **arguments_of(task, "training"))


def judged(policy: SlatePolicy, task: Task, world: World, best: bool = True) -> Estimate:
    """Return the mean return of a policy on the users of a world, the same for every policy.

    Args:
        policy: Any.
        task: Where.
        world: `validation`, `test` or `shifted`.
        best: Show the policy's best slates; otherwise drawn ones.
    """
    budget = task.budget
    is_test = world != "validation"
    n_users = budget.test_users if is_test else budget.validation_users
    users = simulator_of_task(task, world, n_users)
    seed = TEST_SEED if is_test else VALIDATION_SEED
    return rollout({"policy": policy}, users, n_users, seed, best).mean_return("policy")


def worlds_of(task: Task) -> tuple[World, ...]:
    """Return the worlds that a finished policy is judged in."""
    return ("test",) if task.shifted is None else ("test", "shifted")
