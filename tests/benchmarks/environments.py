"""How many user-steps a CPU second simulated users make: `python -m tests.benchmarks.environments`.

Random slates are drawn beforehand; making the observations counts. Prints JSON: the batched faces,
one user through `gymnasium.make`, how cost grows with users and with items, memory a user, and
other packages in the same run where they are installed.
"""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before anything imports numpy

import argparse
import json
import time
import tracemalloc
from collections.abc import Callable
from typing import Any, NamedTuple

import gymnasium as gym
import numpy as np

from rlrec.arrays import Ints
from rlrec.envs import SlateVectorEnv, UserSimulator, make_simulator
from rlrec.slates import uniform_slates
from tests.benchmarks import other_packages

INTEREST, BOREDOM = "rlrec/InterestEvolution-v0", "rlrec/TopicBoredom-v0"
FACES = ("simulator", "vector", "sb3")


class Setting(NamedTuple):
    """What is timed."""

    env_id: str
    users: int
    arguments: dict[str, Any]


SETTINGS = (
    Setting(INTEREST, 1000, {"n_items": 1000, "slate_size": 10}),
    Setting(BOREDOM, 1000, {}),
    Setting(INTEREST, 1000, {"n_candidates": 10, "slate_size": 3}),
    Setting("rlrec/FittedUsers-v0", 1000, {}),
)
ALONE = (Setting(BOREDOM, 1, {}), SETTINGS[0]._replace(users=1))


def step_of(face: str, simulator: UserSimulator) -> Callable[[Ints], Any]:
    """Return what steps the users of a face, after a reset."""
    if face == "simulator":
        simulator.reset(0)
        return simulator.step
    if face == "vector":
        vector = SlateVectorEnv(simulator)
        vector.reset(seed=0)
        return vector.step
    from rlrec.envs.sb3 import SlateVecEnv  # imports torch

    users = SlateVecEnv(simulator)
    users.reset()
    return users.step


def user_steps_a_second(setting: Setting, face: str, n_steps: int = 400, rounds: int = 3) -> float:
    """Return the best of some rounds of CPU time, after a warm-up into running episodes."""
    simulator = make_simulator(setting.env_id, setting.users, **setting.arguments)
    step = step_of(face, simulator)
    rng = np.random.default_rng(0)
    size = (setting.users, simulator.n_choices, simulator.slate_size)
    slates = [uniform_slates(*size, rng) for _ in range(20)]
    seconds = []
    for number in range(rounds + 1):
        began = time.process_time()
        for shown in range(n_steps if number else n_steps // 4):
            step(slates[shown % len(slates)])
        seconds.append(time.process_time() - began)
    return setting.users * n_steps / min(seconds[1:])


def steps_alone_a_second(setting: Setting, n_steps: int = 4000, rounds: int = 3) -> float:
    """Return steps of one user a CPU second through `gymnasium.make`, resets included."""
    env = gym.make(setting.env_id, **setting.arguments)
    simulator: UserSimulator = env.get_wrapper_attr("simulator")
    rng = np.random.default_rng(0)
    slates = uniform_slates(200, simulator.n_choices, simulator.slate_size, rng)
    env.reset(seed=0)
    seconds = []
    for _ in range(rounds):
        began = time.process_time()
        for number in range(n_steps):
            _, _, terminated, truncated, _ = env.step(slates[number % 200])
            if terminated or truncated:
                env.reset()
        seconds.append(time.process_time() - began)
    return n_steps / min(seconds)


def bytes_a_user(setting: Setting) -> float:
    """Return the memory that one more user takes while episodes run, observations included."""
    held = []
    for n_users in (500, 1500):
        tracemalloc.start()
        simulator = make_simulator(setting.env_id, n_users, **setting.arguments)
        observations: Any = simulator.reset(0)
        rng = np.random.default_rng(0)
        for _ in range(5):
            slates = uniform_slates(n_users, simulator.n_choices, simulator.slate_size, rng)
            observations = simulator.step(slates)
        held.append(tracemalloc.get_traced_memory()[0])
        tracemalloc.stop()
        del observations
    return (held[1] - held[0]) / 1000


def measure(setting: Setting) -> dict[str, Any]:
    """Return a row of the printed list."""
    simulator = make_simulator(setting.env_id, 1, **setting.arguments)
    return {
        "environment": setting.env_id,
        "users": setting.users,
        "offer": "catalogue" if simulator.catalogue is not None else "fresh documents",
        "items": simulator.n_choices,
        "slate_size": simulator.slate_size,
        "bytes_per_user": round(bytes_a_user(setting)),
        "user_steps_per_cpu_second": {
            face: round(user_steps_a_second(setting, face)) for face in FACES
        },
    }


def growth() -> dict[str, Any]:
    """Return user-steps a CPU second by number of users, of items, and of SB3 at 1024 users."""

    def fixed(users: int, n_items: int, face: str = "simulator") -> int:
        setting = Setting(INTEREST, users, {"n_items": n_items, "slate_size": 10})
        return round(user_steps_a_second(setting, face, n_steps=max(20, 200_000 // users)))

    return {
        "by_users": {str(users): fixed(users, 1000) for users in (100, 1000, 10_000, 50_000)},
        "by_items": {str(items): fixed(1000, items) for items in (1000, 100_000, 1_000_000)},
        "at_1024_users": {face: fixed(1024, 1000, face) for face in ("vector", "sb3")},
    }


def report(n_settings: int) -> dict[str, Any]:
    """Return all that is printed; with fewer settings only their rows."""
    rows: dict[str, Any] = {"batches": [measure(setting) for setting in SETTINGS[:n_settings]]}
    if n_settings < len(SETTINGS):
        return rows
    return {
        **rows,
        "one_user_through_gymnasium_make": {
            setting.env_id: round(steps_alone_a_second(setting)) for setting in ALONE
        },
        "growth": growth(),
        "other_packages": {
            "recsim, 1000 fixed candidates, slates of 10": other_packages.recsim(1000, 10),
            "sardine/SlateTopK-Bored-v0": other_packages.sardine(),
        },
    }


def main() -> None:
    """Time all settings, or only the first ones."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--first", type=int, default=len(SETTINGS), help="time only so many")
    print(json.dumps(report(parser.parse_args().first), indent=2))


if __name__ == "__main__":
    main()
