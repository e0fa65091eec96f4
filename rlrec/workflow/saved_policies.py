"""The users and policies of a run, made again from its configuration and what is on disk."""

from pathlib import Path
from typing import Any, Literal

from rlrec.baselines import load_baseline, make_baseline
from rlrec.data import InteractionLog
from rlrec.envs import MyopicOracle, UserSimulator, make_simulator, make_users
from rlrec.policy import DrawingPolicy, RandomPolicy, SlatePolicy, with_random_slates
from rlrec.workflow.config import BaselineConfig
from rlrec.workflow.policy_names import (
    LOGGING,
    MYOPIC,
    RANDOM,
    REFERENCE,
    file_name,
    finetuned,
    pretrained,
)
from rlrec.workflow.run_folder import RunFolder

Purpose = Literal["training", "validation", "evaluation"]

ORACLE_LOGGER = "MyopicOracle"


def environment_arguments(
    folder: RunFolder, purpose: Purpose = "training", model: Path | None = None
) -> dict[str, Any]:
    """Return the arguments of the environment for training, validation or test users.

    Args:
        folder: The run.
        purpose: Which users.
        model: Users fitted to the data of the run, if there is such a folder; by default where
            the stage `environment` saved them.
    """
    environment = folder.config.environment
    changed = {
        "training": {},
        "validation": environment.validation,
        "evaluation": environment.evaluation,
    }[purpose]
    model = model or folder.stage_path("environment") / "model"
    fitted = {"path": str(model)} if model.exists() else {}
    return {**fitted, **environment.arguments, **changed}


def simulator_for(
    folder: RunFolder,
    n_users: int,
    purpose: Purpose = "training",
    model: Path | None = None,
) -> UserSimulator:
    """Return a simulator of `n_users` users (as `environment_arguments`), not yet reset."""
    arguments = environment_arguments(folder, purpose, model)
    return make_simulator(folder.config.environment.id, n_users, **arguments)


def training_users(folder: RunFolder, n_users: int, seed: int) -> Any:
    """Return training users as an SB3 vector environment."""
    arguments = environment_arguments(folder)
    return make_users(folder.config.environment.id, n_users, seed, **arguments)


def run_log(folder: RunFolder) -> InteractionLog:
    """Return the log that the stage `log` recorded."""
    catalogue = simulator_for(folder, 1).catalogue
    return InteractionLog.open(folder.stage_path("log") / "log", catalogue=catalogue)


def random_policy(simulator: UserSimulator) -> RandomPolicy:
    """Return random slates for a simulator."""
    return RandomPolicy(simulator.n_choices, simulator.slate_size)


def unfitted(baseline: BaselineConfig) -> Any:
    """Return the baseline that a configuration describes."""
    return make_baseline(baseline.name, **baseline.settings)


def logging_policy(folder: RunFolder, log_path: Path, simulator: UserSimulator) -> SlatePolicy:
    """Return the policy of the log: a softened baseline mixed with random slates.

    Args:
        folder: The run.
        log_path: Folder of the stage `log`, which holds the fitted baseline.
        simulator: Where it acts.
    """
    settings = folder.config.logging
    if settings.baseline is None:
        return random_policy(simulator)
    informed: SlatePolicy
    if settings.baseline.name == ORACLE_LOGGER:
        informed = MyopicOracle()
    else:
        informed = load_baseline(log_path / "baseline").softened(settings.temperature)
    return with_random_slates(informed, simulator, settings.random_share)


def servable_policies(folder: RunFolder, simulator: UserSimulator) -> dict[str, SlatePolicy]:
    """Return the policies of a run that know no truth, by title: baselines, logger and agents.

    Args:
        folder: The run, its agent fine-tuned.
        simulator: Where they act.
    """
    config = folder.config
    policies: dict[str, SlatePolicy] = {RANDOM: random_policy(simulator)}
    logged = config.logging.baseline
    if logged is not None and logged.name != ORACLE_LOGGER:
        logger = logging_policy(folder, folder.stage_path("log"), simulator)
        policies[LOGGING] = DrawingPolicy(logger)
    for baseline in config.baselines:
        saved = folder.stage_path("baselines") / file_name(baseline.title)
        policies[baseline.title] = load_baseline(saved)
    return policies | _agents(folder)


def all_policies(
    folder: RunFolder, simulator: UserSimulator, reference_seed: int
) -> dict[str, SlatePolicy]:
    """Return every policy of a run by its title, from random slates to the planning reference.

    Args:
        folder: The run, its agent fine-tuned.
        simulator: Test users.
        reference_seed: Seed of the training users on whom the planning reference is fitted.
    """
    config = folder.config
    policies: dict[str, SlatePolicy] = {RANDOM: random_policy(simulator)}
    if config.logging.baseline is not None:
        logger = logging_policy(folder, folder.stage_path("log"), simulator)
        policies[LOGGING] = DrawingPolicy(logger)
    for baseline in config.baselines:
        saved = folder.stage_path("baselines") / file_name(baseline.title)
        policies[baseline.title] = load_baseline(saved)
    policies[MYOPIC] = MyopicOracle()
    policies |= _agents(folder)
    policies[REFERENCE] = simulator_for(folder, 1).planning_reference(
        config.evaluation.n_reference_users, reference_seed
    )
    return policies


def _agents(folder: RunFolder) -> dict[str, SlatePolicy]:
    """Return the agent of a run after pretraining and in the end."""
    from rlrec.agents.menu import load_agent  # imports torch

    users, name = training_users(folder, 1, seed=0), folder.config.agent.name
    return {
        pretrained(name): load_agent(folder.stage_path("pretrain") / "agent", users),
        finetuned(name): load_agent(folder.stage_path("finetune") / "agent", users),
    }
