"""The networks of SlateQ and the slates they prefer."""

import torch
from gymnasium import spaces
from stable_baselines3.common.policies import BasePolicy
from stable_baselines3.common.type_aliases import PyTorchObs, Schedule
from torch import Tensor, nn
from torch.nn import functional as F

from rlrec.agents.networks import ItemKnowledge, ItemScorer, Scores, TensorDict
from rlrec.agents.replay import SlateBatch
from rlrec.agents.several_clicks import Slots
from rlrec.agents.slate_q.known_choice import KnownChoice
from rlrec.agents.slate_q.slate_q_config import SlateQConfig
from rlrec.agents.slate_value import SEARCHES, Weights, blank_repeats, slate_value

_LEAST_WEIGHT = 1e-12
_SLOT_RATE = 10.0  # of the step size: K numbers that every click teaches, but that begin far off


class SlateQPolicy(BasePolicy):
    """Networks of SlateQ: item values, their slow copy, and the choice model."""

    choice: ItemScorer
    """Scores of what is taken; only where it is fitted."""

    def __init__(
        self,
        observation_space: spaces.Dict,
        action_space: spaces.MultiDiscrete,
        lr_schedule: Schedule,
        items: ItemKnowledge,
        config: SlateQConfig,
        known_choice: KnownChoice | None = None,
    ) -> None:
        super().__init__(observation_space, action_space)
        n_choices = int(action_space.nvec[0])
        self.slate_size = len(action_space.nvec)
        self.config = config
        self.rounds = config.search_rounds
        self.known_choice = known_choice
        takes_several = config.clicks == "several"

        def scorer(has_base: bool) -> ItemScorer:
            sizes = (config.item_size, config.hidden)
            return ItemScorer(observation_space, n_choices, items, *sizes, has_base)

        self.values = scorer(has_base=True)
        self.target = scorer(has_base=True)
        self.target.load_state_dict(self.values.state_dict())
        self.target.requires_grad_(False)
        self.slots = Slots(self.slate_size) if takes_several else None
        choosing: list[nn.Parameter] = []
        if known_choice is None:
            # Where one item is taken, a shift of all scores cancels in the softmax.
            self.choice = scorer(has_base=takes_several)
            choosing = list(self.choice.parameters())
        looking = [] if self.slots is None else list(self.slots.parameters())
        groups: list[tuple[list[nn.Parameter], float]] = [
            (self.values.base_parameters(), 1.0),
            (self.values.comparing_parameters(), config.comparing_rate),
            (choosing, 1.0),
            (looking, _SLOT_RATE),
        ]
        self.optimizer = torch.optim.Adam(
            [{"params": parameters, "share": share} for parameters, share in groups if parameters],
            lr=lr_schedule(1),
            fused=True,
        )

    def best_slates(
        self, net: ItemScorer, observations: TensorDict, rounds: int, optimiser: str = "exact"
    ) -> tuple[Tensor, Tensor]:
        """Return the best slate under `net` and its value, in units of `value_scale`."""
        values = net(observations)
        null_value = self.null_value(values)
        if self.slots is not None:
            scores = self.choice(observations).of_all()
            return self.slots.best_slates(scores, values.of_all(), null_value)
        weights = self.weights(observations)
        search = SEARCHES[optimiser]
        return search(
            weights.items, values.of_all(), weights.nothing, null_value, self.slate_size, rounds
        )

    def values_of_slates(self, net: ItemScorer, observations: TensorDict, slates: Tensor) -> Tensor:
        """Return the values of given slates under `net`, (B,), in units of `value_scale`."""
        values = net(observations)
        null_value = self.null_value(values)
        if self.slots is not None:
            scores = blank_repeats(self.choice(observations).of_slates(slates), slates)
            return self.slots.values_of(scores, values.of_slates(slates), null_value)
        items, nothing = self.weights(observations)
        shown = blank_repeats(items.gather(1, slates), slates).clamp(min=0.0)
        mine = torch.arange(self.slate_size, device=slates.device).expand_as(slates)
        return slate_value(mine, shown, values.of_slates(slates), nothing, null_value)

    def weights(self, observations: TensorDict) -> Weights:
        """Return the choice weights of all on offer, at most 1, and of taking nothing."""
        if self.known_choice is not None:
            items, nothing = self.known_choice(observations)
            top = torch.maximum(items.amax(dim=1), nothing)
            items, nothing = items / top[:, None], nothing / top
        else:
            choice = self.choice(observations)
            logits = choice.of_all()
            top = torch.maximum(logits.amax(dim=1), choice.nothing)
            items, nothing = (logits - top[:, None]).exp_(), (choice.nothing - top).exp_()
        # Not 0, which single precision reaches at a difference of about 100 in logits.
        return Weights(items.clamp_min_(_LEAST_WEIGHT), nothing.clamp_min_(_LEAST_WEIGHT))

    def choice_loss(self, batch: SlateBatch) -> Tensor:
        """Return how badly the choice model foretells what was taken; 0 where it is known."""
        if self.known_choice is not None:
            return torch.zeros((), device=self.device)
        choice = self.choice(batch.observations)
        scores = blank_repeats(choice.of_slates(batch.slates), batch.slates)
        if self.slots is not None:
            loss: Tensor = self.slots.loss(scores, batch.responses)
            return loss
        options = torch.cat([scores, choice.nothing[:, None]], dim=1)
        return F.cross_entropy(options, batch.choices)

    def values_taken(self, batch: SlateBatch) -> Tensor:
        """Return the present values of what was taken, (B,), in units of `value_scale`."""
        values = self.values(batch.observations)
        shown, nothing = values.of_slates(batch.slates), self.null_value(values)
        if self.slots is not None:
            gains: Tensor = (batch.responses > 0) * (shown - nothing[:, None])
            return nothing + gains.sum(dim=1)
        options = torch.cat([shown, nothing[:, None]], dim=1)
        return options.gather(1, batch.choices[:, None])[:, 0]

    def null_value(self, values: Scores) -> Tensor:
        """Return q(s, nothing), (B,)."""
        return values.nothing if self.config.learns_nothing else torch.zeros_like(values.nothing)

    def forward(self, obs: PyTorchObs, deterministic: bool = True) -> Tensor:
        """Return the best slate of each user, (B, K)."""
        return self._predict(obs, deterministic)

    def _predict(self, observation: PyTorchObs, deterministic: bool = True) -> Tensor:
        assert isinstance(observation, dict)
        optimiser = self.config.optimiser
        slates, _ = self.best_slates(self.target, observation, self.rounds, optimiser)
        return slates.sort(dim=1).values if self.config.compat == "recsim" else slates
