"""Judging a finished run, or saved models, on other users."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rlrec.baselines import load_baseline
from rlrec.envs import MyopicOracle, make_simulator, make_users
from rlrec.errors import ConfigError, ModelFileError
from rlrec.evaluation import RolloutResults, rollout
from rlrec.policy import SlatePolicy
from rlrec.workflow.evaluation_stage import evaluate_run
from rlrec.workflow.policy_names import MYOPIC, RANDOM, REFERENCE
from rlrec.workflow.progress import Reporter
from rlrec.workflow.run_folder import RunFolder
from rlrec.workflow.saved_policies import random_policy

_REFERENCE_USERS = 500


def evaluate_paths(
    paths: Sequence[Path],
    n_users: int,
    seed: int,
    env_id: str | None,
    arguments: dict[str, Any],
    reporter: Reporter,
) -> RolloutResults:
    """Return rollouts of a run's policies, or of saved models beside floor and oracles.

    Args:
        paths: One run folder, or model folders.
        n_users: New users.
        seed: Of these users.
        env_id: Environment; only for model folders.
        arguments: Of the environment; only for model folders.
        reporter: Told of the progress.

    Raises:
        ConfigError: The paths and `env_id` do not go together.
        RunFolderError, ModelFileError: A folder cannot be used.
    """
    if len(paths) == 1 and (paths[0] / "run.json").is_file():
        if env_id is not None or arguments:
            raise ConfigError("a run has its own environment: leave --env and --arg out")
        folder = RunFolder.open(paths[0])
        folder.results("finetune")
        return evaluate_run(folder, n_users, seed, reporter)
    if env_id is None:
        named = ", ".join(map(str, paths))
        raise ConfigError(f"{named}: not one run folder; saved models need --env")
    return _evaluate_models(paths, n_users, seed, env_id, arguments, reporter)


def table_rows(results: RolloutResults) -> tuple[list[str], list[list[str]]]:
    """Return titles and rows of a table of rollouts."""
    table = results.table(floor=RANDOM, reference=REFERENCE)
    rows = [
        [
            str(name),
            f"{row['mean_return']:,.1f}",
            f"{row['low']:,.1f} to {row['high']:,.1f}",
            f"{row['score']:.2f}",
            f"{row['score_low']:.2f} to {row['score_high']:.2f}",
            f"{row['length']:,.1f}",
        ]
        for name, row in table.iterrows()
    ]
    return ["policy", "return per user", "interval", "score", "interval", "steps"], rows


def _evaluate_models(
    paths: Sequence[Path],
    n_users: int,
    seed: int,
    env_id: str,
    arguments: dict[str, Any],
    reporter: Reporter,
) -> RolloutResults:
    simulator = make_simulator(env_id, n_users, **arguments)
    policies: dict[str, SlatePolicy] = {RANDOM: random_policy(simulator)}
    for path in paths:
        policies[str(path)] = load_policy(path, env_id, arguments)
    policies[MYOPIC] = MyopicOracle()
    policies[REFERENCE] = simulator.planning_reference(_REFERENCE_USERS, seed + 1)
    advance = reporter.task(f"rolling out {len(policies)} policies")
    return rollout(policies, simulator, n_users, seed, progress=advance)


def load_policy(path: Path, env_id: str | None, arguments: dict[str, Any]) -> SlatePolicy:
    """Return a saved baseline, or else a saved agent, which needs an environment."""
    card = path / "model.json"
    if not path.is_dir() or _format_of(card) == "rlrec-baseline":
        return load_baseline(path)
    if env_id is None:
        raise ConfigError(f"{path}: a saved agent needs the environment it acts in: give --env")
    from rlrec.agents.menu import load_agent  # imports torch

    agent: SlatePolicy = load_agent(path, make_users(env_id, 1, 0, **arguments))
    return agent


def _format_of(card: Path) -> object:
    """Return which kind of model a card is of; None without a card."""
    if not card.is_file():
        return None
    try:
        content = json.loads(card.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ModelFileError(f"{card} cannot be read as a model card: {error}") from None
    if not isinstance(content, dict):
        raise ModelFileError(f"{card} is not the card of a model of rlrec")
    return content.get("format")
