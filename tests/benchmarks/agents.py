"""How fast agents learn, and how much of it the users take: `python -m tests.benchmarks.agents`.

One thread. Each agent learns from 512 users of `rlrec/TopicBoredom-v0` (N = 1000, K = 10). Prints
JSON: transitions a CPU second, the share of the time spent in the environment, and SlatePPO beside
SB3's PPO with independent slots (MultiDiscrete), as many passes over as many transitions.
"""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before anything imports numpy

import argparse
import json
import sys
import time
from collections.abc import Callable
from typing import Any

import torch
from stable_baselines3 import PPO

import rlrec
from rlrec.agents import SlatePPO, SlatePPOConfig, SlateQ, SlateQConfig
from rlrec.envs.sb3 import SlateVecEnv

ENVIRONMENT, N_USERS, N_STEPS = "rlrec/TopicBoredom-v0", 512, 16
N_EPOCHS, BATCH_SIZE = 4, 1024


def users() -> SlateVecEnv:
    """Return the users, the same for all."""
    return rlrec.make_users(ENVIRONMENT, N_USERS, seed=0)


def slate_ppo(env: SlateVecEnv, **settings: Any) -> SlatePPO:
    """Return SlatePPO with default settings, but for those given."""
    shared: dict[str, Any] = {
        "n_transitions": N_USERS * N_STEPS,
        "n_epochs": N_EPOCHS,
        "batch_size": BATCH_SIZE,
    }
    return SlatePPO(env, SlatePPOConfig(**shared, stop_kl=1e9, **settings), seed=0)


def independent_slots(env: SlateVecEnv) -> PPO:
    """Return SB3's PPO with a network of the same width and a head a slot."""
    return PPO(
        "MultiInputPolicy",
        env,
        n_steps=N_STEPS,
        batch_size=BATCH_SIZE,
        n_epochs=N_EPOCHS,
        policy_kwargs={"net_arch": [128, 128]},
        seed=0,
    )


def slate_q(env: SlateVecEnv) -> SlateQ:
    """Return SlateQ, whose updates begin at once."""
    return SlateQ(env, SlateQConfig(learning_starts=N_USERS), seed=0)


AGENTS: dict[str, Callable[[SlateVecEnv], Any]] = {
    "SlatePPO": slate_ppo,
    "SlatePPO, without topics": lambda env: slate_ppo(env, topic_aware=False),
    "SlateQ": slate_q,
    "PPO, independent slots": independent_slots,
}


class Stopwatch:
    """Adds up the CPU time of calls of a method."""

    def __init__(self, owner: Any, method: str) -> None:
        self.seconds = 0.0
        self._call = getattr(owner, method)
        setattr(owner, method, self)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the method."""
        began = time.process_time()
        try:
            return self._call(*args, **kwargs)
        finally:
            self.seconds += time.process_time() - began


def measured(name: str, n_rounds: int) -> dict[str, float]:
    """Return transitions a CPU second of an agent, and the share of the users in its time."""
    env = users()
    agent = AGENTS[name](env)
    n = N_USERS * N_STEPS
    agent.learn(n)
    waiting, sending = Stopwatch(env, "step_wait"), Stopwatch(env, "step_async")
    began = time.process_time()
    agent.learn(n_rounds * n, reset_num_timesteps=False)
    seconds = time.process_time() - began
    return {
        "transitions_per_cpu_second": round(n_rounds * n / seconds, 1),
        "share_in_environment": round((waiting.seconds + sending.seconds) / seconds, 4),
    }


def report(n_rounds: int, names: list[str]) -> dict[str, Any]:
    """Return all that is printed."""
    torch.set_num_threads(1)
    rows: dict[str, Any] = {name: measured(name, n_rounds) for name in names}
    rival = rows.get("PPO, independent slots")
    for name in names:
        if rival is not None and name.startswith("SlatePPO"):
            speeds = [row["transitions_per_cpu_second"] for row in (rows[name], rival)]
            rows[name]["times_independent_slots"] = round(speeds[0] / speeds[1], 2)
    return rows


def main() -> None:
    """Print the report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="rounds of 8,192 transitions")
    parser.add_argument("--agents", nargs="+", choices=AGENTS, default=list(AGENTS))
    arguments = parser.parse_args()
    sys.stdout.write(json.dumps(report(arguments.rounds, arguments.agents), indent=2) + "\n")


if __name__ == "__main__":
    main()
