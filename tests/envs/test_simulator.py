"""The batched simulator, beyond the contract that `rlrec.testing` checks."""

import json
from typing import Any

import numpy as np
import pytest

from rlrec.arrays import Ints
from rlrec.envs import UserSimulator, make_simulator
from rlrec.errors import ConfigError, SlateError
from rlrec.simulation import Simulator, simulator_of

ENV_ID = "rlrec/InterestEvolution-v0"


def users(n_users: int = 5, **arguments: Any) -> UserSimulator:
    return make_simulator(ENV_ID, n_users, **{"n_items": 20, "slate_size": 3, **arguments})


def slates(n_users: int = 5) -> Ints:
    return np.tile(np.array([0, 1, 2]), (n_users, 1))


def test_it_is_a_simulator() -> None:
    assert isinstance(users(), Simulator)
    assert simulator_of(users()).env_id == ENV_ID


def test_its_arguments_survive_json_and_make_it_again() -> None:
    first = users(max_steps=9, tastes_observed=True)
    again = make_simulator(ENV_ID, 5, **json.loads(json.dumps(first.arguments)))
    assert again.arguments == first.arguments
    first.reset(3)
    again.reset(3)
    for _ in range(20):
        np.testing.assert_array_equal(
            again.step(slates()).responses, first.step(slates()).responses
        )


def test_a_time_limit_truncates_and_begins_anew() -> None:
    simulator = users(max_steps=4)
    simulator.reset(0)
    for number in range(1, 9):
        step = simulator.step(slates())
        assert (step.truncated == (number % 4 == 0)).all()
        assert not step.terminated.any()
    assert (simulator.episode_ids % 2**20 == 2).all()


def test_leaving_at_the_time_limit_terminates() -> None:
    unlimited = users(300)
    unlimited.reset(0)
    lengths = np.full(300, 10_000)
    for number in range(1, 200):
        step = unlimited.step(slates(300))
        lengths[step.terminated & (lengths > number)] = number
    limit = int(np.median(lengths))
    limited = users(300, max_steps=limit)
    limited.reset(0)
    for _ in range(limit):
        step = limited.step(slates(300))
    first = lengths >= limit  # whose first visit lasts that long
    np.testing.assert_array_equal(step.terminated[first], lengths[first] == limit)
    assert (step.terminated & (lengths == limit)).any()
    np.testing.assert_array_equal(step.truncated, lengths > limit)


def test_a_finished_user_is_replaced_by_another_with_an_empty_history() -> None:
    simulator = users(200, tastes_observed=True)
    before = simulator.reset(0)["user"].copy()
    while True:
        step = simulator.step(slates(200))
        if step.finished.size:
            break
    new = {key: array[step.finished] for key, array in step.observations.items()}
    assert not new["history_items"].any() and not new["topic_counts"].any()
    assert step.final_observations["topic_counts"].any(axis=1).all()
    assert (new["user"] != before[step.finished]).any(axis=1).all()
    np.testing.assert_array_equal(simulator.latent_state()["budget"][step.finished], 200.0)


def test_episode_ids_are_unique_for_a_seed() -> None:
    simulator = users(30)
    simulator.reset(0)
    seen = set(simulator.episode_ids.tolist())
    n_finished = 0
    for _ in range(150):
        n_finished += simulator.step(slates(30)).finished.size
        seen.update(simulator.episode_ids.tolist())
    assert len(seen) == 30 + n_finished


def test_users_of_one_batch_differ() -> None:
    simulator = users(50, tastes_observed=True)
    tastes = simulator.reset(0)["user"]
    assert len(np.unique(tastes[:, 0])) == 50


def test_the_history_shows_what_was_taken() -> None:
    simulator = users(40)
    simulator.reset(1)
    step = simulator.step(slates(40))
    clicks = step.responses[:, :, 0] > 0
    took = clicks.any(axis=1)
    newest = step.observations["history_items"][:, -1]
    np.testing.assert_array_equal(newest[took], clicks[took].argmax(axis=1) + 1)
    np.testing.assert_array_equal(newest[~took], 0)
    np.testing.assert_array_equal(step.observations["last_slate"], slates(40) + 1)
    np.testing.assert_array_equal(step.observations["last_response"], step.responses)


def test_any_integer_type_is_taken_as_slates() -> None:
    one, other = users(), users()
    one.reset(0)
    other.reset(0)
    np.testing.assert_array_equal(
        one.step(slates()).responses, other.step(slates().astype(np.uint8)).responses
    )


def test_a_wrong_item_is_named_with_its_user_and_slot() -> None:
    simulator = users()
    simulator.reset(0)
    wrong = slates()
    wrong[3, 1] = 20
    with pytest.raises(SlateError, match=r"items in 0\.\.19, got 20 for user 3 in slot 1"):
        simulator.step(wrong)


def test_slates_of_another_shape_are_refused_with_both_shapes() -> None:
    simulator = users()
    simulator.reset(0)
    with pytest.raises(
        SlateError, match=r"shape \(5, 3\) \(users, slots\), got int64 of shape \(4"
    ):
        simulator.step(slates(4))


@pytest.mark.parametrize("ask", ["snapshot", "outlook"])
def test_questions_before_reset_are_refused(ask: str) -> None:
    with pytest.raises(RuntimeError, match="call reset"):
        getattr(users(), ask)()


def test_snapshots_of_fresh_documents_hold_the_offer() -> None:
    simulator = make_simulator(ENV_ID, 6)
    simulator.reset(0)
    simulator.step(slates(6))
    moment = simulator.snapshot()
    expected = simulator.step(slates(6))
    seen = simulator.restore(moment)
    np.testing.assert_array_equal(
        np.argmax(seen["candidate_features"], axis=2), simulator.latent_state()["candidate_topics"]
    )
    again = simulator.step(slates(6))
    for key, array in expected.observations.items():
        np.testing.assert_array_equal(again.observations[key], array)


@pytest.mark.parametrize(("n_users", "first_user"), [(5, 0), (6, 2)])
def test_a_snapshot_of_other_users_is_refused(n_users: int, first_user: int) -> None:
    simulator = users(6)
    simulator.reset(1)
    other = simulator.with_users(n_users, first_user)
    other.reset(2)
    before = other.latent_state()
    words = rf"of 6 users from user 0 on cannot .* of {n_users} users from user {first_user} on"
    with pytest.raises(ConfigError, match=words):
        other.restore(simulator.snapshot())
    np.testing.assert_array_equal(other.latent_state()["budget"], before["budget"])


def test_what_may_be_seen_now_is_what_the_last_step_gave() -> None:
    simulator = users(6)
    simulator.reset(1)
    step = simulator.step(slates(6))
    assert simulator.steps.tolist() == [1] * 6
    for key, array in simulator.observe().items():
        np.testing.assert_array_equal(array, step.observations[key])


def test_the_card_says_what_is_assumed() -> None:
    card = users().card()
    assert {line.status for line in card} == {"assumed"}
    assert "200 minutes" in {line.name: line.value for line in card}["time"]
