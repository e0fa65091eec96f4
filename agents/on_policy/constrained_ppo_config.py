"""Settings of ConstrainedPPO."""

from dataclasses import dataclass
from typing import Any, ClassVar

from rlrec.agents.on_policy.limits import Limit
from rlrec.agents.on_policy.slate_ppo_config import SlatePPOConfig
from rlrec.agents.settings import Rule, above_0, not_negative


@dataclass(frozen=True, kw_only=True)
class ConstrainedPPOConfig(SlatePPOConfig):
    """Settings of `ConstrainedPPO`: those of `SlatePPO`, the limits and their multipliers."""

    limits: tuple[Limit, ...] = ()
    """What slates may cost on average; the agent needs one or more."""
    multiplier_rate: float = 0.1
    """How much a multiplier rises a round, in reward per cost, for each unit of cost that is beyond
    the limit; above 0."""
    proportional: float = 1.0
    """What is added to a multiplier for each unit of cost that is beyond the limit now, 0 or more.
    It damps the swings that accumulation alone gets into."""
    derivative: float = 0.0
    """What is added for each unit by which the cost has moved away from the limit since the last
    round, 0 or more."""

    rules: ClassVar[tuple[Rule, ...]] = (
        *SlatePPOConfig.rules,
        above_0("multiplier_rate"),
        not_negative("proportional derivative"),
    )

    def __post_init__(self) -> None:
        limits: Any = self.limits  # those of a saved agent are still dictionaries
        read = tuple(Limit(**limit) if isinstance(limit, dict) else limit for limit in limits)
        object.__setattr__(self, "limits", read)
        super().__post_init__()
