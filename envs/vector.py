"""Many users as one native Gymnasium vector environment."""

from typing import Any

import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space
from numpy.typing import NDArray

from rlrec.arrays import Bools, Floats, Ints
from rlrec.envs.simulator import UserSimulator
from rlrec.envs.spaces import action_space, observation_space

BatchedObservation = dict[str, NDArray[Any]]


class SlateVectorEnv(VectorEnv[BatchedObservation, NDArray[np.int64], NDArray[Any]]):
    """B users stepped together; `gym.make_vec` returns it.

    Users whose episode ends are replaced in the same step. `info` holds `response` (B, K, R),
    `blank_slots` (B,) and, where episodes ended, `final_obs` (arrays with a leading axis of B; rows
    of users who go on are zero) with its mask `_final_obs`.

    Args:
        simulator: Simulator of B users.
    """

    metadata: dict[str, Any] = {"autoreset_mode": AutoresetMode.SAME_STEP, "render_modes": []}  # noqa: RUF012

    def __init__(self, simulator: UserSimulator) -> None:
        self.simulator = simulator
        self.num_envs = simulator.n_users
        self.single_observation_space = observation_space(simulator)
        self.single_action_space = action_space(simulator)
        self.observation_space = batch_space(self.single_observation_space, self.num_envs)
        self.action_space = batch_space(self.single_action_space, self.num_envs)
        self.render_mode = None
        self._started = False

    def reset(
        self, *, seed: int | list[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[BatchedObservation, dict[str, Any]]:
        """Start new visits for all: the first under `seed`, or without a seed the next ones."""
        if isinstance(seed, list):
            seed = seed[0]
        super().reset(seed=seed)
        if seed is not None or not self._started:
            drawn = int(self.np_random.integers(2**31)) if seed is None else seed
            observations = self.simulator.reset(drawn)
        else:
            observations = self.simulator.next_episode(np.arange(self.num_envs))
        self._started = True
        return dict(observations), {}

    def step(
        self, actions: NDArray[np.int64]
    ) -> tuple[BatchedObservation, Floats, Bools, Bools, dict[str, Any]]:
        """Show slates (B, K)."""
        step = self.simulator.step(np.asarray(actions))
        info: dict[str, Any] = {"response": step.responses, "blank_slots": step.blank_slots}
        if step.finished.size:
            info["final_obs"] = {
                key: _spread(array, step.finished, self.num_envs)
                for key, array in step.final_observations.items()
            }
            info["_final_obs"] = step.terminated | step.truncated
        return dict(step.observations), step.rewards, step.terminated, step.truncated, info


def _spread(values: NDArray[Any], rows: Ints, n_rows: int) -> NDArray[Any]:
    spread = np.zeros((n_rows, *values.shape[1:]), values.dtype)
    spread[rows] = values
    return spread
