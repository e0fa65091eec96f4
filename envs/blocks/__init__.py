"""The blocks users are made of: taste, choice, response, leaving, and what else moves them."""

from rlrec.envs.blocks.appeal import QualityAppeal
from rlrec.envs.blocks.block import Block, Leaving
from rlrec.envs.blocks.boredom import Boredom
from rlrec.envs.blocks.calendar import Calendar
from rlrec.envs.blocks.channels import ChannelLogit, ClickChannels
from rlrec.envs.blocks.choice import ChoiceModel, FirstChoice, LogitChoice, ProportionalChoice
from rlrec.envs.blocks.context import DayAndDevice
from rlrec.envs.blocks.drift import HedonicAdaptation, TasteDrift
from rlrec.envs.blocks.factor_taste import FactorTaste
from rlrec.envs.blocks.influence import BiasedAssimilation, Influence, MereExposure
from rlrec.envs.blocks.item_appeal import ItemAppeal
from rlrec.envs.blocks.item_vectors import ItemVectors
from rlrec.envs.blocks.leaving import TimeBudget
from rlrec.envs.blocks.operant import OperantConditioning
from rlrec.envs.blocks.patience import Patience
from rlrec.envs.blocks.response import Click, Response, WatchTime
from rlrec.envs.blocks.returning import Returning
from rlrec.envs.blocks.sameness import Sameness
from rlrec.envs.blocks.satiation import Satiation
from rlrec.envs.blocks.satisfaction import Satisfaction
from rlrec.envs.blocks.scanning import (
    CascadeChoice,
    DependentClickChoice,
    DynamicBayesianChoice,
    ExponentialAttraction,
    LogisticAttraction,
    PositionBasedChoice,
    ProportionalAttraction,
)
from rlrec.envs.blocks.sensitisation import Engagement, Sensitisation
from rlrec.envs.blocks.state import Consumed, Event, Outcome, Shown, State, put
from rlrec.envs.blocks.taste import InterestDrift, Taste, TopicTaste
from rlrec.envs.blocks.trends import PopularityPath, Trends
from rlrec.envs.blocks.user_types import SameForAll, UserTypes
from rlrec.envs.blocks.vector_taste import FewTopics, VectorTaste
from rlrec.envs.blocks.visit_length import VisitLength
from rlrec.envs.blocks.visits import Visits

__all__ = [
    "BiasedAssimilation",
    "Block",
    "Boredom",
    "Calendar",
    "CascadeChoice",
    "ChannelLogit",
    "ChoiceModel",
    "Click",
    "ClickChannels",
    "Consumed",
    "DayAndDevice",
    "DependentClickChoice",
    "DynamicBayesianChoice",
    "Engagement",
    "Event",
    "ExponentialAttraction",
    "FactorTaste",
    "FewTopics",
    "FirstChoice",
    "HedonicAdaptation",
    "Influence",
    "InterestDrift",
    "ItemAppeal",
    "ItemVectors",
    "Leaving",
    "LogisticAttraction",
    "LogitChoice",
    "MereExposure",
    "OperantConditioning",
    "Outcome",
    "Patience",
    "PopularityPath",
    "PositionBasedChoice",
    "ProportionalAttraction",
    "ProportionalChoice",
    "QualityAppeal",
    "Response",
    "Returning",
    "SameForAll",
    "Sameness",
    "Satiation",
    "Satisfaction",
    "Sensitisation",
    "Shown",
    "State",
    "Taste",
    "TasteDrift",
    "TimeBudget",
    "TopicTaste",
    "Trends",
    "UserTypes",
    "VectorTaste",
    "VisitLength",
    "Visits",
    "WatchTime",
    "put",
]
