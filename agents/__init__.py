"""Agents that show slates, with the policies every study compares against."""

from rlrec.agents.constrained_ppo import ConstrainedPPO
from rlrec.agents.constrained_ppo_config import ConstrainedPPOConfig
from rlrec.agents.decision_transformer import DecisionTransformer
from rlrec.agents.decision_transformer_config import DecisionTransformerConfig
from rlrec.agents.gems import GeMS
from rlrec.agents.gems_config import GeMSConfig
from rlrec.agents.guided_start import GuidedStart, GuidedStartConfig
from rlrec.agents.known_choice import KnownChoice, ScoredChoice, TellsChoice, affinity
from rlrec.agents.limits import Limit
from rlrec.agents.lin_ucb import LinUCB
from rlrec.agents.lin_ucb_config import LinUCBConfig
from rlrec.agents.slate_a2c import SlateA2C
from rlrec.agents.slate_a2c_config import SlateA2CConfig
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
from rlrec.agents.thompson_sampling import ThompsonSampling
from rlrec.agents.thompson_sampling_config import ThompsonSamplingConfig
from rlrec.agents.top_k_reinforce import TopKReinforce
from rlrec.agents.top_k_reinforce_config import TopKReinforceConfig
from rlrec.agents.wolpertinger_config import WolpertingerSACConfig, WolpertingerTD3Config
from rlrec.agents.wolpertinger_sac import WolpertingerSAC
from rlrec.agents.wolpertinger_td3 import WolpertingerTD3
from rlrec.envs.planning import MyopicOracle, PlanningReference
from rlrec.policy import MixturePolicy, RandomPolicy, SlatePolicy

__all__ = [
    "ConstrainedPPO",
    "ConstrainedPPOConfig",
    "DecisionTransformer",
    "DecisionTransformerConfig",
    "GeMS",
    "GeMSConfig",
    "GuidedStart",
    "GuidedStartConfig",
    "KnownChoice",
    "Limit",
    "LinUCB",
    "LinUCBConfig",
    "MixturePolicy",
    "MyopicOracle",
    "PlanningReference",
    "RandomPolicy",
    "ScoredChoice",
    "SlateA2C",
    "SlateA2CConfig",
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
    "TellsChoice",
    "ThompsonSampling",
    "ThompsonSamplingConfig",
    "TopKReinforce",
    "TopKReinforceConfig",
    "WolpertingerSAC",
    "WolpertingerSACConfig",
    "WolpertingerTD3",
    "WolpertingerTD3Config",
    "affinity",
]
