"""Settings of SlateIQL."""

from dataclasses import dataclass
from typing import ClassVar

from rlrec.agents.log_and_live_config import LogAndLiveConfig
from rlrec.agents.settings import Rule, above_0, count, not_negative


@dataclass(frozen=True, kw_only=True)
class SlateIQLConfig(LogAndLiveConfig):
    """Settings of `SlateIQL`."""

    expectile: float = 0.7
    """What V is of the values of the slates shown, in (0, 1): 0.5 is their mean, near 1 the best of
    them, with the more noise."""
    sharpness: float = 3.0
    """How much more a slate of higher advantage is imitated, 0 or more, per `value_scale`: 0 is
    behaviour cloning."""
    most_weight: float = 100.0
    """Weight of imitation beyond which advantages count no more, above 0."""
    n_critics: int = 2
    """Values of slates learned side by side, of which the least counts."""
    topic_aware: bool = True
    """Learn how many items of each topic a slate should hold, where items have topics."""

    rules: ClassVar[tuple[Rule, ...]] = (
        *LogAndLiveConfig.rules,
        Rule("expectile", lambda x: 0 < x < 1, "lie between 0 and 1"),
        not_negative("sharpness"),
        above_0("most_weight"),
        count("n_critics"),
    )
