"""Simulated users: blocks, simulator, faces, oracles. Importing it registers the environments."""

from rlrec.envs.candidates import CalendarItems, FixedCandidates, UserCandidates
from rlrec.envs.fitting.ranking.block_ranking import BlockRanking, rank_in_block
from rlrec.envs.fitting.ranking.block_split import BlockSettings
from rlrec.envs.fitting.ranking.policy_ranking import (
    PolicyRanking,
    compare_rankings,
    compare_with_offline,
)
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
from rlrec.envs.planning import MyopicOracle, PlanningReference
from rlrec.envs.presets.composed_users import composed_users
from rlrec.envs.presets.drifting_tastes import drifting_tastes
from rlrec.envs.presets.fitted_users import fitted_users
from rlrec.envs.presets.interest_evolution import interest_evolution
from rlrec.envs.presets.interest_exploration import interest_exploration
from rlrec.envs.presets.long_term_satisfaction import long_term_satisfaction
from rlrec.envs.presets.topic_boredom import topic_boredom
from rlrec.envs.presets.user_return import user_return
from rlrec.envs.registration import (
    EnvironmentEntry,
    describe_environments,
    make_simulator,
    make_users,
    register,
)
from rlrec.envs.simulator import Assumption, UserSimulator
from rlrec.envs.single import SlateEnv
from rlrec.envs.vector import SlateVectorEnv
from rlrec.envs.wrappers.making import make_wrapped_simulator

__all__ = [
    "Assumption",
    "BlockRanking",
    "BlockSettings",
    "CalendarItems",
    "EnvironmentEntry",
    "FitFigures",
    "FitSettings",
    "FittedUsersModel",
    "FittedWorlds",
    "FixedCandidates",
    "MyopicOracle",
    "PlanningReference",
    "PolicyRanking",
    "SlateEnv",
    "SlateUsersModel",
    "SlateVectorEnv",
    "UserCandidates",
    "UserSimulator",
    "compare_rankings",
    "compare_with_offline",
    "composed_users",
    "describe_environments",
    "drifting_tastes",
    "fit_halves",
    "fit_slate_halves",
    "fit_slate_users",
    "fit_slate_worlds",
    "fit_users",
    "fit_worlds",
    "fitted_users",
    "interest_evolution",
    "interest_exploration",
    "long_term_satisfaction",
    "make_simulator",
    "make_users",
    "make_wrapped_simulator",
    "rank_in_block",
    "register",
    "topic_boredom",
    "user_return",
]
