"""Users fitted to ratings, as an environment."""

import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from rlrec.arrays import Floats
from rlrec.data import InteractionLog, load_movielens, rebuild_observations
from rlrec.envs import (
    FittedUsersModel,
    MyopicOracle,
    PlanningReference,
    UserSimulator,
    fit_users,
    make_simulator,
    make_users,
)
from rlrec.envs.blocks.leaving import TimeBudget
from rlrec.envs.blocks.state import Consumed, Event, Shown
from rlrec.envs.fitting.blocks import RatedQuality
from rlrec.envs.fitting.ratings.made_up_ratings import made_up_ratings
from rlrec.errors import ConfigError, ModelFileError, UnknownNameError
from rlrec.evaluation import rollout
from rlrec.policy import RandomPolicy, SlatePolicy
from rlrec.slates import uniform_slates
from rlrec.testing import ENVIRONMENT_CHECKS, SimulatorMaker

ENV_ID = "rlrec/FittedUsers-v0"


@pytest.fixture(scope="module")
def model() -> FittedUsersModel:
    return fit_users(made_up_ratings(seed=3), factors=6, rating_factors=5)


@pytest.fixture(scope="module")
def multiplied_out(model: FittedUsersModel) -> FittedUsersModel:
    """Return the model as if it were too large for tables."""
    large = replace(model)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("rlrec.envs.fitting.ratings.pair_values.LARGEST_TABLE", 0)
        assert large.attraction and large.quality  # made here, and kept
    return large


def users_of(n_users: int, first_user: int = 0, **arguments: Any) -> UserSimulator:
    return make_simulator(ENV_ID, n_users, first_user, **arguments)


def play(simulator: UserSimulator, slates: Any, seed: int = 4) -> list[tuple[Any, ...]]:
    """Return what was seen, what came back and who was there, after each step."""
    simulator.reset(seed)
    seen = []
    for shown in slates:
        step = simulator.step(shown)
        state = simulator.latent_state()
        seen.append((*step.observations.values(), step.responses, step.rewards, *state.values()))
    return seen


@pytest.mark.parametrize("check", ENVIRONMENT_CHECKS, ids=lambda check: check.__name__)
def test_open_tastes_of_test_persons_keep_the_contract(
    check: Callable[[SimulatorMaker], None],
) -> None:
    check(lambda n, first: users_of(n, first, population="test", tastes_observed=True))


@pytest.mark.parametrize("check", ENVIRONMENT_CHECKS, ids=lambda check: check.__name__)
def test_a_model_too_large_for_tables_keeps_the_contract(
    check: Callable[[SimulatorMaker], None], multiplied_out: FittedUsersModel
) -> None:
    check(lambda n, first: users_of(n, first, model=multiplied_out, slate_size=3, max_steps=40))


def test_gymnasium_and_stable_baselines_make_it_without_arguments() -> None:
    env = gym.make(ENV_ID)
    check_env(env.unwrapped, skip_render_check=True)
    assert gym.make_vec(ENV_ID, num_envs=3).num_envs == 3
    assert make_users(ENV_ID, 3).num_envs == 3


@pytest.mark.parametrize("batch", [1, 7, 50])
@pytest.mark.parametrize("kind", ["table", "products"])
def test_a_user_is_the_same_in_every_batch(
    batch: int, kind: str, model: FittedUsersModel, multiplied_out: FittedUsersModel
) -> None:
    used = {"table": model, "products": multiplied_out}[kind]
    assert used.attraction.has_table == (kind == "table")
    n_steps, one = 150, 30
    slates = np.random.default_rng(0).integers(119, size=(n_steps, 50, 10))
    whole = play(users_of(50, model=used), slates)
    first = min(one, 50 - batch)
    part = play(users_of(batch, first, model=used), slates[:, first : first + batch])
    assert sum(step[-3][one] for step in whole) > 0  # rewards
    for all_seen, some_seen in zip(whole, part, strict=True):
        for everyone, some in zip(all_seen, some_seen, strict=True):
            np.testing.assert_array_equal(everyone[first : first + batch], some)


def test_the_cascade_takes_the_first_item_that_attracts_more_than_nothing_by_hand(
    model: FittedUsersModel,
) -> None:
    users = users_of(30, model=model, choice="cascade", drift_weight=0.0)
    users.reset(3)
    slates = uniform_slates(30, users.n_choices, 10, np.random.default_rng(1))
    raw = model.person_factors[users.latent_state()["person"]] @ model.item_factors.T
    standard = (raw - raw.mean(axis=1, keepdims=True)) / raw.std(axis=1, keepdims=True)
    scores = model.choice_scale * np.take_along_axis(standard, slates, axis=1)
    taken = 1 / (1 + np.exp(model.nothing_score - scores))
    left = np.cumprod(1 - taken, axis=1)
    reached = np.column_stack([np.ones(30), left[:, :-1]])
    expected = np.column_stack([taken * reached, left[:, -1]])
    np.testing.assert_allclose(users.choice_probabilities(slates), expected, atol=1e-5)
    assert any("cascade" in line.value for line in users.card())


def test_choices_follow_attraction_and_interest_by_hand(model: FittedUsersModel) -> None:
    users = users_of(30, model=model, drift_weight=1.5)
    users.reset(3)
    rng = np.random.default_rng(1)
    for _ in range(40):
        slates = uniform_slates(30, users.n_choices, 10, rng)
        users.step(slates)
    state = users.latent_state()
    assert np.abs(state["tastes"]).max() > 0.3  # they have moved
    slates = uniform_slates(30, users.n_choices, 10, rng)
    raw = model.person_factors[state["person"]] @ model.item_factors.T
    standard = (raw - raw.mean(axis=1, keepdims=True)) / raw.std(axis=1, keepdims=True)
    scores = model.choice_scale * np.take_along_axis(standard, slates, axis=1)
    scores += 1.5 * np.take_along_axis(state["tastes"], model.catalogue.topics[slates], axis=1)
    weights = np.column_stack([np.exp(scores), np.full(30, np.exp(model.nothing_score))])
    expected = weights / weights.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(users.choice_probabilities(slates), expected, atol=1e-5)


def test_time_is_spent_and_given_back_by_the_predicted_rating(model: FittedUsersModel) -> None:
    users = users_of(2000, model=model)
    users.reset(5)
    before = users.latent_state()
    slates = uniform_slates(2000, users.n_choices, 10, np.random.default_rng(2))
    clicks = users.step(slates).responses[:, :, 0] > 0
    took = clicks.any(axis=1)
    items = slates[took, clicks[took].argmax(axis=1)]
    persons = before["person"][took]
    raw = model.rating_mean + model.person_bias[persons] + model.item_bias[items]
    raw += (model.person_rating_factors[persons] * model.item_rating_factors[items]).sum(axis=1)
    predicted = np.clip(raw, 1.0, 5.0)
    quality = np.clip((predicted - model.rating_mean) / (model.rating_sd / 3.0), -3.0, 3.0)
    spent = 200.0 - users.latent_state()["budget"]
    np.testing.assert_allclose(spent[took], 4.0 - 4.0 * 0.9 / 3.4 * quality, atol=1e-4)
    np.testing.assert_array_equal(spent[~took], 0.5)


def test_mean_reward_is_the_expected_one_from_a_snapshot(model: FittedUsersModel) -> None:
    users = users_of(5, model=model, tastes_observed=True)
    users.reset(8)
    rng = np.random.default_rng(9)
    for _ in range(20):
        users.step(uniform_slates(5, users.n_choices, 10, rng))
    slates = uniform_slates(5, users.n_choices, 10, rng)
    state, expected = users.latent_state(), users.expected_reward(slates)
    blocks = users.problem.users
    n = 20_000
    draws = np.random.default_rng(10).random((n, 5, blocks.n_step_draws))
    tiled = {key: np.repeat(array, n, axis=0) for key, array in state.items()}
    many = np.repeat(slates, n, axis=0)
    shown = blocks.items.shown(tiled, many)
    outcome = blocks.respond(tiled, shown, None, draws.swapaxes(0, 1).reshape(5 * n, -1))
    rewards = outcome.rewards.reshape(5, n)
    # 5 standard errors for each of 5 users
    error = rewards.std(axis=1) / np.sqrt(n)
    assert (np.abs(rewards.mean(axis=1) - expected) < 5 * error).all()


@pytest.mark.parametrize("population", ["train", "validation", "test"])
def test_visitors_are_drawn_uniformly_from_their_population(
    model: FittedUsersModel, population: str
) -> None:
    n = 40_000
    users = users_of(n, model=model, population=population)
    users.reset(1)
    rows = model.populations[population]
    counts = np.bincount(users.user_ids, minlength=model.n_persons)
    assert set(np.flatnonzero(counts)) == set(rows)
    # a right draw exceeds 5 standard errors for one of 120 persons in one of 10,000 seeds
    expected = n / len(rows)
    assert np.abs(counts[rows] - expected).max() < 5 * np.sqrt(expected)


def test_populations_never_meet() -> None:
    seen = []
    for population in ("train", "validation", "test"):
        users = users_of(3000, population=population)
        users.reset(2)
        seen.append(set(users.user_ids.tolist()))
    assert not (seen[0] & seen[1] or seen[0] & seen[2] or seen[1] & seen[2])


def test_the_next_visit_is_that_of_another_person(model: FittedUsersModel) -> None:
    users = users_of(100, model=model, max_steps=1)
    users.reset(3)
    before = users.user_ids
    users.step(uniform_slates(100, users.n_choices, 10, np.random.default_rng(0)))
    assert (users.user_ids != before).mean() > 0.9
    assert not users.latent_state()["tastes"].any()


def test_without_drift_tastes_stay_as_they_are(model: FittedUsersModel) -> None:
    def moved(drift_weight: float) -> Floats:
        users = users_of(40, model=model, drift_weight=drift_weight)
        users.reset(6)
        rng = np.random.default_rng(3)
        probe = uniform_slates(40, users.n_choices, 10, rng)
        first = users.choice_probabilities(probe)
        for _ in range(15):
            step = users.step(uniform_slates(40, users.n_choices, 10, rng))
            assert not step.finished.size
        return np.asarray(np.abs(users.choice_probabilities(probe) - first).max(axis=1))

    assert moved(0.0).max() == 0.0
    assert (moved(1.0) > 0).all()


def test_open_tastes_are_the_factors_and_the_interests(model: FittedUsersModel) -> None:
    users = users_of(20, model=model, tastes_observed=True)
    users.reset(7)
    slates = uniform_slates(20, users.n_choices, 10, np.random.default_rng(4))
    observed = users.step(slates).observations["user"]
    state = users.latent_state()
    assert observed.shape == (20, 6 + 6)
    np.testing.assert_array_equal(observed[:, 6:], state["tastes"].astype(np.float32))
    centred = model.item_factors - model.item_factors.mean(axis=0)
    attraction = model.choice_scale * observed[:, :6] @ centred.T
    np.testing.assert_allclose(attraction, model.attraction.of_all(state["person"]), atol=1e-4)


def test_random_slates_are_taken_from_at_the_assumed_rate(model: FittedUsersModel) -> None:
    users = users_of(20_000, model=model, population="train")
    users.reset(12)
    slates = uniform_slates(20_000, users.n_choices, 10, np.random.default_rng(5))
    rate = np.mean(users.step(slates).responses[:, :, 0].sum(axis=1))
    # persons of one population may differ from all by a little more than chance allows
    assert abs(rate - model.settings.click_rate) < 0.02


def test_an_item_cut_short_by_the_end_gives_nothing_back() -> None:
    state = {"budget": np.array([3.0, 3.0, 9.0])}
    budget = TimeBudget(bonus_when_cut_short=False)
    nothing, topics = np.zeros(2, np.int64), np.zeros((3, 1), np.int64)
    consumed = Consumed(np.array([0, 2]), nothing, nothing, nothing, np.array([3.0, 3.0]))
    responses = np.zeros((3, 1, 2), np.float32)
    event = Event(Shown(topics, topics), None, consumed, responses, np.zeros(3))
    budget.update(state, event, np.empty((3, 0)))
    np.testing.assert_allclose(state["budget"], [0.0, 2.5, 9.0 - 4.0 + 4.0 * 2.7 / 3.4])


def test_a_visit_ends_even_if_something_good_is_always_taken(model: FittedUsersModel) -> None:
    users = users_of(200, model=replace(model, nothing_score=-50.0))
    best = PlanningReference(price=3.0).bind(users)
    observations = users.reset(1)
    running = np.ones(200, bool)
    for _ in range(250):  # 200 minutes at 4 (1 - 0.9 / 3.4 * 3) each are 243 steps
        step = users.step(best.act(observations, np.random.default_rng(0)).slates)
        running &= ~step.terminated
        observations = step.observations
    assert not running.any()


def test_who_plans_ahead_serves_better_than_who_only_attracts(model: FittedUsersModel) -> None:
    users = users_of(1, model=model, population="test")
    reference = PlanningReference.fit(users_of(1, model=model), n_users=100, seed=1)
    policies: dict[str, SlatePolicy] = {
        "random": RandomPolicy(users.n_choices, 10),
        "myopic": MyopicOracle(),
        "reference": reference,
    }
    results = rollout(policies, users, n_users=100, seed=50)
    returns = {name: results.mean_return(name).value for name in policies}
    assert returns["reference"] > 1.5 * returns["myopic"]
    assert returns["myopic"] > returns["random"]


def test_observations_are_rebuilt_from_a_recorded_log(model: FittedUsersModel) -> None:
    users = users_of(8, model=model, max_steps=30, tastes_observed=True)
    log = InteractionLog.record(RandomPolicy(users.n_choices, 10), users, 8 * 60, seed=2)
    rebuilt = rebuild_observations(log, users.catalogue, users.problem.history_shape)
    row_of = {
        (int(episode), int(step)): row
        for row, (episode, step) in enumerate(
            zip(log.column("episode_id"), log.column("step"), strict=True)
        )
    }
    observed = users.reset(2)
    steps = np.zeros(8, np.int64)
    for _ in range(60):
        rows = np.array(
            [row_of[e, s] for e, s in zip(users.episode_ids.tolist(), steps.tolist(), strict=True)]
        )
        np.testing.assert_array_equal(log.column("user_id")[rows], users.user_ids)
        for key, array in observed.items():
            np.testing.assert_array_equal(rebuilt[key][rows], array)
        step = users.step(log.column("slate")[rows])
        np.testing.assert_array_equal(step.responses, log.responses()[rows])
        observed, steps = step.observations, steps + 1
        steps[step.finished] = 0


def test_a_saved_model_gives_the_same_users_and_arguments_for_json(
    model: FittedUsersModel, tmp_path: Path
) -> None:
    model.save(tmp_path / "users")
    users = users_of(6, path=str(tmp_path / "users"), slate_size=4, population="test")
    arguments = json.loads(json.dumps(users.arguments))
    slates = np.random.default_rng(0).integers(119, size=(40, 6, 4))
    again = play(users_of(6, **arguments), slates)
    in_memory = play(users_of(6, model=model, slate_size=4, population="test"), slates)
    for ours, theirs in zip(again, in_memory, strict=True):
        for one, other in zip(ours, theirs, strict=True):
            np.testing.assert_array_equal(one, other)


def test_a_folder_is_read_once_until_it_is_written_anew(
    model: FittedUsersModel, tmp_path: Path
) -> None:
    folder = tmp_path / "users"

    def catalogue_of() -> Any:
        return users_of(1, path=folder).catalogue

    model.save(folder)
    first = catalogue_of()
    assert catalogue_of() is first
    replace(model, nothing_score=1.0).save(folder)
    assert catalogue_of() is not first


def test_a_model_in_memory_is_named_by_its_fingerprint(model: FittedUsersModel) -> None:
    arguments = users_of(1, model=model).arguments
    assert arguments["model"] == f"in memory: {model.fingerprint}"
    with pytest.raises(ModelFileError, match="never saved"):
        users_of(1, **arguments)


def test_wrong_arguments_are_refused_by_name(model: FittedUsersModel, tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'validation'"):
        users_of(1, population="validaton")
    with pytest.raises(ConfigError, match=r"slate_size.*119"):
        users_of(1, slate_size=120)
    with pytest.raises(ConfigError, match="drift_weight"):
        users_of(1, drift_weight=-1.0)
    with pytest.raises(ConfigError, match="initial"):
        users_of(1, initial_budget=0.0)
    with pytest.raises(ConfigError, match="in memory or None, got int; the folder"):
        users_of(1, model=3)
    with pytest.raises(ModelFileError, match="no saved model in"):
        users_of(1, path=str(tmp_path / "nothing"))
    nobody = replace(model, populations={**model.populations, "test": np.zeros(0, np.int64)})
    with pytest.raises(ConfigError, match="nobody is in the population 'test'"):
        users_of(1, model=nobody, population="test")


@pytest.mark.parametrize(
    ("argument", "value"),
    [
        ("population", "test"),
        ("drift_weight", 0.5),
        ("initial_budget", 100.0),
        ("max_steps", 7),
        ("model", None),
    ],
)
def test_the_card_tells_every_assumed_argument(
    model: FittedUsersModel, argument: str, value: Any
) -> None:
    usual = users_of(1, model=model).card()
    changed = users_of(1, **{"model": model, argument: value}).card()
    assert changed != usual
    assert {line.status for line in changed} == {"estimated", "assumed"}


def test_the_card_without_a_log_says_so() -> None:
    assert users_of(1).card()[0].value == "made up"


def test_each_person_has_a_quality_of_its_own(model: FittedUsersModel) -> None:
    quality = RatedQuality(model.quality)
    state = {"person": np.array([5, 9, 5])}
    everything = quality.of_all(state)
    np.testing.assert_array_equal(everything[0], everything[2])
    assert np.abs(everything[0] - everything[1]).max() > 0.5
    users, items = np.array([1, 2]), np.array([7, 3])
    np.testing.assert_array_equal(quality.of(state, users, items), everything[users, items])


@pytest.mark.slow
@pytest.mark.skipif("RLREC_DATA_DIR" not in os.environ, reason="needs RLREC_DATA_DIR")
def test_movielens_users_stay_a_sensible_time_and_reward_planning() -> None:
    model = fit_users(load_movielens(Path(os.environ["RLREC_DATA_DIR"]) / "ml-100k"))
    users = users_of(1, model=model, population="test")
    reference = PlanningReference.fit(users_of(1, model=model), n_users=100, seed=1)
    policies: dict[str, SlatePolicy] = {
        "random": RandomPolicy(users.n_choices, 10),
        "myopic": MyopicOracle(),
        "reference": reference,
    }
    results = rollout(policies, users, n_users=200, seed=50)
    returns = {name: results.mean_return(name).value for name in policies}
    assert 30 < np.mean(results.policies["random"].lengths) < 110
    assert returns["reference"] > 1.4 * returns["myopic"] > 1.4 * returns["random"]
