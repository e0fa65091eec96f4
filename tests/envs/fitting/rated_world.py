"""Users fitted to made-up ratings, and ratings by others who are exactly like them."""

from dataclasses import replace

import numpy as np

from rlrec.data import Ratings
from rlrec.envs import FittedUsersModel, fit_users
from rlrec.envs.fitting.ratings.made_up_ratings import made_up_ratings
from rlrec.envs.fitting.validation.choosing import Choices, points_of, simulated_choices


def fitted_to_some(ratings: Ratings | None = None, n_fitted: int = 120) -> FittedUsersModel:
    """Return users fitted to the first persons of ratings, by default of made-up ones."""
    ratings = made_up_ratings() if ratings is None else ratings
    some = ratings.subset(np.flatnonzero(ratings.user_index < n_fitted))
    return fit_users(some, factors=8, rating_factors=8, choice_regularisation=1.0)


def others_like(model: FittedUsersModel, n_persons: int = 240, seed: int = 0) -> Ratings:
    """Return ratings, in order, by persons of other labels who behave as a model says."""
    rng = np.random.default_rng(seed)
    lengths = rng.integers(15, 40, n_persons)
    persons = np.repeat(np.arange(n_persons), lengths)
    scale = np.resize(np.arange(1.0, 6.0), len(persons))
    blank = np.zeros(len(persons), np.int64)
    like = Choices(
        persons, blank, scale, n_persons, model.catalogue.n_items, True, points_of(scale)
    )
    made = simulated_choices(model, like, np.arange(model.n_persons), rng)
    return Ratings(
        user_ids=10_000 + np.arange(n_persons),
        user_index=made.persons,
        item_index=made.items,
        values=made.ratings,
        timestamps=np.arange(len(made.persons)),
        catalogue=model.catalogue,
    )


def swapped_items(model: FittedUsersModel, seed: int = 0) -> FittedUsersModel:
    """Return a wrong world: what attracts to an item attracts to another one."""
    order = np.random.default_rng(seed).permutation(model.catalogue.n_items)
    return replace(model, item_factors=model.item_factors[order])
