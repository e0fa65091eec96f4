"""How many user-steps a CPU second simulated users make: `python -m tests.benchmarks.environments`.

Random slates are drawn beforehand; making the observations counts. Prints JSON.
"""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before anything imports numpy

import argparse
import json
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from rlrec.arrays import Ints
from rlrec.envs import SlateVectorEnv, UserSimulator, make_simulator
from rlrec.slates import uniform_slates

ENV_ID = "rlrec/InterestEvolution-v0"
FACES = ("simulator", "vector", "sb3")


class Setting(NamedTuple):
    """What is timed."""

    env_id: str
    users: int
    arguments: dict[str, Any]


SETTINGS = (
    Setting(ENV_ID, 1000, {"n_items": 1000, "slate_size": 10}),
    Setting(ENV_ID, 1000, {"n_candidates": 10, "slate_size": 3}),
    Setting("rlrec/FittedUsers-v0", 1000, {}),
)


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
    slates = [uniform_slates(*size, rng) for _ in range(50)]
    seconds = []
    for number in range(rounds + 1):
        began = time.process_time()
        for shown in range(n_steps if number else 100):
            step(slates[shown % len(slates)])
        seconds.append(time.process_time() - began)
    return setting.users * n_steps / min(seconds[1:])


def measure(setting: Setting) -> dict[str, Any]:
    """Return a row of the printed list."""
    simulator = make_simulator(setting.env_id, 1, **setting.arguments)
    return {
        "environment": setting.env_id,
        "users": setting.users,
        "offer": "catalogue" if simulator.catalogue is not None else "fresh documents",
        "items": simulator.n_choices,
        "slate_size": simulator.slate_size,
        "user_steps_per_cpu_second": {
            face: round(user_steps_a_second(setting, face)) for face in FACES
        },
    }


def main() -> None:
    """Time all settings, or only the first ones."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--first", type=int, default=len(SETTINGS), help="time only so many")
    chosen = SETTINGS[: parser.parse_args().first]
    print(json.dumps([measure(setting) for setting in chosen], indent=2))


if __name__ == "__main__":
    main()
