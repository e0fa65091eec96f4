"""SlateA2C: advantage actor-critic of slates drawn without repeats."""

from typing import Any, ClassVar

from stable_baselines3 import A2C
from torch import Tensor

from rlrec.agents.on_policy.slate_a2c_config import SlateA2CConfig
from rlrec.agents.on_policy.slate_on_policy import SlateOnPolicy
from rlrec.agents.slate_actor_critic import Judged
from rlrec.agents.slate_rollouts import SlateRollout


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

    def _algorithm_settings(self, users: Any) -> dict[str, Any]:
        # The networks bring Adam.
        return {**super()._algorithm_settings(users), "use_rms_prop": False}

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
