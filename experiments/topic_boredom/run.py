"""Does it help that the slots of a slate know of each other?

On `rlrec/TopicBoredom-v0` three heads learn by PPO from scratch, with the same users, interactions,
rounds and passes: Plackett-Luce logits that know how many items of a topic stand above in the slate
(`topics`), the same without that (`plain`), and PPO of stable-baselines3 with a choice of its own
for each slot (`independent`, an action of `MultiDiscrete`). All are judged on the same new users.
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, fields
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from stable_baselines3 import PPO
from stable_baselines3.common.distributions import MultiCategoricalDistribution

import rlrec
from rlrec.agents import SlatePPO, SlatePPOConfig
from rlrec.arrays import Floats, Ints, Observations
from rlrec.envs.sb3 import SlateVecEnv
from rlrec.evaluation import rollout
from rlrec.policy import SlatePolicy
from rlrec.slates import SlateDraw

HERE = Path(__file__).resolve().parent
ENVIRONMENT = "rlrec/TopicBoredom-v0"
DISCOUNT, N_EPOCHS, BATCH_SIZE, WIDTH = 0.8, 4, 1_024, 128
RATES = {"topics": 3e-3, "plain": 3e-3, "independent": 3e-4, "independent, fast": 3e-3}
"""Step sizes: that of stable-baselines3, and the one that suits the others."""
TEST_SEED = 1_000_000


@dataclass(frozen=True, kw_only=True)
class Arguments:
    """What to run."""

    seeds: int = 10
    """Seeds of training, from 0 on."""
    interactions: int = 49_152
    """Of each agent."""
    transitions: int = 8_192
    """Between two rounds of updates."""
    users: int = 512
    """Trained on at the same time."""
    test_users: int = 1_000
    """On whom all heads are judged, before and after training; none of them is trained on."""
    sizes: str = "5,10"
    """Sizes of slates, with commas."""
    heads: str = "topics|plain|independent|independent, fast"
    """Which heads, with bars between them."""
    jobs: int = 1
    """Agents trained at the same time, each on one core."""
    results: Path = HERE / "results"
    """Folder of the tables."""
    smoke: bool = False
    """Tiny settings, to see that it works; the numbers mean nothing."""


class IndependentSlots:
    """PPO of stable-baselines3 as a slate policy: each slot chooses without regard to the others.

    Items may repeat in a slate; a repeat counts as nothing.
    """

    def __init__(self, model: PPO) -> None:
        self.model = model

    def act(
        self, observations: Observations, rng: np.random.Generator, deterministic: bool = False
    ) -> SlateDraw:
        """Return the likeliest item of each slot, or drawn ones."""
        logits = self._log_probs(observations)
        if not deterministic:
            logits = [found + rng.gumbel(size=found.shape) for found in logits]
        slates = np.stack([found.argmax(axis=1) for found in logits], axis=1)
        certain = np.zeros(slates.shape)
        return SlateDraw(slates, certain if deterministic else self.log_probs(observations, slates))

    def log_probs(self, observations: Observations, slates: Ints) -> Floats:
        """Return log-probabilities (B, K) of the items of slates, each by itself."""
        logits = self._log_probs(observations)
        parts = [
            np.take_along_axis(found, slates[:, slot, None], axis=1)
            for slot, found in enumerate(logits)
        ]
        return np.concatenate(parts, axis=1)

    def _log_probs(self, observations: Observations) -> list[Floats]:
        """Return log-probabilities (B, N) of each slot."""
        tensors, _ = self.model.policy.obs_to_tensor(dict(observations))
        with torch.no_grad():
            spread = self.model.policy.get_distribution(tensors)
        assert isinstance(spread, MultiCategoricalDistribution)
        return [slot.logits.double().numpy() for slot in spread.distribution]


def main(arguments: Arguments) -> None:
    """Train all agents and write `returns.csv`."""
    sizes = [int(size) for size in arguments.sizes.split(",")]
    heads = arguments.heads.split("|")
    runs = [(head, size, s) for s in range(arguments.seeds) for size in sizes for head in heads]
    with ProcessPoolExecutor(arguments.jobs) as pool:
        rows = [row for part in pool.map(partial(trained, arguments), runs) for row in part]
    arguments.results.mkdir(parents=True, exist_ok=True)
    returns = pd.DataFrame(rows).sort_values(["slate_size", "head", "interactions", "seed"])
    returns.to_csv(arguments.results / "returns.csv", index=False, float_format="%.2f")
    by = returns.groupby(["slate_size", "head", "interactions", "slates"])["return"]
    sys.stdout.write(f"{by.agg(['mean', 'min', 'max', 'count']).round(1).to_string()}\n")


def trained(arguments: Arguments, run: tuple[str, int, int]) -> list[dict[str, Any]]:
    """Train one agent; return its returns on the test users, before and after."""
    head, size, seed = run
    torch.set_num_threads(1)
    world = {"n_items": 60, "n_steps": 20} if arguments.smoke else {}
    n_users, n_transitions, interactions, n_test = (
        (64, 1_024, 4_096, 50)
        if arguments.smoke
        else (
            arguments.users,
            arguments.transitions,
            arguments.interactions,
            arguments.test_users,
        )
    )
    users = rlrec.make_users(
        ENVIRONMENT, n_users, seed=seed, counts_observed=True, slate_size=size, **world
    )
    agent, policy = made(head, users, n_transitions // n_users, seed)
    rows = judged(policy, users, n_test)
    agent.learn(interactions)
    rows += judged(policy, users, n_test)
    for row, moment in zip(rows, (0, 0, agent.num_timesteps, agent.num_timesteps), strict=True):
        row |= {"head": head, "slate_size": size, "seed": seed, "interactions": moment}
    sys.stderr.write(f"{head}, K {size}, seed {seed}: {rows[-2]['return']:.1f}\n")
    return rows


def made(head: str, users: SlateVecEnv, n_steps: int, seed: int) -> tuple[Any, SlatePolicy]:
    """Return an agent that knows nothing, and the policy it is."""
    shared: dict[str, Any] = {
        "learning_rate": RATES[head],
        "n_epochs": N_EPOCHS,
        "batch_size": BATCH_SIZE,
    }
    if head.startswith("independent"):
        model = PPO(
            "MultiInputPolicy",
            users,
            n_steps=n_steps,
            gamma=DISCOUNT,
            policy_kwargs={"net_arch": [WIDTH, WIDTH]},
            seed=seed,
            **shared,
        )
        return model, IndependentSlots(model)
    config = SlatePPOConfig(
        credit="own",
        discount=DISCOUNT,
        n_transitions=n_steps * users.num_envs,
        topic_aware=head == "topics",
        hidden=WIDTH,
        **shared,
    )
    agent = SlatePPO(users, config, seed=seed)
    return agent, agent


def judged(policy: SlatePolicy, users: SlateVecEnv, n_users: int) -> list[dict[str, Any]]:
    """Return the mean returns of drawn slates and of the best ones."""
    play: Callable[..., Any] = partial(rollout, {"policy": policy}, users, n_users, TEST_SEED)
    return [
        {"slates": slates, "return": play(deterministic).mean_return("policy").value}
        for slates, deterministic in (("drawn", False), ("best", True))
    ]


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
