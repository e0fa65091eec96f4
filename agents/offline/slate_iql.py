"""SlateIQL: implicit Q-learning of slates."""

from typing import ClassVar

import torch
from stable_baselines3.common.utils import polyak_update
from torch import Tensor
from torch.nn import functional as F

from rlrec.agents.drawing import DrawsSlates
from rlrec.agents.log_and_live import LogAndLiveAgent
from rlrec.agents.offline.slate_bc import mean_of_slots
from rlrec.agents.offline.slate_iql_config import SlateIQLConfig
from rlrec.agents.offline.slate_iql_policy import SlateIQLPolicy
from rlrec.agents.replay import SlateBatch


class SlateIQL(DrawsSlates, LogAndLiveAgent):  # type: ignore[misc]
    """Implicit Q-learning: imitates the slates of a log, the more the better they turned out.

    Only slates that were shown are ever valued, so nothing is made of slates never seen:

    - `V(s)` is the expectile of Q(s, A) over the slates shown: the loss of an error u = Q - V is
      `|expectile - 1(u < 0)| u^2`;
    - `Q(s, A) <- r + discount * (1 - left) * V(s')` (`SlateCritic` says how Q sums up a slate);
    - the actor maximises the mean of `min(exp(sharpness * (Q - V)), most_weight) log pi(A | s)`,
      pi being Plackett-Luce over the items.

    The agent to take first where there is a log. `learn` goes on in the same way with the slates
    that the actor draws, beside those of the log.

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
        Kostrikov, Nair and Levine, 2022, "Offline Reinforcement Learning with Implicit Q-Learning".

    Stability: experimental.
    """

    config_class: ClassVar[type[SlateIQLConfig]] = SlateIQLConfig
    network: ClassVar[type[SlateIQLPolicy]] = SlateIQLPolicy
    config: SlateIQLConfig
    policy: SlateIQLPolicy

    def _update(self, batch: SlateBatch) -> dict[str, float]:
        policy, config, seen = self.policy, self.config, batch.observations
        worth = policy.least_values(seen, batch.slates)
        with torch.no_grad():
            following = policy.state_values(batch.next_observations)
        aims = batch.rewards / config.value_scale + batch.next_discounts * following
        values = policy.state_values(seen)
        value_loss = expectile_loss(worth - values, config.expectile)
        found = policy.slate_values(seen, batch.slates)
        slate_loss = torch.stack([F.mse_loss(one, aims) for one in found]).sum()
        weights = (config.sharpness * (worth - values.detach())).exp()
        likelihoods = mean_of_slots(policy.distribution(seen).log_probs(batch.slates))
        actor_loss = -(weights.clamp(max=config.most_weight) * likelihoods).mean()
        self._descend(value_loss + slate_loss + actor_loss)
        polyak_update(policy.critics.parameters(), policy.targets.parameters(), config.target_rate)
        return {
            "value_loss": value_loss.item(),
            "slate_loss": slate_loss.item(),
            "actor_loss": actor_loss.item(),
        }


def expectile_loss(errors: Tensor, expectile: float) -> Tensor:
    """Return the mean of |expectile - 1(u < 0)| u^2 over errors u."""
    sides = torch.where(errors < 0, 1.0 - expectile, expectile)
    return (sides * errors**2).mean()
