"""Agents that show slates: SlateQ, with the policies every study compares against."""

from rlrec.agents.guided_start import GuidedStart, GuidedStartConfig
from rlrec.agents.known_choice import KnownChoice, ScoredChoice, TellsChoice, affinity
from rlrec.agents.slate_ppo import SlatePPO
from rlrec.agents.slate_ppo_config import SlatePPOConfig
from rlrec.agents.slate_q import SlateQ
from rlrec.agents.slate_q_config import SlateQConfig
from rlrec.envs.planning import MyopicOracle, PlanningReference
from rlrec.policy import MixturePolicy, RandomPolicy, SlatePolicy

__all__ = [
    "GuidedStart",
    "GuidedStartConfig",
    "KnownChoice",
    "MixturePolicy",
    "MyopicOracle",
    "PlanningReference",
    "RandomPolicy",
    "ScoredChoice",
    "SlatePPO",
    "SlatePPOConfig",
    "SlatePolicy",
    "SlateQ",
    "SlateQConfig",
    "TellsChoice",
    "affinity",
]
