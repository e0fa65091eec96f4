"""SlateCQL: conservative Q-learning of slates."""

import math
from typing import ClassVar

import torch
from gymnasium import spaces
from stable_baselines3.common.utils import polyak_update
from torch import Tensor
from torch.nn import functional as F

from rlrec.agents.drawing import DrawsSlates
from rlrec.agents.log_and_live import LogAndLiveAgent
from rlrec.agents.networks import ItemKnowledge, TensorDict
from rlrec.agents.offline.item_value_policy import ItemValuePolicy, ItemValueSettings
from rlrec.agents.offline.slate_cql_config import SlateCQLConfig
from rlrec.agents.offline.slate_critic import SlateValues
from rlrec.agents.replay import LoggedTransitions, SlateBatch
from rlrec.agents.slate_actor_critic import Critic

_NONE = -1e30  # the value of no slate; -inf would have no gradient where there is no other


class SlateCQLPolicy(ItemValuePolicy):
    """Values of items, and (`reference`) what the log's policy brings in each state."""

    def _add_networks(
        self, space: spaces.Dict, n_choices: int, items: ItemKnowledge, config: ItemValueSettings
    ) -> None:
        self.reference = Critic(space, config.item_size, config.hidden, self.slate_size)

    def returns_of_log(self, obs: TensorDict) -> Tensor:
        """Return the expected return of the logging policy in units of `value_scale`, (B,)."""
        with torch.no_grad():
            items = self.values.scorer.items(obs).catalogue
        values: Tensor = self.reference(obs, items)[0]
        return values


class SlateCQL(DrawsSlates, LogAndLiveAgent):  # type: ignore[misc]
    """Conservative Q-learning: values of slates, those that the log does not show held down.

    Minimises `(Q(s, A) - r - discount * (1 - left) * max over A' of Q(s', A'))^2` plus
    `conservatism` times the mean over slots k of `logsumexp over i of Q(s, A with i in slot k) -
    Q(s, A)`. The maximum is chosen by the present and valued by the slow copy.

    What is decomposed: Q is the sum of what the items of a slate add, weighted by slot
    (`SlateCritic`). So the best slate is found by sorting, and a slate is held down slot by slot,
    with the other slots as they were shown, among the items not in the slate. This takes an item to
    add the same whatever it is shown with.

    `calibrated` puts max(Q, V_log) in the place of Q in the logsumexp, V_log being the returns seen
    in the log, learned as a function of the state (Cal-QL).

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
        Kumar, Zhou, Tucker and Levine, 2020, "Conservative Q-Learning for Offline Reinforcement
        Learning"; Nakamoto et al., 2023, "Cal-QL: Calibrated Offline RL Pre-Training for Efficient
        Online Fine-Tuning".

    Stability: experimental.
    """

    config_class: ClassVar[type[SlateCQLConfig]] = SlateCQLConfig
    network: ClassVar[type[SlateCQLPolicy]] = SlateCQLPolicy
    config: SlateCQLConfig
    policy: SlateCQLPolicy

    _has_reference = False

    def _learn_from(self, logged: LoggedTransitions, n_steps: int | None) -> None:
        if self.config.calibrated:
            seen = logged.sample_returns(self.config.batch_size, self._sampler)
            errors = self.policy.returns_of_log(seen.observations) - self._scaled(seen.returns)
            self._descend((errors**2 * seen.is_known).sum() / seen.is_known.sum().clamp(min=1))
            self._has_reference = True
        super()._learn_from(logged, n_steps)

    def _update(self, batch: SlateBatch) -> dict[str, float]:
        policy, config = self.policy, self.config
        following = policy.best_values(batch.next_observations)
        aims = self._scaled(batch.rewards) + batch.next_discounts * following
        values = policy.values(batch.observations)
        value_loss = F.mse_loss(values.of(batch.slates), aims)
        excess = self._excess(values, batch.slates, self._floor(batch.observations))
        self._descend(value_loss + config.conservatism * excess)
        polyak_update(policy.values.parameters(), policy.target.parameters(), config.target_rate)
        return {"value_loss": value_loss.item(), "excess": excess.item()}

    @torch.no_grad()
    def _floor(self, obs: TensorDict) -> Tensor | None:
        """Return the value below which none is pushed, (B,), if there is one."""
        is_learned = self._has_reference or self.n_pretraining_updates > 0
        return self.policy.returns_of_log(obs) if self.config.calibrated and is_learned else None

    def _excess(self, values: SlateValues, slates: Tensor, floor: Tensor | None) -> Tensor:
        """Return by how much other slates, with one slot changed, are valued above those shown."""
        n_items, rated = self.n_choices, values.of_items()
        is_shown = torch.zeros_like(rated, dtype=torch.bool).scatter(1, slates, True)
        n_pushed = min(n_items, self.config.n_pushed)
        if n_pushed < n_items:
            drawn = self._sampler.choice(n_items, n_pushed, replace=False)
            columns = torch.as_tensor(drawn, device=rated.device)
            rated, is_shown = rated[:, columns], is_shown[:, columns]
        whole = values.of(slates)
        excesses = []
        for slot, own in enumerate(values.of_slots(slates).unbind(dim=1)):
            others = whole[:, None] + values.weights[slot] * (rated - own[:, None])
            others = others if floor is None else torch.maximum(others, floor[:, None])
            others = others.masked_fill(is_shown, _NONE)  # no slate shows an item twice
            shown = whole if floor is None else torch.maximum(whole, floor)
            outside = others.logsumexp(dim=1) + math.log(n_items / n_pushed)
            excesses.append(torch.logaddexp(shown, outside) - whole)
        return torch.stack(excesses).mean()

    def _scaled(self, returns: Tensor) -> Tensor:
        return returns / self.config.value_scale
