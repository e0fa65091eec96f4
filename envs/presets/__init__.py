"""The environments: one file each, a factory with keyword arguments."""

from rlrec.envs.presets.composed_users import composed_users
from rlrec.envs.presets.drifting_tastes import drifting_tastes
from rlrec.envs.presets.fitted_users import fitted_users
from rlrec.envs.presets.interest_evolution import interest_evolution
from rlrec.envs.presets.interest_exploration import interest_exploration
from rlrec.envs.presets.long_term_satisfaction import long_term_satisfaction
from rlrec.envs.presets.topic_boredom import topic_boredom
from rlrec.envs.presets.user_return import user_return

__all__ = [
    "composed_users",
    "drifting_tastes",
    "fitted_users",
    "interest_evolution",
    "interest_exploration",
    "long_term_satisfaction",
    "topic_boredom",
    "user_return",
]
