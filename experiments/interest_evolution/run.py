"""What does SlateQ earn where clicking well is not serving well, and what do known mistakes cost?

On `rlrec/InterestEvolution-v0` with fresh documents, SlateQ learns from scratch by interaction, or
from a log of half random, half myopic slates alone. Beside it stand the same agent with the value
of taking nothing fixed at 0, the one that repeats the mistakes of RecSim's published code, random
slates, the best slates for one step, and the planning reference. All meet the same new users.
"""

import argparse
import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, fields
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import torch

import rlrec
from rlrec.agents import SlateQ, SlateQConfig
from rlrec.data import InteractionLog
from rlrec.envs import MyopicOracle, make_simulator
from rlrec.envs.sb3 import SlateVecEnv
from rlrec.evaluation import rollout
from rlrec.policy import MixturePolicy, RandomPolicy, SlatePolicy

HERE = Path(__file__).resolve().parent
ENVIRONMENT = "rlrec/InterestEvolution-v0"
VARIANTS: dict[str, dict[str, Any]] = {
    "scratch": {},
    "log only": {},
    "nothing is worth 0": {"learns_nothing": False, "n_steps": 1},
    "published mistakes": {"compat": "recsim"},
}
TEST_SEED = 1_000_000
SMALL: dict[str, Any] = {"hidden": 16, "item_size": 4, "batch_size": 64, "learning_starts": 500}


@dataclass(frozen=True, kw_only=True)
class Arguments:
    """What to run."""

    seeds: int = 10
    """Seeds of training, from 0 on."""
    interactions: int = 300_000
    """Of each agent that learns by interaction."""
    logged: int = 200_000
    """Steps of the log."""
    updates: int = 2_400
    """On the log."""
    users: int = 64
    """Trained on at the same time."""
    test_users: int = 2_000
    """On whom all policies are judged; none of them is trained on."""
    variants: str = ",".join(VARIANTS)
    """Which agents."""
    jobs: int = 1
    """Agents trained at the same time, each on one core."""
    results: Path = HERE / "results"
    """Folder of the table."""
    smoke: bool = False
    """Tiny settings, to see that it works; the numbers mean nothing."""


def main(arguments: Arguments) -> None:
    """Train all agents and write `returns.csv`."""
    runs = [(name, s) for s in range(arguments.seeds) for name in arguments.variants.split(",")]
    rows = references(arguments)
    with ProcessPoolExecutor(arguments.jobs) as pool:
        for row in pool.map(partial(judged_after_training, arguments), runs):
            rows.append(row)
            sys.stderr.write(f"{row['policy']}, seed {row['seed']}: {row['return']:.1f}\n")
    table = pd.DataFrame(rows).astype({"seed": "Int64"})  # none for what is not trained
    arguments.results.mkdir(parents=True, exist_ok=True)
    table.to_csv(arguments.results / "returns.csv", index=False, float_format="%.2f")
    means = table.groupby("policy")["return"].agg(["mean", "min", "max", "size"])
    sys.stdout.write(f"{means.sort_values('mean').to_string(float_format='%.1f')}\n")


def references(arguments: Arguments) -> list[dict[str, Any]]:
    """Return a row for each policy that is not trained."""
    users = made_users(arguments, 0)
    policies: dict[str, SlatePolicy] = {
        "random": random_slates(users),
        "best for one step": MyopicOracle(),
        "planning reference": make_simulator(ENVIRONMENT, 1).planning_reference(500, seed=500_000),
    }
    return [judged(arguments, policy, users, name, None) for name, policy in policies.items()]


def judged_after_training(arguments: Arguments, run: tuple[str, int]) -> dict[str, Any]:
    """Train one agent and judge it."""
    variant, seed = run
    torch.set_num_threads(1)
    users = made_users(arguments, seed)
    settings: dict[str, Any] = {**(SMALL if arguments.smoke else {}), **VARIANTS[variant]}
    config = SlateQConfig(**settings)
    agent = SlateQ(users, config, seed=seed, device="cpu")
    if variant == "log only":
        agent.pretrain(
            recorded(arguments, users, seed), 300 if arguments.smoke else arguments.updates
        )
    else:
        agent.learn(4_000 if arguments.smoke else arguments.interactions)
    return judged(arguments, agent, users, f"SlateQ, {variant}", seed)


def made_users(arguments: Arguments, seed: int) -> SlateVecEnv:
    """Return users to train on; tests never meet their seeds."""
    users = rlrec.make_users(ENVIRONMENT, arguments.users, seed=seed)
    assert isinstance(users, SlateVecEnv)
    return users


def random_slates(users: SlateVecEnv) -> RandomPolicy:
    """Return the policy of random slates."""
    return RandomPolicy(users.simulator.n_choices, users.simulator.slate_size)


def recorded(arguments: Arguments, users: SlateVecEnv, seed: int) -> InteractionLog:
    """Return a log of half random, half myopic slates."""
    logger = MixturePolicy([random_slates(users), MyopicOracle()], [0.5, 0.5])
    n_steps = 5_000 if arguments.smoke else arguments.logged
    others = users.simulator.with_users(100 if arguments.smoke else 1_000)
    return InteractionLog.record(logger, others, n_steps, seed=500_000 + seed)


def judged(
    arguments: Arguments, policy: SlatePolicy, users: SlateVecEnv, name: str, seed: int | None
) -> dict[str, Any]:
    """Return the mean return of a policy with its 95 % interval over the test users."""
    n_users = 400 if arguments.smoke else arguments.test_users
    results = rollout({name: policy}, users, n_users, seed=TEST_SEED)
    estimate = results.mean_return(name)
    return {
        "policy": name,
        "seed": seed,
        "return": estimate.value,
        "low": estimate.low,
        "high": estimate.high,
    }


def _parsed(words: Sequence[str] | None = None) -> Arguments:
    parser = argparse.ArgumentParser(description=__doc__)
    for field in fields(Arguments):
        name = f"--{field.name.replace('_', '-')}"
        if field.type is bool:
            parser.add_argument(name, action="store_true")
        else:
            parser.add_argument(name, type=type(field.default), default=field.default)
    return Arguments(**vars(parser.parse_args(words)))


if __name__ == "__main__":
    main(_parsed())
