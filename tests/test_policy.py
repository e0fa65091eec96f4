import itertools
import math
from collections.abc import Sequence

import numpy as np
import pytest

from rlrec.arrays import Floats, Ints, Observations
from rlrec.data import InteractionLog
from rlrec.envs import MyopicOracle, UserSimulator, make_simulator
from rlrec.errors import ConfigError
from rlrec.evaluation import rollout
from rlrec.policy import (
    DrawingPolicy,
    MixturePolicy,
    RandomPolicy,
    SlatePolicy,
    bound_to,
    n_users_of,
    with_random_slates,
)
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

    def __init__(self, logits: Sequence[float]) -> None:
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


def test_a_mixture_of_best_slates_states_how_often_each_is_shown() -> None:
    """The best slates are (2, 1) and (0, 1); a quarter is drawn from all 12."""
    parts: list[SlatePolicy] = [
        Preferring([0.0, 1.0, 2.0, -1.0]),
        AlwaysFirst(),
        RandomPolicy(4, 2),
    ]
    draw = MixturePolicy(parts, [0.5, 0.25, 0.25]).act(
        users(2000), np.random.default_rng(2), deterministic=True
    )
    joint = np.exp(draw.log_probs.sum(axis=1))
    seldom = 0.25 / 12
    for slate, expected in (([2, 1], 0.5 + seldom), ([0, 1], 0.25 + seldom), ([3, 0], seldom)):
        same = (draw.slates == slate).all(axis=1)
        np.testing.assert_allclose(joint[same], expected)
        error = math.sqrt(expected * (1 - expected) / 2000)
        assert abs(same.mean() - expected) < 4 * error
    # the top item 2 comes with the best slate, or at random
    top = np.exp(draw.log_probs[draw.slates[:, 0] == 2, 0])
    np.testing.assert_allclose(top, 0.5 + 0.25 / 4)


def test_a_mixture_within_a_mixture_gives_its_parts() -> None:
    inner = MixturePolicy([AlwaysFirst(), Preferring([0.0, 1.0, 2.0, -1.0])], [1.0, 3.0])
    outer = MixturePolicy([RandomPolicy(4, 2), inner], [1.0, 1.0])
    assert outer.policies[1:] == inner.policies
    np.testing.assert_allclose(outer.weights, [0.5, 0.125, 0.375])
    draw = outer.act(users(500), np.random.default_rng(0), deterministic=True)
    best = (draw.slates == [2, 1]).all(axis=1)
    assert best.any()
    np.testing.assert_allclose(np.exp(draw.log_probs[best].sum(axis=1)), 0.375 + 0.5 / 12)


def test_mixture_gives_no_chance_to_a_slate_that_no_part_shows() -> None:
    mixture = MixturePolicy([AlwaysFirst(), AlwaysFirst()], [0.5, 0.5])
    assert np.isneginf(mixture.log_probs(users(1), np.array([[3, 1]]))).all()


@pytest.mark.parametrize(
    "weights", [[1.0], [1.0, 0.0], [1.0, -1.0]], ids=["too few", "zero", "negative"]
)
def test_mixture_refuses_weights_that_do_not_fit(weights: list[float]) -> None:
    with pytest.raises(ConfigError, match="one weight above 0"):
        MixturePolicy([AlwaysFirst(), AlwaysFirst()], weights)


@pytest.fixture
def simulator() -> UserSimulator:
    return make_simulator("rlrec/InterestEvolution-v0", 4, n_items=30, slate_size=2)


def half_myopic() -> MixturePolicy:
    return MixturePolicy([MyopicOracle(), RandomPolicy(30, 2)], [1.0, 1.0])


def test_a_policy_without_bind_acts_the_same_in_every_simulator(simulator: UserSimulator) -> None:
    policy = RandomPolicy(30, 2)
    assert bound_to(policy, simulator) is policy


def test_binding_a_mixture_binds_the_parts_that_read_the_truth(simulator: UserSimulator) -> None:
    observations = simulator.reset(0)
    mixture = half_myopic()
    bound = mixture.bind(simulator)
    best = MyopicOracle().bind(simulator).act(observations, np.random.default_rng(0), True).slates
    # half for the best slate, and half of one slate in 30 * 29 at random
    expected = math.log(0.5 + 0.5 / (30 * 29))
    np.testing.assert_allclose(bound.log_probs(observations, best).sum(axis=1), expected)
    assert bound.policies[1] is mixture.policies[1]
    np.testing.assert_array_equal(bound.weights, mixture.weights)


def test_a_mixture_with_an_oracle_can_log_and_be_judged(simulator: UserSimulator) -> None:
    mixture = half_myopic()
    log = InteractionLog.record(mixture, simulator, 40, seed=1)
    assert log.column("log_propensity").max() == pytest.approx(math.log(0.5 + 0.5 / (30 * 29)))
    judged = rollout({"mixture": mixture, "drawing": DrawingPolicy(mixture)}, simulator, 5, seed=2)
    assert judged.mean_return("mixture").value > 0


def test_a_log_of_best_slates_and_random_ones_holds_the_chances_of_both(
    simulator: UserSimulator,
) -> None:
    mixture = MixturePolicy([Preferring([*range(30)]), RandomPolicy(30, 2)], [1.0, 1.0])
    log = InteractionLog.record(mixture, simulator, 400, seed=1, deterministic=True)
    is_best = (log.column("slate") == [29, 28]).all(axis=1)
    propensity = np.exp(log.column("log_propensity"))
    np.testing.assert_allclose(propensity[is_best], 0.5 + 0.5 / 870)
    np.testing.assert_allclose(propensity[~is_best], 0.5 / 870)
    assert 0.4 < is_best.mean() < 0.6  # 4 standard errors of 400 rows


def test_a_drawing_policy_draws_where_others_show_their_best() -> None:
    preferring, observations = Preferring([0.0, 1.0, 2.0, -1.0]), users(300)
    rng = np.random.default_rng(3)
    drawn = DrawingPolicy(preferring).act(observations, rng, deterministic=True)
    assert len(np.unique(drawn.slates, axis=0)) > 1
    np.testing.assert_allclose(drawn.log_probs, preferring.log_probs(observations, drawn.slates))


def test_binding_a_drawing_policy_binds_what_it_draws_from(simulator: UserSimulator) -> None:
    observations = simulator.reset(0)
    oracle = DrawingPolicy(MyopicOracle()).bind(simulator)
    drawn = oracle.act(observations, np.random.default_rng(0))
    best = MyopicOracle().bind(simulator).act(observations, np.random.default_rng(0))
    np.testing.assert_array_equal(drawn.slates, best.slates)


def test_random_slates_take_the_share_they_are_given(simulator: UserSimulator) -> None:
    informed = Preferring([0.0] * 30)
    assert with_random_slates(informed, simulator, 0.0) is informed
    assert isinstance(with_random_slates(informed, simulator, 1.0), RandomPolicy)
    mixture = with_random_slates(informed, simulator, 0.25)
    assert isinstance(mixture, MixturePolicy)
    np.testing.assert_allclose(mixture.weights, [0.75, 0.25])


@pytest.mark.parametrize("share", [-0.1, 1.1, math.nan])
def test_a_share_of_random_slates_outside_its_range_is_refused(
    simulator: UserSimulator, share: float
) -> None:
    with pytest.raises(ConfigError, match=r"random_share must lie in 0\.\.1, got"):
        with_random_slates(RandomPolicy(30, 2), simulator, share)
