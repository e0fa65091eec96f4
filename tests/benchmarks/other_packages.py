"""The same measurement for the simulators others use, where they are installed.

`tests/envs/test_other_packages.py` has their install lines; nothing here needs them.
"""

import sys
import time
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import gymnasium as gym
import numpy as np

_SECONDS = 3.0


def steps_a_second(step: Callable[[], bool], reset: Callable[[], Any]) -> float:
    """Return steps of one user a CPU second; `step` says whether the episode ended."""
    reset()
    n_steps, began = 0, time.process_time()
    while time.process_time() - began < _SECONDS:
        if step():
            reset()
        n_steps += 1
    return n_steps / (time.process_time() - began)


def recsim(n_candidates: int, slate_size: int) -> float | None:
    """Return the speed of RecSim's interest evolution with a fixed set, None without RecSim."""
    if find_spec("recsim") is None:
        return None
    sys.modules["gin.tf"] = import_module("gin")  # all RecSim needs of it, without TensorFlow 1
    interest_evolution = import_module("recsim.environments.interest_evolution")
    env: Any = interest_evolution.create_environment(
        {
            "num_candidates": n_candidates,
            "slate_size": slate_size,
            "resample_documents": False,
            "seed": 0,
        }
    )
    rng = np.random.default_rng(0)

    def step() -> bool:
        return bool(env.step(rng.choice(n_candidates, slate_size, replace=False))[2])

    return steps_a_second(step, env.reset)


def sardine(env_id: str = "sardine/SlateTopK-Bored-v0") -> float | None:
    """Return the speed of a Sardine environment through `gymnasium.make`, None without Sardine."""
    if find_spec("sardine") is None:
        return None
    import_module("sardine")  # which registers its environments
    env: Any = gym.make(env_id)
    env.action_space.seed(0)

    def step() -> bool:
        _, _, terminated, truncated, _ = env.step(env.action_space.sample())
        return bool(terminated or truncated)

    return steps_a_second(step, env.reset)
