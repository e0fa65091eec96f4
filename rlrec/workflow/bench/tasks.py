"""The tasks of the bench: users, the log that agents may start from, and budgets."""

from dataclasses import dataclass, field, replace
from typing import Any, Literal

from rlrec.errors import UnknownNameError, nearest_hint

Logger = Literal["random", "half", "popular", "mixed", "expert", "capped"]


@dataclass(frozen=True, kw_only=True)
class Task:
    """Users and budgets; the same for every entrant."""

    name: str
    title: str
    env_id: str
    arguments: dict[str, Any] = field(default_factory=dict)
    tested_in: dict[str, Any] = field(default_factory=dict)
    """Arguments that differ in the world of the test users."""
    logger: Logger = "half"
    """Who wrote the log: `random` slates; `half` random, half myopic with the true tastes;
    `popular` items, softened; `mixed`: random, popular and myopic by thirds; `expert`: the planning
    reference, one slate in five random; `capped`: ALS held to two items a topic, softened."""
    n_logged: int = 200_000
    """Steps of the log."""
    n_interactions: int = 300_000
    """Of agents that learn by interaction, from scratch or after pretraining."""
    discount: float = 0.95
    n_users: int = 256
    """Trained on at the same time."""
    n_test_users: int = 1_000
    n_validation_users: int = 200
    n_reference_users: int = 500
    """Users on whom the planning reference is fitted."""
    n_checks: int = 10
    """Looks at the validation users during learning."""
    n_updates: int = 2_400
    """Of pretraining."""


_LIVE = Task(
    name="live",
    title="From a log to users fitted to ratings",
    env_id="rlrec/FittedUsers-v0",
    tested_in={"population": "test", "drift_weight": 0.5},
    n_logged=100_000,
    n_interactions=100_000,
    discount=1.0,
)


def _live(logger: Logger, quality: str) -> Task:
    title = f"{_LIVE.title}, {quality}; tested on other users, whose tastes drift half as much"
    return replace(_LIVE, name=f"live-{logger}", title=title, logger=logger)


TASKS = (
    Task(
        name="interest",
        title="Interest evolution: interests follow what is watched, time follows quality",
        env_id="rlrec/InterestEvolution-v0",
        discount=1.0,
    ),
    Task(
        name="satisfaction",
        title="Long-term satisfaction: clickbait engages now and wears users out",
        env_id="rlrec/LongTermSatisfaction-v0",
        arguments={"sensitivity": 0.3},
        n_logged=100_000,
        n_interactions=100_000,
        discount=1.0,
    ),
    Task(
        name="boredom",
        title="Topic boredom: too many clicks on a topic spoil the visit for a while",
        env_id="rlrec/TopicBoredom-v0",
        arguments={"counts_observed": True, "history_length": 50},
        logger="capped",
        n_logged=300_000,
        n_interactions=500_000,
        discount=0.8,
        n_users=512,
    ),
    Task(
        name="drift",
        title="Drifting tastes: tastes drift on their own, items come and go",
        env_id="rlrec/DriftingTastes-v0",
        n_logged=100_000,
        n_interactions=100_000,
        discount=0.5,
    ),
    Task(
        name="return",
        title="User return: users visit again and again, if visits leave them satisfied",
        env_id="rlrec/UserReturn-v0",
        n_logged=100_000,
        n_interactions=200_000,
        discount=0.98,
    ),
    _live("random", "random slates"),
    _live("popular", "popular items"),
    _live("mixed", "three policies mixed"),
    _live("expert", "one that knows the users"),
)

_SMALLER: dict[str, dict[str, Any]] = {
    "boredom": {"n_items": 60, "slate_size": 4, "n_steps": 20, "history_length": 20},
    "satisfaction": {"n_steps": 20},
    "drift": {"n_items": 60, "n_candidates": 20, "slate_size": 3, "max_steps": 20},
    "return": {"n_items": 40, "slate_size": 3, "max_steps": 30},
    "live": {"initial_budget": 60.0},
    "interest": {"initial_budget": 60.0},
}


def task_named(name: str) -> Task:
    """Return a task.

    Raises:
        UnknownNameError: There is none of this name.
    """
    known = {task.name: task for task in TASKS}
    if name not in known:
        raise UnknownNameError(
            f"there is no task {name!r}.{nearest_hint(name, known)} Tasks: {', '.join(known)}"
        )
    return known[name]


def small(task: Task) -> Task:
    """Return a task with a smaller world and budgets of seconds, whose numbers mean little."""
    return replace(
        task,
        arguments={**task.arguments, **_SMALLER[task.name.split("-")[0]]},
        n_logged=4_000,
        n_interactions=2_000,
        n_users=64,
        n_test_users=100,
        n_validation_users=30,
        n_reference_users=60,
        n_checks=2,
        n_updates=100,
    )
