"""Long-term satisfaction: what users do with their slates, what is observed, what is refused."""

import json
from typing import Any

import numpy as np
import pytest

from rlrec.envs import make_simulator
from rlrec.errors import ConfigError

ENV_ID = "rlrec/LongTermSatisfaction-v0"


def test_only_the_top_slot_is_consumed() -> None:
    users = make_simulator(ENV_ID, 40, slate_size=3)
    users.reset(1)
    for slate in ([2, 5, 7], [7, 2, 2], [0, 0, 0]):
        responses = users.step(np.tile(slate, (40, 1))).responses
        np.testing.assert_array_equal(responses[:, :, 0], np.tile([1.0, 0.0, 0.0], (40, 1)))
        assert (responses[:, 0, 1] > 0).all() and not responses[:, 1:].any()


def test_the_reward_is_the_engagement_in_full_and_the_channel_is_clipped() -> None:
    users = make_simulator(ENV_ID, 500, choc_mean=9.0, kale_mean=9.0)
    users.reset(2)
    step = users.step(np.tile([0, 1], (500, 1)))
    assert 0.1 < (step.rewards > 100).mean() < 0.9
    seen = np.minimum(step.rewards, 100.0).astype(np.float32)
    np.testing.assert_array_equal(step.responses[:, 0, 1], seen)


def test_visits_end_after_their_steps_and_limits_truncate() -> None:
    for arguments, ends in (({"n_steps": 4}, "terminated"), ({"max_steps": 4}, "truncated")):
        users = make_simulator(ENV_ID, 5, **arguments)
        users.reset(0)
        steps = [users.step(np.tile([0, 1], (5, 1))) for _ in range(8)]
        for number, step in enumerate(steps):
            assert getattr(step, ends).all() == (number in (3, 7))
            assert step.finished.size == (5 if number in (3, 7) else 0)


def test_clickbait_is_seen_but_exposure_is_not() -> None:
    users = make_simulator(ENV_ID, 30)
    observations = users.reset(1)
    keys = {"candidate_features", "history_responses", "last_response", "topic_counts"}
    assert set(observations) == keys
    scores = users.latent_state()["candidate_quality"].astype(np.float32)
    np.testing.assert_array_equal(observations["candidate_features"][:, :, 0], scores)
    with_items = make_simulator(ENV_ID, 3, n_items=9)
    keys = {"history_items", "history_responses", "last_slate", "last_response"}
    assert set(with_items.observation_spaces) == keys
    assert with_items.catalogue is not None
    of_items = with_items.problem.users.items.offer_quality({})[0]
    np.testing.assert_array_equal(with_items.catalogue.features[:, 0], of_items.astype(np.float32))


def test_kept_documents_are_the_same_for_everybody_at_every_step() -> None:
    arguments: dict[str, Any] = {"resample_documents": False, "n_candidates": 6, "n_steps": 9}
    users = make_simulator(ENV_ID, 5, **arguments)
    first = users.reset(3)["candidate_features"]
    np.testing.assert_array_equal(first, np.broadcast_to(first[0], (5, 6, 1)))
    for _ in range(20):  # into the next visits
        seen = users.step(np.tile([4, 1], (5, 1))).observations["candidate_features"]
        np.testing.assert_array_equal(seen, first)
    others = make_simulator(ENV_ID, 5, catalogue_seed=1, **arguments).reset(3)
    assert (others["candidate_features"] != first).all()


def test_without_sensitivity_everybody_is_half_satisfied_whatever_they_consume() -> None:
    users = make_simulator(ENV_ID, 50, sensitivity=0.0)
    users.reset(3)
    for _ in range(10):
        users.step(np.tile([0, 1], (50, 1)))
    scores = users.latent_state()["candidate_quality"][:, 4]
    expected = np.exp(0.5 * (4.0 + scores) + 0.5)
    slates = np.tile([4, 1], (50, 1))
    np.testing.assert_allclose(users.expected_reward(slates), expected, rtol=1e-12)


def test_arguments_survive_json_and_make_the_same_users() -> None:
    users = make_simulator(ENV_ID, 4, sensitivity=0.1, memory=0.5, n_items=20)
    again = make_simulator(ENV_ID, 4, **json.loads(json.dumps(users.arguments)))
    assert again.arguments == users.arguments
    users.reset(1)
    again.reset(1)
    slates = np.tile([3, 8], (4, 1))
    np.testing.assert_array_equal(users.step(slates).rewards, again.step(slates).rewards)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"sensitivity": -0.1}, "sensitivity must be 0 or more and finite"),
        ({"memory": 1.0}, "memory of exposure must lie in 0..1, below 1, got 1.0"),
        ({"noise": np.inf}, "noise must be 0 or more and finite"),
        ({"choc_mean": 51.0}, "choc_mean must lie in -50..50"),
        ({"kale_mean": np.nan}, "kale_mean must lie in -50..50"),
        ({"kale_sd": -1.0}, "kale_sd must lie in 0..5"),
        ({"n_steps": 0}, "n_steps must be a whole number of 1 or more, got 0"),
        ({"n_items": 0}, "n_items must be a whole number of 1 or more"),
        ({"n_candidates": 1}, "slate_size must be a whole number in 1..1, got 2"),
        ({"max_steps": 0}, "max_steps must be a whole number of 1 or more"),
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
        {"sensitivity": 0.01},
        {"memory": 0.5},
        {"noise": 0.0},
        {"choc_mean": 6.0},
        {"choc_sd": 0.5},
        {"kale_mean": 3.0},
        {"kale_sd": 0.5},
        {"n_steps": 30},
        {"max_steps": 5},
    ],
    ids=str,
)
def test_the_card_tells_what_differs_from_the_defaults(argument: dict[str, Any]) -> None:
    usual, changed = make_simulator(ENV_ID, 1).card(), make_simulator(ENV_ID, 1, **argument).card()
    assert len({line.value for line in changed} - {line.value for line in usual}) == 1
