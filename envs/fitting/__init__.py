"""Users learned from a log: their affinities, what they choose, and the model's folder."""

from rlrec.envs.fitting.ratings.affinity import Affinity, fit_affinity
from rlrec.envs.fitting.ratings.exposure import propensities_of_pairs, propensities_of_values
from rlrec.envs.fitting.ratings.fit import fit_users
from rlrec.envs.fitting.ratings.model import FitFigures, FitSettings, FittedUsersModel
from rlrec.envs.fitting.slates.fit_slates import fit_slate_users
from rlrec.envs.fitting.slates.slate_users import SlateUsersModel
from rlrec.envs.fitting.worlds.fit_worlds import (
    fit_halves,
    fit_slate_halves,
    fit_slate_worlds,
    fit_worlds,
)
from rlrec.envs.fitting.worlds.worlds import FittedWorlds

__all__ = [
    "Affinity",
    "FitFigures",
    "FitSettings",
    "FittedUsersModel",
    "FittedWorlds",
    "SlateUsersModel",
    "fit_affinity",
    "fit_halves",
    "fit_slate_halves",
    "fit_slate_users",
    "fit_slate_worlds",
    "fit_users",
    "fit_worlds",
    "propensities_of_pairs",
    "propensities_of_values",
]
