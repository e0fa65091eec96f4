"""Does an agent's gain over ALS hold in a second world, fitted to other persons?

Half of the persons of a log of ratings make the world in which an agent is trained, the other half
make a second one of the same items. The agent is pretrained from a log and fine-tuned by
interaction: in the first world alone, or in several worlds bootstrapped from the same half, with
rewards as they are or less what those worlds disagree about. All are judged in both worlds, on test
persons.
"""

import argparse
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, fields
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch

from rlrec.agents import SlateQ, SlateQConfig
from rlrec.arrays import Floats, Floats32
from rlrec.baselines import ALS
from rlrec.data import InteractionLog, Ratings, load_ratings
from rlrec.envs import FitSettings, FittedWorlds, fit_halves, fit_worlds, make_simulator
from rlrec.envs.fitting.ratings.made_up_ratings import made_up_ratings
from rlrec.envs.fitting.worlds.fit_worlds import halves_of_ratings
from rlrec.envs.sb3 import SlateVecEnv
from rlrec.envs.wrappers import PessimisticReward
from rlrec.evaluation import RolloutResults, gain_kept, rollout_across
from rlrec.policy import RandomPolicy, SlatePolicy, with_random_slates
from rlrec.simulation import SteppedSimulator

HERE = Path(__file__).resolve().parent
ENVIRONMENT = "rlrec/FittedUsers-v0"
TRAINED_IN, SECOND = "trained in", "second"
TEST_SEED, BASELINE = 1_000_000, "ALS"
LEARNING: dict[str, Any] = {"discount": 0.97, "value_scale": 40.0}
TEMPERATURE, RANDOM_SHARE = 0.5, 0.2


@dataclass(frozen=True, kw_only=True)
class Arguments:
    """What to run."""

    ratings: str = "data/ml-100k"
    """Folder of ratings, as published by GroupLens."""
    seeds: int = 6
    """From 0 on; each draws the halves anew, and all else too."""
    worlds: int = 5
    """Bootstrapped from the half that is trained in."""
    kappas: str = "3,10"
    """Minutes given up for a unit of disagreement about the quality of an item taken, with commas:
    an agent for each."""
    log_steps: int = 100_000
    """Slates of the log."""
    updates: int = 1_000
    """Of pretraining."""
    interactions: int = 20_000
    """Of fine-tuning."""
    train_users: int = 128
    """Served at the same time."""
    test_users: int = 300
    """Visits by test persons in each world."""
    jobs: int = 1
    """Seeds at the same time, each on one core."""
    results: Path = HERE / "results"
    """Folder of the tables."""
    smoke: bool = False
    """Tiny settings and made-up ratings, to see that it works; the numbers mean nothing."""


class Sizes(NamedTuple):
    """How much is learned and tested."""

    log_steps: int
    updates: int
    interactions: int
    train_users: int
    test_users: int
    bootstrap_users: int


class Judged(NamedTuple):
    """All policies of one seed in both worlds."""

    trained_in: RolloutResults
    second: RolloutResults


def main(arguments: Arguments) -> None:
    """Train all agents and write `returns.csv` and `kept.csv`."""
    n_seeds = 2 if arguments.smoke else arguments.seeds
    with ProcessPoolExecutor(arguments.jobs) as pool:
        judged = list(pool.map(partial(judged_seed, arguments), range(n_seeds)))
    arguments.results.mkdir(parents=True, exist_ok=True)
    returns = pd.DataFrame([row for seed, one in enumerate(judged) for row in rows_of(seed, one)])
    returns.to_csv(arguments.results / "returns.csv", index=False, float_format="%.2f")
    kept = kept_gains(judged)
    kept.to_csv(arguments.results / "kept.csv", index=False, float_format="%.3f")
    sys.stdout.write(f"{kept.round(3).to_string(index=False)}\n")


def judged_seed(arguments: Arguments, seed: int) -> Judged:
    """Train all agents of a seed and judge them in both worlds."""
    torch.set_num_threads(1)
    sizes = sizes_of(arguments)
    settings = FitSettings(seed=seed)
    ratings = made_up_ratings(seed) if arguments.smoke else load_ratings(arguments.ratings)
    halves = fit_halves(ratings, settings=settings)
    ensemble = bootstrapped(ratings, settings, 2 if arguments.smoke else arguments.worlds)
    log = recorded(halves, sizes, seed)
    kappas = [float(kappa) for kappa in arguments.kappas.split(",")]
    policies = trained(halves, ensemble, log, kappas, sizes, seed)
    worlds = {
        TRAINED_IN: users_of(halves, 1, world=0, population="test"),
        SECOND: users_of(halves, 1, world=1, population="test"),
    }
    found = rollout_across(policies, worlds, sizes.test_users, TEST_SEED).worlds
    sys.stderr.write(f"seed {seed} done\n")
    return Judged(found[TRAINED_IN], found[SECOND])


def sizes_of(arguments: Arguments) -> Sizes:
    """Return the sizes asked for, tiny ones for a smoke run."""
    if arguments.smoke:
        return Sizes(3_000, 30, 4_096, 32, 20, 32)
    return Sizes(
        arguments.log_steps,
        arguments.updates,
        arguments.interactions,
        arguments.train_users,
        arguments.test_users,
        500,
    )


def bootstrapped(ratings: Ratings, settings: FitSettings, n_worlds: int) -> FittedWorlds:
    """Return worlds bootstrapped from the half of the persons that is trained in."""
    half = halves_of_ratings(ratings, settings.min_item_ratings, settings.seed).first
    return fit_worlds(half, n_worlds, settings=settings)


def users_of(worlds: FittedWorlds, n_users: int, **arguments: Any) -> SteppedSimulator:
    """Return users of fitted worlds."""
    return make_simulator(ENVIRONMENT, n_users, model=worlds, **arguments)


def recorded(halves: FittedWorlds, sizes: Sizes, seed: int) -> InteractionLog:
    """Return the log of the first world, by ALS that was fitted to random slates and softened."""
    users = users_of(halves, sizes.bootstrap_users, world=0)
    random = RandomPolicy(users.n_choices, users.slate_size)
    first = InteractionLog.record(random, users, sizes.log_steps // 4, seed=2 * seed)
    als = ALS(factors=32).fit(first, users.catalogue).softened(TEMPERATURE)
    logger = with_random_slates(als, users, RANDOM_SHARE)
    return InteractionLog.record(logger, users, sizes.log_steps, seed=2 * seed + 1)


def trained(
    halves: FittedWorlds,
    ensemble: FittedWorlds,
    log: InteractionLog,
    kappas: Sequence[float],
    sizes: Sizes,
    seed: int,
) -> dict[str, SlatePolicy]:
    """Return all policies: what needs no interaction, and the agent in each way of going on."""
    one = users_of(halves, sizes.train_users, world=0)
    several = users_of(ensemble, sizes.train_users)
    als = ALS(factors=32).fit(log, one.catalogue)
    agent = SlateQ(
        SlateVecEnv(one, seed),
        SlateQConfig(**LEARNING),
        item_factors=_unit(als.item_factors),
        seed=seed,
    )
    agent.pretrain(log, sizes.updates)
    further: dict[str, SteppedSimulator] = {"one world": one, "several worlds": several}
    for kappa in kappas:
        further[f"several worlds, kappa {kappa:g}"] = PessimisticReward(several, ensemble, kappa)
    policies: dict[str, SlatePolicy] = {
        "random": RandomPolicy(one.n_choices, one.slate_size),
        BASELINE: als,
        "pretrained": agent,
    }
    with tempfile.TemporaryDirectory() as folder:
        agent.save(folder)
        for name, users in further.items():
            policies[name] = finetuned(folder, users, log, sizes.interactions, seed)
    return policies


def finetuned(
    folder: str, users: SteppedSimulator, log: InteractionLog, n_steps: int, seed: int
) -> SlateQ:
    """Return the saved agent after it went on with these users."""
    agent = SlateQ.load(folder, SlateVecEnv(users.with_users(users.n_users), seed))
    agent.set_random_seed(seed)
    agent.remember(log)
    agent.learn(n_steps)
    return agent


def rows_of(seed: int, judged: Judged) -> list[dict[str, Any]]:
    """Return one row a world and policy."""
    worlds = {TRAINED_IN: judged.trained_in, SECOND: judged.second}
    return [
        {"seed": seed, "world": world, "policy": name, "return": found.mean_return(name).value}
        for world, found in worlds.items()
        for name in found.policies
    ]


def kept_gains(judged: Sequence[Judged]) -> pd.DataFrame:
    """Return one row an agent: returns, gains over ALS and the share that is kept."""
    here, there = [one.trained_in for one in judged], [one.second for one in judged]
    rows = []
    for name in here[0].policies:
        row: dict[str, Any] = {"policy": name, TRAINED_IN: _mean(here, name)}
        row |= {SECOND: _mean(there, name)}
        if name not in ("random", BASELINE):
            row |= {
                "gain": row[TRAINED_IN] - _mean(here, BASELINE),
                "second gain": row[SECOND] - _mean(there, BASELINE),
            }
        if row.get("gain", 0.0) > 0:
            kept = gain_kept(here, there, name, BASELINE)
            row |= {"kept": kept.value, "low": kept.low, "high": kept.high}
        rows.append(row)
    return pd.DataFrame(rows)


def _mean(found: Sequence[RolloutResults], name: str) -> float:
    return float(np.mean([one.mean_return(name).value for one in found]))


def _unit(factors: Floats) -> Floats32:
    lengths = np.linalg.norm(factors, axis=1, keepdims=True)
    return (factors / np.where(lengths > 0, lengths, 1.0)).astype(np.float32)


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
