"""Agents that show slates: SlateQ, with the policies every study compares against."""

from rlrec.agents.slate_bc import SlateBC
from rlrec.agents.slate_bc_config import SlateBCConfig
from rlrec.agents.slate_bcq import SlateBCQ
from rlrec.agents.slate_bcq_config import SlateBCQConfig
from rlrec.agents.slate_cql import SlateCQL
from rlrec.agents.slate_cql_config import SlateCQLConfig
from rlrec.agents.slate_iql import SlateIQL
from rlrec.agents.slate_iql_config import SlateIQLConfig
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
    "SlateBC",
    "SlateBCConfig",
    "SlateBCQ",
    "SlateBCQConfig",
    "SlateCQL",
    "SlateCQLConfig",
    "SlateIQL",
    "SlateIQLConfig",
    "SlatePPO",
    "SlatePPOConfig",
    "SlatePolicy",
    "SlateQ",
    "SlateQConfig",
]
