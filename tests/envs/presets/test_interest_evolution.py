"""Interest evolution against the statistics of RecSim's own, and its planning reference."""

import math
from typing import Any, NamedTuple

import numpy as np
import pytest

from rlrec.arrays import Floats
from rlrec.envs import MyopicOracle, PlanningReference, make_simulator
from rlrec.envs.presets.interest_evolution import topic_means
from rlrec.errors import ConfigError, UnknownNameError
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


@pytest.mark.parametrize(
    "arguments",
    [
        {"choice": "cascade", "score_scaling": 0.2},
        {"choice": "cascade", "cascade_form": "proportional", "score_scaling": 0.4},
        {"choice": "logit"},
        {"resample_documents": False, "catalogue_seed": 1},
        {"drift_rate": 0.0, "quality_bonus": 0.15, "initial_budget": 100.0},
    ],
    ids=str,
)
def test_at_other_settings_too_planning_beats_myopia_and_myopia_beats_chance(
    arguments: dict[str, Any],
) -> None:
    users = make_simulator(ENV_ID, 2, **arguments)
    planning = users.planning_reference(n_users=100, seed=9)
    policies = (RandomPolicy(10, 3), MyopicOracle(), planning)
    chance, myopic, planned = (visits(policy, 1000, 4, **arguments).returns for policy in policies)
    # The same 1000 users; the smallest margin of these settings is above 6 standard errors.
    for more, less in ((myopic, chance), (planned, myopic)):
        assert (more - less).mean() > 4 * standard_error(more - less)


def test_kept_documents_are_the_same_for_everybody_at_every_step() -> None:
    arguments: dict[str, Any] = {"resample_documents": False, "n_candidates": 6, "slate_size": 2}
    simulator = make_simulator(ENV_ID, 5, **arguments)
    first = simulator.reset(3)["candidate_features"]
    np.testing.assert_array_equal(first, np.broadcast_to(first[0], (5, 6, 20)))
    np.testing.assert_array_equal(first.sum(axis=2), 1.0)
    for _ in range(100):
        seen = simulator.step(np.tile([4, 1], (5, 1))).observations["candidate_features"]
        np.testing.assert_array_equal(seen, first)
    again = make_simulator(ENV_ID, 3, **arguments).reset(8)["candidate_features"]
    np.testing.assert_array_equal(again, first[:3])
    other = make_simulator(ENV_ID, 3, catalogue_seed=1, **arguments).reset(8)["candidate_features"]
    assert (other != again).any()


def test_the_published_cascade_takes_with_attention_times_scaling_times_exp_score() -> None:
    simulator = make_simulator(ENV_ID, 50, choice="cascade", slate_size=2)
    simulator.reset(1)
    state = simulator.latent_state()
    slates = np.tile([3, 8], (50, 1))
    topics = np.take_along_axis(state["candidate_topics"], slates, axis=1)
    a = 0.65 * 0.05 * np.exp(np.take_along_axis(state["tastes"], topics, axis=1))
    passed = 1 - a[:, 0]
    expected = np.column_stack([a[:, 0], passed * a[:, 1], passed * (1 - a[:, 1])])
    np.testing.assert_allclose(simulator.choice_probabilities(slates), expected, rtol=1e-12)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"choice": "logits"}, UnknownNameError, "no choice is called 'logits'. .*'logit'"),
        ({"cascade_form": "exp"}, UnknownNameError, "no cascade_form is called 'exp'"),
        ({"nothing_score": -1.0}, ConfigError, "above minimum"),
        (
            {"choice": "cascade", "attention_prob": 1.1},
            ConfigError,
            "attention_prob must lie in 0..1",
        ),
        ({"choice": "cascade", "score_scaling": 0.0}, ConfigError, "score_scaling must be above 0"),
        ({"drift_rate": -0.1}, ConfigError, "drift_rate must lie in 0..1, got -0.1"),
        ({"initial_budget": 0.0}, ConfigError, "initial_budget must be above 0"),
        ({"item_length": -4.0}, ConfigError, "item_length must be above 0"),
        ({"idle_cost": 0.0}, ConfigError, "idle_cost must be above 0"),
        ({"quality_bonus": np.nan}, ConfigError, "quality_bonus must be 0 or more"),
        ({"resample_documents": False, "n_candidates": 0}, ConfigError, "n_candidates must be"),
        ({"n_candidates": 2}, ConfigError, "slate_size must be a whole number in 1..2, got 3"),
    ],
)
def test_wrong_arguments_are_refused(arguments: Any, error: type, message: str) -> None:
    with pytest.raises(error, match=message):
        make_simulator(ENV_ID, 1, **arguments)


@pytest.mark.parametrize(
    "argument",
    [
        {"n_items": 30},
        {"resample_documents": False},
        {"choice": "logit"},
        {"choice": "cascade"},
        {"choice": "cascade", "cascade_form": "proportional"},
        {"nothing_score": 0.5},
        {"minimum_score": -2.0},
        {"drift_rate": 0.1},
        {"initial_budget": 100.0},
        {"item_length": 3.0},
        {"idle_cost": 1.0},
        {"quality_bonus": 0.2},
        {"max_steps": 5},
    ],
    ids=str,
)
def test_the_card_tells_what_differs_from_the_published_problem(argument: dict[str, Any]) -> None:
    usual, changed = make_simulator(ENV_ID, 1), make_simulator(ENV_ID, 1, **argument)
    assert usual.card() != changed.card()
    assert len({line.value for line in changed.card()} - {line.value for line in usual.card()}) == 1


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
