"""Interest exploration: hidden types, an oracle with nothing to plan, and what is observed."""

import itertools
import json
import math
from typing import Any

import numpy as np
import pytest

from rlrec.data import InteractionLog, rebuild_observations
from rlrec.envs import MyopicOracle, make_simulator
from rlrec.errors import ConfigError
from rlrec.evaluation import rollout
from rlrec.policy import RandomPolicy, SlatePolicy, bound_to

ENV_ID = "rlrec/InterestExploration-v0"


def test_types_and_affinities_have_the_published_distribution() -> None:
    n = 40_000
    users = make_simulator(ENV_ID, n)
    users.reset(5)
    state = users.latent_state()
    types, logs = state["user_type"], np.log(state["tastes"])
    # 5 standard errors in each comparison
    assert abs(types.mean() - 0.7) < 5 * math.sqrt(0.7 * 0.3 / n)
    for kind, expected in enumerate([[0.1, 0.7], [0.7, 0.1]]):
        of_type = logs[types == kind]
        assert np.abs(of_type.mean(axis=0) - expected).max() < 5 * 0.1 / math.sqrt(len(of_type))
        assert np.abs(of_type.std(axis=0) - 0.1).max() < 5 * 0.1 / math.sqrt(2 * len(of_type))


def test_documents_have_the_published_distribution() -> None:
    users = make_simulator(ENV_ID, 5000)
    users.reset(6)
    state = users.latent_state()
    topics, logs = state["candidate_topics"], np.log(state["candidate_quality"])
    n = topics.size
    # 5 standard errors in each comparison
    assert abs(topics.mean() - 0.8) < 5 * math.sqrt(0.8 * 0.2 / n)
    for topic, mean in enumerate([0.8, 0.2]):
        of_topic = logs[topics == topic]
        assert abs(of_topic.mean() - mean) < 5 * 0.1 / math.sqrt(of_topic.size)
        assert abs(of_topic.std() - 0.1) < 5 * 0.1 / math.sqrt(2 * of_topic.size)


def test_topic_and_quality_are_seen_but_types_and_affinities_are_not() -> None:
    users = make_simulator(ENV_ID, 30)
    observations = users.reset(1)
    state = users.latent_state()
    assert set(observations) == {"candidate_features", "topic_counts", "last_response"}
    features = observations["candidate_features"]
    np.testing.assert_array_equal(features[:, :, :2].argmax(axis=2), state["candidate_topics"])
    quality = state["candidate_quality"].astype(np.float32)
    np.testing.assert_array_equal(features[:, :, 2], quality)


def test_choices_follow_affinity_and_quality_by_hand() -> None:
    users = make_simulator(ENV_ID, 30, nothing_score=2.0)
    users.reset(3)
    state = users.latent_state()
    slates = np.tile([4, 9, 0], (30, 1))
    topics = np.take_along_axis(state["candidate_topics"], slates, axis=1)
    logits = np.take_along_axis(state["tastes"], topics, axis=1)
    logits += np.take_along_axis(state["candidate_quality"], slates, axis=1)
    weights = np.exp(np.column_stack([logits, np.full(30, 2.0)]))
    expected = weights / weights.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(users.choice_probabilities(slates), expected, rtol=1e-12)


@pytest.mark.parametrize(
    "arguments",
    [{"n_candidates": 6}, {"n_items": 6}, {"n_candidates": 6, "resample_documents": False}],
)
def test_the_reference_shows_the_best_of_all_slates(arguments: dict[str, Any]) -> None:
    users = make_simulator(ENV_ID, 25, slate_size=2, **arguments)
    users.reset(2)
    reference = bound_to(users.planning_reference(), users)
    slates = reference.act({}, np.random.default_rng(0)).slates
    every = [np.tile(slate, (25, 1)) for slate in itertools.permutations(range(6), 2)]
    best = np.max([users.expected_reward(slate) for slate in every], axis=0)
    np.testing.assert_allclose(users.expected_reward(slates), best, rtol=1e-12)


@pytest.mark.parametrize("arguments", [{}, {"n_items": 50}])
def test_who_knows_the_affinities_earns_more_than_chance(arguments: dict[str, Any]) -> None:
    users = make_simulator(ENV_ID, 1, **arguments)
    policies: dict[str, SlatePolicy] = {
        "random": RandomPolicy(users.n_choices, 3),
        "oracle": MyopicOracle(),
    }
    results = rollout(policies, users, n_users=500, seed=8)
    margin = results.policies["oracle"].returns - results.policies["random"].returns
    assert margin.mean() > 10 * margin.std() / math.sqrt(500)


def test_nothing_that_is_shown_changes_a_user() -> None:
    users = make_simulator(ENV_ID, 20)
    users.reset(4)
    before = users.latent_state()
    for _ in range(99):
        assert not users.step(np.tile([0, 1, 2], (20, 1))).finished.size
    after = users.latent_state()
    for key in ("tastes", "user_type"):
        np.testing.assert_array_equal(before[key], after[key])
    step = users.step(np.tile([0, 1, 2], (20, 1)))
    assert step.truncated.all() and not step.terminated.any()


def test_kept_documents_are_the_same_for_everybody_at_every_step() -> None:
    arguments: dict[str, Any] = {"resample_documents": False, "n_candidates": 6, "slate_size": 2}
    users = make_simulator(ENV_ID, 5, **arguments)
    first = users.reset(3)["candidate_features"]
    np.testing.assert_array_equal(first, np.broadcast_to(first[0], (5, 6, 3)))
    for _ in range(120):  # into the next visit
        seen = users.step(np.tile([4, 1], (5, 1))).observations["candidate_features"]
        np.testing.assert_array_equal(seen, first)
    others = make_simulator(ENV_ID, 5, catalogue_seed=1, **arguments).reset(3)
    assert (others["candidate_features"][:, :, 2] != first[:, :, 2]).all()


def test_without_a_limit_visits_never_end() -> None:
    users = make_simulator(ENV_ID, 3, max_steps=None)
    users.reset(0)
    for _ in range(500):
        assert not users.step(np.tile([0, 1, 2], (3, 1))).finished.size


def test_topics_are_counted_again_from_a_log_whatever_the_quality() -> None:
    # A quality above 1 is the largest of a document's features; it is no topic.
    users = make_simulator(ENV_ID, 6, max_steps=30, nothing_score=0.0, topic_qualities=(1.0, 0.5))
    log = InteractionLog.record(RandomPolicy(10, 3), users, 6 * 30, seed=3)
    assert log.metadata.n_topics == 2
    rebuilt = rebuild_observations(log, None, users.problem.history_shape)
    last = rebuilt["topic_counts"][log.column("step") == 29]
    assert last.shape == (6, 3)
    np.testing.assert_array_equal(last.sum(axis=1), 29)
    documents = log.column("candidate_features")
    assert (documents[:, :, 2] > 1).mean() > 0.9
    taken = np.take_along_axis(documents, log.column("slate")[:, :, None], axis=1)[:, :, 1]
    clicks = (log.responses()[:, :, 0] * taken).sum(axis=1)[log.column("step") < 29]
    assert last[:, 1].sum() == clicks.sum()


def test_a_catalogue_tells_topic_and_quality_of_its_items() -> None:
    users = make_simulator(ENV_ID, 2, n_items=30, catalogue_seed=7)
    catalogue = users.catalogue
    assert catalogue is not None
    quality = users.problem.users.items.offer_quality({})[0]
    np.testing.assert_array_equal(catalogue.features[:, 2], quality.astype(np.float32))
    np.testing.assert_array_equal(catalogue.features[:, :2].argmax(axis=1), catalogue.topics)
    keys = {"history_items", "history_responses", "topic_counts", "last_slate", "last_response"}
    assert set(users.observation_spaces) == keys


def test_arguments_survive_json_and_make_the_same_users() -> None:
    users = make_simulator(ENV_ID, 4, topic_shares=(0.5, 0.5), tastes_observed=True)
    again = make_simulator(ENV_ID, 4, **json.loads(json.dumps(users.arguments)))
    assert again.arguments == users.arguments
    for key, array in users.reset(1).items():
        np.testing.assert_array_equal(again.reset(1)[key], array)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"topic_shares": (0.5, 0.6)}, "topic_shares must be 0 or more and sum to 1"),
        ({"topic_shares": (0.2, 0.3, 0.5)}, "one for each of 2 topics"),
        ({"type_shares": (1.2, -0.2)}, "type_shares\\[0\\] must lie in"),
        ({"type_shares": (1.0,)}, "a row for each of 1 user types"),
        ({"affinities": ((0.1, 0.7), (0.7,))}, "affinities must be finite, a row for each of 2"),
        ({"affinities": ((0.1, 0.7, 0.0), (0.7, 0.1, 0.0))}, "a column for each of 2"),
        ({"affinity_sd": -0.1}, "affinity_sd must lie in"),
        ({"quality_sd": np.inf}, "quality_sd must lie in"),
        ({"topic_qualities": (0.8, np.nan)}, "topic_qualities\\[1\\] must lie in"),
        ({"nothing_score": np.nan}, "nothing_score must be finite"),
        ({"n_items": 0}, "n_items must be a whole number of 1 or more"),
        ({"n_candidates": 0}, "n_candidates must be a whole number of 1 or more"),
        ({"slate_size": 11}, "slate_size must be a whole number in 1..10"),
        ({"max_steps": 0}, "max_steps must be a whole number of 1 or more"),
        ({"catalogue_seed": -1}, "catalogue_seed must be a whole number of 0 or more"),
    ],
)
def test_wrong_arguments_are_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        make_simulator(ENV_ID, 1, **arguments)


@pytest.mark.parametrize(
    "argument",
    [
        {"n_items": 30},
        {"resample_documents": False},
        {"nothing_score": 4.0},
        {"topic_shares": (0.5, 0.5)},
        {"topic_qualities": (0.1, 0.2)},
        {"quality_sd": 0.2},
        {"type_shares": (0.5, 0.5)},
        {"affinities": ((0.0, 0.7), (0.7, 0.0))},
        {"affinity_sd": 0.0},
        {"max_steps": 5},
    ],
    ids=str,
)
def test_the_card_tells_what_differs_from_the_published_problem(argument: dict[str, Any]) -> None:
    usual, changed = make_simulator(ENV_ID, 1).card(), make_simulator(ENV_ID, 1, **argument).card()
    assert len({line.value for line in changed} - {line.value for line in usual}) == 1
