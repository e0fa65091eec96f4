"""Agents that show slates, with the policies every study compares against."""

from rlrec.agents.constrained_ppo import ConstrainedPPO
from rlrec.agents.constrained_ppo_config import ConstrainedPPOConfig
from rlrec.agents.limits import Limit
from rlrec.agents.lin_ucb import LinUCB
from rlrec.agents.lin_ucb_config import LinUCBConfig
from rlrec.agents.slate_a2c import SlateA2C
from rlrec.agents.slate_a2c_config import SlateA2CConfig
from rlrec.agents.slate_ppo import SlatePPO
from rlrec.agents.slate_ppo_config import SlatePPOConfig
from rlrec.agents.slate_q import SlateQ
from rlrec.agents.slate_q_config import SlateQConfig
from rlrec.agents.thompson_sampling import ThompsonSampling
from rlrec.agents.thompson_sampling_config import ThompsonSamplingConfig
from rlrec.envs.planning import MyopicOracle, PlanningReference
from rlrec.policy import MixturePolicy, RandomPolicy, SlatePolicy

__all__ = [
    "ConstrainedPPO",
    "ConstrainedPPOConfig",
    "Limit",
    "LinUCB",
    "LinUCBConfig",
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
    "ThompsonSampling",
    "ThompsonSamplingConfig",
]
