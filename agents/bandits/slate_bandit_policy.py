"""What bandits expect of every item on offer, and how sure they are."""

import torch
from gymnasium import spaces
from stable_baselines3.common.policies import BasePolicy
from stable_baselines3.common.type_aliases import PyTorchObs, Schedule
from torch import Tensor

from rlrec.agents.bandits.crossed_features import Crossed, CrossedFeatures
from rlrec.agents.bandits.linear_posterior import LinearPosterior
from rlrec.agents.bandits.slate_bandit_config import SlateBanditConfig
from rlrec.agents.networks import ItemKnowledge, TensorDict
from rlrec.errors import ConfigError

_MOST_NUMBERS = 50_000_000  # of the precision matrices: 400 MB


class SlateBanditPolicy(BasePolicy):
    """A Gaussian posterior over one model of all items, or over one model an item.

    The shared model is linear in the products of state and item, each with an entry of 1; a
    disjoint one in the state alone.

    Args:
        observation_space: Of users.
        action_space: Slates.
        lr_schedule: Not used.
        items: What is known of the items.
        config: Settings.
        n_draws: Parameters that are drawn from the posterior to act by.
    """

    noises: Tensor
    """Shape (S, H, D). Where in the posterior the drawn parameters lie."""

    def __init__(
        self,
        observation_space: spaces.Dict,
        action_space: spaces.MultiDiscrete,
        lr_schedule: Schedule,
        items: ItemKnowledge,
        config: SlateBanditConfig,
        n_draws: int,
    ) -> None:
        super().__init__(observation_space, action_space)
        self.slate_size, self.disjoint = len(action_space.nvec), config.disjoint
        n_choices = int(action_space.nvec[0])
        self.features = CrossedFeatures(
            observation_space, n_choices, items, config.item_size, not config.disjoint
        )
        n_models, size = self._sizes()
        self.posterior = LinearPosterior(n_models, size, config.prior_precision)
        self.register_buffer("noises", torch.randn(n_draws, n_models, size, dtype=torch.double))

    def _sizes(self) -> tuple[int, int]:
        """Return how many models there are, of how many parameters."""
        features = self.features
        if self.disjoint and features.is_fresh:
            raise ConfigError(
                "disjoint models need items that come back; fresh documents do not: set "
                "disjoint=False"
            )
        sizes = (features.n_items, features.state_size)
        sizes = sizes if self.disjoint else (1, features.state_size * features.item_size)
        if sizes[0] * sizes[1] ** 2 > _MOST_NUMBERS:
            raise ConfigError(
                f"the models of a bandit may take {_MOST_NUMBERS:,} numbers, but {sizes[0]} of "
                f"{sizes[1]} parameters take {sizes[0] * sizes[1] ** 2:,}; lower item_size, or set "
                f"disjoint={not self.disjoint}"
            )
        return sizes

    def scores(self, crossed: Crossed, parameters: Tensor) -> Tensor:
        """Return the score of everything on offer.

        Args:
            crossed: Of B users.
            parameters: Shape (B or 1, S, H, D). S parameters, for each user or for all.

        Returns:
            Shape (B, S, n).
        """
        if self.disjoint:
            scores = torch.einsum(
                "bp,bshp->bsh", crossed.states, self._for_each(crossed, parameters)
            )
            if crossed.offered is None:
                return scores
            return scores.gather(2, crossed.offered[:, None].expand(-1, scores.shape[1], -1))
        n_states, n_items = crossed.states.shape[1], crossed.items.shape[-1]
        shaped = parameters.reshape(*parameters.shape[:2], n_states, n_items)
        queries = torch.einsum("bp,bspd->bsd", crossed.states, self._for_each(crossed, shaped))
        if crossed.items.dim() == 2:
            return torch.einsum("bsd,nd->bsn", queries, crossed.items)
        return torch.einsum("bsd,bmd->bsm", queries, crossed.items)

    def expected(self, crossed: Crossed) -> Tensor:
        """Return the score of everything on offer under the mean parameters, (B, n)."""
        return self.scores(crossed, self.posterior.mean[None, None])[:, 0]

    def spreads(self, crossed: Crossed) -> Tensor:
        """Return the posterior's standard deviation of each score, (B, n)."""
        root, states = self.posterior.root, crossed.states
        if self.disjoint:
            products = torch.einsum("bp,hpe->bhe", states, root)
            spreads: Tensor = (products**2).sum(dim=2).sqrt()
            return spreads if crossed.offered is None else spreads.gather(1, crossed.offered)
        n_states, n_items = states.shape[1], crossed.items.shape[-1]
        covariance = (root[0] @ root[0].T).reshape(n_states, n_items, n_states, n_items)
        half = torch.einsum("bp,pdqe->bdqe", states, covariance)
        of_items = torch.einsum("bdqe,bq->bde", half, states)  # (B, D, D)
        if crossed.items.dim() == 2:
            squares = torch.einsum("nd,bde,ne->bn", crossed.items, of_items, crossed.items)
        else:
            squares = torch.einsum("bmd,bde,bme->bm", crossed.items, of_items, crossed.items)
        return squares.clamp(min=0.0).sqrt()

    def rows(self, crossed: Crossed, slates: Tensor) -> tuple[Tensor, Tensor]:
        """Return models (B * K,) and rows (B * K, D) of slates (B, K)."""
        if self.disjoint:
            states = crossed.states[:, None].expand(-1, slates.shape[1], -1)
            return crossed.names_of(slates).flatten(), states.flatten(0, 1)
        products = torch.einsum("bp,bkd->bkpd", crossed.states, crossed.of_slates(slates))
        rows = products.flatten(2).flatten(0, 1)
        return torch.zeros(len(rows), dtype=torch.long, device=rows.device), rows

    def _for_each(self, crossed: Crossed, values: Tensor) -> Tensor:
        return values.expand(len(crossed.states), *values.shape[1:])

    def _predict(self, observation: PyTorchObs, deterministic: bool = False) -> Tensor:
        assert isinstance(observation, dict)
        return self.best(observation)

    def best(self, observations: TensorDict) -> Tensor:
        """Return the slates of the highest expected scores, (B, K)."""
        expected = self.expected(self.features(observations))
        return expected.topk(self.slate_size, dim=1).indices
