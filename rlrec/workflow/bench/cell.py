"""One cell of the bench: an entrant on a task under a seed, from training to the test users."""

import hashlib
import json
import os
import tempfile
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from rlrec.arrays import Floats32
from rlrec.baselines import ALS
from rlrec.data import InteractionLog
from rlrec.envs import MyopicOracle, make_simulator, make_users
from rlrec.evaluation import Estimate, rollout
from rlrec.policy import RandomPolicy, SlatePolicy
from rlrec.simulation import Simulator
from rlrec.workflow.bench.entrants import RANDOM, REFERENCE, Entrant
from rlrec.workflow.bench.loggers import fitted_baseline, task_log
from rlrec.workflow.bench.tasks import Task

VALIDATION_SEED, TEST_SEED, REFERENCE_SEED = 500_000, 1_000_000, 1_500_000
"""Of users; training users have the seeds from 0 on, logs those from 10,000 on."""
_FIRST_LOG_SEED = 10_000
_FORMAT = 1


@dataclass(frozen=True)
class Cell:
    """What to train and judge."""

    task: Task
    entrant: Entrant
    seed: int

    @property
    def fingerprint(self) -> str:
        """What the result depends on, as a hash: another one makes a stored result stale."""
        told = [_FORMAT, asdict(self.task), asdict(self.entrant), self.seed]
        return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:16]

    def path_in(self, results: Path) -> Path:
        """Return the file of the result."""
        name = "".join(letter if letter.isalnum() else "_" for letter in self.entrant.name)
        return results / self.task.name / name / f"{self.seed}.json"


@dataclass
class Trained:
    """A policy ready to be judged, and what it took."""

    policy: SlatePolicy
    serves: str = "best"
    curve: list[dict[str, float]] = field(default_factory=list)
    n_interactions: int = 0
    n_updates: int = 0
    n_logged: int = 0


def run_cell(cell: Cell) -> dict[str, Any]:
    """Train an entrant, judge it on the test users, and return what the bench keeps."""
    began, began_cpu = time.perf_counter(), time.process_time()
    trained = _trained(cell)
    seconds, cpu_seconds = time.perf_counter() - began, time.process_time() - began_cpu
    value = _value(cell.task, trained.policy, trained.serves, "test")
    return {
        "fingerprint": cell.fingerprint,
        "task": cell.task.name,
        "entrant": cell.entrant.name,
        "seed": cell.seed,
        "return": value._asdict(),
        "serves": trained.serves,
        "curve": trained.curve,
        "n_interactions": trained.n_interactions,
        "n_updates": trained.n_updates,
        "n_logged": trained.n_logged,
        "seconds": round(seconds, 1),
        "cpu_seconds": round(cpu_seconds, 1),
        "settings": cell.entrant.settings_on(cell.task),
        "tuned": cell.entrant.tuned,
    }


def write_result(path: Path, result: dict[str, Any]) -> None:
    """Write a result in one move, so that a file that is there is whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    partial.write_text(json.dumps(result, indent=1) + "\n")
    partial.replace(path)


def _trained(cell: Cell) -> Trained:
    task, entrant = cell.task, cell.entrant
    if entrant.kind == "agent":
        return _trained_agent(cell)
    simulator = make_simulator(task.env_id, 1, **task.arguments)
    if entrant.name == RANDOM:
        return Trained(RandomPolicy(simulator.n_choices, simulator.slate_size))
    if entrant.name == REFERENCE:
        tested = make_simulator(task.env_id, 1, **_tested_in(task))
        return Trained(tested.planning_reference(task.n_reference_users, REFERENCE_SEED))
    if entrant.kind == "oracle":
        return Trained(MyopicOracle())
    log = task_log(task, _FIRST_LOG_SEED + cell.seed)
    settings = {k: v for k, v in entrant.settings_on(task).items() if k != "discount"}
    fitted = fitted_baseline(entrant.name, settings, log, simulator)
    is_soft = settings.get("temperature", 0.0) > 0
    return Trained(fitted, "drawn" if is_soft else "best", n_logged=task.n_logged)


def _trained_agent(cell: Cell) -> Trained:
    task, entrant = cell.task, cell.entrant
    made = _made_agent(cell)
    trained = Trained(made.agent, entrant.serves, n_logged=0 if made.log is None else task.n_logged)
    if entrant.mode != "scratch":
        assert made.log is not None
        made.agent.pretrain(made.log, entrant.n_updates or task.n_updates)
    if entrant.mode != "offline":
        _learn(cell, made.agent, trained)
    trained.n_interactions = int(made.agent.num_timesteps)
    n_online = int(getattr(made.agent, "_n_updates", 0))
    trained.n_updates = int(made.agent.n_pretraining_updates) + n_online
    return trained


class _Made(NamedTuple):
    agent: Any
    log: InteractionLog | None


def _made_agent(cell: Cell) -> _Made:
    """Return the agent, untrained, and the log that it learns or knows items from, if any."""
    from rlrec.agents.menu import agent_class, agent_settings  # imports torch

    task, entrant = cell.task, cell.entrant
    users = make_users(task.env_id, task.n_users, cell.seed, **task.arguments)
    knows_items = entrant.item_factors and users.simulator.catalogue is not None
    log = None
    if entrant.mode != "scratch" or knows_items:
        log = task_log(task, _FIRST_LOG_SEED + cell.seed)
    factors = _item_factors(log, users.simulator) if knows_items and log is not None else None
    assert entrant.agent is not None
    agent = agent_class(entrant.agent)(
        users,
        agent_settings(entrant.agent, entrant.settings_on(task)),
        item_factors=factors,
        seed=cell.seed,
        device="cpu",
    )
    return _Made(agent, log)


def _item_factors(log: InteractionLog, simulator: Simulator) -> Floats32:
    """Return ALS factors of the items, each of length 1."""
    factors = ALS(factors=32, regularisation=1.0).fit(log, simulator.catalogue).item_factors
    lengths = np.linalg.norm(factors, axis=1, keepdims=True)
    return (factors / np.where(lengths > 0, lengths, 1.0)).astype(np.float32)


def _learn(cell: Cell, agent: Any, trained: Trained) -> None:
    """Let an agent learn by interaction; keep the one that validation users like best."""
    from rlrec.agents.menu import load_agent  # imports torch

    task = cell.task
    with tempfile.TemporaryDirectory() as folder:
        best = -np.inf
        for check in range(task.n_checks + 1):
            if check:
                chunk = task.n_interactions * check // task.n_checks - agent.num_timesteps
                agent.learn(max(1, chunk), reset_num_timesteps=check == 1)
            value = _value(task, agent, cell.entrant.serves, "validation")
            point = {"n_interactions": int(agent.num_timesteps), "return": value.value}
            trained.curve.append({**point, "standard_error": value.standard_error})
            if value.value > best:
                best = value.value
                agent.save(Path(folder) / "best")
        trained.policy = load_agent(Path(folder) / "best", agent.get_env())


def _value(task: Task, policy: SlatePolicy, serves: str, whose: str) -> Estimate:
    is_test = whose == "test"
    n_users = task.n_test_users if is_test else task.n_validation_users
    arguments = _tested_in(task) if is_test else task.arguments
    simulator = make_simulator(task.env_id, n_users, **arguments)
    seed = TEST_SEED if is_test else VALIDATION_SEED
    results = rollout({"p": policy}, simulator, n_users, seed, deterministic=serves == "best")
    return results.mean_return("p")


def _tested_in(task: Task) -> dict[str, Any]:
    return {**task.arguments, **task.tested_in}
