"""What agents need of the users they serve, and how they read what is observed of them."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from stable_baselines3.common.vec_env import VecEnv, unwrap_vec_normalize

from rlrec.agents.networks import TensorDict
from rlrec.arrays import Observations
from rlrec.data.catalogue import Catalogue
from rlrec.errors import CatalogueMismatchError, ConfigError
from rlrec.policy import n_users_of
from rlrec.simulation import simulator_of

_BLOCK = 2048  # users read at once


def check_users(env: Any, agent: str) -> None:
    """Check that an agent can be made for these users.

    Args:
        env: Users.
        agent: Name, for the message.
    """
    if env is None:
        raise ConfigError(f"{agent} needs users, such as rlrec.make_users returns; got None")
    offered, observed = env.action_space, env.observation_space
    if not isinstance(offered, spaces.MultiDiscrete) or len(set(offered.nvec.tolist())) != 1:
        raise ConfigError(f"{agent} shows slates: MultiDiscrete([N] * K), got {offered}")
    if np.any(offered.start) or len(offered.nvec) > offered.nvec[0]:
        raise ConfigError(
            f"{agent} shows slates without repeats of items 0..N - 1: MultiDiscrete([N] * K) with "
            f"K at most N and without start, got {offered}"
        )
    if not isinstance(observed, spaces.Dict):
        raise ConfigError(f"{agent} reads observations by name: a Dict of spaces, got {observed}")
    response = observed.spaces.get("last_response")
    shape = None if response is None else response.shape or ()
    if shape is not None and (len(shape) != 2 or shape[0] != len(offered.nvec)):
        raise ConfigError(
            f"last_response must have shape (K, R) with K = {len(offered.nvec)}, got {shape}"
        )
    if isinstance(env, VecEnv) and unwrap_vec_normalize(env) is not None:
        raise ConfigError(
            f"{agent} cannot learn behind VecNormalize: its logs hold what users were really like; "
            f"use the users without it (values are scaled by `value_scale`)"
        )


def catalogue_of(env: Any) -> Catalogue | None:
    """Return the catalogue that users are offered, None where there is none."""
    try:
        return simulator_of(env).catalogue
    except TypeError:  # users of another package
        return None


def check_same_catalogue(env: Any, known: Catalogue | None) -> None:
    """Check that other users are offered the items that an agent knows."""
    new = catalogue_of(env)
    if new is not None and known is not None and new.fingerprint != known.fingerprint:
        raise CatalogueMismatchError(
            f"this agent knows the items of catalogue {known.fingerprint}, the users given are "
            f"offered {new.fingerprint}; make a new agent for them"
        )


def blocks_of(
    observations: Observations, space: spaces.Space[Any], device: torch.device
) -> Iterator[TensorDict]:
    """Yield what is observed of users, some thousands at a time, as tensors."""
    assert isinstance(space, spaces.Dict)
    for start in range(0, n_users_of(observations), _BLOCK):
        yield {
            key: torch.as_tensor(observations[key][start : start + _BLOCK], device=device)
            for key in space.spaces
        }
