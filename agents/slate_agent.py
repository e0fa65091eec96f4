"""What all trained agents have in common: the users they meet, logs, and saving."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import torch
from gymnasium import spaces
from stable_baselines3.common.base_class import maybe_make_env
from stable_baselines3.common.type_aliases import GymEnv

from rlrec.agents.checkpoints import load_training, save_training
from rlrec.agents.logged import logged_transitions
from rlrec.agents.networks import ItemKnowledge
from rlrec.agents.replay import LoggedTransitions
from rlrec.agents.saving import SavedInFolder
from rlrec.agents.serving import catalogue_of, check_same_catalogue, check_users
from rlrec.arrays import Floats, Floats32, Ints, Observations
from rlrec.data.catalogue import Catalogue
from rlrec.data.log import InteractionLog
from rlrec.slates import SlateDraw

Progress = Callable[[int, int], None]
"""Told the updates done and those planned."""


def pace(n_users: int, updates_per_transition: float) -> dict[str, Any]:
    """Return how often to stop for updates, and for how many, as stable-baselines3 asks for it."""
    updates_a_step = n_users * updates_per_transition
    steps_between = max(1, round(1 / updates_a_step))
    n_updates = max(1, round(updates_a_step * steps_between))
    return {"train_freq": steps_between, "gradient_steps": n_updates}


class SlateAgent(SavedInFolder):
    """Mixed into an algorithm of stable-baselines3, before it in the list of bases.

    An agent is made as `Agent(env, config, item_factors=..., catalogue=..., seed=...)`, learns by
    `pretrain(log)` and `learn(n)`, and is a slate policy: `act`, `log_probs`.
    """

    kept: ClassVar[tuple[str, ...]] = ("n_pretraining_updates", "num_timesteps")
    learns_live: ClassVar[bool] = True
    """Whether there is a `learn` after `pretrain`."""
    observation_space: spaces.Space[Any]
    action_space: spaces.Space[Any]
    device: torch.device
    items: ItemKnowledge
    """What the networks know of the items before training."""
    catalogue: Catalogue | None
    n_pretraining_updates: int

    def _meet(
        self,
        env: GymEnv | str | None,
        item_factors: Floats32 | None,
        catalogue: Catalogue | None,
        *,
        topic_aware: bool = False,
        verbose: int = 0,
    ) -> Any:
        """Note what is known of the users and items (called first when an agent is made).

        Returns:
            The users, made if `env` is a name.
        """
        env = maybe_make_env(env, verbose) if isinstance(env, str) else env
        check_users(env, type(self).__name__)
        self.catalogue = catalogue = catalogue or catalogue_of(env)
        features = None if catalogue is None else catalogue.features
        topics = None if catalogue is None or not topic_aware else catalogue.topics
        self.items = ItemKnowledge(features, item_factors, topics)
        self.n_pretraining_updates = 0
        return env

    @property
    def slate_space(self) -> spaces.MultiDiscrete:
        """What the users can be shown, whatever actions the algorithm itself takes."""
        assert isinstance(self.action_space, spaces.MultiDiscrete)
        return self.action_space

    @property
    def n_choices(self) -> int:
        """Items (or candidates) that a slot may show."""
        return int(self.slate_space.nvec[0])

    def set_env(self, env: GymEnv, force_reset: bool = True) -> None:
        """Go on with other users, who must be offered the same items.

        Raises:
            CatalogueMismatchError: They are offered another catalogue.
        """
        check_users(env, type(self).__name__)
        check_same_catalogue(env, self.catalogue)
        super().set_env(self._as_stepped(env), force_reset)  # type: ignore[misc]

    def _as_stepped(self, env: GymEnv) -> GymEnv:
        """Return users as the algorithm steps them, where its own actions are no slates."""
        return env

    def transitions_of(self, log: InteractionLog, discount: float) -> LoggedTransitions:
        """Return the transitions of a log as this agent would have observed them.

        Args:
            log: Slates with responses, rewards and ends, from users like those of `env`.
            discount: Weight of the reward one step ahead, for the returns seen in the log.

        Raises:
            CatalogueMismatchError: The log belongs to another catalogue.
            LogFormatError: The log lacks what the agent observes.
        """
        assert isinstance(self.observation_space, spaces.Dict)
        return logged_transitions(
            log,
            self.catalogue,
            self.observation_space,
            self.n_choices,
            discount,
            self.device,
        )

    def act(
        self, observations: Observations, rng: np.random.Generator, deterministic: bool = False
    ) -> SlateDraw:
        """Return slates for B users; see `SlatePolicy`."""
        raise NotImplementedError

    def log_probs(self, observations: Observations, slates: Ints) -> Floats:
        """Return log-probabilities (B, K) given the prefix; see `SlatePolicy`."""
        raise NotImplementedError

    def save_checkpoint(self, folder: Path) -> None:
        """Write all that `learn` needs to go on to the bit: also users, replay and optimiser."""
        save_training(folder, self)

    def load_checkpoint(self, folder: Path) -> None:
        """Go back to a checkpoint of this agent, made over the same users and log."""
        load_training(folder, self)

    def pretrain(
        self, log: InteractionLog, n_updates: int = 1_000, *, progress: Progress | None = None
    ) -> Self:
        """Learn from a log alone, before `learn`.

        Args:
            log: Slates with responses, rewards and ends, from users like those of `env`.
            n_updates: Updates with a batch of logged rows each.
            progress: Called with the updates done and `n_updates`.

        Returns:
            This agent.

        Raises:
            CatalogueMismatchError: The log belongs to another catalogue.
            LogFormatError: The log lacks what the agent observes.
        """
        raise NotImplementedError
