"""How far fitted worlds differ in what an item brings once it is taken."""

from collections.abc import Sequence

import numpy as np
from scipy.special import expit

from rlrec.arrays import Floats, Ints
from rlrec.envs.fitting.chosen_model import FittedModel
from rlrec.envs.fitting.ratings.model import FittedUsersModel
from rlrec.envs.fitting.slates.slate_users import SlateUsersModel


class Disagreement:
    """Standard deviation over worlds of what an item brings; 0 where all worlds are equal.

    In worlds fitted to ratings: of the quality of the item for the person, in units of quality. In
    worlds fitted to slates: of the mean reward of a look at the item by a user without a taste,
    logistic(appeal - offset) * reward of the item taken, the same for all persons.

    What attracts is left out in worlds fitted to ratings: items that few chose have factors drawn
    to 0 in every world, so that they would seem the most certain of all. Quality has no such
    blind spot: its penalty grows with the number of ratings.

    Args:
        models: Of E worlds, one or more, of the same kind; of ratings also of the same persons.
    """

    def __init__(self, models: Sequence[FittedModel]) -> None:
        self._qualities = [m.quality for m in models if isinstance(m, FittedUsersModel)]
        self._rewards = [_rewards_of_looks(m) for m in models if isinstance(m, SlateUsersModel)]

    def of_slates(self, persons: Ints, slates: Ints) -> Floats:
        """Return the disagreement about each item, (B, K).

        Args:
            persons: Shape (B,). Rows of the persons in the models.
            slates: Shape (B, K). Items.
        """
        if self._rewards:
            by_item: Floats = np.std(self._rewards, axis=0)
            return by_item[slates]
        told = np.stack([quality.of_slates(persons, slates) for quality in self._qualities])
        spread: Floats = told.std(axis=0)
        return spread


def _rewards_of_looks(model: SlateUsersModel) -> Floats:
    """Return the mean reward of a look at each item, (N,)."""
    taken: Floats = expit(model.appeals - model.values["offset"])
    return taken * model.yields
