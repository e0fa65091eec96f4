"""What a slate policy is, and the policies that need no model."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol, Self, runtime_checkable

import numpy as np

from rlrec.arrays import Floats, Ints, Observations
from rlrec.errors import ConfigError
from rlrec.slates import SlateDraw, given_prefix, repeated_slots, uniform_slates

if TYPE_CHECKING:
    from rlrec.simulation import Simulator


@runtime_checkable
class SlatePolicy(Protocol):
    """Turns observations into slates; memory is in the observation, never in the policy."""

    def act(
        self, observations: Observations, rng: np.random.Generator, deterministic: bool = False
    ) -> SlateDraw:
        """Return slates for B users with their log-probabilities given the prefix.

        Args:
            observations: Arrays with a leading axis of B users.
            rng: The only source of chance.
            deterministic: Show the policy's best slate; its log-probabilities are then 0. A policy
                that draws all the same states those of its draw.
        """
        ...

    def log_probs(self, observations: Observations, slates: Ints) -> Floats:
        """Return log-probabilities (B, K) of `slates` given the prefix when `act` draws."""
        ...


def n_users_of(observations: Observations) -> int:
    """Return the number of users in a batch of observations."""
    return int(next(iter(observations.values())).shape[0])


def bound_to(policy: SlatePolicy, simulator: "Simulator") -> SlatePolicy:
    """Return `policy` as it acts in `simulator`.

    A policy that reads the truth (an oracle) has a method `bind(simulator)`, which returns the
    policy to use there; every other policy is returned as it is.
    """
    bind: Any = getattr(policy, "bind", None)
    if bind is None:
        return policy
    bound: SlatePolicy = bind(simulator)
    return bound


class RandomPolicy:
    """Shows slates without repeats, all equally likely.

    Args:
        n_choices: Items (or candidates) to choose from.
        slate_size: K, at most `n_choices`.
    """

    def __init__(self, n_choices: int, slate_size: int) -> None:
        if not 1 <= slate_size <= n_choices:
            raise ConfigError(f"slate_size must lie in 1..{n_choices}, got {slate_size}")
        self.n_choices = n_choices
        self.slate_size = slate_size

    def act(
        self, observations: Observations, rng: np.random.Generator, deterministic: bool = False
    ) -> SlateDraw:
        """Return uniformly drawn slates; `deterministic` makes no difference."""
        slates = uniform_slates(n_users_of(observations), self.n_choices, self.slate_size, rng)
        return SlateDraw(slates, self.log_probs(observations, slates))

    def log_probs(self, observations: Observations, slates: Ints) -> Floats:
        """Return -log(n), -log(n - 1), ... for the positions of each slate."""
        left = self.n_choices - np.arange(self.slate_size)
        uniform = np.broadcast_to(-np.log(left), slates.shape)
        return np.where(repeated_slots(slates), -np.inf, uniform)


class MixturePolicy:
    """Plays one of several policies at each step, drawn with fixed weights.

    Its propensities are exact: those of the mixture, not of the policy that happened to play.

    Args:
        policies: The parts; of a mixture among them, its own parts are taken.
        weights: Their shares, above 0; normalised to sum to 1.
    """

    def __init__(self, policies: Sequence[SlatePolicy], weights: Sequence[float]) -> None:
        if len(policies) != len(weights) or not policies or min(weights) <= 0:
            raise ConfigError(
                f"a mixture needs one weight above 0 for each policy, got {len(policies)} "
                f"policies and weights {list(weights)}"
            )
        shares = np.asarray(weights, dtype=np.float64) / np.sum(weights)
        parts = [
            part
            for policy, share in zip(policies, shares.tolist(), strict=True)
            for part in _parts_of(policy, share)
        ]
        self.policies = tuple(policy for policy, _ in parts)
        self.weights = np.array([share for _, share in parts])

    def act(
        self, observations: Observations, rng: np.random.Generator, deterministic: bool = False
    ) -> SlateDraw:
        """Return slates; `deterministic` makes each part deterministic, the part stays drawn.

        The log-probabilities are those of the slates as they came about: where a part has a best
        slate, it shows only that one when `deterministic`.
        """
        part = rng.choice(len(self.policies), size=n_users_of(observations), p=self.weights)
        draws = [policy.act(observations, rng, deterministic) for policy in self.policies]
        slates = np.stack([draw.slates for draw in draws])[part, np.arange(part.size)]
        if not deterministic:
            return SlateDraw(slates, self.log_probs(observations, slates))
        parts = [
            _log_probs_at_best(policy, best, observations, slates)
            for policy, best in zip(self.policies, draws, strict=True)
        ]
        return SlateDraw(slates, self._mixed(parts))

    def log_probs(self, observations: Observations, slates: Ints) -> Floats:
        """Return the mixture's log-probabilities given the prefix when its parts draw."""
        return self._mixed([policy.log_probs(observations, slates) for policy in self.policies])

    def _mixed(self, parts: list[Floats]) -> Floats:
        """Return log-probabilities (B, K) given the prefix, of the mixture from its parts."""
        joint = np.cumsum(np.stack(parts), axis=2) + np.log(self.weights)[:, None, None]
        return given_prefix(np.logaddexp.reduce(joint, axis=0))

    def bind(self, simulator: "Simulator") -> Self:
        """Return the mixture of the same parts, each as it acts in `simulator`."""
        parts = [bound_to(policy, simulator) for policy in self.policies]
        return type(self)(parts, self.weights.tolist())


def _parts_of(policy: SlatePolicy, share: float) -> list[tuple[SlatePolicy, float]]:
    if not isinstance(policy, MixturePolicy):
        return [(policy, share)]
    return list(zip(policy.policies, (share * policy.weights).tolist(), strict=True))


def _log_probs_at_best(
    policy: SlatePolicy, best: SlateDraw, observations: Observations, slates: Ints
) -> Floats:
    """Return the log-probabilities (B, K) of `slates` where `policy` shows its best.

    Args:
        policy: No mixture.
        best: What it showed; users for whom it was certain could get no other slate.
        observations: Of the B users.
        slates: Shape (B, K).
    """
    is_certain = (best.log_probs == 0).all(axis=1, keepdims=True)
    certain = np.where(slates == best.slates, 0.0, -np.inf)
    if is_certain.all():
        return certain
    return np.where(is_certain, certain, policy.log_probs(observations, slates))


class DrawingPolicy:
    """A policy that draws its slates even where others are asked for their best.

    So a logging policy is judged as it served users for the log.

    Args:
        policy: What draws.
    """

    def __init__(self, policy: SlatePolicy) -> None:
        self.policy = policy

    def act(
        self, observations: Observations, rng: np.random.Generator, deterministic: bool = False
    ) -> SlateDraw:
        """Return drawn slates; `deterministic` makes no difference."""
        return self.policy.act(observations, rng, deterministic=False)

    def log_probs(self, observations: Observations, slates: Ints) -> Floats:
        """Return the log-probabilities (B, K) of drawing `slates`."""
        return self.policy.log_probs(observations, slates)

    def bind(self, simulator: "Simulator") -> Self:
        """Return this policy as it acts in `simulator`."""
        return type(self)(bound_to(self.policy, simulator))


def with_random_slates(
    informed: SlatePolicy, simulator: "Simulator", random_share: float
) -> SlatePolicy:
    """Return `informed`, with a share of random slates in its place.

    So every slate has a chance, and a log of it can be judged for every other policy.

    Args:
        informed: Any policy.
        simulator: Where it acts.
        random_share: 0 to 1; at 1 only random slates are left.

    Raises:
        ConfigError: `random_share` lies outside 0..1.
    """
    if not 0 <= random_share <= 1:
        raise ConfigError(f"random_share must lie in 0..1, got {random_share!r}")
    anything = RandomPolicy(simulator.n_choices, simulator.slate_size)
    if random_share == 1:
        return anything
    if random_share == 0:
        return informed
    return MixturePolicy([informed, anything], [1 - random_share, random_share])
