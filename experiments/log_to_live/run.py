"""Does an agent that imitated a good log stay as good once it learns by interaction?

On `rlrec/InterestEvolution-v0` SlatePPO imitates a log of good slates. Copies of it then go on by
interaction: one with all that is to prevent a collapse (values learned from the returns of the log,
an actor held still at first, small steps, a leash to the imitated policy), one with none of it, and
on request those with all but one. Between the rounds of updates each is judged by the slates it
draws for the same users, on whom nobody is trained.
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
from stable_baselines3.common.callbacks import BaseCallback

import rlrec
from rlrec.agents import MyopicOracle, PlanningReference, SlatePPO, SlatePPOConfig
from rlrec.data import InteractionLog
from rlrec.envs import UserSimulator
from rlrec.envs.sb3 import SlateVecEnv
from rlrec.evaluation import rollout
from rlrec.policy import MixturePolicy, RandomPolicy, SlatePolicy

HERE = Path(__file__).resolve().parent
ENVIRONMENT = "rlrec/InterestEvolution-v0"
KIT: dict[str, Any] = {
    "warm_values": True,
    "frozen_actor": 0.1,
    "finetuning_rate": 0.3,
    "stop_kl": 0.01,
    "leash": 0.3,
    "leash_budget": 0.1,
}
WITHOUT: dict[str, dict[str, Any]] = {
    "values": {"warm_values": False},
    "freeze": {"frozen_actor": 0.0},
    "small_steps": {"finetuning_rate": 1.0, "stop_kl": 1e6},
    "leash": {"leash": 0.0},
}
NAIVE = {name: value for settings in WITHOUT.values() for name, value in settings.items()}
VARIANTS = {"kit": KIT, "naive": KIT | NAIVE}
VARIANTS |= {f"kit without {part}": KIT | settings for part, settings in WITHOUT.items()}
LOG_SEED, VALIDATION_SEED = 5, 500_000


@dataclass(frozen=True, kw_only=True)
class Arguments:
    """What to run."""

    seeds: int = 3
    """Seeds of training, from 0 on."""
    log_steps: int = 100_000
    """Slates of the log."""
    random_share: float = 0.2
    """Of random slates in the log; the rest is half myopic, half planned."""
    pretraining: int = 2_000
    """Updates on the log."""
    interactions: int = 150_000
    """Of each agent, after that."""
    users: int = 128
    """Trained on at the same time."""
    validation_users: int = 400
    """On whom agents are judged between rounds."""
    variants: str = "kit,naive"
    """Which agents: `kit`, `naive`, `kit without values`, `kit without freeze`,
    `kit without small_steps`, `kit without leash`, with commas."""
    jobs: int = 1
    """Agents trained at the same time, each on one core."""
    results: Path = HERE / "results"
    """Folder of the tables."""
    smoke: bool = False
    """Tiny settings, to see that it works; the numbers mean nothing."""


class Curve(BaseCallback):
    """Judges an agent between the rounds of updates."""

    def __init__(self, users: SlateVecEnv, n_users: int) -> None:
        super().__init__()
        self.users, self.n_users = users, n_users
        self.rows: list[dict[str, float]] = []

    def judge(self) -> None:
        """Note the mean return of the slates drawn now."""
        assert isinstance(self.model, SlatePPO)
        value = drawn_return(self.model, self.users, self.n_users)
        self.rows.append({"interactions": self.model.num_timesteps, "return": value})

    def _on_rollout_start(self) -> None:
        self.judge()

    def _on_step(self) -> bool:
        return True


def main(arguments: Arguments) -> None:
    """Train all agents and write `curves.csv` and `dips.csv`."""
    runs = [(name, s) for s in range(arguments.seeds) for name in arguments.variants.split(",")]
    with ProcessPoolExecutor(arguments.jobs) as pool:
        parts = list(pool.map(partial(trained, arguments), runs))
    curves = pd.concat(parts, ignore_index=True)
    dips = curves.groupby(["variant", "seed"], sort=False)["return"].apply(_dip).unstack()
    arguments.results.mkdir(parents=True, exist_ok=True)
    curves.to_csv(arguments.results / "curves.csv", index=False, float_format="%.2f")
    dips.to_csv(arguments.results / "dips.csv", float_format="%.4f")
    sys.stdout.write(f"{dips.round(3).to_string()}\n")


def trained(arguments: Arguments, run: tuple[str, int]) -> pd.DataFrame:
    """Let one agent imitate the log and go on by interaction; return its curve."""
    variant, seed = run
    torch.set_num_threads(1)
    if arguments.smoke:
        n_users, log_steps, n_updates, interactions, n_judging = 32, 3_000, 100, 4_096, 30
        sizes = {"n_transitions": 1_024, "hidden": 16, "item_size": 8}
        n_items = 40
    else:
        n_users, log_steps, n_updates, interactions, n_judging = (
            arguments.users,
            arguments.log_steps,
            arguments.pretraining,
            arguments.interactions,
            arguments.validation_users,
        )
        sizes, n_items = {}, 200
    users = rlrec.make_users(ENVIRONMENT, n_users, seed=seed, n_items=n_items)
    good = logger(users, arguments.random_share)
    log = InteractionLog.record(good, users, n_steps=log_steps, seed=LOG_SEED)
    agent = SlatePPO(users, SlatePPOConfig(**{**VARIANTS[variant], **sizes}), seed=seed)
    agent.pretrain(log, n_updates)
    curve = Curve(users, n_judging)
    agent.learn(interactions, callback=curve)
    curve.judge()
    frame = pd.DataFrame(curve.rows)
    frame.insert(0, "variant", variant)
    frame.insert(1, "seed", seed)
    frame["logger"] = drawn_return(good, users, n_judging)
    sys.stderr.write(f"{variant}, seed {seed}: {frame['return'].round(1).tolist()}\n")
    return frame


def logger(users: SlateVecEnv, random_share: float) -> SlatePolicy:
    """Return the policy of the log: myopic, planned and random slates."""
    simulator = users.simulator
    anything = RandomPolicy(simulator.n_choices, simulator.slate_size)
    informed = (1.0 - random_share) / 2
    assert isinstance(simulator, UserSimulator)
    planned = PlanningReference.fit(simulator)
    return MixturePolicy([MyopicOracle(), planned, anything], [informed, informed, random_share])


def drawn_return(policy: SlatePolicy, users: SlateVecEnv, n_users: int) -> float:
    """Return the mean return of slates drawn for the validation users."""
    results = rollout({"policy": policy}, users, n_users, seed=VALIDATION_SEED, deterministic=False)
    return results.mean_return("policy").value


def _dip(returns: pd.Series) -> pd.Series:
    first, lowest, last = returns.iloc[0], returns.min(), returns.iloc[-1]
    return pd.Series(
        {"pretrained": first, "lowest": lowest, "dip": 1.0 - lowest / first, "final": last}
    )


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
