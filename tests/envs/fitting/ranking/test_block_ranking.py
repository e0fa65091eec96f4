"""Fitted users against persons who rated everything: the protocol, and what it finds."""

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.sparse import csr_array

from rlrec.arrays import Floats
from rlrec.data import Ratings, load_jester
from rlrec.envs import FittedUsersModel, fit_users
from rlrec.envs.fitting.ranking.block_ranking import (
    fit_to_any_scale,
    rank_in_block,
    simulated_values,
    true_values,
)
from rlrec.envs.fitting.ranking.block_split import BlockSettings, BlockSplit, liked, split_by_block
from rlrec.envs.fitting.ranking.policy_ranking import compare_rankings
from rlrec.envs.fitting.ranking.rating_policies import GreedyPolicy, SameForAll, rating_policies
from rlrec.envs.fitting.ratings.made_up_ratings import made_up_block
from rlrec.errors import ConfigError, DataError
from rlrec.policy import RandomPolicy, SlatePolicy

SETTINGS = BlockSettings(log_size=20, history_size=8, slate_size=3, n_draws=4)


def fit_small(log: Ratings) -> FittedUsersModel:
    return fit_users(
        log, factors=4, rating_factors=4, rating_regularisation=1.0, min_item_ratings=1
    )


@pytest.fixture(scope="module")
def ratings() -> Ratings:
    return made_up_block()


@pytest.fixture(scope="module")
def split(ratings: Ratings) -> BlockSplit:
    return split_by_block(ratings, SETTINGS)


@pytest.fixture(scope="module")
def model(split: BlockSplit) -> FittedUsersModel:
    return fit_small(split.world_log)


@pytest.fixture(scope="module")
def policies(split: BlockSplit) -> Mapping[str, SlatePolicy]:
    return rating_policies(split.policy_log, SETTINGS)


def fixed_order(n_items: int, best: int) -> GreedyPolicy:
    """Return a policy that shows item `best` and those after it, as far as they may be shown."""
    scores = -((np.arange(n_items, dtype=float) - best) % n_items)
    return GreedyPolicy(SameForAll(scores), SETTINGS.slate_size)


def test_nobody_is_in_two_groups_and_logs_are_sparse(ratings: Ratings, split: BlockSplit) -> None:
    policy, world = (set(log.user_index) for log in (split.policy_log, split.world_log))
    judged = set(split.judged.persons)
    assert not (policy & world or policy & judged or world & judged)
    assert len(judged) == 60 and len(policy | world | judged) == 300
    for log in (split.policy_log, split.world_log):
        assert np.bincount(log.user_index).max() == 20
        known = csr_array(ratings.matrix())[log.user_index, log.item_index]
        np.testing.assert_array_equal(np.ravel(known), log.values)


def test_who_is_judged_is_shown_only_what_is_not_in_the_history(
    ratings: Ratings, split: BlockSplit
) -> None:
    observations = split.judged.observations
    history, candidates = observations["history_items"] - 1, observations["candidates"]
    both = np.sort(np.hstack([history, candidates]), axis=1)
    np.testing.assert_array_equal(both, np.tile(np.arange(40), (60, 1)))
    given = np.take_along_axis(split.values, history, axis=1)
    responses = observations["history_responses"]
    np.testing.assert_allclose(responses[:, :, 1], given, rtol=1e-6)
    np.testing.assert_array_equal(responses[:, :, 0], given > given.mean(axis=1, keepdims=True))
    assert np.isfinite(split.values).all()


def test_persons_of_the_simulator_are_seen_by_a_part_of_their_log(split: BlockSplit) -> None:
    persons = np.unique(split.world_log.user_index)[[3, 3, 5]]
    served = split.served(persons, np.random.default_rng(0))
    history = served.observations["history_items"] - 1
    matrix = csr_array(split.world_log.matrix(binary=True))
    assert matrix[persons[:, None], history].min() == 1
    assert set(history[0]) != set(history[1])  # drawn anew for each visit
    assert all(len(set(row)) == 8 for row in history)


def test_the_true_value_is_the_mean_of_the_ratings_that_were_given(split: BlockSplit) -> None:
    policy = fixed_order(40, best=17)
    found = true_values({"fixed": policy}, split)["fixed"]
    for row in range(60):
        seen = set(split.judged.observations["history_items"][row] - 1)
        shown = [item % 40 for item in range(17, 57) if item % 40 not in seen][:3]
        assert found[row] == pytest.approx(split.values[row, shown].mean())


def test_random_slates_are_worth_the_mean_of_what_may_be_shown(split: BlockSplit) -> None:
    candidates = split.judged.observations["candidates"]
    expected = np.take_along_axis(split.values, candidates, axis=1).mean()
    found = true_values({"random": RandomPolicy(32, 3)}, split)["random"]
    # 720 ratings of sd 4 or less within a person: 5 standard errors
    assert abs(found.mean() - expected) < 5 * 4 / np.sqrt(720)


def test_satisfaction_is_the_quality_that_the_simulator_states(
    split: BlockSplit, model: FittedUsersModel
) -> None:
    flat = replace(
        model,
        person_bias=np.zeros(model.n_persons),
        person_rating_factors=np.zeros_like(model.person_rating_factors),
        item_bias=np.where(np.arange(40) < 20, 1.0, -1.0),
    )
    two = {"good": GreedyPolicy(SameForAll(-np.arange(40.0)), 3), "poor": fixed_order(40, 20)}
    found = simulated_values(two, split, flat, n_visits=200)
    # the first 20 items are one point above the mean, and 3 of them are always left
    np.testing.assert_allclose(found["good"], flat.rating_mean + 1.0, atol=1e-5)
    np.testing.assert_allclose(found["poor"], flat.rating_mean - 1.0, atol=1e-5)
    assert len(found["good"]) <= len(model.populations["train"])


def test_visits_are_longer_where_what_is_shown_pleases(
    split: BlockSplit, model: FittedUsersModel, policies: Mapping[str, SlatePolicy]
) -> None:
    some = {name: policies[name] for name in ("highest mean rating", "lowest mean rating")}
    found = simulated_values(some, split, model, "return", n_visits=100)
    assert found["highest mean rating"].mean() > 1.1 * found["lowest mean rating"].mean()
    assert found["lowest mean rating"].min() > 0


def test_fitted_users_rank_policies_as_the_block_does(ratings: Ratings) -> None:
    found = rank_in_block(ratings, settings=SETTINGS, fit=fit_small)
    assert len(found.ranking.true) == 13
    assert found.ranking.tau.value > 0.75
    assert found.ranking.tau.low > 0.5
    table = found.ranking.table()
    assert table.index[-1] == "lowest mean rating"
    assert found.ranking.tau.n == 60


def test_users_whose_satisfaction_is_upside_down_reverse_the_order(
    split: BlockSplit, model: FittedUsersModel, policies: Mapping[str, SlatePolicy]
) -> None:
    reversed_model = replace(
        model, item_bias=-model.item_bias, item_rating_factors=-model.item_rating_factors
    )
    found = compare_rankings(
        simulated_values(policies, split, reversed_model, n_visits=300),
        true_values(policies, split),
    )
    assert found.tau.value < -0.6


def test_ratings_without_order_leave_the_interval_open(ratings: Ratings) -> None:
    rng = np.random.default_rng(3)
    noise = replace(ratings, values=rng.standard_normal(len(ratings)))
    tau = rank_in_block(noise, settings=SETTINGS, fit=fit_small).ranking.tau
    assert tau.low < 0.4


def test_the_same_seed_gives_the_same_ranking_and_another_one_another(ratings: Ratings) -> None:
    def tau(seed: int) -> Any:
        settings = replace(SETTINGS, seed=seed)
        return rank_in_block(ratings, settings=settings, fit=fit_small).ranking.simulated

    assert tau(0) == tau(0)
    assert tau(0) != tau(1)


def test_liked_is_what_is_above_the_mean_of_a_persons_log(ratings: Ratings) -> None:
    matrix, found = ratings.matrix().toarray(), liked(ratings).toarray()
    rated: Floats = ratings.matrix(binary=True).toarray()
    means = matrix.sum(axis=1) / rated.sum(axis=1)
    np.testing.assert_array_equal(found, (rated > 0) & (matrix > means[:, None]))


def test_penalties_grow_with_the_scale_of_the_ratings(split: BlockSplit) -> None:
    log = split.world_log
    small = fit_to_any_scale(log)
    large = fit_to_any_scale(replace(log, values=100 * log.values))
    # of neighbours that are nearly as good, either may be chosen: factors start where they do
    assert 0.49 < large.rating_penalty / (100 * small.rating_penalty) < 2.1


def test_what_cannot_be_judged_is_refused(ratings: Ratings, split: BlockSplit) -> None:
    with pytest.raises(DataError, match="need as many items, got 40"):
        split_by_block(ratings, BlockSettings(history_size=38, log_size=40))
    with pytest.raises(DataError, match=r"rated all 40 items and 20 others .* got 0 and 300"):
        split_by_block(made_up_block(complete_share=0.0), SETTINGS)
    with pytest.raises(ConfigError, match="judged_share must lie in"):
        BlockSettings(judged_share=0.0)
    with pytest.raises(ConfigError, match="history_size must be at most log_size"):
        BlockSettings(history_size=50)
    narrow = fit_users(
        split.world_log.subset(np.flatnonzero(split.world_log.item_index < 30)),
        factors=4,
        rating_factors=4,
    )
    with pytest.raises(DataError, match="the same items as the ratings have, 40, got 30"):
        simulated_values({"random": RandomPolicy(32, 3)}, split, narrow)
    unknown: Any = "minutes"
    with pytest.raises(ConfigError, match="measure must be one of"):
        simulated_values({"random": RandomPolicy(32, 3)}, split, narrow, unknown)


@pytest.mark.slow
@pytest.mark.skipif("RLREC_DATA_DIR" not in os.environ, reason="needs RLREC_DATA_DIR")
def test_on_jester_fitted_users_rank_policies_as_persons_who_rated_all_jokes() -> None:
    path = Path(os.environ["RLREC_DATA_DIR"]) / "jester5k" / "jester-users-even.csv.gz"
    tau = rank_in_block(load_jester(path)).ranking.tau
    assert tau.value >= 0.7
    assert tau.low > 0.4


def test_ids_in_any_order_find_their_persons(
    policies: Mapping[str, SlatePolicy], split: BlockSplit, model: FittedUsersModel
) -> None:
    shuffled = np.random.default_rng(0).permutation(split.world_log.n_users)
    renamed = replace(split, world_log=replace(split.world_log, user_ids=shuffled))
    rows = np.searchsorted(split.world_log.user_ids, model.person_ids)
    same = replace(model, person_ids=shuffled[rows])
    few = {name: policies[name] for name in ("EASE", "random")}
    expected = simulated_values(few, split, model, n_visits=50)
    found = simulated_values(few, renamed, same, n_visits=50)
    for name in few:
        np.testing.assert_array_equal(found[name], expected[name])
