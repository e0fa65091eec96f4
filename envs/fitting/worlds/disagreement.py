"""How far fitted worlds differ in what an item brings once it is taken."""

from collections.abc import Sequence

import numpy as np
from scipy.special import expit

from rlrec.arrays import Floats, Ints
from rlrec.envs.fitting.chosen_model import FittedModel
from rlrec.envs.fitting.ratings.model import FittedUsersModel
from rlrec.envs.fitting.slates.slate_users import SlateUsersModel

_NODES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(20)
_SHARES = _WEIGHTS / _WEIGHTS.sum()
"""Of the nodes: points that stand for a standard normal."""


class Disagreement:
    """How far worlds differ in what an item brings, or what each leaves open where that is more.

    In worlds fitted to ratings: the standard deviation over worlds of the quality of the item for
    the person, in units of quality; 0 where the worlds are equal. In worlds fitted to slates: that
    of the mean reward of a look at the item
    by a user without a taste, logistic(appeal - offset) * reward of the item taken, the same for
    all persons.

    What attracts is left out in worlds fitted to ratings: items that few chose have factors drawn
    to 0 in every world, so that they would seem the most certain of all. Quality has no such
    blind spot: its penalty grows with the number of ratings. Appeals learned from slates are drawn
    to 0 too, in every world: so what a log leaves open of the appeal (`appeal_variances`) counts
    where it is more than the worlds differ by, most where an item was never shown.

    Args:
        models: Of E worlds, one or more, of the same kind; of ratings also of the same persons.
    """

    def __init__(self, models: Sequence[FittedModel]) -> None:
        self._qualities = [m.quality for m in models if isinstance(m, FittedUsersModel)]
        of_slates = [model for model in models if isinstance(model, SlateUsersModel)]
        self._of_items = _spread_of_rewards(of_slates) if of_slates else None

    def of_slates(self, persons: Ints, slates: Ints) -> Floats:
        """Return the disagreement about each item, (B, K).

        Args:
            persons: Shape (B,). Rows of the persons in the models.
            slates: Shape (B, K). Items.
        """
        if self._of_items is not None:
            return self._of_items[slates]
        told = np.stack([quality.of_slates(persons, slates) for quality in self._qualities])
        spread: Floats = told.std(axis=0)
        return spread


def _spread_of_rewards(models: Sequence[SlateUsersModel]) -> Floats:
    """Return the standard deviation of the mean reward of a look at each item, (N,)."""
    rewards = [expit(model.appeals - model.values["offset"]) * model.yields for model in models]
    within = np.mean([_left_open(model) for model in models], axis=0)
    spread: Floats = np.sqrt(np.maximum(np.var(rewards, axis=0), within))
    return spread


def _left_open(model: SlateUsersModel) -> Floats:
    """Return the variance of that reward for all that a log leaves open of the appeal, (N,)."""
    appeals = model.appeals[:, None] + np.sqrt(model.appeal_variances)[:, None] * _NODES
    taken = expit(appeals - model.values["offset"])
    variance: Floats = (taken - (taken @ _SHARES)[:, None]) ** 2 @ _SHARES
    return variance * model.yields**2
