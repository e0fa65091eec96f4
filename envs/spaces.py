"""Gymnasium spaces of a simulator's observations and slates."""

import numpy as np
from gymnasium import spaces

from rlrec.simulation import Simulator


def observation_space(simulator: Simulator) -> spaces.Dict:
    """Return the space of one user's observation.

    Ids travel in `Box`: stable-baselines3 would one-hot `Discrete` and `MultiDiscrete`.
    """
    return spaces.Dict(
        {
            key: spaces.Box(space.low, space.high, space.shape, space.dtype)
            for key, space in simulator.observation_spaces.items()
        }
    )


def action_space(simulator: Simulator) -> spaces.MultiDiscrete:
    """Return the space of one user's slate."""
    return spaces.MultiDiscrete(np.full(simulator.slate_size, simulator.n_choices))
