"""Several worlds from one log: alike in items and persons, apart in what was learned of them."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from scipy.special import expit

from rlrec.data import InteractionLog, Ratings
from rlrec.envs import (
    FitSettings,
    FittedUsersModel,
    FittedWorlds,
    SlateUsersModel,
    UserSimulator,
    fit_halves,
    fit_slate_halves,
    fit_slate_users,
    fit_slate_worlds,
    fit_users,
    fit_worlds,
    make_simulator,
)
from rlrec.envs.fitting.ratings.made_up_ratings import made_up_ratings
from rlrec.envs.fitting.slates.dynamics_search import _APPEAL_SD
from rlrec.envs.fitting.slates.topic_sequences import scanning_of_log
from rlrec.envs.fitting.worlds.fit_worlds import halves_of_ratings
from rlrec.envs.fitting.worlds.log_users import log_of_users, users_of_log
from rlrec.errors import ConfigError, DataError, ModelFileError, TruthError
from rlrec.evaluation import rollout_across
from rlrec.policy import RandomPolicy
from rlrec.testing import check_environment

ENV_ID = "rlrec/FittedUsers-v0"
SMALL = FitSettings(factors=6, rating_factors=5, choice_regularisation=1.0)
N_SLATE_ITEMS = 24


@pytest.fixture(scope="module")
def ratings() -> Ratings:
    return made_up_ratings(seed=3)


@pytest.fixture(scope="module")
def worlds(ratings: Ratings) -> FittedWorlds:
    return fit_worlds(ratings, 3, settings=SMALL)


@pytest.fixture(scope="module")
def log() -> InteractionLog:
    users = make_simulator(
        "rlrec/ComposedUsers-v0",
        60,
        n_items=N_SLATE_ITEMS,
        n_topics=4,
        slate_size=3,
        choice={"name": "position_based", "attraction": {"name": "logistic", "offset": 0.5}},
        leaving={"name": "fixed_length", "n_steps": 5},
    )
    return InteractionLog.record(RandomPolicy(N_SLATE_ITEMS, 3), users, 1_500, seed=0)


def catalogue_of_slates() -> Any:
    users = make_simulator("rlrec/ComposedUsers-v0", 1, n_items=N_SLATE_ITEMS, n_topics=4)
    return users.catalogue


def rated(worlds: FittedWorlds, number: int) -> FittedUsersModel:
    model = worlds[number]
    assert isinstance(model, FittedUsersModel)
    return model


def simulated(n_users: int, first_user: int = 0, **arguments: Any) -> UserSimulator:
    return make_simulator(ENV_ID, n_users, first_user, **arguments)


def test_worlds_have_the_same_items_persons_and_populations(worlds: FittedWorlds) -> None:
    assert worlds.has_same_persons
    first = worlds[0]
    for model in worlds:
        np.testing.assert_array_equal(model.catalogue.item_ids, first.catalogue.item_ids)
        for name, rows in model.populations.items():
            np.testing.assert_array_equal(rows, first.populations[name])


def test_worlds_differ_in_what_was_learned_and_repeat(
    ratings: Ratings, worlds: FittedWorlds
) -> None:
    assert len({model.fingerprint for model in worlds}) == 3
    again = fit_users(ratings, factors=6, rating_factors=5, choice_regularisation=1.0, bootstrap=2)
    assert again.fingerprint == worlds[2].fingerprint


def test_a_world_is_near_that_of_all_persons(ratings: Ratings, worlds: FittedWorlds) -> None:
    whole = fit_users(ratings, factors=6, rating_factors=5, choice_regularisation=1.0)
    everyone = np.arange(whole.n_persons)
    expected = whole.attraction.of_all(everyone).ravel()
    for number in range(3):
        found = rated(worlds, number).attraction.of_all(everyone).ravel()
        assert np.corrcoef(expected, found)[0, 1] > 0.8
        assert rated(worlds, number).figures.rating_rmse < 1.1 * whole.figures.rating_rmse


def test_halves_share_items_and_what_is_known_of_them_but_no_person(ratings: Ratings) -> None:
    halves = fit_halves(ratings, settings=SMALL)
    first, second = halves
    assert first.catalogue.fingerprint == second.catalogue.fingerprint
    assert not set(first.person_ids) & set(second.person_ids)
    assert first.n_persons + second.n_persons == 200
    assert not halves.has_same_persons
    with pytest.raises(ConfigError, match="different persons"):
        _ = halves.disagreement
    with pytest.raises(ConfigError, match="say which one"):
        simulated(1, model=halves)


def test_items_of_halves_have_enough_ratings_in_both(ratings: Ratings) -> None:
    least = 34
    first, second = halves_of_ratings(ratings, least)
    kept = np.unique(first.item_index)
    np.testing.assert_array_equal(kept, np.unique(second.item_index))
    assert 0 < len(kept) < ratings.n_rated_items
    for part in (first, second):
        assert np.bincount(part.item_index)[kept].min() >= least
    with pytest.raises(DataError, match="no item has"):
        halves_of_ratings(ratings, 1_000)


def test_items_that_few_rated_are_disagreed_about_more(ratings: Ratings) -> None:
    rng = np.random.default_rng(0)
    is_rare = np.arange(ratings.n_items) % 2 == 0
    kept = ~is_rare[ratings.item_index] | (rng.random(len(ratings)) < 0.3)
    thinned = ratings.subset(np.flatnonzero(kept))
    worlds = fit_worlds(thinned, 6, settings=replace(SMALL, min_item_ratings=1))
    assert worlds[0].catalogue.n_items == ratings.n_items
    everyone = np.arange(worlds[0].n_persons)
    slates = np.tile(np.arange(ratings.n_items), (len(everyone), 1))
    about = worlds.disagreement.of_slates(everyone, slates).mean(axis=0)
    assert about[is_rare].mean() > 1.4 * about[~is_rare].mean()


def test_equal_worlds_do_not_disagree(worlds: FittedWorlds) -> None:
    same = FittedWorlds((worlds[0], worlds[0]))
    slates = np.arange(40).reshape(4, 10)
    assert not same.disagreement.of_slates(np.arange(4), slates).any()


def test_worlds_come_back_from_their_folder(worlds: FittedWorlds, tmp_path: Path) -> None:
    folder = tmp_path / "worlds"
    worlds.save(folder)
    worlds.save(folder)  # may be written again
    assert FittedWorlds.load(folder).fingerprint == worlds.fingerprint
    env = gym.make(ENV_ID, path=str(folder), max_steps=4)
    env.reset(seed=0)
    observation, *_ = env.step(env.action_space.sample())
    assert observation["last_slate"].shape == (10,)


def test_folders_that_hold_no_worlds_are_refused(worlds: FittedWorlds, tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match="no ensemble"):
        FittedWorlds.load(tmp_path)
    (tmp_path / "worlds.json").write_text(json.dumps({"format": "x", "version": 1, "n_worlds": 1}))
    with pytest.raises(ModelFileError, match="this release reads"):
        FittedWorlds.load(tmp_path)
    other = tmp_path / "other"
    other.mkdir()
    (other / "letters").write_text("kept")
    with pytest.raises(ModelFileError, match="other files, which are kept"):
        worlds.save(other)


def test_worlds_of_other_items_are_refused(ratings: Ratings, worlds: FittedWorlds) -> None:
    fewer = ratings.subset(np.flatnonzero(ratings.item_index > 3))
    other = fit_users(fewer, factors=6, rating_factors=5)
    with pytest.raises(DataError, match="other items"):
        FittedWorlds((worlds[0], other))
    with pytest.raises(DataError, match="one model or more"):
        FittedWorlds(())


def test_users_of_worlds_keep_the_contract(worlds: FittedWorlds) -> None:
    check_environment(
        lambda n_users, first_user: simulated(
            n_users, first_user, model=worlds, slate_size=3, max_steps=9, tastes_observed=True
        )
    )


def test_each_user_lives_by_the_model_of_its_world(worlds: FittedWorlds) -> None:
    users = simulated(60, model=worlds)
    users.reset(seed=1)
    state = users.latent_state()
    assert set(state["world"]) == {0, 1, 2}
    slates = np.tile(np.arange(10), (60, 1))
    told = users.choice_probabilities(slates)
    outlook = users.outlook()
    for number in range(3):
        rows = np.flatnonzero(state["world"] == number)
        model = rated(worlds, number)
        scores = model.attraction.of_slates(state["person"][rows], slates[rows])
        weights = np.exp(scores - model.nothing_score)
        expected = weights / (1.0 + weights.sum(axis=1, keepdims=True))
        np.testing.assert_allclose(told[rows, :-1], expected, rtol=1e-6)
        np.testing.assert_allclose(
            outlook.quality[rows], model.quality.of_all(state["person"][rows]), rtol=1e-6
        )


def test_one_world_can_be_asked_for(worlds: FittedWorlds) -> None:
    alone = simulated(20, model=worlds, world=1)
    same = simulated(20, model=worlds[1])
    slates = np.tile(np.arange(10), (20, 1))
    for users in (alone, same):
        users.reset(seed=4)
    np.testing.assert_array_equal(alone.step(slates).rewards, same.step(slates).rewards)
    with pytest.raises(ConfigError, match="world must be 0 to 2"):
        simulated(1, model=worlds, world=3)
    with pytest.raises(ConfigError, match="as one world"):
        simulated(1, world=0)


def test_the_card_tells_what_differs_world_by_world(worlds: FittedWorlds) -> None:
    lines = {line.name: line for line in simulated(1, model=worlds).card()}
    assert lines["worlds"].value == "3"
    assert lines["choice scale"].value.count("|") == 2
    assert lines["bootstrap"].value == "number 0 | number 1 | number 2"
    assert "|" not in lines["click rate"].value
    assert "longest visit" in lines  # what the environment assumes is told too


def test_planning_is_for_a_single_world(worlds: FittedWorlds) -> None:
    with pytest.raises(TruthError, match="no planning reference"):
        simulated(1, model=worlds).planning_reference(5)
    assert simulated(1, model=worlds, world=0, initial_budget=20.0).planning_reference(5)


def test_policies_are_judged_in_every_world(worlds: FittedWorlds) -> None:
    each = {
        f"world {number}": simulated(1, model=worlds, world=number, initial_budget=20.0)
        for number in range(2)
    }
    policy = RandomPolicy(worlds[0].catalogue.n_items, 10)
    table = rollout_across({"random": policy}, each, 20, seed=9).table()
    row = table.loc["random"]
    assert row["mean"] == pytest.approx((row["world 0"] + row["world 1"]) / 2)
    assert row["worst"] == min(row["world 0"], row["world 1"]) == row[row["worst_world"]]


def test_a_log_of_drawn_users_repeats_those_drawn_twice(log: InteractionLog) -> None:
    part = log_of_users(log, np.array([2, 0, 2]))
    expected = np.concatenate([rows_of_user(log, row) for row in (0, 2, 2)])
    np.testing.assert_array_equal(part.column("slate"), expected)
    np.testing.assert_array_equal(users_of_log(part), [0, 1, 2])


def test_a_log_of_some_users_keeps_their_ids(log: InteractionLog) -> None:
    ids = users_of_log(log)
    np.testing.assert_array_equal(users_of_log(log_of_users(log, np.array([5, 1]))), ids[[1, 5]])


def rows_of_user(log: InteractionLog, row: int) -> Any:
    return log.column("slate")[log.column("user_id") == users_of_log(log)[row]]


def test_worlds_of_slates_have_the_same_persons_and_keep_the_contract(log: InteractionLog) -> None:
    worlds = fit_slate_worlds(log, catalogue_of_slates(), 2, scanning="position_based")
    assert worlds.has_same_persons
    np.testing.assert_array_equal(worlds[0].person_ids, users_of_log(log))
    assert worlds[0].fingerprint != worlds[1].fingerprint
    check_environment(lambda n, first: simulated(n, first, model=worlds, max_steps=6))
    slates = np.arange(6).reshape(2, 3)
    assert (worlds.disagreement.of_slates(np.zeros(2, np.int64), slates) > 0).all()
    coming_back = simulated(9, model=worlds, max_steps=40, comes_back=True)
    observed = coming_back.reset(seed=0)["context"]
    alone = simulated(9, model=worlds, world=0, max_steps=40, comes_back=True)
    assert observed.shape == alone.reset(seed=0)["context"].shape


def test_halves_of_slates_share_items_but_no_person(log: InteractionLog) -> None:
    first, second = fit_slate_halves(log, catalogue_of_slates(), scanning="position_based")
    everyone = np.sort(np.concatenate([first.person_ids, second.person_ids]))
    np.testing.assert_array_equal(everyone, users_of_log(log))
    assert abs(first.n_persons - second.n_persons) <= 1


def with_slate_of_two(log: InteractionLog, row: int) -> InteractionLog:
    """Return a log in which at most one item of a slate is taken, save for one row."""
    columns = log.columns()
    taken = columns["response.click"] > 0
    first = taken & (np.cumsum(taken, axis=1) == 1)
    first[row, :2] = True
    return InteractionLog.from_columns(
        {**columns, "response.click": first.astype(np.float32)}, log.metadata
    )


def test_how_slates_are_scanned_is_told_once_by_the_whole_log(log: InteractionLog) -> None:
    rare = with_slate_of_two(log, 7)
    assert scanning_of_log(rare) == "position_based"
    others = np.flatnonzero(users_of_log(log) != rare.column("user_id")[7])
    assert scanning_of_log(log_of_users(rare, others)) == "cascade"
    worlds = fit_slate_worlds(rare, catalogue_of_slates(), 3, most_visits=200)
    halves = fit_slate_halves(rare, catalogue_of_slates(), most_visits=200)
    assert {slate_model(model).scanning for model in (*worlds, *halves)} == {"position_based"}


def slate_model(model: Any) -> SlateUsersModel:
    assert isinstance(model, SlateUsersModel)
    return model


def test_the_card_joins_lines_by_name_and_keeps_those_of_some_worlds(log: InteractionLog) -> None:
    fitted = fit_slate_users(log, catalogue_of_slates(), scanning="position_based", most_visits=200)
    assert "offset" in fitted.estimates
    silent = replace(
        fitted,
        scanning="cascade",  # has no line of the decay, so that positions of lines differ
        estimates={k: found for k, found in fitted.estimates.items() if k != "offset"},
        silent={**fitted.silent, "search": "abnormal end"},
    )
    for models in ((fitted, silent, fitted), (silent, fitted, fitted)):
        lines = {line.name: line for line in FittedWorlds(models).card()}
        assert lines["offset"].status == "assumed"
        assert lines["offset"].note.startswith("estimated in 2 of 3 worlds")
        assert lines["decay"].note.startswith("in 2 of 3 worlds")
        assert lines["estimates"].note.startswith("in 1 of 3 worlds")
        assert set(lines["scanning"].value.split(" | ")) == {"cascade", "position_based"}
        assert "|" not in lines["memory"].value


def test_items_that_no_slate_shows_are_the_most_doubtful(log: InteractionLog) -> None:
    columns = log.columns()
    columns["slate"] = columns["slate"] % 20  # items 20 to 23 are shown to nobody
    narrow = InteractionLog.from_columns(columns, log.metadata)
    worlds = fit_slate_worlds(narrow, catalogue_of_slates(), 2, scanning="position_based")
    items = np.arange(N_SLATE_ITEMS)[None]
    about = worlds.disagreement.of_slates(np.zeros(1, np.int64), items)[0]
    assert about[20:].min() > about[:20].max()
    # Drawn from the prior of an appeal, the reward of a look spreads as it is said to.
    model = slate_model(worlds[0])
    appeals = np.random.default_rng(0).normal(0.0, _APPEAL_SD, 20_000)
    rewards = expit(appeals - model.values["offset"]) * model.yields[20]
    alone = FittedWorlds((model,)).disagreement.of_slates(np.zeros(1, np.int64), items)[0]
    assert alone[20] == pytest.approx(rewards.std(), rel=0.03)  # 6 standard errors
    assert alone[:20].max() < alone[20:].min()


def test_an_item_shown_a_few_times_is_more_doubtful_than_one_shown_often(
    log: InteractionLog,
) -> None:
    """Its appeal is drawn towards 0 in every world, so that worlds alone would agree on it."""
    columns = log.columns()
    columns["slate"][20:][columns["slate"][20:] == 0] = 1  # item 0 stands in the first rows alone
    worlds = fit_slate_worlds(
        InteractionLog.from_columns(columns, log.metadata),
        catalogue_of_slates(),
        2,
        scanning="position_based",
    )
    model = slate_model(worlds[0])
    assert model.appeal_variances[0] > 2 * model.appeal_variances[1:].max()
    items = np.arange(N_SLATE_ITEMS)[None]
    about = worlds.disagreement.of_slates(np.zeros(1, np.int64), items)[0]
    assert about[0] == about.max()


def test_files_beside_saved_worlds_are_kept(worlds: FittedWorlds, tmp_path: Path) -> None:
    folder = tmp_path / "worlds"
    worlds.save(folder)
    (folder / "letters").write_text("kept")
    with pytest.raises(ModelFileError, match=r"other files, which are kept.*letters"):
        worlds.save(folder)
    assert (folder / "letters").read_text() == "kept"
    (folder / "letters").unlink()
    FittedWorlds(worlds.models[:2]).save(folder)  # fewer than before
    assert len(FittedWorlds.load(folder)) == 2
    assert [path.name for path in tmp_path.iterdir()] == ["worlds"]
