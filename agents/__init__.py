"""Agents that show slates, with the policies every study compares against."""

from rlrec.agents.bandits.lin_ucb import LinUCB
from rlrec.agents.bandits.lin_ucb_config import LinUCBConfig
from rlrec.agents.bandits.thompson_sampling import ThompsonSampling
from rlrec.agents.bandits.thompson_sampling_config import ThompsonSamplingConfig
from rlrec.agents.guided_start import GuidedStart, GuidedStartConfig
from rlrec.agents.offline.slate_bc import SlateBC
from rlrec.agents.offline.slate_bc_config import SlateBCConfig
from rlrec.agents.offline.slate_bcq import SlateBCQ
from rlrec.agents.offline.slate_bcq_config import SlateBCQConfig
from rlrec.agents.offline.slate_cql import SlateCQL
from rlrec.agents.offline.slate_cql_config import SlateCQLConfig
from rlrec.agents.offline.slate_iql import SlateIQL
from rlrec.agents.offline.slate_iql_config import SlateIQLConfig
from rlrec.agents.offline.top_k_reinforce import TopKReinforce
from rlrec.agents.offline.top_k_reinforce_config import TopKReinforceConfig
from rlrec.agents.on_policy.constrained_ppo import ConstrainedPPO
from rlrec.agents.on_policy.constrained_ppo_config import ConstrainedPPOConfig
from rlrec.agents.on_policy.limits import Limit
from rlrec.agents.on_policy.slate_a2c import SlateA2C
from rlrec.agents.on_policy.slate_a2c_config import SlateA2CConfig
from rlrec.agents.on_policy.slate_ppo import SlatePPO
from rlrec.agents.on_policy.slate_ppo_config import SlatePPOConfig
from rlrec.agents.proto.gems import GeMS
from rlrec.agents.proto.gems_config import GeMSConfig
from rlrec.agents.proto.wolpertinger_config import WolpertingerSACConfig, WolpertingerTD3Config
from rlrec.agents.proto.wolpertinger_sac import WolpertingerSAC
from rlrec.agents.proto.wolpertinger_td3 import WolpertingerTD3
from rlrec.agents.sequence.decision_transformer import DecisionTransformer
from rlrec.agents.sequence.decision_transformer_config import DecisionTransformerConfig
from rlrec.agents.slate_q.known_choice import KnownChoice, ScoredChoice, TellsChoice, affinity
from rlrec.agents.slate_q.slate_q import SlateQ
from rlrec.agents.slate_q.slate_q_config import SlateQConfig
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
