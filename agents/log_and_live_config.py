"""Settings that agents which learn from a log and then by interaction have in common."""

from dataclasses import dataclass
from typing import ClassVar

from rlrec.agents.settings import (
    CheckedSettings,
    Rule,
    above_0,
    count,
    not_negative,
    share,
    share_above_0,
)


@dataclass(frozen=True, kw_only=True)
class LogAndLiveConfig(CheckedSettings):
    """Settings of `LogAndLiveAgent`."""

    discount: float = 0.95
    """Weight of the value one step ahead, in 0..1."""
    learning_rate: float = 1e-3
    """Step size of Adam, above 0; in `pretrain` it falls to a tenth."""
    finetuning_rate: float = 0.3
    """Factor of the step size in `learn` after pretraining."""
    log_share: float = 0.5
    """Part of each batch of `learn` that comes from the log, if there is one, in 0..1."""
    batch_size: int = 256
    """Transitions an update."""
    buffer_size: int = 100_000
    """Transitions kept from interaction."""
    learning_starts: int = 1_000
    """Interactions before the first update of `learn`."""
    updates_per_transition: float = 1 / 16
    """Updates of `learn` for each transition."""
    target_rate: float = 0.005
    """Share by which the slow copy of the values follows after each update, in (0, 1]."""
    warmup_share: float = 0.25
    """Part of `pretrain` that learns values from returns seen in the log, before bootstrapping."""
    value_scale: float = 10.0
    """Values are learned in this unit of discounted return, above 0."""
    item_size: int = 32
    """Length of an item's vector."""
    hidden: int = 128
    """Width of the two hidden layers."""

    rules: ClassVar[tuple[Rule, ...]] = (
        above_0("learning_rate finetuning_rate updates_per_transition value_scale"),
        share_above_0("target_rate"),
        share("discount log_share warmup_share"),
        count("batch_size buffer_size item_size hidden"),
        not_negative("learning_starts"),
    )
