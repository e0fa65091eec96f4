"""Limits on what slates may cost on average, and the costs that can be limited."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple, get_args

import numpy as np
import torch
from torch import Tensor

from rlrec.agents.networks import TensorDict
from rlrec.data.catalogue import Catalogue
from rlrec.errors import ConfigError, UnknownNameError, nearest_hint

Per = Literal["step", "visit"]


@dataclass(frozen=True, kw_only=True)
class Limit:
    """A ceiling or a floor on the mean of a cost.

    For example `Limit(cost="feature_mean", feature=3, at_most=0.2)` or
    `Limit(cost="n_topics", at_least=3)`.
    """

    cost: str
    """Name of a cost, such as `topic_share`, `feature_mean` or `n_topics`."""
    at_most: float | None = None
    """The ceiling, in the unit of the cost. Either this or `at_least`."""
    at_least: float | None = None
    """The floor."""
    per: Per = "step"
    """Whether the mean over slates is limited (`step`), or the mean sum of a `visit`."""
    topics: tuple[int, ...] = ()
    """Of which topics, for `topic_share`."""
    feature: int | None = None
    """Column of the items' features, for `feature_mean`."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "topics", tuple(self.topics))
        bounds = [bound for bound in (self.at_most, self.at_least) if bound is not None]
        if len(bounds) != 1 or not np.isfinite(bounds[0]):
            raise ConfigError(
                f"a limit on {self.cost} must have one finite bound, at_most or at_least, got "
                f"{self.at_most!r} and {self.at_least!r}"
            )
        if self.per not in get_args(Per):
            raise ConfigError(f"per of a limit must be one of {get_args(Per)}, got {self.per!r}")

    @property
    def bound(self) -> float:
        """Where the limit is."""
        bound = self.at_most if self.at_most is not None else self.at_least
        assert bound is not None
        return bound

    @property
    def sign(self) -> float:
        """1 for a ceiling, -1 for a floor."""
        return 1.0 if self.at_most is not None else -1.0


class Shown(NamedTuple):
    """What was shown to B users, and what came back."""

    observations: TensorDict
    slates: Tensor
    """Shape (B, K)."""
    responses: Tensor
    """Shape (B, K). Channel 0."""
    topics: Tensor | None
    """Shape (B, K). Topics of the items; None where they have none."""
    features: Tensor | None
    """Shape (B, K, D). Features of the items; None where nothing is known."""


Cost = Callable[[Limit, Shown], Tensor]
"""Returns the cost of each slate, (B,)."""


def topic_share(limit: Limit, shown: Shown) -> Tensor:
    """Return the share of slots with one of the limit's topics."""
    assert shown.topics is not None
    named = torch.tensor(limit.topics, device=shown.topics.device)
    return torch.isin(shown.topics, named).float().mean(dim=1)


def feature_mean(limit: Limit, shown: Shown) -> Tensor:
    """Return the mean over slots of one feature of the items."""
    assert shown.features is not None and limit.feature is not None
    return shown.features[:, :, limit.feature].float().mean(dim=1)


def n_topics(limit: Limit, shown: Shown) -> Tensor:
    """Return the number of distinct topics in the slate."""
    assert shown.topics is not None
    ordered = shown.topics.sort(dim=1).values
    return 1.0 + (ordered[:, 1:] != ordered[:, :-1]).float().sum(dim=1)


COSTS: Mapping[str, Cost] = {
    "topic_share": topic_share,
    "feature_mean": feature_mean,
    "n_topics": n_topics,
}


class CostMeter:
    """Tells what slates cost.

    Args:
        limits: One or more.
        costs: The costs that limits may name.
        catalogue: The items; None for fresh documents, of which the observed features are known.
        n_seen: Length of the observed features of what is on offer, 0 for none.

    Raises:
        ConfigError: A limit needs what is not known of the items.
        UnknownNameError: A limit names a cost that does not exist.
    """

    def __init__(
        self,
        limits: tuple[Limit, ...],
        costs: Mapping[str, Cost],
        catalogue: Catalogue | None,
        n_seen: int,
    ) -> None:
        self.limits, self.costs, self.catalogue = limits, costs, catalogue
        for limit in limits:
            self._check(limit, n_seen if catalogue is None else catalogue.features.shape[1])

    def __call__(self, observations: TensorDict, slates: Tensor, responses: Tensor) -> Tensor:
        """Return the cost of each slate (B, K) by each limit, (B, J)."""
        shown = self._shown(observations, slates, responses)
        return torch.stack([self.costs[limit.cost](limit, shown) for limit in self.limits], dim=1)

    def _shown(self, observations: TensorDict, slates: Tensor, responses: Tensor) -> Shown:
        if self.catalogue is None:
            features = observations.get("candidate_features")
            if features is not None:
                wide = slates[:, :, None].expand(-1, -1, features.shape[2])
                features = features.gather(1, wide)
            return Shown(observations, slates, responses, None, features)
        items = slates
        if "candidates" in observations:
            items = observations["candidates"].long().gather(1, slates)
        known = items.cpu().numpy()
        topics = torch.as_tensor(self.catalogue.topics[known], device=slates.device)
        features = torch.as_tensor(self.catalogue.features[known], device=slates.device)
        return Shown(observations, slates, responses, topics, features)

    def _check(self, limit: Limit, n_features: int) -> None:
        if limit.cost not in self.costs:
            hint = nearest_hint(limit.cost, self.costs)
            raise UnknownNameError(f"no cost is called {limit.cost!r}.{hint}")
        if limit.cost in ("topic_share", "n_topics") and self.catalogue is None:
            raise ConfigError(
                f"a limit on {limit.cost} needs items with topics, but these users have no "
                "catalogue; limit feature_mean instead"
            )
        if limit.cost == "topic_share" and self.catalogue is not None:
            known = len(self.catalogue.topic_names)
            if not limit.topics or not all(0 <= topic < known for topic in limit.topics):
                raise ConfigError(
                    f"topics of a limit on topic_share must lie in 0..{known - 1}, one or more, "
                    f"got {limit.topics}"
                )
        if limit.cost == "feature_mean" and not 0 <= (_or(limit.feature, -1)) < n_features:
            raise ConfigError(
                f"feature of a limit on feature_mean must be one of the {n_features} columns of "
                f"the items' features, from 0, got {limit.feature!r}"
            )


def _or(value: int | None, otherwise: int) -> int:
    return otherwise if value is None else value
