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

_LEAST_SPREAD = 1e-4  # of advantages, in units of `value_scale`: less is rounding


class SlateIQL(DrawsSlates, LogAndLiveAgent):  # type: ignore[misc]
    """Implicit Q-learning: values of what a log shows, and slates of high value that it shows too.

    Values are learned from what was taken, never from what a maximum over slates promises:

    - `Q(s, taken) <- r + discount * (1 - left) * V(s')`, the worth of what was taken of a slate (of
      nothing, too); of Q(s, A) it is the mean under the chances of a response, learned beside it;
    - `V(s)` is the expectile of Q(s, A) over the slates shown: the loss of an error u = Q - V is
      `|expectile - 1(u < 0)| u^2`;
    - an item i is better by a_i, its chance of being taken from the actor's likeliest slate A times
      `Q(s, i) - Q(s, A)`, since what it draws is lost to the others (where several may be taken,
      times what it is worth above nothing). As A gets better, fewer items are better still: without
      the pull of the log and offsets of topics this comes to rest at the best slate;
    - the actor maximises the mean of `advantage_weight * sum over i of p_i tanh(sharpness * a_i /
      sd) + log pi(A | s) / K` over the log: pi is Plackett-Luce over the items, p_i its probability
      that item i comes first, sd the standard deviation of a_i over the items shown, so that a
      setting fits rewards of any size. Where values are wrong and the log shows all items, the
      actor may still go far from it.

    This takes the gradient of the values instead of imitating with weights `exp(advantage)`: the
    advantage of a slate is spread over K items, so such weights hardly tell the items of a random
    log apart. It is the likeliest slates that gain most; drawn ones stay nearer to the log.

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
        Kostrikov, Nair and Levine, 2022, "Offline Reinforcement Learning with Implicit Q-Learning"
        (the values); Park, Frans, Levine and Kumar, 2024, "Is Value Learning Really the Main
        Bottleneck in Offline RL?" (the actor, there called DDPG+BC).

    Stability: experimental.
    """

    config_class: ClassVar[type[SlateIQLConfig]] = SlateIQLConfig
    network: ClassVar[type[SlateIQLPolicy]] = SlateIQLPolicy
    config: SlateIQLConfig
    policy: SlateIQLPolicy

    def _update(self, batch: SlateBatch) -> dict[str, float]:
        policy, config, seen = self.policy, self.config, batch.observations
        attraction = policy.responding(seen, batch.slates)
        chances = policy.responding.chances(attraction).detach()
        copies = policy.slow_worths(seen, batch.slates)
        state_gains = policy.state_gains(seen)
        gains = torch.stack([(chances * one.gains).sum(dim=1) for one in copies]).amin(dim=0)
        value_loss = expectile_loss(gains - state_gains, config.expectile)
        with torch.no_grad():
            following = policy.state_values(batch.next_observations)
        aims = batch.rewards / config.value_scale + batch.next_discounts * following
        found = policy.values_taken(batch)
        slate_loss = torch.stack([F.mse_loss(one, aims) for one in found]).sum()
        slate_loss = slate_loss + policy.responding.loss(attraction, batch)
        actor_loss = self._actor_loss(batch)
        self._descend(value_loss + slate_loss + actor_loss)
        polyak_update(policy.critics.parameters(), policy.targets.parameters(), config.target_rate)
        return {
            "value_loss": value_loss.item(),
            "slate_loss": slate_loss.item(),
            "actor_loss": actor_loss.item(),
        }

    def _actor_loss(self, batch: SlateBatch) -> Tensor:
        """Return what is small where the actor shows items of high advantage, as the log does."""
        slates_of, seen = self.policy.distribution(batch.observations), batch.observations
        responding = self.policy.responding
        with torch.no_grad():
            best = slates_of.mode()
            attraction = responding(seen, best)
            gains = self.policy.least_gains(seen)
            if self.policy.takes_one:  # what an item draws, the slate loses
                of_slate = responding.chances(attraction) * gains.gather(1, best)
                gains = gains - of_slate.sum(dim=1, keepdim=True)
            chances = responding.chances_of_all(seen, attraction)
            advantages = standardised(chances * gains, batch.slates)
            bounded = (self.config.sharpness * advantages).tanh()
        advantage = (slates_of.first_probs() * bounded).sum(dim=1)
        likelihood = mean_of_slots(slates_of.log_probs(batch.slates))
        return -(self.config.advantage_weight * advantage + likelihood).mean()


def standardised(advantages: Tensor, slates: Tensor) -> Tensor:
    """Return advantages (B, n) in standard deviations of those of the items shown, (B, K)."""
    return advantages / (advantages.gather(1, slates).std(correction=0) + _LEAST_SPREAD)


def expectile_loss(errors: Tensor, expectile: float) -> Tensor:
    """Return the mean of |expectile - 1(u < 0)| u^2 over errors u."""
    sides = torch.where(errors < 0, 1.0 - expectile, expectile)
    return (sides * errors**2).mean()
