"""How far fitted worlds differ in what an item brings once it is taken."""

from collections.abc import Sequence

import numpy as np
from scipy.special import expit

from rlrec.arrays import Floats, Ints
from rlrec.envs.fitting.chosen_model import FittedModel
from rlrec.envs.fitting.ratings.model import FittedUsersModel
from rlrec.envs.fitting.slates.slate_users import SlateUsersModel

_PRIOR_APPEALS, _WEIGHTS = np.polynomial.hermite_e.hermegauss(20)
_PRIOR_WEIGHTS = _WEIGHTS / _WEIGHTS.sum()
"""Points and weights that stand for the prior of an appeal in `fit_dynamics`, normal(0, 1)."""


class Disagreement:
    """Standard deviation over worlds of what an item brings; 0 where worlds that saw it are equal.

    In worlds fitted to ratings: of the quality of the item for the person, in units of quality. In
    worlds fitted to slates: of the mean reward of a look at the item by a user without a taste,
    logistic(appeal - offset) * reward of the item taken, the same for all persons.

    What attracts is left out in worlds fitted to ratings: items that few chose have factors drawn
    to 0 in every world, so that they would seem the most certain of all. Quality has no such
    blind spot: its penalty grows with the number of ratings.

    The appeal of an item that no slate of a world shows is 0 in that world, and known no better
    than its prior, a standard normal. There the variance of the reward under the prior is added,
    in equal worlds too. Items that are shown a few times are drawn towards 0 as well, which is not
    made up for: of them the worlds may agree more than the log warrants.

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
    within = np.mean([_variance_unseen(model) for model in models], axis=0)
    spread: Floats = np.sqrt(np.var(rewards, axis=0) + within)
    return spread


def _variance_unseen(model: SlateUsersModel) -> Floats:
    """Return the variance of that reward under the prior of an appeal, 0 for items shown, (N,)."""
    taken = expit(_PRIOR_APPEALS - model.values["offset"])
    variance = _PRIOR_WEIGHTS @ (taken - _PRIOR_WEIGHTS @ taken) ** 2
    # The search begins at appeals of 0, and nothing moves those of items without looks.
    unseen: Floats = np.where(model.appeals == 0.0, variance * model.yields**2, 0.0)
    return unseen
