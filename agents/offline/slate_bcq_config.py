"""Settings of SlateBCQ."""

from dataclasses import dataclass
from typing import ClassVar

from rlrec.agents.log_and_live_config import LogAndLiveConfig
from rlrec.agents.settings import Rule, above_0, share


@dataclass(frozen=True, kw_only=True)
class SlateBCQConfig(LogAndLiveConfig):
    """Settings of `SlateBCQ`."""

    threshold: float = 0.3
    """An item may be shown if the log shows it more often in such a situation than this part of how
    often it shows its favourites, in 0..1: at 0 all may, at 1 only the favourites themselves."""
    temperature: float = 0.1
    """Of the slates that are drawn, in units of `value_scale`, above 0: near 0 all are the best."""

    rules: ClassVar[tuple[Rule, ...]] = (
        *LogAndLiveConfig.rules,
        share("threshold"),
        above_0("temperature"),
    )
