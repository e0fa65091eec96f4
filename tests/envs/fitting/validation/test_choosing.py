"""Persons of ratings who were not fitted to, and simulated ones who choose and rate as they do."""

from dataclasses import replace

import numpy as np
import pytest

from rlrec.data import Ratings
from rlrec.envs import FittedUsersModel
from rlrec.envs.fitting.ratings.made_up_ratings import N_ITEMS, N_PERSONS, N_RATED, made_up_ratings
from rlrec.envs.fitting.validation.choosing import (
    Choices,
    activity,
    simulated_choices,
    unseen_choices,
)
from rlrec.errors import DataError
from tests.envs.fitting.rated_world import fitted_to_some, others_like


@pytest.fixture(scope="module")
def model() -> FittedUsersModel:
    return fitted_to_some()


def simulated(model: FittedUsersModel, like: Choices, seed: int = 0) -> Choices:
    everybody = np.arange(model.n_persons)
    return simulated_choices(model, like, everybody, np.random.default_rng(seed))


def test_only_persons_who_were_not_fitted_to_are_seen(model: FittedUsersModel) -> None:
    ratings = made_up_ratings()
    found = unseen_choices(model, ratings, fewest=20)
    assert found.n_persons == N_PERSONS - model.n_persons == 80
    is_known = np.isin(ratings.catalogue.item_ids, model.catalogue.item_ids)[ratings.item_index]
    given = ratings.subset(np.flatnonzero((ratings.user_index >= 120) & is_known))
    assert len(found.persons) == len(given) and found.ratings.sum() == given.values.sum()
    labels = model.catalogue.item_ids[found.items]
    np.testing.assert_array_equal(labels, given.catalogue.item_ids[given.item_index])
    assert not found.is_ordered


def test_of_an_item_rated_again_the_latest_counts_and_unknown_items_do_not(
    model: FittedUsersModel,
) -> None:
    ratings = made_up_ratings()
    labels = np.append(ratings.catalogue.item_ids[:-1], 999)
    catalogue = replace(ratings.catalogue, item_ids=labels)
    person = np.repeat(np.arange(150, 200), 3)
    items = np.tile([4, 4, N_ITEMS - 1], 50)
    times = np.tile([20, 10, 5], 50)
    values = np.tile([5.0, 1.0, 3.0], 50)
    again = Ratings(ratings.user_ids, person, items, values, times, catalogue)
    found = unseen_choices(model, again, fewest=20)
    assert set(model.catalogue.item_ids[found.items]) == {labels[4]} and len(found.items) == 50
    assert set(found.ratings) == {5.0}
    assert found.is_ordered


def test_too_few_new_persons_are_refused_with_a_way_out(model: FittedUsersModel) -> None:
    fitted = made_up_ratings()
    known = fitted.subset(np.flatnonzero(fitted.user_index < 120))
    with pytest.raises(DataError, match=r"0 persons of these ratings.*--holdout"):
        unseen_choices(model, known, fewest=20)


def test_simulated_persons_choose_as_many_and_nothing_twice(model: FittedUsersModel) -> None:
    like = unseen_choices(model, made_up_ratings(), fewest=20)
    found = simulated(model, like)
    np.testing.assert_array_equal(found.lengths, like.lengths)
    pairs = found.persons * found.n_items + found.items
    assert len(np.unique(pairs)) == len(pairs)
    assert set(found.ratings) <= set(like.ratings)
    np.testing.assert_array_equal(found.items, simulated(model, like).items)
    assert not np.array_equal(found.items, simulated(model, like, seed=1).items)


def test_who_chooses_everything_has_chosen_everything(model: FittedUsersModel) -> None:
    n_items = model.catalogue.n_items
    persons = np.repeat(np.arange(3), n_items)
    items, ratings = np.tile(np.arange(n_items), 3), np.linspace(1.0, 5.0, 3 * n_items)
    found = simulated(model, Choices(persons, items, ratings, 3, n_items, True, np.empty(0)))
    np.testing.assert_array_equal(np.sort(found.items.reshape(3, -1)), items.reshape(3, -1))
    assert found.ratings.min() >= 1.0 and found.ratings.max() <= 5.0
    assert len(np.unique(found.ratings)) > 100  # no points of a scale: numbers


def test_activity_follows_how_many_items_persons_chose() -> None:
    rng = np.random.default_rng(0)
    ratings = made_up_ratings()
    n_kept = rng.integers(5, N_RATED, N_PERSONS)
    kept = np.flatnonzero(ratings.places() < n_kept[ratings.user_index])
    model = fitted_to_some(ratings.subset(kept), n_fitted=N_PERSONS)
    assert np.corrcoef(activity(model), n_kept)[0, 1] > 0.9


def test_others_like_a_model_are_ratings_of_new_persons(model: FittedUsersModel) -> None:
    others = others_like(model, n_persons=30)
    assert unseen_choices(model, others, fewest=20).n_persons == 30
