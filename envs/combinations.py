"""Which parts of users go together; what does not is refused before anybody is simulated."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from rlrec.envs.blocks.block import Leaving
from rlrec.envs.blocks.leaving import TimeBudget
from rlrec.envs.blocks.patience import Patience
from rlrec.envs.blocks.response import Response, WatchTime
from rlrec.envs.blocks.scanning import LogisticAttraction
from rlrec.envs.blocks.sensitisation import Engagement
from rlrec.envs.blocks.taste import Taste, TopicTaste
from rlrec.envs.blocks.vector_taste import VectorTaste
from rlrec.envs.blocks.visits import Visits
from rlrec.envs.items import CatalogueItems
from rlrec.errors import ConfigError

_OF_UNIT_VECTORS = ("influence", "mere_exposure", "biased_assimilation")


class _Rule(NamedTuple):
    is_broken: bool
    message: str


def check_blocks_fit(configured: Mapping[str, Any], taste: Taste, choice: Any) -> None:
    """Raise ConfigError where a block that is on does not fit the taste or the choice.

    Args:
        configured: Parameters of blocks, by name; None for those that are off.
        taste: Of the users.
        choice: Of the users.
    """
    if not isinstance(configured, Mapping):
        raise ConfigError(
            f'blocks must be a mapping such as {{"satiation": {{"strength": 1.0}}}}, '
            f"got {configured!r}"
        )
    on = {name: settings for name, settings in configured.items() if settings is not None}
    _check(_rules_of_blocks(on, taste, choice))


def check_ends_fit(
    leaving: Leaving, response: Response, blocks: Mapping[str, Any], items: CatalogueItems
) -> None:
    """Raise ConfigError where response, leaving, blocks and items do not fit each other."""
    quality = items.offer_quality({})
    is_clickbait = bool(np.min(quality) >= 0 and np.max(quality) <= 1)
    has_mood, is_engaged = "satisfaction" in blocks, isinstance(response, Engagement)
    needs_mood = isinstance(leaving, Patience) and leaving.relief > 0
    _check(
        (
            _Rule(
                isinstance(response, WatchTime) and not isinstance(leaving, TimeBudget),
                "response 'watch_time' needs leaving 'time_budget', which says how long an item "
                "is watched",
            ),
            _Rule(
                needs_mood and not has_mood,
                "leaving 'patience' needs the block 'satisfaction', or relief 0",
            ),
            _Rule(
                isinstance(leaving, Visits) and has_mood,
                "leaving 'visits' has a satisfaction of its own: leave the block out and set its "
                "parameters there",
            ),
            _Rule(
                is_engaged and "sensitisation" not in blocks,
                "response 'engagement' needs the block 'sensitisation'",
            ),
            _Rule(
                is_engaged and not is_clickbait,
                "response 'engagement' takes quality for a clickbait score in 0..1: give a quality "
                'such as {"uniform": [0, 1]}',
            ),
        )
    )


def _rules_of_blocks(on: Mapping[str, Any], taste: Taste, choice: Any) -> Iterator[_Rule]:
    of_vectors = isinstance(taste, VectorTaste)
    for name in _OF_UNIT_VECTORS:
        yield _Rule(
            name in on and not of_vectors, f"block {name!r} moves tastes 'unit_vectors' only"
        )
    for name in ("taste_drift", "hedonic_adaptation"):
        yield _Rule(
            name in on and of_vectors,
            f"block {name!r} does not keep the length of tastes 'unit_vectors': choose 'topics' or "
            "'factors'",
        )
    yield _Rule(
        "taste_drift" in on and isinstance(taste, TopicTaste) and taste.drift.rate > 0,
        "block 'taste_drift' knows no bounds, and the drift of taste 'topics' keeps interests "
        "within -1..1: set that to 0, or leave one of them out",
    )
    yield _Rule(
        "boredom" in on and not of_vectors,
        "block 'boredom' needs taste 'unit_vectors', where a score of 0 is no interest at all; "
        "with tastes 'topics' and 'factors' it is not, and bored users would take more than others",
    )
    attraction = getattr(choice, "attraction", None)
    yield _Rule(
        "sameness" in on and not isinstance(attraction, LogisticAttraction),
        "block 'sameness' needs a choice with a logistic attraction, such as 'position_based'",
    )


def _check(rules: Iterator[_Rule] | tuple[_Rule, ...]) -> None:
    for rule in rules:
        if rule.is_broken:
            raise ConfigError(f"these parts do not go together: {rule.message}")
