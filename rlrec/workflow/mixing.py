"""Mixing a policy with random slates, so that every slate has a chance in the log."""

from typing import Self

import numpy as np

from rlrec.arrays import Floats, Ints, Observations
from rlrec.policy import MixturePolicy, RandomPolicy, SlatePolicy
from rlrec.simulation import Simulator
from rlrec.slates import SlateDraw


def with_random_slates(
    informed: SlatePolicy, simulator: Simulator, random_share: float
) -> SlatePolicy:
    """Return `informed`, with a share of random slates in its place.

    Args:
        informed: May read the truth of the simulator (`bind`).
        simulator: Where it acts.
        random_share: 0 to 1.
    """
    anything = RandomPolicy(simulator.n_choices, simulator.slate_size)
    if random_share == 1:
        return anything
    if random_share == 0:
        return informed
    return _BindableMixture([informed, anything], [1 - random_share, random_share])


class AlwaysDraws:
    """A policy that draws its slates even where others are asked for their best.

    So the logging policy is judged as it served users for the log.
    """

    def __init__(self, policy: SlatePolicy) -> None:
        self._policy = policy

    def act(
        self, observations: Observations, rng: np.random.Generator, deterministic: bool = False
    ) -> SlateDraw:
        """Return drawn slates; `deterministic` makes no difference."""
        return self._policy.act(observations, rng, deterministic=False)

    def log_probs(self, observations: Observations, slates: Ints) -> Floats:
        """Return the log-probabilities (B, K) of drawing `slates`."""
        return self._policy.log_probs(observations, slates)

    def bind(self, simulator: Simulator) -> "AlwaysDraws":
        """Return this policy, its oracles reading the truth of `simulator`."""
        return AlwaysDraws(_bound(self._policy, simulator))


class _BindableMixture(MixturePolicy):
    """A mixture whose parts may read the truth."""

    def bind(self, simulator: Simulator) -> Self:
        return type(self)(
            [_bound(policy, simulator) for policy in self.policies], self.weights.tolist()
        )


def _bound(policy: SlatePolicy, simulator: Simulator) -> SlatePolicy:
    if not hasattr(policy, "bind"):
        return policy
    bound: SlatePolicy = policy.bind(simulator)
    return bound
