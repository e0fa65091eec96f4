"""Where users simulated from ratings choose and rate like persons who were not fitted to."""

import numpy as np

from rlrec.arrays import Floats, Ints
from rlrec.data.ratings import Ratings
from rlrec.envs.fitting.ratings.model import FittedUsersModel
from rlrec.envs.fitting.validation.choosing import simulated_choices, unseen_choices
from rlrec.envs.fitting.validation.comparing import FEWEST_PERSONS, Behaviour, Comparison, compared
from rlrec.envs.fitting.validation.rating_behaviour import ASPECTS, rating_behaviour


def rating_fidelity(
    model: FittedUsersModel,
    ratings: Ratings,
    *,
    population: str | None = None,
    n_halvings: int = 5,
    n_permutations: int = 199,
    seed: int = 0,
) -> Comparison:
    """Return a verdict for each aspect of choosing and rating (`rating_behaviour`, `compared`).

    Only persons of whom the model knows nothing are looked at. Half of them are compared with the
    other half, and with as many simulated ones (`simulated_choices`), each of whom chooses as many
    items as one of the first half. Such a log says which items persons rated, in what order and
    how; it is silent of slates, visits and watching time, and so is this.

    Args:
        model: Fitted users.
        ratings: With 20 or more persons who were not fitted to.
        population: Of the persons of the model, whom the simulated ones are; by default all.
        n_halvings: 1 or more; distances are means over them.
        n_permutations: Of persons, for each test; 0 for none.
        seed: Of halves and simulated users.

    Raises:
        ConfigError: Nobody is in the population.
        DataError: The ratings have too few persons who were not fitted to.
    """
    unseen = unseen_choices(model, ratings, FEWEST_PERSONS)
    persons = np.arange(model.n_persons) if population is None else model.population(population)
    known = known_popularity(model)

    def make(rows: Ints, own_seed: int) -> Behaviour:
        rng = np.random.default_rng(own_seed)
        made = simulated_choices(model, unseen.part(rows), persons, rng)
        return rating_behaviour(made, model.catalogue, known)

    return compared(
        rating_behaviour(unseen, model.catalogue, known),
        make,
        ASPECTS,
        n_halvings=n_halvings,
        n_permutations=n_permutations,
        seed=seed,
    )


def known_popularity(model: FittedUsersModel) -> Floats:
    """Return the popularity (N,) of each item among the fitted persons: log(1 + ratings), scaled.

    The last of the features that `fit_users` adds to a catalogue.
    """
    found: Floats = model.catalogue.features[:, -1].astype(np.float64)
    return found
