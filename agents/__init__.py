"""Agents that show slates: SlateQ, with the policies every study compares against."""

from rlrec.agents.slate_a2c import SlateA2C
from rlrec.agents.slate_a2c_config import SlateA2CConfig
from rlrec.agents.slate_ppo import SlatePPO
from rlrec.agents.slate_ppo_config import SlatePPOConfig
from rlrec.agents.slate_q import SlateQ
from rlrec.agents.slate_q_config import SlateQConfig
from rlrec.envs.planning import MyopicOracle, PlanningReference
from rlrec.policy import MixturePolicy, RandomPolicy, SlatePolicy

__all__ = [
    "MixturePolicy",
    "MyopicOracle",
    "PlanningReference",
    "RandomPolicy",
    "SlateA2C",
    "SlateA2CConfig",
    "SlatePPO",
    "SlatePPOConfig",
    "SlatePolicy",
    "SlateQ",
    "SlateQConfig",
]
