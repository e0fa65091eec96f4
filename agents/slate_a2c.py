"""SlateA2C: advantage actor-critic of slates drawn without repeats."""

from typing import ClassVar

import numpy as np
import torch
from stable_baselines3 import A2C
from stable_baselines3.common.type_aliases import GymEnv
from torch import Tensor

from rlrec.agents.slate_a2c_config import SlateA2CConfig
from rlrec.agents.slate_actor_critic import Judged, SlateActorCritic
from rlrec.agents.slate_on_policy import SlateOnPolicy
from rlrec.agents.slate_rollouts import SlateRollout, SlateRolloutBuffer
from rlrec.arrays import Floats32
from rlrec.data.catalogue import Catalogue


class SlateA2C(SlateOnPolicy, A2C):  # type: ignore[misc]
    """Advantage actor-critic with a Plackett-Luce head over the items.

    After each short round one step along the gradient of the mean over slots of
    `A log p(slot | slots above)`, with A the generalised advantage of the slate, if asked for less
    what other slots brought (`credit`). The plain form of `SlatePPO`: nothing is clipped, since no
    transition is used twice. `pretrain`, frozen actor and leash are the same.

    Args:
        env: Users: a `VecEnv` (such as `rlrec.make_users` returns) or the name of an environment.
            It must observe `last_response`.
        config: Settings.
        item_factors: Shape (N, F). Factors of a collaborative-filtering model; None for none.
        catalogue: The items; by default that of `env`, if it has one.
        seed: Of networks, draws and of `env` too; None leaves `env` with its own seed.
        tensorboard_log: Folder for TensorBoard, or None.
        verbose: As in stable-baselines3.
        device: As in stable-baselines3.

    Reference:
        Mnih, Badia, Mirza, Graves, Lillicrap, Harley, Silver and Kavukcuoglu, 2016, "Asynchronous
        Methods for Deep Reinforcement Learning".

    Stability: experimental.
    """

    config_class: ClassVar[type[SlateA2CConfig]] = SlateA2CConfig
    config: SlateA2CConfig

    def __init__(
        self,
        env: GymEnv | str | None,
        config: SlateA2CConfig | None = None,
        *,
        item_factors: Floats32 | None = None,
        catalogue: Catalogue | None = None,
        seed: int | None = None,
        tensorboard_log: str | None = None,
        verbose: int = 0,
        device: torch.device | str = "auto",
        _init_setup_model: bool = True,
    ) -> None:
        self.config = config = config or SlateA2CConfig()
        topic_aware = config.topic_aware
        env = self._meet(env, item_factors, catalogue, topic_aware=topic_aware, verbose=verbose)
        self.leash = config.leash
        super().__init__(
            SlateActorCritic,  # type: ignore[arg-type]
            env,
            config.learning_rate,
            n_steps=self._steps_a_round(env),
            gamma=config.discount,
            gae_lambda=config.trace,
            ent_coef=config.entropy,
            use_rms_prop=False,  # the networks bring Adam
            rollout_buffer_class=SlateRolloutBuffer,
            policy_kwargs=self._policy_settings(),
            tensorboard_log=tensorboard_log,
            verbose=verbose,
            device=device,
            seed=seed,
            _init_setup_model=False,
        )
        self._sampler = np.random.default_rng(seed)
        if _init_setup_model:
            self._setup_model()

    def train(self) -> None:
        """Do one update on all transitions of a round (called by `learn`)."""
        whole = self._begin_round()
        loss, told = self._loss(whole, self._credits(whole), self._is_frozen())
        self._step(loss)
        self._n_updates += 1
        self._end_round([told])

    def _objective(self, judged: Judged, batch: SlateRollout, credits: Tensor) -> Tensor:
        """Return the policy gradient's objective, to be made small."""
        return -(credits * judged.log_probs).mean()
