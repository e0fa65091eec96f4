"""The stages that train the agent: from the log alone, then by interaction."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from rlrec.agents.menu import agent_class, agent_settings, load_agent
from rlrec.arrays import Floats32
from rlrec.baselines import load_baseline
from rlrec.errors import ConfigError
from rlrec.evaluation import Estimate, rollout
from rlrec.policy import SlatePolicy
from rlrec.workflow.policy_names import file_name
from rlrec.workflow.progress import Advance
from rlrec.workflow.run_folder import Results, RunFolder
from rlrec.workflow.runner import StageContext, stage_seed
from rlrec.workflow.saved_policies import run_log, simulator_for, training_users
from rlrec.workflow.training_record import Checkpoint, TrainingRecord, best_interactions

Validate = Callable[[SlatePolicy], Estimate]


def pretrain(context: StageContext) -> Results:
    """Train the agent on the log alone. Files: `agent`."""
    users = training_users(context.folder, context.config.finetuning.n_users, context.seed)
    chosen = context.config.agent
    agent = agent_class(chosen.name)(
        users,
        agent_settings(chosen.name, chosen.settings),
        item_factors=_item_factors(context.folder),
        seed=context.seed,
    )
    agent.pretrain(
        run_log(context.folder),
        context.config.pretraining.n_updates,
        progress=context.reporter.task("pretraining"),
    )
    agent.save(context.path / "agent")
    validation = _validator(context)(agent)
    return {"n_updates": context.config.pretraining.n_updates, "validation": validation._asdict()}


def finetune(context: StageContext) -> Results:
    """Go on training by interaction, and keep the agent that validation users like best.

    Files: `agent` (the best checkpoint), `learning_curve.csv`.
    """
    settings = context.config.finetuning
    users = training_users(context.folder, settings.n_users, context.seed)
    agent = load_agent(context.folder.stage_path("pretrain") / "agent", users)
    if hasattr(agent, "remember"):  # agents that go on learning from the log
        agent.remember(run_log(context.folder))
    validate = _validator(context)
    record = TrainingRecord(context.path, context.folder.path / "tensorboard")
    checkpoint = Checkpoint(context.checkpoint_path, agent, context.path)
    if not checkpoint.restore():
        record.add(0, validate(agent))
        agent.save(context.path / "agent")
    advance = context.reporter.task("fine-tuning")
    done, total = record.points()[-1].interactions, settings.n_steps
    while done < total:
        chunk = min(settings.evaluate_every, total - done)
        done += _learn(agent, chunk, partial(_advance_by, advance, done, total))
        record.add(done, validate(agent))
        if best_interactions(record.points()) == done:
            agent.save(context.path / "agent")
        checkpoint.save()
    points = record.points()
    return {
        "curve": [point._asdict() for point in points],
        "best_interactions": best_interactions(points),
        "n_interactions": done,
    }


def _advance_by(advance: Advance, done: int, total: int, more: int) -> None:
    advance(done + more, total)


def _learn(agent: Any, n_steps: int, advance: Callable[[int], None]) -> int:
    """Let the agent learn for about `n_steps` interactions and return how many it took."""
    before = agent.num_timesteps

    def told(*unused: object) -> bool:
        advance(min(agent.num_timesteps - before, n_steps))
        return True

    agent.learn(n_steps, callback=told, reset_num_timesteps=False)
    return int(agent.num_timesteps - before)


def _item_factors(folder: RunFolder) -> Floats32 | None:
    """Return the item factors that the agent starts from, if the configuration wants some."""
    wanted = folder.config.agent.item_factors
    if wanted is None:
        return None
    for baseline in folder.config.baselines:
        if wanted not in ("auto", baseline.title):
            continue
        model = load_baseline(folder.stage_path("baselines") / file_name(baseline.title))
        factors = getattr(model, "item_factors", None)
        if factors is not None:
            return np.asarray(factors, dtype=np.float32)
        if wanted == baseline.title:
            raise ConfigError(f"agent.item_factors: {baseline.title!r} has no item factors")
    return None


def _validator(context: StageContext) -> Validate:
    """Return a function that gives the mean return of a policy on the validation users."""
    n_users = context.config.finetuning.n_validation_users
    simulator = simulator_for(context.folder, n_users, "validation")
    seed = stage_seed(context.config.seed, "validation users")

    def validate(policy: SlatePolicy) -> Estimate:
        advance = context.reporter.task("validating")
        results = rollout({"agent": policy}, simulator, n_users, seed, progress=advance)
        return results.mean_return("agent")

    return validate
