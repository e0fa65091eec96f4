"""Simulated users: blocks, simulator, faces and oracles. Importing it registers the environments."""

from rlrec.envs.interest_evolution import interest_evolution
from rlrec.envs.oracles import MyopicOracle, PlanningReference
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

__all__ = [
    "Assumption",
    "EnvironmentEntry",
    "MyopicOracle",
    "PlanningReference",
    "SlateEnv",
    "SlateVectorEnv",
    "UserSimulator",
    "describe_environments",
    "interest_evolution",
    "make_simulator",
    "make_users",
    "register",
]
