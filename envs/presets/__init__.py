"""The environments: one file each, a factory with keyword arguments."""

from rlrec.envs.presets.composed_users import composed_users
from rlrec.envs.presets.drifting_tastes import drifting_tastes
from rlrec.envs.presets.fitted_users import fitted_users
from rlrec.envs.presets.interest_evolution import interest_evolution

__all__ = ["composed_users", "drifting_tastes", "fitted_users", "interest_evolution"]
