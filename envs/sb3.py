"""Many users as a stable-baselines3 vector environment."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from stable_baselines3.common.vec_env import VecEnv
from stable_baselines3.common.vec_env.base_vec_env import VecEnvIndices, VecEnvObs, VecEnvStepReturn

from rlrec.envs.spaces import action_space, observation_space
from rlrec.simulation import SteppedSimulator


class SlateVecEnv(VecEnv):
    """B users under stable-baselines3; `rlrec.make_users` returns it.

    Each `step` returns fresh arrays, since SB3 keeps the last observation by reference. `infos` is
    a list of B dicts; those of users who go on are one shared empty dict.

    Args:
        simulator: Simulator of B users.
        seed: Seed of the users at the first `reset`; `seed()` gives another for the next one.
    """

    def __init__(self, simulator: SteppedSimulator, seed: int = 0) -> None:
        self.simulator = simulator
        self.render_mode = None
        super().__init__(simulator.n_users, observation_space(simulator), action_space(simulator))
        self._seed: int | None = seed
        self._returns = np.zeros(self.num_envs)
        self._lengths = np.zeros(self.num_envs, np.int64)
        self._nothing: dict[str, Any] = {}

    def reset(self) -> VecEnvObs:
        """Start the first visit of every user under a new seed, without one their next visit."""
        self._returns[:], self._lengths[:] = 0.0, 0
        seed, self._seed = self._seed, None
        if seed is None:
            return dict(self.simulator.next_episode(np.arange(self.num_envs)))
        return dict(self.simulator.reset(seed))

    def seed(self, seed: int | None = None) -> Sequence[int | None]:
        """Set the seed that the next `reset` uses, once."""
        if seed is not None:
            self._seed = seed
        return [self._seed] * self.num_envs

    def step_async(self, actions: NDArray[Any]) -> None:
        """Keep the slates for `step_wait`."""
        self._actions = actions

    def step_wait(self) -> VecEnvStepReturn:
        """Show the slates."""
        step = self.simulator.step(self._actions)
        self._returns += step.rewards
        self._lengths += 1
        infos = [self._nothing] * self.num_envs
        for row, user in enumerate(step.finished.tolist()):
            infos[user] = {
                "terminal_observation": {k: v[row] for k, v in step.final_observations.items()},
                "TimeLimit.truncated": bool(step.truncated[user]),
                "episode": {"r": float(self._returns[user]), "l": int(self._lengths[user])},
            }
        self._returns[step.finished], self._lengths[step.finished] = 0.0, 0
        dones = step.terminated | step.truncated
        return dict(step.observations), step.rewards.astype(np.float32), dones, infos

    def close(self) -> None:
        """Do nothing: there is nothing to close."""

    def get_attr(self, attr_name: str, indices: VecEnvIndices = None) -> list[Any]:
        """Return an attribute, of this environment or its simulator, for each user asked for."""
        return self._for_each(getattr(self._owner(attr_name), attr_name), indices)

    def set_attr(self, attr_name: str, value: Any, indices: VecEnvIndices = None) -> None:
        """Set an attribute where `get_attr` finds it (a new one here); all users share it."""
        setattr(self._owner(attr_name), attr_name, value)

    def env_method(
        self, method_name: str, *args: Any, indices: VecEnvIndices = None, **kwargs: Any
    ) -> list[Any]:
        """Call a method of this environment, or else of its simulator, once.

        Returns:
            The answer, which is one for all B users, once for each user asked for.
        """
        method = getattr(self._owner(method_name), method_name)
        return self._for_each(method(*args, **kwargs), indices)

    def env_is_wrapped(self, wrapper_class: type[Any], indices: VecEnvIndices = None) -> list[bool]:
        """Return False for each user asked for: there are no single environments to wrap."""
        return self._for_each(False, indices)

    def _owner(self, name: str) -> Any:
        """Return who has an attribute: this environment, else its simulator, else this one."""
        return self.simulator if hasattr(self.simulator, name) and not hasattr(self, name) else self

    def _for_each(self, value: Any, indices: VecEnvIndices) -> list[Any]:
        return [value] * len(list(self._get_indices(indices)))
