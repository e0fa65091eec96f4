"""Training one agent: from a log, by interaction or both, with looks at validation users."""

import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from stable_baselines3.common.callbacks import BaseCallback

import rlrec.agents
from rlrec.arrays import Floats32
from rlrec.baselines import ALS
from rlrec.data import InteractionLog
from rlrec.errors import ConfigError, nearest_hint
from rlrec.workflow.bench.logs import recorded_log
from rlrec.workflow.bench.menu import Entry
from rlrec.workflow.bench.tasks import Task
from rlrec.workflow.bench.worlds import judged, seed_for, training_users


class Look(NamedTuple):
    """What validation users returned at one moment of a training."""

    interactions: int
    updates: int
    """As the agent counts them, those of `pretrain` and of `learn` together."""
    value: float
    low: float
    high: float
    serves: str
    """`best` or `drawn` slates, whichever returned more of those that may be served."""
    cpu_seconds: float
    """Of training so far, without logs and looks."""


@dataclass
class Clock:
    """CPU seconds by what they went into."""

    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def on(self, purpose: str) -> Iterator[None]:
        """Count the time spent within."""
        began = time.process_time()
        try:
            yield
        finally:
            self.seconds[purpose] = self.of(purpose) + time.process_time() - began

    def of(self, purpose: str) -> float:
        """Return the seconds a purpose took so far."""
        return self.seconds.get(purpose, 0.0)


class Trained(NamedTuple):
    """An agent after its training."""

    agent: Any
    """As it was at the best look."""
    best: Look
    looks: list[Look]
    interactions: int
    updates: int
    pretraining_updates: int
    settings: dict[str, Any]
    """All of them, defaults too."""
    clock: Clock


def train(entry: Entry, task: Task, seed: int, tuned: Mapping[str, Any], scratch: Path) -> Trained:
    """Train an agent and return it as validation users liked it best.

    Args:
        entry: An agent and the way it learns.
        task: Where.
        seed: Of the log, the users and the agent.
        tuned: Settings that go before all others.
        scratch: An empty folder for the best agent so far.

    Raises:
        ConfigError: A setting is not known, or out of range.
    """
    assert entry.mode is not None
    clock = Clock()
    config = settings_of(entry, task, tuned)
    with clock.on("log"):
        log = None if entry.mode == "scratch" else recorded_log(task, seed)
    with clock.on("training"):
        agent = _made(entry, task, seed, config, log)
        if entry.mode in ("offline", "finetuned"):
            assert log is not None
            agent.pretrain(log, task.budget.updates)
    watch = _Watch(entry, task, clock, scratch)
    n_steps = _interactions(entry, task)
    if n_steps:
        watch.learn(agent, n_steps)
    watch.look(agent)
    best = max(watch.looks, key=lambda look: look.value)
    return Trained(
        agent=type(agent).load(scratch, training_users(task, seed), agent.device),
        best=best,
        looks=watch.looks,
        interactions=int(agent.num_timesteps),
        updates=_updates(agent),
        pretraining_updates=int(agent.n_pretraining_updates),
        settings=asdict(config),
        clock=clock,
    )


def settings_of(entry: Entry, task: Task, tuned: Mapping[str, Any]) -> Any:
    """Return the settings of an agent for a task, checked."""
    config_class = getattr(rlrec.agents, entry.builder).config_class
    known = {part.name for part in fields(config_class)}
    shared = {name: value for name, value in task.settings.items() if name in known}
    cut = {name: value for name, value in task.cut.items() if name in known}
    settings = {**shared, **entry.settings_for(task), **cut, **tuned}
    for name in settings:
        if name not in known:
            raise ConfigError(
                f"{entry.builder} has no setting {name!r}.{nearest_hint(name, known)}"
            )
    return config_class(**settings)


def _made(entry: Entry, task: Task, seed: int, config: Any, log: InteractionLog | None) -> Any:
    users = training_users(task, seed)
    agent_class = getattr(rlrec.agents, entry.builder)
    return agent_class(
        users,
        config,
        item_factors=_item_factors(task, users, log),
        seed=seed_for(task, "agent", seed),
    )


def _item_factors(task: Task, users: Any, log: InteractionLog | None) -> Floats32 | None:
    """Return unit vectors (N, F) of the items as ALS learns them from the log."""
    if log is None or not task.has_items:
        return None
    factors = ALS(factors=32, regularisation=1.0).fit(log, users.simulator.catalogue).item_factors
    lengths = np.linalg.norm(factors, axis=1, keepdims=True)
    return (factors / np.where(lengths > 0, lengths, 1.0)).astype(np.float32)


def _interactions(entry: Entry, task: Task) -> int:
    """Return how many slates an agent may show while it learns."""
    budget = task.budget
    if entry.mode == "offline":
        return 0
    return budget.finetuning if entry.mode == "finetuned" else budget.interactions


def _updates(agent: Any) -> int:
    return int(agent.n_pretraining_updates) + int(getattr(agent, "_n_updates", 0))


class _Watch(BaseCallback):
    """Asks validation users between rounds of learning, and keeps the best agent."""

    def __init__(self, entry: Entry, task: Task, clock: Clock, scratch: Path) -> None:
        super().__init__()
        self.looks: list[Look] = []
        self._entry, self._task, self._clock, self._scratch = entry, task, clock, scratch
        self._moments: list[float] = []
        self._began: float | None = None
        self._looked = 0.0

    def learn(self, agent: Any, n_steps: int) -> None:
        """Let the agent learn; the last look is left to the caller."""
        n_checks = self._task.budget.checks
        self._moments = [n_steps * check / n_checks for check in range(n_checks)]
        self._began, self._looked = time.process_time(), self._clock.of("validation")
        agent.learn(n_steps, callback=self)
        self._clock.seconds["training"] = self._spent()
        self._began = None

    def _on_rollout_start(self) -> None:
        if self._moments and self.model.num_timesteps >= self._moments[0]:
            while self._moments and self.model.num_timesteps >= self._moments[0]:
                self._moments.pop(0)
            self.look(self.model)

    def _on_step(self) -> bool:
        return True

    def look(self, agent: Any) -> None:
        """Ask the validation users now; the agent is kept where it is better than ever."""
        with self._clock.on("validation"):
            ways = {}
            if self._entry.draws != "only":
                ways["best"] = judged(agent, self._task, "validation")
            if self._entry.draws:
                ways["drawn"] = judged(agent, self._task, "validation", best=False)
        serves, found = max(ways.items(), key=lambda way: way[1].value)
        if not self.looks or found.value > max(look.value for look in self.looks):
            shutil.rmtree(self._scratch, ignore_errors=True)
            agent.save(self._scratch)
        self.looks.append(
            Look(
                int(agent.num_timesteps),
                _updates(agent),
                found.value,
                found.low,
                found.high,
                serves,
                round(self._spent(), 2),
            )
        )

    def _spent(self) -> float:
        """Return the CPU seconds of training so far, without the looks during `learn`."""
        before = self._clock.of("training")
        if self._began is None:
            return before
        looked = self._clock.of("validation") - self._looked
        return before + time.process_time() - self._began - looked
