"""Agents whose algorithm takes continuous actions, which they decode to slates."""

from typing import Any

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.type_aliases import GymEnv
from torch import Tensor

from rlrec.agents.best_slates import ShowsBestSlates
from rlrec.agents.proto.decoded_users import DecodedUsers
from rlrec.agents.proto.state_features import StateFeatures
from rlrec.agents.slate_agent import SlateAgent, pace
from rlrec.arrays import Floats32
from rlrec.data.catalogue import Catalogue


class DecodesActions(ShowsBestSlates, SlateAgent):
    """Mixed into an algorithm of stable-baselines3 whose actions are vectors in [-1, 1]."""

    verbose: int
    policy: Any
    _sampler: np.random.Generator
    _slate_space: spaces.MultiDiscrete

    def predict(
        self,
        observation: Any,
        state: tuple[NDArray[Any], ...] | None = None,
        episode_start: NDArray[Any] | None = None,
        deterministic: bool = False,
    ) -> tuple[NDArray[Any], tuple[NDArray[Any], ...] | None]:
        """Return the slates to show, as in stable-baselines3; chance is that of training."""
        tensors, is_batch = self.policy.obs_to_tensor(observation)
        seen = {key: value.cpu().numpy() for key, value in tensors.items()}
        slates = self.act(seen, self._sampler, deterministic).slates
        return (slates if is_batch else slates[0]), state

    @property
    def slate_space(self) -> spaces.MultiDiscrete:
        """What the users can be shown."""
        return self._slate_space

    def set_env(self, env: GymEnv, force_reset: bool = True) -> None:
        """Go on with other users, who must be offered the same items.

        Raises:
            CatalogueMismatchError: They are offered another catalogue.
        """
        super().set_env(_undecoded(env), force_reset)

    def _meet(
        self,
        env: GymEnv | str | None,
        item_factors: Floats32 | None,
        catalogue: Catalogue | None,
        verbose: int,
    ) -> DecodedUsers:
        users = super()._meet(_undecoded(env), item_factors, catalogue, verbose)
        self._slate_space = users.action_space
        return self._decoded(users, self._prepare(users), verbose)

    def _prepare(self, users: Any) -> int:
        """Make what decodes actions before the algorithm is made; return the size of an action."""
        raise NotImplementedError

    def _decoded(self, users: GymEnv, size: int, verbose: int) -> DecodedUsers:
        """Return users under actions of some size."""
        space = spaces.Box(-1.0, 1.0, (size,), np.float32)
        return DecodedUsers(BaseAlgorithm._wrap_env(users, verbose), space)

    def _algorithm_settings(self, users: Any) -> dict[str, Any]:
        config = self.config
        return {
            "learning_rate": config.learning_rate,
            "buffer_size": config.buffer_size,
            "learning_starts": config.learning_starts,
            "batch_size": config.batch_size,
            "tau": config.target_rate,
            "gamma": config.discount,
            **pace(users.num_envs, config.updates_per_transition),
            "policy_kwargs": {
                "net_arch": [config.hidden, config.hidden],
                "features_extractor_class": StateFeatures,
                "features_extractor_kwargs": {"vectors": self._history_vectors(users)},
            },
            "_init_setup_model": False,
        }

    def _history_vectors(self, users: Any) -> Tensor | None:
        """Return vectors (N, d) of the items that histories name; None for none."""
        raise NotImplementedError

    def _as_stepped(self, env: GymEnv) -> GymEnv:
        assert self.action_space.shape is not None
        return self._decoded(env, self.action_space.shape[0], self.verbose)


def _undecoded(env: Any) -> Any:
    """Return the users who are shown slates."""
    return env.venv if isinstance(env, DecodedUsers) else env
