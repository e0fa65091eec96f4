"""The networks of SlateQ and the slates they prefer."""

import torch
from gymnasium import spaces
from stable_baselines3.common.policies import BasePolicy
from stable_baselines3.common.type_aliases import PyTorchObs, Schedule
from torch import Tensor

from rlrec.agents.networks import ItemKnowledge, ItemScorer, Scores, TensorDict
from rlrec.agents.slate_q_config import SlateQConfig
from rlrec.agents.slate_value import best_slates

_LEAST_WEIGHT = 1e-12


class SlateQPolicy(BasePolicy):
    """Networks of SlateQ: item values, their slow copy, and the choice model."""

    def __init__(
        self,
        observation_space: spaces.Dict,
        action_space: spaces.MultiDiscrete,
        lr_schedule: Schedule,
        items: ItemKnowledge,
        config: SlateQConfig,
    ) -> None:
        super().__init__(observation_space, action_space)
        n_choices = int(action_space.nvec[0])
        self.slate_size = len(action_space.nvec)
        self.rounds = config.search_rounds
        self.learns_nothing = config.learns_nothing

        def scorer(has_base: bool) -> ItemScorer:
            sizes = (config.item_size, config.hidden)
            return ItemScorer(observation_space, n_choices, items, *sizes, has_base)

        self.values = scorer(has_base=True)
        self.target = scorer(has_base=True)
        self.target.load_state_dict(self.values.state_dict())
        self.target.requires_grad_(False)
        self.choice = scorer(has_base=False)  # a shift of all scores cancels in the softmax
        self.optimizer = torch.optim.Adam(
            [
                {"params": self.values.base_parameters(), "share": 1.0},
                {"params": self.values.comparing_parameters(), "share": config.comparing_rate},
                {"params": list(self.choice.parameters()), "share": 1.0},
            ],
            lr=lr_schedule(1),
            fused=True,
        )

    def best_slates(
        self, net: ItemScorer, observations: TensorDict, rounds: int
    ) -> tuple[Tensor, Tensor]:
        """Return the best slate under `net` and its value, in units of `value_scale`."""
        choice, values = self.choice(observations), net(observations)
        logits = choice.of_all()
        top = torch.maximum(logits.amax(dim=1), choice.nothing)
        # Not 0, which single precision reaches at a difference of about 100 in logits.
        weights = (logits - top[:, None]).exp_().clamp_min_(_LEAST_WEIGHT)
        null_weight = (choice.nothing - top).exp_().clamp_min_(_LEAST_WEIGHT)
        null_value = self.null_value(values)
        return best_slates(
            weights, values.of_all(), null_weight, null_value, self.slate_size, rounds
        )

    def null_value(self, values: Scores) -> Tensor:
        """Return q(s, nothing), (B,)."""
        return values.nothing if self.learns_nothing else torch.zeros_like(values.nothing)

    def forward(self, obs: PyTorchObs, deterministic: bool = True) -> Tensor:
        """Return the best slate of each user, (B, K)."""
        return self._predict(obs, deterministic)

    def _predict(self, observation: PyTorchObs, deterministic: bool = True) -> Tensor:
        assert isinstance(observation, dict)
        return self.best_slates(self.target, observation, self.rounds)[0]
