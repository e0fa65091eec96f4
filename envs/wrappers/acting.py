"""The faces of users with another action space."""

from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.vector import VectorActionWrapper, VectorEnv
from gymnasium.vector.utils import batch_space
from numpy.typing import NDArray

from rlrec.arrays import Ints, Observations
from rlrec.envs.wrappers.actions import SlateActions
from rlrec.errors import ConfigError
from rlrec.simulation import SteppedSimulator, simulator_of


class ActingEnv(gym.ActionWrapper[Any, Any, Any]):
    """One user, served by actions of another kind; for `gym.make` and wrappers of it.

    Args:
        env: One user.
        actions: How actions become slates.
    """

    def __init__(self, env: gym.Env[Any, Any], actions: SlateActions) -> None:
        super().__init__(env)
        self.actions = actions
        self.action_space = actions.space
        self._simulator = simulator_of(env)

    def action(self, action: Any) -> Ints:
        """Return the slate (K,) that an action shows."""
        slate: Ints = slates_of(self.actions, np.asarray(action)[None], self._simulator)[0]
        return slate


class ActingVectorEnv(VectorActionWrapper):
    """Many users, served by actions of another kind; for `gym.make_vec` and wrappers of it.

    Args:
        env: Many users.
        actions: How actions become slates.
    """

    def __init__(self, env: VectorEnv[Any, Any, Any], actions: SlateActions) -> None:
        super().__init__(env)
        self.slate_actions = actions
        self.single_action_space = actions.space
        self.action_space = batch_space(actions.space, self.num_envs)
        self._simulator = simulator_of(env)

    def actions(self, actions: Any) -> Ints:
        """Return the slates (B, K) that actions show."""
        return slates_of(self.slate_actions, np.asarray(actions), self._simulator)


def slates_of(actions: SlateActions, given: NDArray[Any], simulator: Any) -> Ints:
    """Return the slates that actions (B, ...) show the users of a simulator now."""
    observations: Observations = {}
    if actions.reads_offer:
        assert isinstance(simulator, SteppedSimulator)  # every face has one
        observations = simulator.observe()
    return actions.slates(given, observations)


def with_actions(env: Any, actions: SlateActions) -> Any:
    """Return users who are served by actions of another kind.

    Args:
        env: A face: one user, a vector environment of Gymnasium, or a `VecEnv` of
            stable-baselines3; wrapped or not.
        actions: How actions become slates.

    Returns:
        A wrapper of the same family.

    Raises:
        ConfigError: `env` is no face, or `actions` do not say how they become slates.
    """
    if not all(hasattr(actions, name) for name in ("space", "slates", "reads_offer")):
        raise ConfigError(
            "actions must say how they become slates, such as NearestItems(simulator), TopScores "
            f"or SingleItem, got {actions!r}"
        )
    if isinstance(env, VectorEnv):
        return ActingVectorEnv(env, actions)
    if isinstance(env, gym.Env):
        return ActingEnv(env, actions)
    if not hasattr(env, "step_async"):
        raise ConfigError(
            "with_actions takes a face, such as rlrec.make_users(...) or gym.make(...), got "
            f"{type(env).__name__}"
        )
    from rlrec.envs.wrappers.acting_sb3 import ActingVecEnv  # imports torch

    return ActingVecEnv(env, actions)
