"""Users as an algorithm for continuous actions sees them."""

from typing import Any

from gymnasium import spaces
from numpy.typing import NDArray
from stable_baselines3.common.vec_env import VecEnv, VecEnvWrapper
from stable_baselines3.common.vec_env.base_vec_env import VecEnvObs, VecEnvStepReturn


class DecodedUsers(VecEnvWrapper):
    """Users under the action space of an agent that decodes its actions to slates itself.

    Algorithms of stable-baselines3 read off their users what kind of actions to learn; what they
    step them with are slates, since decoding needs the agent's networks.

    Args:
        venv: Users who are shown slates.
        proto_space: Of the agent's actions.
    """

    def __init__(self, venv: VecEnv, proto_space: spaces.Box) -> None:
        super().__init__(venv, action_space=proto_space)

    def reset(self) -> VecEnvObs:
        """Start the next visits."""
        return self.venv.reset()

    def step_async(self, actions: NDArray[Any]) -> None:
        """Keep the slates for `step_wait`."""
        self.venv.step_async(actions)

    def step_wait(self) -> VecEnvStepReturn:
        """Show the slates."""
        return self.venv.step_wait()
