"""The tasks of the benchmark: users, the log recorded of them, and how much may be learned."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, Self, get_args

from rlrec.errors import ConfigError, nearest_hint

LoggerKind = Literal["random", "popular", "als", "capped", "mixed", "expert"]
Size = Literal["full", "small", "tiny"]
SIZES: tuple[Size, ...] = get_args(Size)

VALIDATION_SEED, REFERENCE_SEED, TEST_SEED = 500_000, 700_000, 1_000_000
"""Seeds of users; those of trainings and logs are below."""
MOST_SEEDS = 1_000


@dataclass(frozen=True, kw_only=True)
class Budget:
    """How much may be learned from, and on how many users that is judged."""

    interactions: int = 100_000
    """Slates shown by an agent that learns from scratch."""
    finetuning: int = 50_000
    """Slates shown by an agent that was pretrained."""
    updates: int = 1_500
    """Updates of `pretrain`."""
    log_steps: int = 100_000
    """Slates in the log."""
    log_users: int = 500
    """Users served side by side for the log."""
    train_users: int = 128
    """Users an agent learns with side by side."""
    checks: int = 10
    """Moments, evenly spread over the interactions, at which validation users are asked."""
    validation_users: int = 200
    test_users: int = 1_000
    reference_users: int = 500
    """Users the planning reference tries things with."""


@dataclass(frozen=True, kw_only=True)
class Task:
    """One task."""

    name: str
    title: str
    env_id: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    """Of the environment."""
    validation: Mapping[str, Any] = field(default_factory=dict)
    """What differs for the users on whom checkpoints are chosen."""
    test: Mapping[str, Any] = field(default_factory=dict)
    """What differs for the users that everything is judged on."""
    shifted: Mapping[str, Any] | None = None
    """What differs further in another world that everything is judged in too; None for none."""
    logger: LoggerKind = "random"
    """Who wrote the log: `random` slates; `popular` or `als`, softened; `als` held to what a topic
    has room for (`capped`); half myopic with the true tastes (`mixed`); the planning reference
    (`expert`). All informed ones but `mixed` show a tenth of random slates."""
    settings: Mapping[str, Any] = field(
        default_factory=lambda: {"discount": 0.9, "value_scale": 10.0}
    )
    """Of every agent that has settings of these names and is not told otherwise."""
    cut: Mapping[str, Any] = field(default_factory=dict)
    """Settings that a task of another size puts in place of all others."""
    has_items: bool = True
    """Whether items have an identity, which collaborative filtering needs."""
    counts_observed: bool = False
    """Whether `context` holds the counted clicks of topics, out of `threshold`."""
    family: str = ""
    """Variants of one task share a family, and count as one task together."""
    budget: Budget = Budget()

    def __post_init__(self) -> None:
        if not self.family:
            object.__setattr__(self, "family", self.name)

    def card(self) -> dict[str, Any]:
        """Return what decides the results, ready for JSON."""
        card = {name: value for name, value in asdict(self).items() if name != "title"}
        users = self.arguments.get("path")
        if users is not None:  # a folder named by its fingerprint: where it lies is no matter
            card["arguments"] = {**self.arguments, "path": Path(users).name}
        return card

    @classmethod
    def from_card(cls, card: Mapping[str, Any]) -> Self:
        """Return the task that a card tells of; where a fitted model lies is not told.

        Raises:
            TypeError: The card lacks a part, or has one that no task has.
        """
        return cls(**{**card, "budget": Budget(**card["budget"]), "title": ""})


_RATED = "rlrec/FittedUsers-v0"


def _log_to_live(logger: LoggerKind) -> Task:
    return Task(
        name=f"log-to-live-{logger}",
        title=f"Log to live, {logger} log",
        env_id=_RATED,
        arguments={"population": "train"},
        validation={"population": "validation"},
        test={"population": "test"},
        shifted={"choice": "cascade"},
        logger=logger,
        settings={"discount": 0.97, "value_scale": 40.0},
        family="log-to-live",
    )


TASKS: dict[str, Task] = {
    task.name: task
    for task in (
        Task(
            name="interest",
            title="Interest evolution",
            env_id="rlrec/InterestEvolution-v0",
            logger="mixed",
            settings={"discount": 1.0, "value_scale": 100.0},
            has_items=False,
            budget=Budget(
                interactions=300_000, finetuning=60_000, updates=3_000, log_steps=200_000
            ),
        ),
        Task(
            name="satisfaction",
            title="Long-term satisfaction",
            env_id="rlrec/LongTermSatisfaction-v0",
            arguments={"sensitivity": 0.3},
            settings={"discount": 0.9, "value_scale": 100.0},
            has_items=False,
            budget=Budget(interactions=50_000),
        ),
        Task(
            name="boredom",
            title="Topic boredom",
            env_id="rlrec/TopicBoredom-v0",
            arguments={"counts_observed": True, "history_length": 50},
            logger="capped",
            settings={"discount": 0.8, "value_scale": 10.0},
            counts_observed=True,
            budget=Budget(
                interactions=300_000, finetuning=300_000, log_steps=200_000, train_users=512
            ),
        ),
        Task(
            name="drift",
            title="Drifting tastes",
            env_id="rlrec/DriftingTastes-v0",
            logger="als",
            settings={"discount": 0.5, "value_scale": 10.0},
            budget=Budget(interactions=50_000),
        ),
        Task(
            name="return",
            title="User return",
            env_id="rlrec/UserReturn-v0",
            logger="expert",
            settings={"discount": 0.99, "value_scale": 40.0},
            budget=Budget(interactions=400_000, finetuning=150_000),
        ),
        _log_to_live("random"),
        _log_to_live("popular"),
        _log_to_live("mixed"),
        _log_to_live("expert"),
    )
}

_SMALL_BUDGET = Budget(
    interactions=4_096,
    finetuning=2_048,
    updates=100,
    log_steps=5_000,
    log_users=100,
    train_users=64,
    checks=2,
    validation_users=30,
    test_users=100,
    reference_users=50,
)
_TINY_BUDGET = replace(
    _SMALL_BUDGET,
    interactions=512,
    finetuning=256,
    updates=10,
    log_steps=1_000,
    log_users=50,
    train_users=32,
    checks=2,
    validation_users=10,
    test_users=20,
    reference_users=10,
)
_SMALL_SETTINGS = {
    "hidden": 32,
    "item_size": 8,
    "batch_size": 128,
    "n_transitions": 256,
    "learning_starts": 128,
}
_TINY_SETTINGS = {**_SMALL_SETTINGS, "n_transitions": 128, "hidden": 16}
_SMALL_ARGUMENTS: dict[str, dict[str, Any]] = {
    "interest": {"initial_budget": 80.0},
    "satisfaction": {"n_steps": 20},
    "boredom": {"n_items": 100, "slate_size": 4, "n_steps": 30},
    "drift": {"n_items": 100, "n_candidates": 20, "max_steps": 20},
    "return": {"n_items": 50, "max_steps": 40},
    "log-to-live": {"slate_size": 5, "initial_budget": 80.0},
}


def sized(task: Task, size: Size) -> Task:
    """Return a task as it is, or cut down so that it takes seconds (its figures mean nothing)."""
    if size not in SIZES:
        raise ConfigError(f"size must be one of {SIZES}, got {size!r}")
    if size == "full":
        return task
    budget = _SMALL_BUDGET if size == "small" else _TINY_BUDGET
    cut = _SMALL_ARGUMENTS.get(task.family, {})
    settings = _SMALL_SETTINGS if size == "small" else _TINY_SETTINGS
    return replace(task, arguments={**task.arguments, **cut}, budget=budget, cut=settings)


def with_fitted(task: Task, folder: str) -> Task:
    """Return a task with users fitted to a log of ratings, where its users are fitted ones."""
    if task.env_id != _RATED:
        return task
    return replace(task, arguments={**task.arguments, "path": folder})


def chosen_tasks(names: Iterable[str]) -> list[Task]:
    """Return the tasks that are named, by name or family; all of them for no name.

    Raises:
        ConfigError: No task has that name.
    """
    wanted = list(names)
    families = {task.family for task in TASKS.values()}
    for name in wanted:
        if name not in TASKS and name not in families:
            hint = nearest_hint(name, {*TASKS, *families})
            raise ConfigError(f"no task is called {name!r}.{hint}")
    return [
        task
        for task in TASKS.values()
        if not wanted or task.name in wanted or task.family in wanted
    ]
