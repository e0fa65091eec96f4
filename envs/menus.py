"""What users can be composed of, by the names that a configuration uses."""

from collections.abc import Sequence

from rlrec.arrays import Floats
from rlrec.envs.arguments import check_numbers
from rlrec.envs.blocks.appeal import QualityAppeal, QualitySource
from rlrec.envs.blocks.block import Leaving
from rlrec.envs.blocks.boredom import Boredom
from rlrec.envs.blocks.channels import HIDE, LIKE, LONG_VIEW, ChannelLogit, ClickChannels
from rlrec.envs.blocks.choice import FirstChoice, LogitChoice, ProportionalChoice
from rlrec.envs.blocks.context import DayAndDevice
from rlrec.envs.blocks.drift import HedonicAdaptation, TasteDrift
from rlrec.envs.blocks.factor_taste import FactorTaste
from rlrec.envs.blocks.influence import BiasedAssimilation, Influence, MereExposure
from rlrec.envs.blocks.item_vectors import ItemVectors
from rlrec.envs.blocks.leaving import TimeBudget
from rlrec.envs.blocks.operant import OperantConditioning
from rlrec.envs.blocks.patience import Patience
from rlrec.envs.blocks.priors import Prior, Uniform
from rlrec.envs.blocks.response import Click, WatchTime
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
from rlrec.envs.blocks.taste import InterestDrift, TopicTaste
from rlrec.envs.blocks.vector_taste import FewTopics, Scale, VectorTaste
from rlrec.envs.blocks.visit_length import VisitLength
from rlrec.envs.blocks.visits import Visits
from rlrec.envs.composition import Menu, Part
from rlrec.errors import ConfigError

_WHOLE_SCALE = Uniform(-1.0, 1.0)


def topic_taste(n_topics: int, interests: Prior = _WHOLE_SCALE, drift: float = 0.0) -> TopicTaste:
    """Return interests by topic that drift with what is consumed, unless `drift` is 0."""
    return TopicTaste(n_topics, InterestDrift(rate=drift), interests)


def unit_vector_taste(
    vectors: Floats,
    scale: Scale = "item_norm",
    share: float = 0.4,
    fewest: int = 3,
    most: int = 5,
) -> VectorTaste:
    """Return tastes that are unit vectors over topics, as items are."""
    prior = FewTopics(share=share, fewest=fewest, most=most)
    return VectorTaste(ItemVectors(vectors), prior, scale)


def click_channels(
    source: QualitySource,
    reward_weights: Sequence[float] = (1.0, 0.0, 0.0, 0.0),
    long_view: Sequence[float] = (LONG_VIEW.base, LONG_VIEW.slope),
    like: Sequence[float] = (LIKE.base, LIKE.slope),
    hide: Sequence[float] = (HIDE.base, HIDE.slope),
) -> ClickChannels:
    """Return a click and what may follow it, each with base and slope of its logit in quality."""
    named = (("long_view", long_view), ("like", like), ("hide", hide))
    return ClickChannels(source, reward_weights, *(_logit(name, pair) for name, pair in named))


def _logit(name: str, pair: Sequence[float]) -> ChannelLogit:
    base_and_slope = check_numbers(name, pair)
    if len(base_and_slope) != 2:
        raise ConfigError(f"{name} must be [base, slope], got {pair!r}")
    return ChannelLogit(*base_and_slope)


def fixed_length(n_steps: int = 100) -> VisitLength:
    """Return visits of so many steps."""
    return VisitLength(n_steps=n_steps)


TASTES: Menu = {
    "topics": Part(topic_taste, given=("n_topics",)),
    "factors": Part(FactorTaste, given=("vectors",)),
    "unit_vectors": Part(unit_vector_taste, given=("vectors",)),
}

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
    "taste_drift": Part(TasteDrift, given=("n_factors",)),
    "hedonic_adaptation": Part(HedonicAdaptation),
    "influence": Part(Influence, given=("taste",)),
    "mere_exposure": Part(MereExposure, given=("taste",)),
    "biased_assimilation": Part(BiasedAssimilation, given=("taste",)),
    "quality_appeal": Part(QualityAppeal, given=("source",)),
    "satiation": Part(Satiation, given=("n_topics",)),
    "operant_conditioning": Part(OperantConditioning, given=("n_topics",)),
    "satisfaction": Part(Satisfaction),
    "sensitisation": Part(Sensitisation),
    "boredom": Part(Boredom, given=("n_topics",)),
    "sameness": Part(Sameness, given=("attraction", "n_topics")),
}
"""In the order in which they act, whatever the order of a configuration."""

LEAVINGS: Menu = {
    "fixed_length": Part(fixed_length),
    "never": Part(Leaving),
    "time_budget": Part(TimeBudget),
    "patience": Part(Patience),
    "visits": Part(
        Visits,
        parts={
            "satisfaction": {"satisfaction": Part(Satisfaction)},
            "patience": {"patience": Part(Patience)},
            "returning": {"returning": Part(Returning)},
            "context": {"context": Part(DayAndDevice, given=("n_topics",))},
        },
    ),
}

RESPONSES: Menu = {
    "click": Part(Click),
    "watch_time": Part(WatchTime, given=("budget",)),
    "channels": Part(click_channels, given=("source",)),
    "engagement": Part(Engagement, given=("source", "sensitisation")),
}
