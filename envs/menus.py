"""What users can be composed of, by the names that a configuration uses."""

from rlrec.envs.blocks.block import Leaving
from rlrec.envs.blocks.choice import FirstChoice, LogitChoice, ProportionalChoice
from rlrec.envs.blocks.leaving import TimeBudget
from rlrec.envs.blocks.operant import OperantConditioning
from rlrec.envs.blocks.priors import Prior, Uniform
from rlrec.envs.blocks.response import Click, WatchTime
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
from rlrec.envs.blocks.taste import InterestDrift, TopicTaste
from rlrec.envs.composition import Menu, Part

_WHOLE_SCALE = Uniform(-1.0, 1.0)


def topic_taste(n_topics: int, interests: Prior = _WHOLE_SCALE, drift: float = 0.0) -> TopicTaste:
    """Return interests by topic that drift with what is consumed, unless `drift` is 0."""
    return TopicTaste(n_topics, InterestDrift(rate=drift), interests)


TASTES: Menu = {"topics": Part(topic_taste, given=("n_topics",))}

ATTRACTIONS: Menu = {
    "logistic": Part(LogisticAttraction),
    "proportional": Part(ProportionalAttraction),
    "exponential": Part(ExponentialAttraction),
}

CHOICES: Menu = {
    "logit": Part(LogitChoice),
    "proportional": Part(ProportionalChoice),
    "first": Part(FirstChoice),
    "position_based": Part(PositionBasedChoice, parts={"attraction": ATTRACTIONS}),
    "cascade": Part(CascadeChoice, parts={"attraction": ATTRACTIONS}),
    "dependent_click": Part(DependentClickChoice, parts={"attraction": ATTRACTIONS}),
    "dynamic_bayesian": Part(
        DynamicBayesianChoice, parts={"attraction": ATTRACTIONS, "satisfaction": ATTRACTIONS}
    ),
}

BLOCKS: Menu = {
    "satiation": Part(Satiation, given=("n_topics",)),
    "operant_conditioning": Part(OperantConditioning, given=("n_topics",)),
}
"""In the order in which they act, whatever the order of a configuration."""

LEAVINGS: Menu = {"never": Part(Leaving), "time_budget": Part(TimeBudget)}

RESPONSES: Menu = {"click": Part(Click), "watch_time": Part(WatchTime, given=("budget",))}
