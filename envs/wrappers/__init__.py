"""Users seen or served through something: worse features, other rewards, candidates, actions."""

from rlrec.envs.wrappers.abnormal import AbnormalUsers
from rlrec.envs.wrappers.acting import ActingEnv, ActingVectorEnv, with_actions
from rlrec.envs.wrappers.actions import NearestItems, SingleItem, SlateActions, TopScores
from rlrec.envs.wrappers.features import FeatureNoise, MissingFeatures
from rlrec.envs.wrappers.pessimism import PessimisticReward
from rlrec.envs.wrappers.preselected import Preselected
from rlrec.envs.wrappers.rewards import RewardFromChannels
from rlrec.envs.wrappers.wrapper import SimulatorWrapper

__all__ = [
    "AbnormalUsers",
    "ActingEnv",
    "ActingVectorEnv",
    "FeatureNoise",
    "MissingFeatures",
    "NearestItems",
    "PessimisticReward",
    "Preselected",
    "RewardFromChannels",
    "SimulatorWrapper",
    "SingleItem",
    "SlateActions",
    "TopScores",
    "with_actions",
]
