"""Settings of LinUCB."""

from dataclasses import dataclass
from typing import ClassVar

from rlrec.agents.bandits.slate_bandit_config import SlateBanditConfig
from rlrec.agents.settings import Rule, above_0


@dataclass(frozen=True, kw_only=True)
class LinUCBConfig(SlateBanditConfig):
    """Settings of `LinUCB`."""

    width: float = 0.5
    """Standard deviations of the posterior that are added to the expected response, above 0. Theory
    asks for more than what serves well, .1 to 1."""

    rules: ClassVar[tuple[Rule, ...]] = (*SlateBanditConfig.rules, above_0("width"))
