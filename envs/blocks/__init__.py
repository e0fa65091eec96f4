"""The blocks users are made of: taste, choice, response, leaving, and what else moves them."""

from rlrec.envs.blocks.block import Block, Leaving
from rlrec.envs.blocks.choice import ChoiceModel, FirstChoice, LogitChoice, ProportionalChoice
from rlrec.envs.blocks.leaving import TimeBudget
from rlrec.envs.blocks.operant import OperantConditioning
from rlrec.envs.blocks.response import Click, Response, WatchTime
from rlrec.envs.blocks.satiation import Satiation
from rlrec.envs.blocks.scanning import (
    CascadeChoice,
    DependentClickChoice,
    DynamicBayesianChoice,
    ExponentialAttraction,
    LogisticAttraction,
    PositionBasedChoice,
    ProportionalAttraction,
)
from rlrec.envs.blocks.state import Consumed, Event, Outcome, Shown, State, put
from rlrec.envs.blocks.taste import InterestDrift, Taste, TopicTaste

__all__ = [
    "Block",
    "CascadeChoice",
    "ChoiceModel",
    "Click",
    "Consumed",
    "DependentClickChoice",
    "DynamicBayesianChoice",
    "Event",
    "ExponentialAttraction",
    "FirstChoice",
    "InterestDrift",
    "Leaving",
    "LogisticAttraction",
    "LogitChoice",
    "OperantConditioning",
    "Outcome",
    "PositionBasedChoice",
    "ProportionalAttraction",
    "ProportionalChoice",
    "Response",
    "Satiation",
    "Shown",
    "State",
    "Taste",
    "TimeBudget",
    "TopicTaste",
    "WatchTime",
    "put",
]
