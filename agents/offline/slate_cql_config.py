"""Settings of SlateCQL."""

from dataclasses import dataclass
from typing import ClassVar

from rlrec.agents.log_and_live_config import LogAndLiveConfig
from rlrec.agents.settings import Rule, above_0, count, not_negative


@dataclass(frozen=True, kw_only=True)
class SlateCQLConfig(LogAndLiveConfig):
    """Settings of `SlateCQL`."""

    conservatism: float = 1.0
    """Weight of pushing down the values of slates that the log does not show, 0 or more; 0 is plain
    Q-learning."""
    calibrated: bool = False
    """Push no value below that of the logging policy (Cal-QL), so that `learn` after `pretrain`
    need not first unlearn values on a wrong scale."""
    n_pushed: int = 1_000
    """Items whose values are pushed down in an update: all, where there are no more, else so many
    drawn for each update, each standing for N / n_pushed items."""
    temperature: float = 0.1
    """Of the slates that are drawn, in units of `value_scale`, above 0: near 0 all are the best."""

    rules: ClassVar[tuple[Rule, ...]] = (
        *LogAndLiveConfig.rules,
        not_negative("conservatism"),
        count("n_pushed"),
        above_0("temperature"),
    )
