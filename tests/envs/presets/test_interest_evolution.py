"""Interest evolution against the statistics of RecSim's own, and its planning reference."""

import math
from typing import Any, NamedTuple

import numpy as np
import pytest

from rlrec.arrays import Floats
from rlrec.envs import MyopicOracle, PlanningReference, make_simulator
from rlrec.envs.presets.interest_evolution import topic_means
from rlrec.evaluation import mean_interval
from rlrec.policy import RandomPolicy

ENV_ID = "rlrec/InterestEvolution-v0"


class Visits(NamedTuple):
    """First visits of many users; arrays have shape (n_users,)."""

    returns: Floats
    lengths: Floats
    clicks: Floats
    quality: Floats
    """Sum of the quality of what was clicked."""


def visits(policy: Any, n_users: int, seed: int, **arguments: Any) -> Visits:
    simulator = make_simulator(ENV_ID, n_users, **arguments)
    observations = simulator.reset(seed)
    bound = policy.bind(simulator) if hasattr(policy, "bind") else policy
    rng = np.random.default_rng(seed)
    totals = np.zeros((4, n_users))
    running = np.ones(n_users, bool)
    while running.any():
        slates = bound.act(observations, rng).slates
        offered = simulator.problem.users.items.offer_quality(simulator.latent_state())
        quality = np.take_along_axis(
            np.broadcast_to(offered, (n_users, simulator.n_choices)), slates, axis=1
        )
        step = simulator.step(slates)
        clicks = step.responses[:, :, 0]
        now = [step.rewards, np.ones(n_users), clicks.sum(axis=1), (clicks * quality).sum(axis=1)]
        totals += np.where(running, now, 0.0)
        running &= ~(step.terminated | step.truncated)
        observations = step.observations
    return Visits(*totals)


def standard_error(values: Floats) -> float:
    return float(values.std(ddof=1) / math.sqrt(values.size))


@pytest.fixture(scope="module")
def random_visits_of_two() -> Visits:
    return visits(RandomPolicy(10, 2), 4000, seed=1, slate_size=2)


@pytest.mark.parametrize(
    ("name", "published", "error"),
    [("returns", 154.25, 0.18), ("lengths", 83.89, 0.18), ("clicks", 39.02, 0.05)],
)
def test_random_slates_of_two_give_recsims_statistics(
    random_visits_of_two: Visits, name: str, published: float, error: float
) -> None:
    # Published: mean and standard error of 4000 episodes of RecSim 0.2.4, as measured; ours too.
    values: Floats = getattr(random_visits_of_two, name)
    allowed = 3 * math.hypot(error, standard_error(values))
    assert abs(values.mean() - published) < allowed


def test_random_slates_of_two_give_recsims_click_rate(random_visits_of_two: Visits) -> None:
    clicks, lengths = random_visits_of_two.clicks, random_visits_of_two.lengths
    rate = clicks.sum() / lengths.sum()
    error = standard_error(clicks - rate * lengths) / lengths.mean()  # of a ratio of sums
    assert abs(rate - 0.4652) < 3 * math.sqrt(2) * error  # theirs has as many episodes


def test_random_slates_of_two_give_recsims_quality_of_clicks(random_visits_of_two: Visits) -> None:
    quality = random_visits_of_two.quality / random_visits_of_two.clicks  # a mean for each visit
    assert abs(quality.mean() - -0.612) < 3 * math.hypot(0.005, standard_error(quality))


@pytest.mark.parametrize(
    ("policy", "published"),
    [
        (RandomPolicy(10, 3), 160.4),
        (MyopicOracle(), 167.5),
        (PlanningReference(1.40), 280.3),
    ],
    ids=["random", "myopic", "planning"],
)
def test_slates_of_three_of_ten_give_the_known_returns(policy: Any, published: float) -> None:
    values = visits(policy, 4000, seed=2).returns
    # 1 % is at least 3.8 standard errors of these 4000 users.
    assert 3.8 * standard_error(values) < 0.01 * published
    assert values.mean() == pytest.approx(published, rel=0.01)


def test_with_a_catalogue_planning_beats_myopia_and_myopia_beats_chance() -> None:
    arguments: dict[str, Any] = {"n_items": 300, "slate_size": 5}
    users = make_simulator(ENV_ID, 2, **arguments)
    planning = PlanningReference.fit(users, n_users=50, rounds=4)
    chance, myopic, planned = (
        mean_interval(visits(policy, 300, seed=3, **arguments).returns)
        for policy in (RandomPolicy(300, 5), MyopicOracle(), planning)
    )
    assert chance.high < myopic.low and myopic.high < planned.low


def test_topics_have_the_published_means() -> None:
    means = topic_means()
    assert means.shape == (20,)
    np.testing.assert_allclose(np.diff(means[:14]), 3 / 13)
    np.testing.assert_allclose(np.diff(means[14:]), 3 / 5)
    assert (means[0], means[13], means[14], means[19]) == (-3.0, 0.0, 0.0, 3.0)


def test_the_same_catalogue_seed_gives_the_same_items() -> None:
    one, same, other = (
        make_simulator(ENV_ID, 1, n_items=50, catalogue_seed=seed).catalogue for seed in (1, 1, 2)
    )
    assert one is not None and same is not None and other is not None
    assert one.fingerprint == same.fingerprint != other.fingerprint


@pytest.mark.parametrize(
    ("arguments", "keys"),
    [
        ({}, {"user", "candidate_features", "topic_counts", "last_response"}),
        ({"tastes_observed": False}, {"candidate_features", "topic_counts", "last_response"}),
        (
            {"n_items": 30},
            {"history_items", "history_responses", "topic_counts", "last_slate", "last_response"},
        ),
    ],
)
def test_what_is_observed_depends_on_the_offer(arguments: Any, keys: set[str]) -> None:
    assert set(make_simulator(ENV_ID, 1, **arguments).observation_spaces) == keys


def test_open_tastes_are_the_true_ones_at_every_step() -> None:
    simulator = make_simulator(ENV_ID, 20, n_items=30, tastes_observed=True)
    observations = simulator.reset(0)
    slates = np.tile(np.arange(10), (20, 1))
    for _ in range(100):
        tastes = simulator.latent_state()["tastes"].astype(np.float32)
        np.testing.assert_array_equal(observations["user"], tastes)
        observations = simulator.step(slates).observations
