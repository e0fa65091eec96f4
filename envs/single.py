"""One user as a Gymnasium environment."""

from typing import Any

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

from rlrec.arrays import Observations
from rlrec.envs.rendering import RENDER_FPS, RENDER_MODES, rendered, watch_of
from rlrec.envs.spaces import action_space, observation_space
from rlrec.simulation import SteppedSimulator

SingleObservation = dict[str, NDArray[Any]]


class SlateEnv(gym.Env[SingleObservation, NDArray[np.int64]]):
    """One user who responds to slates; `gym.make` returns it.

    `info` holds `response` (K, R), `blank_slots` and `user_id`. The truth is on `simulator`.

    Args:
        simulator: Simulator of one user.
        render_mode: "ansi" for text, "rgb_array" for a picture; None costs nothing.
    """

    metadata: dict[str, Any] = {"render_modes": list(RENDER_MODES), "render_fps": RENDER_FPS}  # noqa: RUF012 (Gymnasium's own)

    def __init__(self, simulator: SteppedSimulator, render_mode: str | None = None) -> None:
        self.simulator = simulator
        # Gymnasium types the elements of a Dict space as spaces
        self.observation_space = observation_space(simulator)  # type: ignore[assignment]
        self.action_space = action_space(simulator)
        self.render_mode = render_mode
        self._watch = watch_of(simulator, render_mode)
        self._episode: int | None = None  # the one `reset` returned last
        self._user_id = 0

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[SingleObservation, dict[str, Any]]:
        """Start a visit: the first under `seed`, or without a seed the next one."""
        super().reset(seed=seed)
        if seed is not None or self._episode is None:
            drawn = int(self.np_random.integers(2**31)) if seed is None else seed
            observations = self.simulator.reset(drawn)
        elif self._is_replaced():
            observations = self.simulator.observe()
        else:
            observations = self.simulator.next_episode(np.zeros(1, np.int64))
        self._episode = int(self.simulator.episode_ids[0])
        if self._watch is not None:
            self._watch.begin()
        self._user_id = int(self.simulator.user_ids[0])
        return _first(observations), {"user_id": self._user_id}

    def step(
        self, action: NDArray[np.int64]
    ) -> tuple[SingleObservation, float, bool, bool, dict[str, Any]]:
        """Show one slate (K,)."""
        user_id = self._user_id
        slates = np.asarray(action)[None]
        if self._watch is not None:
            self._watch.before(slates)
        step = self.simulator.step(slates)
        if self._watch is not None:
            self._watch.after(slates, step)
        if step.finished.size:
            self._user_id = int(self.simulator.user_ids[0])
        seen = step.final_observations if step.finished.size else step.observations
        info = {
            "response": step.responses[0],
            "blank_slots": int(step.blank_slots[0]),
            "user_id": user_id,
        }
        reward = float(step.rewards[0])
        return _first(seen), reward, bool(step.terminated[0]), bool(step.truncated[0]), info

    def render(self) -> Any:
        """Return the user as text or as a picture (640, 960, 3), as `render_mode` says.

        It shows the slate, what came back, and the truth: chances and the user's inner state.

        Raises:
            ConfigError: The environment was made without a render mode.
        """
        return rendered(self._watch)

    def _is_replaced(self) -> bool:
        """Return whether the simulator has begun an episode that `reset` has not returned yet."""
        is_new = self.simulator.episode_ids[0] != self._episode
        return bool(is_new and self.simulator.steps[0] == 0)


def _first(observations: Observations) -> SingleObservation:
    return {key: array[0] for key, array in observations.items()}
