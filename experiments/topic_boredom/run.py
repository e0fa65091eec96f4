"""Does an agent learn to let topics rest, where collaborative filtering bores its users?

On `rlrec/TopicBoredom-v0` SlatePPO learns from scratch by interaction, once with logits that know
how many items of a topic stand above in the slate, once without. Both know the item factors of an
ALS model, which is fitted to random slates and judged beside them on the same new users.
"""

import argparse
import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, fields
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

import rlrec
from rlrec.agents import SlatePPO, SlatePPOConfig
from rlrec.arrays import Floats, Floats32
from rlrec.baselines import ALS
from rlrec.data import InteractionLog
from rlrec.envs.sb3 import SlateVecEnv
from rlrec.evaluation import rollout
from rlrec.policy import RandomPolicy, SlatePolicy

HERE = Path(__file__).resolve().parent
ENVIRONMENT = "rlrec/TopicBoredom-v0"
SETTINGS: dict[str, Any] = {
    "credit": "own",
    "discount": 0.8,
    "learning_rate": 3e-3,
    "n_epochs": 8,
    "n_transitions": 16_384,
}
CHECKS = 10  # moments of the learning curve
CURVE_USERS, CURVE_SEED = 200, 500_000
TEST_SEED = 1_000_000


@dataclass(frozen=True, kw_only=True)
class Arguments:
    """What to run."""

    seeds: int = 2
    """Seeds of training, from 0 on."""
    interactions: int = 2_000_000
    """Of each agent."""
    users: int = 512
    """Trained on at the same time."""
    test_users: int = 1_000
    """On whom all policies are judged at the end; none of them is trained on."""
    variants: str = "topics,plain"
    """Which heads: `topics`, `plain` or both."""
    jobs: int = 1
    """Agents trained at the same time, each on one core."""
    results: Path = HERE / "results"
    """Folder of the tables."""
    smoke: bool = False
    """Tiny settings, to see that it works; the numbers mean nothing."""


def main(arguments: Arguments) -> None:
    """Train all agents and write `curves.csv` and `returns.csv`."""
    runs = [(name, s) for s in range(arguments.seeds) for name in arguments.variants.split(",")]
    with ProcessPoolExecutor(arguments.jobs) as pool:
        parts = list(pool.map(partial(trained, arguments), runs))
    arguments.results.mkdir(parents=True, exist_ok=True)
    curves = pd.concat([curve for curve, _ in parts], ignore_index=True)
    returns = pd.concat([table for _, table in parts], ignore_index=True)
    returns = returns.drop_duplicates(["policy", "seed"]).sort_values(["seed", "return"])
    curves.to_csv(arguments.results / "curves.csv", index=False, float_format="%.2f")
    returns.to_csv(arguments.results / "returns.csv", index=False, float_format="%.2f")
    sys.stdout.write(f"{curves.to_string(index=False)}\n{returns.to_string(index=False)}\n")


def trained(arguments: Arguments, run: tuple[str, int]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Train one agent; return its learning curve, and returns on the test users."""
    variant, seed = run
    torch.set_num_threads(1)
    world = {"n_items": 60, "slate_size": 4, "n_steps": 20} if arguments.smoke else {}
    n_users = 64 if arguments.smoke else arguments.users
    interactions = 4_096 if arguments.smoke else arguments.interactions
    settings = SETTINGS | ({"n_transitions": 1_024, "hidden": 16} if arguments.smoke else {})
    users = rlrec.make_users(ENVIRONMENT, n_users, seed=seed, counts_observed=True, **world)
    baseline = fitted_baseline(users, 300_000 if not arguments.smoke else 4_000)
    config = SlatePPOConfig(**settings, topic_aware=variant == "topics")
    agent = SlatePPO(users, config, item_factors=unit(baseline.item_factors), seed=seed)
    curve = []
    for check in range(CHECKS):
        agent.learn(interactions // CHECKS, reset_num_timesteps=check == 0)
        n = 20 if arguments.smoke else CURVE_USERS
        value = drawn_return(agent, users, n, CURVE_SEED)
        curve.append(
            {"head": variant, "seed": seed, "interactions": agent.num_timesteps, "return": value}
        )
        sys.stderr.write(f"{variant}, seed {seed}: {agent.num_timesteps:,} {value:.1f}\n")
    n = 50 if arguments.smoke else arguments.test_users
    return pd.DataFrame(curve), judged(agent, baseline, users, n, variant, seed)


def fitted_baseline(users: SlateVecEnv, n_steps: int) -> ALS:
    """Return ALS, fitted to a log of random slates."""
    random = RandomPolicy(users.simulator.n_choices, users.simulator.slate_size)
    log = InteractionLog.record(random, users, n_steps=n_steps, seed=5)
    return ALS(factors=16).fit(log, users.simulator.catalogue)


def unit(factors: Floats) -> Floats32:
    """Return factors (N, F) brought to length 1."""
    lengths = np.linalg.norm(factors, axis=1, keepdims=True)
    return (factors / np.where(lengths > 0, lengths, 1.0)).astype(np.float32)


def drawn_return(policy: SlatePolicy, users: SlateVecEnv, n_users: int, seed: int) -> float:
    """Return the mean return of slates drawn by a policy."""
    results = rollout({"policy": policy}, users, n_users, seed=seed, deterministic=False)
    return results.mean_return("policy").value


def judged(
    agent: SlatePPO, baseline: ALS, users: SlateVecEnv, n_users: int, variant: str, seed: int
) -> pd.DataFrame:
    """Return one row a policy: mean return with its 95 % interval over the test users."""
    name = f"SlatePPO, {variant}"
    random = RandomPolicy(users.simulator.n_choices, users.simulator.slate_size)
    policies: dict[str, SlatePolicy] = {"random": random, "ALS": baseline, f"{name}, best": agent}
    best = rollout(policies, users, n_users, seed=TEST_SEED)
    drawn = rollout({f"{name}, drawn": agent}, users, n_users, seed=TEST_SEED, deterministic=False)
    rows = []
    for results, names in ((best, list(policies)), (drawn, [f"{name}, drawn"])):
        for policy in names:
            estimate = results.mean_return(policy)
            rows.append(
                {
                    "policy": policy,
                    "seed": seed,
                    "return": estimate.value,
                    "low": estimate.low,
                    "high": estimate.high,
                }
            )
    return pd.DataFrame(rows)


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
