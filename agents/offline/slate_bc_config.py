"""Settings of SlateBC."""

from dataclasses import dataclass
from typing import ClassVar

from rlrec.agents.log_and_live_config import LogAndLiveConfig
from rlrec.agents.settings import Rule, share_above_0


@dataclass(frozen=True, kw_only=True)
class SlateBCConfig(LogAndLiveConfig):
    """Settings of `SlateBC`; those of values and of interaction have no effect."""

    discount: float = 1.0
    """Weight of the reward one step ahead in the returns by which visits are chosen, in 0..1."""
    cloned_share: float = 1.0
    """Part of the rows that is imitated, in (0, 1]: those of the visits of the highest return."""
    topic_aware: bool = True
    """Learn how many items of each topic a slate should hold, where items have topics."""

    rules: ClassVar[tuple[Rule, ...]] = (
        *LogAndLiveConfig.rules,
        share_above_0("cloned_share"),
    )
