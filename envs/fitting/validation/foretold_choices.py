"""How well users fitted to ratings foretell the later choices of others from the earlier ones."""

import math
from typing import NamedTuple

import numpy as np
from scipy.special import log_softmax

from rlrec.arrays import Bools, Floats, Ints
from rlrec.data.ratings import Ratings
from rlrec.envs.fitting.ratings.calibration import ChoiceSets, choice_scale, choice_sets
from rlrec.envs.fitting.ratings.model import FittedUsersModel
from rlrec.envs.fitting.ratings.pair_values import PairValues, standardised
from rlrec.envs.fitting.validation.choosing import Choices, simulated_choices, unseen_choices
from rlrec.envs.fitting.validation.comparing import FEWEST_PERSONS
from rlrec.envs.fitting.validation.foretelling import Foretold, Predictions, foretold
from rlrec.envs.fitting.validation.rating_fidelity import known_popularity
from rlrec.errors import DataError

LATER_SHARE = 0.2
"""Of the choices of each person, the last: to be foretold from those before."""
_N_ALTERNATIVES = 99
_MOST_CHOICES = 20_000


def foretold_choices(model: FittedUsersModel, ratings: Ratings, *, seed: int = 0) -> Foretold:
    """Return how well the last fifth of the choices of persons not fitted to are foretold.

    Each is a choice among itself and 99 items that the person never chose. A person's factors are
    those that best explain its choices before (items held fixed), used as the model uses those of
    its own persons. Controls: all items alike; popularity among the fitted persons, its scale that
    under which these very choices are most likely; and the model given what another person chose.
    Where the order of time is not known, a fifth at random is foretold.

    What attracts most is chosen first, so that later choices are the harder ones, and factors from
    few choices are too sure of themselves. What of the loss is due to that show the references:
    simulated persons foretold in the same way; and a fifth at random of the choices of the log.

    Args:
        model: Fitted users.
        ratings: With 20 or more persons who were not fitted to.
        seed: Of alternatives, simulated persons and shuffles.

    Raises:
        DataError: There are too few such persons, or nobody chose enough.
    """
    choices = unseen_choices(model, ratings, FEWEST_PERSONS)
    rng = np.random.default_rng(seed)
    everybody = np.arange(model.n_persons)
    settings = {
        "simulated users, foretold in the same way": simulated_choices(
            model, choices, everybody, rng
        ),
    }
    if choices.is_ordered:
        settings["a fifth of all choices, not the last"] = _in_another_order(choices, rng)
    found = _foretold(model, choices, rng, seed)
    references = [
        _foretold(model, each, rng, seed).as_reference(name) for name, each in settings.items()
    ]
    return found._replace(references=tuple(references))


def _foretold(
    model: FittedUsersModel, choices: Choices, rng: np.random.Generator, seed: int
) -> Foretold:
    sets, scores, of_others = _scored(model, choices, _later(choices), rng)
    popularity = known_popularity(model)[sets.items]
    losses = {
        "fitted users": _losses(scores),
        "all items alike": np.full(len(scores), math.log(_N_ALTERNATIVES + 1)),
        "popularity": _losses(choice_scale(popularity) * popularity),
        "another person's choices": _losses(of_others),
    }
    unit = f"a choice among {_N_ALTERNATIVES + 1} items"
    return foretold(unit, losses, sets.persons, _predictions(sets, scores), seed=seed)


class _Scored(NamedTuple):
    """Later choices with their alternatives, and logits of both."""

    sets: ChoiceSets
    scores: Floats
    """Shape (n, J + 1). By what the person chose before; the item chosen comes first."""
    of_others: Floats
    """Shape (n, J + 1). By what another person chose."""


def _later(choices: Choices) -> Bools:
    """Return which choices are to be foretold: the last fifth, of persons with two or more."""
    lengths = choices.lengths
    n_later = np.where(lengths > 1, np.maximum(1, np.rint(LATER_SHARE * lengths)), 0)
    found: Bools = choices.places >= (lengths - n_later)[choices.persons]
    return found


def _in_another_order(choices: Choices, rng: np.random.Generator) -> Choices:
    """Return the choices of each person in an order drawn at random."""
    order = np.lexsort((rng.random(len(choices.persons)), choices.persons))
    return choices._replace(items=choices.items[order], ratings=choices.ratings[order])


def _scored(
    model: FittedUsersModel, choices: Choices, is_later: Bools, rng: np.random.Generator
) -> _Scored:
    later = np.flatnonzero(is_later)
    chosen = choices.matrix()
    chosen.sort_indices()
    sets = choice_sets(choices.persons[later], choices.items[later], chosen, _N_ALTERNATIVES, rng)
    if len(sets.persons) < 2:
        raise DataError("nobody who was not fitted to chose two or more items, and left others")
    if len(sets.persons) > _MOST_CHOICES:
        kept = np.sort(rng.permutation(len(sets.persons))[:_MOST_CHOICES])
        sets = ChoiceSets(sets.persons[kept], sets.items[kept])
    values = _attraction(model, choices, ~is_later)
    swapped = in_turn(choices.n_persons, rng)
    return _Scored(
        sets,
        values.of_slates(sets.persons, sets.items),
        values.of_slates(swapped[sets.persons], sets.items),
    )


def in_turn(n: int, rng: np.random.Generator) -> Ints:
    """Return for each of n persons another one, (n,); nobody is given to two, or to itself."""
    order = rng.permutation(n)
    found = np.empty(n, np.int64)
    found[order] = np.roll(order, 1)
    return found


def _attraction(model: FittedUsersModel, choices: Choices, is_before: Bools) -> PairValues:
    """Return the logits of all items for persons of whom some choices are known.

    Their factors are those of `ALS` with items held fixed, where all that is known counts alike.
    """
    before = np.flatnonzero(is_before)
    known = choices._replace(persons=choices.persons[before], items=choices.items[before])
    items = model.item_factors
    gram = items.T @ items + model.settings.choice_regularisation * np.eye(items.shape[1])
    factors = known.matrix() @ np.linalg.solve(gram, items.T).T
    found = standardised(factors, items)
    return PairValues(model.choice_scale * found.persons, found.items)


def _losses(scores: Floats) -> Floats:
    """Return the negative log-probability of the first of each row, (n,)."""
    found: Floats = -log_softmax(scores, axis=1)[:, 0]
    return found


def _predictions(sets: ChoiceSets, scores: Floats) -> Predictions:
    """Return the probability of each item of each set."""
    taken = np.zeros(scores.shape, bool)
    taken[:, 0] = True
    persons = np.repeat(sets.persons, scores.shape[1])
    return Predictions(np.exp(log_softmax(scores, axis=1)).ravel(), taken.ravel(), persons)
