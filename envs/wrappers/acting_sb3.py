"""Many users of stable-baselines3 with another action space."""

from typing import Any

from numpy.typing import NDArray
from stable_baselines3.common.vec_env import VecEnv, VecEnvWrapper
from stable_baselines3.common.vec_env.base_vec_env import VecEnvObs, VecEnvStepReturn

from rlrec.envs.wrappers.acting import slates_of
from rlrec.envs.wrappers.actions import SlateActions
from rlrec.simulation import simulator_of


class ActingVecEnv(VecEnvWrapper):
    """Many users, served by actions of another kind: for agents of continuous or single actions.

    Args:
        venv: Many users, such as `rlrec.make_users` returns.
        actions: How actions become slates.
    """

    def __init__(self, venv: VecEnv, actions: SlateActions) -> None:
        super().__init__(venv, action_space=actions.space)
        self.slate_actions = actions
        self._simulator = simulator_of(venv)

    def reset(self) -> VecEnvObs:
        """Start the next visits."""
        return self.venv.reset()

    def step_async(self, actions: NDArray[Any]) -> None:
        """Keep the slates that actions (B, ...) show."""
        self.venv.step_async(slates_of(self.slate_actions, actions, self._simulator))

    def step_wait(self) -> VecEnvStepReturn:
        """Show the slates."""
        return self.venv.step_wait()
