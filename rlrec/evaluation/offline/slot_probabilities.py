"""How likely an item is to stand at its slot under a policy, whatever stands elsewhere.

A policy states the probability of a slot given the slots above it; that of the slot alone is the
mean of it over all that may stand above. It is exact for slates of one, for random slates, for
slots filled independently, for mixtures of such, and where slates are few enough to be enumerated.
Otherwise slates are drawn from the policy, and what is averaged is not whether the item stands at
the slot, but the probability of that given which other items come first and in which order
(Rao-Blackwell): the item is put at each place among them, and the policy asked for each. Popular
items that nearly always stand higher up thus do not need draws in which they happen not to. The
others as logged are one of the cases, and their probability is known, so theirs is added exactly
and only other draws are averaged, as a stratum of their own.

So an estimate is never 0 where the policy can show the logged slate, lies within [probability of
the prefix, 1], and is unbiased but for rows in which all M draws meet the logged others: then what
holds given these stands for the rest. The error is below the chance of that, q^M (1 - q) with q the
probability of the logged others, which is at most 1 / (e M).

A ratio of two such estimates is biased upwards, as any ratio is: dividing by an estimate of
relative variance v makes weights too large by about v of themselves, more where errors are skewed;
v falls as 1 / M, and `SlotProbabilities.relative_variance` measures it. Where both policies are one
and the same, so are the draws, and ratios are exactly 1.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from rlrec.arrays import Bools, Floats, Ints, Observations
from rlrec.errors import ConfigError
from rlrec.evaluation.offline.policy_probabilities import PredictingPolicy, target_log_probs
from rlrec.evaluation.offline.slate_probabilities import (
    all_slates,
    at_slates,
    policy_slate_probs,
    slot_marginals,
)
from rlrec.policy import DrawingPolicy, MixturePolicy, RandomPolicy, SlatePolicy


@dataclass(frozen=True, kw_only=True)
class SlotDraws:
    """How probabilities of slots are found where they do not follow from those of prefixes."""

    n_draws: int = 32
    """Slates drawn from a policy in each row, 2 or more."""
    most_slates: int = 120
    """Slates that a row may have to be enumerated instead, 0 or more; 0 always draws."""

    def __post_init__(self) -> None:
        if self.n_draws < 2 or self.most_slates < 0:
            raise ConfigError(
                f"n_draws must be 2 or more and most_slates 0 or more, got {self.n_draws!r} and "
                f"{self.most_slates!r}"
            )


class SlotProbabilities(NamedTuple):
    """Probabilities of items at their slots, and how well they are known."""

    probs: Floats
    """Shape (B, K)."""
    variances: Floats
    """Shape (B, K). Of the estimates; 0 where they are exact."""

    @property
    def relative_variance(self) -> float:
        """Mean of variance over squared probability, of slots that are possible."""
        possible = self.probs > 0
        ratios = self.variances[possible] / self.probs[possible] ** 2
        return float(ratios.mean()) if ratios.size else 0.0


def slot_probabilities(
    policy: SlatePolicy,
    observations: Observations,
    slates: Ints,
    n_choices: int,
    draws: SlotDraws | None = None,
    seed: Sequence[int] = (0,),
) -> SlotProbabilities:
    """Return the probability of each slot's item to stand there under a policy.

    Args:
        policy: Any.
        observations: Of B rows.
        slates: Shape (B, K).
        n_choices: Items, or candidates, to choose from.
        draws: How, where it is not exact at once.
        seed: Of the draws; the same for two policies whose ratio is wanted.
    """
    rng = np.random.default_rng(tuple(seed))
    return _of(policy, observations, slates, n_choices, draws or SlotDraws(), rng)


def fills_slots_independently(policy: SlatePolicy) -> bool:
    """Return whether a policy is known to fill each slot whatever stands above it."""
    if isinstance(policy, DrawingPolicy):
        return fills_slots_independently(policy.policy)
    return isinstance(policy, PredictingPolicy)


def _of(
    policy: SlatePolicy,
    observations: Observations,
    slates: Ints,
    n_choices: int,
    draws: SlotDraws,
    rng: np.random.Generator,
) -> SlotProbabilities:
    """Return slot probabilities in the cheapest way that a policy allows."""
    slate_size = slates.shape[1]
    if isinstance(policy, DrawingPolicy):
        return _of(policy.policy, observations, slates, n_choices, draws, rng)
    if isinstance(policy, MixturePolicy):
        parts = [_of(each, observations, slates, n_choices, draws, rng) for each in policy.policies]
        return _mixed(parts, policy.weights)
    if slate_size == 1 or fills_slots_independently(policy):
        return _exact(np.exp(target_log_probs(policy, observations, slates)))
    if isinstance(policy, RandomPolicy):
        return _exact(np.full(slates.shape, 1.0 / policy.n_choices))
    if math.perm(n_choices, slate_size) <= draws.most_slates:
        every = all_slates(n_choices, slate_size)
        probs = policy_slate_probs(policy, observations, every)
        return _exact(at_slates(slot_marginals(probs, every, n_choices), slates))
    return _drawn(policy, observations, slates, draws.n_draws, rng)


def _exact(probs: Floats) -> SlotProbabilities:
    return SlotProbabilities(probs, np.zeros_like(probs))


def _mixed(parts: list[SlotProbabilities], weights: Floats) -> SlotProbabilities:
    shares = weights[:, None, None]
    probs: Floats = (shares * np.stack([each.probs for each in parts])).sum(axis=0)
    variances: Floats = (shares**2 * np.stack([each.variances for each in parts])).sum(axis=0)
    return SlotProbabilities(probs, variances)


def _drawn(
    policy: SlatePolicy,
    observations: Observations,
    slates: Ints,
    n_draws: int,
    rng: np.random.Generator,
) -> SlotProbabilities:
    probs: Floats = np.exp(target_log_probs(policy, observations, slates)).cumprod(axis=1)
    variances: Floats = np.zeros(probs.shape)
    drawn = [policy.act(observations, rng).slates for _ in range(n_draws)]
    for slot in range(1, slates.shape[1]):
        place = _Place(policy, observations, slates, slot)
        logged = place.given_others(slates)
        found = [place.given_others(each) for each in drawn]
        differs = np.stack([(each.others != logged.others).any(axis=1) for each in found])
        shares = np.stack([each.share for each in found])  # (M, B)
        mean, variance = _mean_where(shares, differs, logged.share)
        rest = np.maximum(1.0 - logged.chance, 0.0)
        probs[:, slot] += rest * mean
        variances[:, slot] = rest**2 * variance
    return SlotProbabilities(np.minimum(probs, 1.0), variances)


class _GivenOthers(NamedTuple):
    """Where an item stands, given the order of the other items at the top."""

    others: Ints
    """Shape (B, slot). The first items that are not the item in question."""
    chance: Floats
    """Shape (B,). Probability that these come first among the others."""
    share: Floats
    """Shape (B,). Probability of the item to stand at the slot, below all of them, given that."""


class _Place:
    """A slot of logged slates, whose item is looked for in other slates."""

    def __init__(
        self, policy: SlatePolicy, observations: Observations, slates: Ints, slot: int
    ) -> None:
        self._policy, self._observations = policy, observations
        self._item, self._slot = slates[:, [slot]], slot

    def given_others(self, slates: Ints) -> _GivenOthers:
        """Return where the item stands given the first others of slates (B, K)."""
        top = slates[:, : self._slot + 1]
        order = np.argsort(top == self._item, axis=1, kind="stable")[:, : self._slot]
        others = np.take_along_axis(top, order, axis=1)
        below, chance = np.zeros(len(slates)), np.zeros(len(slates))
        for position in range(self._slot + 1):
            parts = [others[:, :position], self._item, others[:, position:]]
            mixed = np.concatenate([*parts, slates[:, self._slot + 1 :]], axis=1)
            logs = target_log_probs(self._policy, self._observations, mixed)
            below = np.exp(logs[:, : self._slot + 1].sum(axis=1))
            if position < self._slot:
                chance += below
            else:  # the others alone, wherever the item stands below them
                chance += np.exp(logs[:, : self._slot].sum(axis=1))
        share = np.divide(below, chance, out=np.zeros_like(below), where=chance > 0)
        return _GivenOthers(others, chance, np.minimum(share, 1.0))


def _mean_where(values: Floats, kept: Bools, otherwise: Floats) -> tuple[Floats, Floats]:
    """Return the mean (B,) of kept values (M, B), and its variance; `otherwise` of none kept."""
    counts = kept.sum(axis=0)
    some = np.maximum(counts, 1)
    mean: Floats = (values * kept).sum(axis=0) / some
    squares = ((values - mean) ** 2 * kept).sum(axis=0)
    variance = squares / np.maximum(counts - 1, 1) / some
    return np.where(counts > 0, mean, otherwise), variance
