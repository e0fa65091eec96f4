"""Searching for the settings of an agent on a task, by validation users alone (optuna)."""

import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from rlrec.errors import ConfigError, nearest_hint
from rlrec.workflow.bench.menu import MENU, Entry
from rlrec.workflow.bench.tasks import MOST_SEEDS, TASKS, Size, Task, sized
from rlrec.workflow.bench.training import Trained, settings_of, train
from rlrec.workflow.config import Count
from rlrec.workflow.config_file import apply_overrides, check_config, read_yaml
from rlrec.workflow.progress import Reporter


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class Range(_Section):
    """What one setting may be: numbers from `low` to `high`, or one of `values`."""

    low: int | float | None = None
    high: int | float | None = None
    """Whole numbers are tried where both are whole."""
    log: bool = False
    """Whether small numbers are tried as densely as large ones."""
    values: Annotated[tuple[bool | int | float | str, ...] | None, Field(strict=False)] = None

    @model_validator(mode="after")
    def _is_one_of_both(self) -> Self:
        has_ends = self.low is not None and self.high is not None
        if has_ends == bool(self.values):
            raise ValueError("needs low and high, or values, and not both")
        if self.low is not None and self.high is not None and not self.low < self.high:
            raise ValueError(f"low must be below high, got {self.low!r} and {self.high!r}")
        if self.log and self.low is not None and not self.low > 0:
            raise ValueError(f"log needs a low above 0, got {self.low!r}")
        return self


class TuneConfig(_Section):
    """What `rlrec tune` is told to do."""

    agent: str
    """As in the menu of the benchmark, such as `SlatePPO-scratch`."""
    task: str
    size: Size = "full"
    seed: Annotated[int, Field(ge=MOST_SEEDS)] = 90_000
    """Of log, users and agent in every trial; none that the benchmark counts, which are lower."""
    n_trials: Count = 20
    interactions: Count | None = None
    """A trial; by default those of the task."""
    updates: Count | None = None
    """Of `pretrain` in a trial; by default those of the task."""
    space: Annotated[dict[str, Range], Field(min_length=1)]
    """By setting."""

    @model_validator(mode="after")
    def _names_are_known(self) -> Self:
        agents = {name for name, entry in MENU.items() if entry.kind == "agent"}
        for kind, name, known in (("agent", self.agent, agents), ("task", self.task, set(TASKS))):
            if name not in known:
                raise ValueError(f"no {kind} is called {name!r}.{nearest_hint(name, known)}")
        return self


def load_tuning(path: Path, overrides: Sequence[str]) -> TuneConfig:
    """Return the configuration in a YAML file, with some values replaced."""
    values, places = apply_overrides(*read_yaml(path), overrides)
    return check_config(values, places, str(path), TuneConfig)


def tune_agent(wanted: TuneConfig, told: Reporter) -> dict[str, Any]:
    """Return the best settings found, and what finding them took, ready for JSON.

    The settings of the menu are tried first; where nothing beats them, `settings` is empty.

    Raises:
        ConfigError: optuna is missing, or a setting is not known or out of range.
    """
    study = _study(wanted.seed)
    task, entry = _task(wanted), MENU[wanted.agent]
    for end in _ends(wanted.space):
        settings_of(entry, task, end)  # refuses what is out of range now, not after hours
    began = time.process_time()
    trained = [_tried(entry, task, wanted.seed, {})]
    tried: list[dict[str, Any]] = [{}]
    for number in range(wanted.n_trials):
        trial = study.ask()
        settings = {name: _suggested(trial, name, part) for name, part in wanted.space.items()}
        done = _tried(entry, task, wanted.seed, settings)
        study.tell(trial, done.best.value)
        trained.append(done)
        tried.append(settings)
        told.say(f"[{number + 1}/{wanted.n_trials}] {done.best.value:.2f} {settings}")
    values = [done.best.value for done in trained]
    best = values.index(max(values))
    return {
        "agent": wanted.agent,
        "task": wanted.task,
        "settings": tried[best],
        "validation": values[best],
        "default_validation": values[0],
        "n_trials": wanted.n_trials,
        "interactions": sum(done.interactions for done in trained),
        "updates": sum(done.updates for done in trained),
        "cpu_seconds": round(time.process_time() - began, 1),
        "trials": [{"settings": s, "value": v} for s, v in zip(tried, values, strict=True)],
        "config": wanted.model_dump(mode="json"),
    }


def _task(wanted: TuneConfig) -> Task:
    task = sized(TASKS[wanted.task], wanted.size)
    changed: dict[str, int] = {}
    if wanted.interactions is not None:
        changed |= {"interactions": wanted.interactions, "finetuning": wanted.interactions}
    if wanted.updates is not None:
        changed["updates"] = wanted.updates
    return replace(task, budget=replace(task.budget, **changed))


def _tried(entry: Entry, task: Task, seed: int, settings: Mapping[str, Any]) -> Trained:
    with tempfile.TemporaryDirectory() as folder:
        return train(entry, task, seed, settings, Path(folder) / "best")


def _ends(space: Mapping[str, Range]) -> Iterator[dict[str, Any]]:
    """Yield settings with one at an end of its range."""
    for name, part in space.items():
        for value in part.values or (part.low, part.high):
            yield {name: value}


def _suggested(trial: Any, name: str, part: Range) -> Any:
    if part.values:
        return trial.suggest_categorical(name, part.values)
    if isinstance(part.low, int) and isinstance(part.high, int):
        return trial.suggest_int(name, part.low, part.high, log=part.log)
    return trial.suggest_float(name, part.low, part.high, log=part.log)


def _study(seed: int) -> Any:
    try:
        import optuna
    except ImportError:
        raise ConfigError("tuning needs optuna: pip install 'rlrec[tune]'") from None
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    sampler = optuna.samplers.TPESampler(seed=seed)
    return optuna.create_study(direction="maximize", sampler=sampler)
