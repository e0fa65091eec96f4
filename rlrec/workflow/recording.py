"""Recording a log with a policy named on the command line."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rlrec.baselines import BASELINE_NAMES, make_baseline
from rlrec.data import InteractionLog
from rlrec.envs import MyopicOracle, make_users
from rlrec.errors import DataError, UnknownNameError, nearest_hint
from rlrec.policy import RandomPolicy, SlatePolicy, with_random_slates
from rlrec.workflow.progress import Reporter
from rlrec.workflow.runner import stage_seed


@dataclass(frozen=True, kw_only=True)
class LogOrder:
    """What to record."""

    env_id: str
    arguments: dict[str, Any]
    """Of the environment."""
    policy: str
    """`random`, `myopic`, or the name of a baseline."""
    n_steps: int
    n_users: int
    seed: int
    temperature: float
    """Softness of a baseline's choice."""
    random_share: float
    """Share of random slates mixed in, 0 to 1."""
    n_fit_steps: int
    """Random slates that a baseline is fitted to."""


def record(order: LogOrder, path: Path, reporter: Reporter) -> InteractionLog:
    """Record a log into the new folder `path` and return it.

    Raises:
        UnknownNameError: No policy or environment has that name.
        DataError: There is something at `path` already.
    """
    if path.exists():
        raise DataError(f"{path} is there already; choose a new folder for the log")
    known = ("random", "myopic", *BASELINE_NAMES)
    if order.policy not in known:
        hint = nearest_hint(order.policy, known)
        raise UnknownNameError(f"no policy is called {order.policy!r}.{hint}")
    users = make_users(order.env_id, order.n_users, order.seed, **order.arguments)
    return InteractionLog.record(
        _policy(order, users, reporter),
        users,
        order.n_steps,
        path=path,
        seed=order.seed,
        progress=reporter.task("recording the log"),
        policy_name=order.policy,
    )


def _policy(order: LogOrder, users: Any, reporter: Reporter) -> SlatePolicy:
    simulator = users.simulator
    anything = RandomPolicy(simulator.n_choices, simulator.slate_size)
    if order.policy == "random":
        return anything
    if order.policy == "myopic":
        return with_random_slates(MyopicOracle(), simulator, order.random_share)
    baseline = _fitted_baseline(order, anything, reporter)
    return with_random_slates(baseline, simulator, order.random_share)


def _fitted_baseline(order: LogOrder, anything: SlatePolicy, reporter: Reporter) -> SlatePolicy:
    seed = stage_seed(order.seed, "bootstrap")
    users = make_users(order.env_id, order.n_users, seed, **order.arguments)
    log = InteractionLog.record(
        anything,
        users,
        order.n_fit_steps,
        seed=seed,
        progress=reporter.task("recording random slates"),
        policy_name="random",
    )
    catalogue = users.simulator.catalogue  # a log may lack its last items
    return make_baseline(order.policy).fit(log, catalogue).softened(order.temperature)
