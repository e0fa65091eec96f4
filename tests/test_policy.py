import itertools
import math

import numpy as np
import pytest

from rlrec.arrays import Floats, Ints, Observations
from rlrec.errors import ConfigError
from rlrec.policy import MixturePolicy, RandomPolicy, SlatePolicy, n_users_of
from rlrec.slates import (
    SlateDraw,
    plackett_luce_log_probs,
    repeated_slots,
    sample_plackett_luce,
    top_slates,
)

N_ITEMS, SLATE_SIZE = 4, 2
ALL_SLATES = np.array(list(itertools.permutations(range(N_ITEMS), SLATE_SIZE)))


class Preferring:
    """Plackett-Luce with the same logits for everyone."""

    def __init__(self, logits: list[float]) -> None:
        self.logits = np.array(logits)

    def act(
        self, observations: Observations, rng: np.random.Generator, deterministic: bool = False
    ) -> SlateDraw:
        logits = np.tile(self.logits, (n_users_of(observations), 1))
        if deterministic:
            slates = top_slates(logits, SLATE_SIZE)
            return SlateDraw(slates, np.zeros(slates.shape))
        return sample_plackett_luce(logits, SLATE_SIZE, rng)

    def log_probs(self, observations: Observations, slates: Ints) -> Floats:
        return plackett_luce_log_probs(np.tile(self.logits, (len(slates), 1)), slates)


class AlwaysFirst:
    """Shows items 0 and 1, whatever happens."""

    def act(
        self, observations: Observations, rng: np.random.Generator, deterministic: bool = False
    ) -> SlateDraw:
        slates = np.tile(np.arange(SLATE_SIZE), (n_users_of(observations), 1))
        return SlateDraw(slates, np.zeros(slates.shape))

    def log_probs(self, observations: Observations, slates: Ints) -> Floats:
        return np.where(slates == np.arange(SLATE_SIZE), 0.0, -np.inf)


def users(n: int) -> Observations:
    return {"user": np.zeros((n, 1), np.float32)}


def test_policies_of_the_core_are_slate_policies() -> None:
    policy = RandomPolicy(N_ITEMS, SLATE_SIZE)
    assert isinstance(policy, SlatePolicy)
    assert isinstance(MixturePolicy([policy], [1.0]), SlatePolicy)


def test_random_policy_gives_every_slate_the_same_probability() -> None:
    policy = RandomPolicy(N_ITEMS, SLATE_SIZE)
    log_probs = policy.log_probs(users(len(ALL_SLATES)), ALL_SLATES)
    np.testing.assert_allclose(log_probs.sum(axis=1), -math.log(N_ITEMS * (N_ITEMS - 1)))


def test_random_policy_draws_without_repeats_what_it_says() -> None:
    draw = RandomPolicy(50, 10).act(users(200), np.random.default_rng(0))
    assert draw.slates.shape == (200, 10)
    assert not repeated_slots(draw.slates).any()
    np.testing.assert_allclose(draw.log_probs.sum(axis=1), -math.log(math.perm(50, 10)))


def test_random_policy_never_repeats_an_item() -> None:
    log_probs = RandomPolicy(N_ITEMS, SLATE_SIZE).log_probs(users(1), np.array([[1, 1]]))
    assert np.isfinite(log_probs[0, 0]) and np.isneginf(log_probs[0, 1])


@pytest.mark.parametrize("slate_size", [0, 5])
def test_random_policy_refuses_slates_it_cannot_fill(slate_size: int) -> None:
    with pytest.raises(ConfigError, match=r"1\.\.4"):
        RandomPolicy(N_ITEMS, slate_size)


MIXTURES = [
    MixturePolicy([Preferring([0.0, 1.0, 2.0, -1.0]), RandomPolicy(4, 2)], [1.0, 1.0]),
    MixturePolicy([AlwaysFirst(), RandomPolicy(4, 2)], [0.9, 0.1]),
    MixturePolicy([AlwaysFirst(), Preferring([50.0, -50.0, 0.0, 1.0])], [3.0, 1.0]),
]


@pytest.mark.parametrize("mixture", MIXTURES)
def test_mixture_propensities_equal_the_weighted_sum_over_its_parts(mixture: MixturePolicy) -> None:
    observations = users(len(ALL_SLATES))
    expected = sum(
        weight * np.exp(part.log_probs(observations, ALL_SLATES).sum(axis=1))
        for part, weight in zip(mixture.policies, mixture.weights, strict=True)
    )
    log_probs = mixture.log_probs(observations, ALL_SLATES)
    np.testing.assert_allclose(np.exp(log_probs.sum(axis=1)), expected, rtol=1e-12)
    assert np.exp(log_probs.sum(axis=1)).sum() == pytest.approx(1.0)


@pytest.mark.parametrize("mixture", MIXTURES)
def test_mixture_propensities_given_the_prefix_sum_to_one(mixture: MixturePolicy) -> None:
    prefix_probs = np.exp(mixture.log_probs(users(len(ALL_SLATES)), ALL_SLATES))
    for first in range(N_ITEMS):
        below = prefix_probs[ALL_SLATES[:, 0] == first]
        assert np.allclose(below[:, 0], below[0, 0])
        assert below[:, 1].sum() == pytest.approx(1.0)


def test_mixture_slates_come_as_often_as_their_propensity() -> None:
    n, mixture = 50_000, MIXTURES[0]
    draw = mixture.act(users(n), np.random.default_rng(1))
    for slate in ALL_SLATES:
        p = math.exp(mixture.log_probs(users(1), slate[None]).sum())
        share = (draw.slates == slate).all(axis=1).mean()
        # 5 standard errors for each of 12 slates: a right mixture fails at one seed in 140,000
        assert abs(share - p) < 5 * math.sqrt(p * (1 - p) / n)


def test_mixture_gives_no_chance_to_a_slate_that_no_part_shows() -> None:
    mixture = MixturePolicy([AlwaysFirst(), AlwaysFirst()], [0.5, 0.5])
    assert np.isneginf(mixture.log_probs(users(1), np.array([[3, 1]]))).all()


@pytest.mark.parametrize(
    "weights", [[1.0], [1.0, 0.0], [1.0, -1.0]], ids=["too few", "zero", "negative"]
)
def test_mixture_refuses_weights_that_do_not_fit(weights: list[float]) -> None:
    with pytest.raises(ConfigError, match="one weight above 0"):
        MixturePolicy([AlwaysFirst(), AlwaysFirst()], weights)
