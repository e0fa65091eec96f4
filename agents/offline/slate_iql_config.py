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
    sharpness: float = 1.0
    """How fast the preference for an item grows with its advantage, 0 or more, per standard
    deviation of the advantages: 0 is behaviour cloning."""
    advantage_weight: float = 0.9
    """Weight of the advantages, bounded by -1 and 1, beside that of imitation, which is 1; 0 or
    more: 0 is behaviour cloning."""
    n_critics: int = 2
    """Worths of items learned side by side, of which the least counts."""
    clicks: str = "one"
    """Whether users take `one` item of a slate at most (of several responses the first counts), or
    `several` may be responded to."""
    comparing_rate: float = 0.1
    """Factor of the step size for what sets items apart in the worths of items, above 0: they are
    fitted to noisy returns, and what serves is the best of many."""
    topic_aware: bool = True
    """Learn how many items of each topic a slate should hold, where items have topics."""

    choices: ClassVar[dict[str, tuple[str | None, ...]]] = {"clicks": ("one", "several")}
    rules: ClassVar[tuple[Rule, ...]] = (
        *LogAndLiveConfig.rules,
        Rule("expectile", lambda x: 0 < x < 1, "lie between 0 and 1"),
        not_negative("sharpness advantage_weight"),
        above_0("comparing_rate"),
        count("n_critics"),
    )
