"""Users learned from a log: their affinities, what they choose, and the model's folder."""

from rlrec.envs.fitting.fit import fit_users
from rlrec.envs.fitting.model import FitFigures, FitSettings, FittedUsersModel

__all__ = ["FitFigures", "FitSettings", "FittedUsersModel", "fit_users"]
