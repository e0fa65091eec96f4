"""What all trained agents have in common: the users they meet, logs, and saving."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import torch
from gymnasium import spaces
from stable_baselines3.common.base_class import maybe_make_env
from stable_baselines3.common.policies import BasePolicy
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
from rlrec.errors import ConfigError
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
    `pretrain(log)` and `learn(n)`, and is a slate policy: `act`, `log_probs`. It says what its
    settings are (`config_class`), its networks (`network`), and what the algorithm is told
    (`_algorithm_settings`).
    """

    network: ClassVar[type[BasePolicy]]

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
    config: Any
    _sampler: np.random.Generator

    def __init__(
        self,
        env: GymEnv | str | None,
        config: Any = None,
        *,
        item_factors: Floats32 | None = None,
        catalogue: Catalogue | None = None,
        seed: int | None = None,
        tensorboard_log: str | None = None,
        verbose: int = 0,
        device: torch.device | str = "auto",
        _init_setup_model: bool = True,
    ) -> None:
        self.config = self._checked(config)
        users = self._meet(env, item_factors, catalogue, verbose)
        super().__init__(  # type: ignore[call-arg]
            self.network,
            users,
            **self._algorithm_settings(users),
            tensorboard_log=tensorboard_log,
            verbose=verbose,
            device=device,
            seed=seed,
        )
        self._sampler = np.random.default_rng(seed)
        if _init_setup_model:
            self._setup_model()

    def _setup_model(self) -> None:
        """Make networks and buffers, as in stable-baselines3."""
        super()._setup_model()  # type: ignore[misc]

    @classmethod
    def _checked(cls, config: Any) -> Any:
        """Return the settings, by default those of `config_class`."""
        if config is not None and not isinstance(config, cls.config_class):
            raise ConfigError(
                f"{cls.__name__} takes a {cls.config_class.__name__}, got a {type(config).__name__}"
            )
        return config or cls.config_class()

    def _algorithm_settings(self, users: Any) -> dict[str, Any]:
        """Return what the algorithm of stable-baselines3 is told about learning from `users`."""
        raise NotImplementedError

    def _meet(
        self,
        env: GymEnv | str | None,
        item_factors: Floats32 | None,
        catalogue: Catalogue | None,
        verbose: int,
    ) -> Any:
        """Note what is known of the users and items (called first when an agent is made).

        Returns:
            The users, made if `env` is a name, as the algorithm steps them.
        """
        env = maybe_make_env(env, verbose) if isinstance(env, str) else env
        check_users(env, type(self).__name__)
        self.catalogue = catalogue = catalogue or catalogue_of(env)
        features = None if catalogue is None else catalogue.features
        is_aware = getattr(self.config, "topic_aware", False)
        topics = None if catalogue is None or not is_aware else catalogue.topics
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
