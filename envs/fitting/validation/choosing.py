"""Persons who choose items and rate them: those of ratings, and simulated ones."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from rlrec.arrays import Floats, Ints
from rlrec.data.ratings import Ratings
from rlrec.envs.fitting.ratings.model import FittedUsersModel
from rlrec.errors import DataError

MOST_VALUES = 20
"""Different ratings up to which they are taken for the points of a scale."""
N_OFFERED = 100
"""Items on offer for each simulated choice."""


class Choices(NamedTuple):
    """What P persons chose and how they rated it, ordered by person and then by time."""

    persons: Ints
    """Shape (n,). Row of the person, 0..P-1."""
    items: Ints
    """Shape (n,). Row of the item in the catalogue of the model."""
    ratings: Floats
    """Shape (n,)."""
    n_persons: int
    n_items: int
    is_ordered: bool
    """Whether the order of time is known."""
    points: Floats
    """Points of the scale of ratings, ascending; empty where ratings are numbers."""

    @property
    def lengths(self) -> Ints:
        """How many items each person chose, (P,)."""
        return np.bincount(self.persons, minlength=self.n_persons)

    @property
    def places(self) -> Ints:
        """How many earlier choices of the same person there are to each, (n,)."""
        starts = np.cumsum(self.lengths) - self.lengths
        return np.arange(len(self.persons)) - starts[self.persons]

    def matrix(self, values: Floats | None = None) -> csr_array:
        """Return the choices, or values of them (n,), as a sparse matrix (P, N)."""
        cells = (self.persons, self.items)
        found = np.ones(len(self.persons)) if values is None else values
        return csr_array((found, cells), shape=(self.n_persons, self.n_items))

    def part(self, persons: Ints) -> "Choices":
        """Return the choices of some persons, who become rows 0, 1, ...; ascending."""
        rows = np.flatnonzero(np.isin(self.persons, persons))
        renumbered = np.searchsorted(persons, self.persons[rows])
        return self._replace(
            persons=renumbered,
            items=self.items[rows],
            ratings=self.ratings[rows],
            n_persons=len(persons),
        )


def unseen_choices(model: FittedUsersModel, ratings: Ratings, fewest: int) -> Choices:
    """Return the choices of the persons of ratings whom a model was not fitted to.

    Persons and items are known by the labels of the data set. Items that the model does not know
    are left out; of an item rated more than once the latest rating counts.

    Args:
        model: Fitted users.
        ratings: Of the same data set, or of another one with labels of its own for other persons.
        fewest: Persons needed.

    Raises:
        DataError: There are fewer such persons, or the items are others.
    """
    fitted = set(model.person_ids.tolist())
    is_new = np.array([label not in fitted for label in ratings.user_ids.tolist()], bool)
    items = _rows_of(ratings.catalogue.item_ids, model.catalogue.item_ids)
    order = ratings.by_user_and_time()
    users, found = ratings.user_index[order], items[ratings.item_index[order]]
    rows = _latest(users, found, np.flatnonzero(is_new[users] & (found >= 0)))
    labels, persons = np.unique(users[rows], return_inverse=True)
    if len(labels) < fewest:
        raise DataError(
            f"{len(labels)} persons of these ratings are not among those that the users were "
            f"fitted to; a comparison takes {fewest} or more: fit users to a part of the persons "
            "(rlrec fit-users --holdout 0.3), or give ratings by others of the same items"
        )
    return Choices(
        persons=persons,
        items=found[rows],
        ratings=ratings.values[order][rows],
        n_persons=len(labels),
        n_items=model.catalogue.n_items,
        is_ordered=ratings.timestamps is not None or ratings.is_ordered,
        points=points_of(ratings.values),
    )


def points_of(ratings: Floats) -> Floats:
    """Return the points of a scale, where ratings (n,) are of few different values, else none."""
    points = np.unique(ratings)
    return points if len(points) <= MOST_VALUES else np.empty(0)


def _rows_of(labels: NDArray[Any], known: NDArray[Any]) -> Ints:
    places = {label: row for row, label in enumerate(known.tolist())}
    return np.array([places.get(label, -1) for label in labels.tolist()], np.int64)


def _latest(users: Ints, items: Ints, rows: Ints) -> Ints:
    """Return the rows, ascending, without those of pairs that come again."""
    pairs = np.stack([users[rows], items[rows]])[:, ::-1]
    _, from_end = np.unique(pairs, axis=1, return_index=True)
    return np.sort(rows[::-1][from_end])


def simulated_choices(
    model: FittedUsersModel,
    like: Choices,
    persons: Ints,
    rng: np.random.Generator,
) -> Choices:
    """Return as many choices and ratings as others made, by persons of a model.

    What is assumed: simulated persons are drawn from `persons` (nobody twice while they last); the
    most active of them choose as many items as the most active of `like`, and so on down, where the
    activity of a fitted person is what its factors say (`activity`). For each choice 100 items are
    drawn evenly, as for the choices that `fit_users` estimated the scale of attraction from; of
    those not chosen before, one is chosen with probability proportional to exp(attraction). Ratings
    do not tell what people saw and left, so this is no estimate. Nothing is learned or had enough
    of on the way. A rating is the predicted one (quality, as the simulated users have it) plus
    normal noise with the standard deviation of the error on held-out ratings, moved to the nearest
    rating that occurs in `like` where those are few, and into their range.

    Args:
        model: Fitted users.
        like: How many persons, how many choices of each, and the scale of ratings.
        persons: Rows of the model to draw from.
        rng: Source of all draws.
    """
    who = _as_active(activity(model), _drawn(persons, like.n_persons, rng), like.lengths)
    items = _chosen(model, who, like.lengths, rng)
    predicted = model.quality.of_pairs(who[like.persons], items)
    ratings = model.quality_centre + model.quality_spread * predicted
    ratings = ratings + model.figures.rating_rmse * rng.standard_normal(len(ratings))
    return like._replace(items=items, ratings=_on_scale(ratings, like))


def _drawn(persons: Ints, n: int, rng: np.random.Generator) -> Ints:
    """Return n persons, all of them as often as the others, or once more."""
    rounds = -(-n // len(persons))
    return np.concatenate([rng.permutation(persons) for _ in range(rounds)])[:n]


def activity(model: FittedUsersModel) -> Floats:
    """Return about how many items each person of a model chose, (P,).

    The sum of the preferences over all items, which `ALS` fits to 1 for what was chosen and to 0
    for the rest.
    """
    found: Floats = model.person_factors @ model.item_factors.sum(axis=0)
    return found


def _as_active(active: Floats, who: Ints, lengths: Ints) -> Ints:
    """Return persons in an order in which their activity ranks as the lengths do."""
    ranks = np.argsort(np.argsort(lengths, kind="stable"), kind="stable")
    return who[np.argsort(active[who], kind="stable")][ranks]


def _chosen(model: FittedUsersModel, who: Ints, lengths: Ints, rng: np.random.Generator) -> Ints:
    """Return what each person chooses, in order, one person after the other."""
    n_items = model.catalogue.n_items
    found = np.zeros((len(who), int(lengths.max())), np.int64)
    is_chosen = np.zeros((len(who), n_items), bool)
    for place in range(found.shape[1]):
        rows = np.flatnonzero(lengths > place)
        while len(rows):
            offered = rng.integers(n_items, size=(len(rows), N_OFFERED))
            scores = model.attraction.of_slates(who[rows], offered)
            scores[is_chosen[rows[:, None], offered]] = -np.inf
            best = np.argmax(scores + rng.gumbel(size=scores.shape), axis=1)
            items = offered[np.arange(len(rows)), best]
            is_new = ~is_chosen[rows, items]  # false where all on offer was chosen before
            found[rows[is_new], place] = items[is_new]
            is_chosen[rows[is_new], items[is_new]] = True
            rows = rows[~is_new]
    return found[np.arange(found.shape[1]) < lengths[:, None]]


def _on_scale(ratings: Floats, like: Choices) -> Floats:
    points = like.points
    if not len(points):
        return np.clip(ratings, like.ratings.min(), like.ratings.max())
    return points[np.searchsorted((points[1:] + points[:-1]) / 2, ratings)]
