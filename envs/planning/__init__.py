"""Policies that know the truth: the ceilings against which everything else is measured."""

from rlrec.envs.planning.exposure import ExposurePlanner
from rlrec.envs.planning.myopic import MyopicOracle
from rlrec.envs.planning.oracle import Oracle
from rlrec.envs.planning.retention import RetentionReference
from rlrec.envs.planning.time_price import PlanningReference
from rlrec.envs.planning.topic_filling import BoredomPlanner, CappedTopics

__all__ = [
    "BoredomPlanner",
    "CappedTopics",
    "ExposurePlanner",
    "MyopicOracle",
    "Oracle",
    "PlanningReference",
    "RetentionReference",
]
