"""Settings that agents which learn from a log and then by interaction have in common."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from rlrec.errors import ConfigError

Rule = tuple[str, Callable[[float], bool], str]
"""Names of settings, what must hold of each, and how to say it."""

ABOVE_0: Callable[[float], bool] = lambda x: 0 < x < np.inf  # noqa: E731
NOT_NEGATIVE: Callable[[float], bool] = lambda x: 0 <= x < np.inf  # noqa: E731
A_SHARE: Callable[[float], bool] = lambda x: 0 <= x <= 1  # noqa: E731
A_SHARE_ABOVE_0: Callable[[float], bool] = lambda x: 0 < x <= 1  # noqa: E731
A_COUNT: Callable[[float], bool] = lambda x: x >= 1 and x == int(x)  # noqa: E731


@dataclass(frozen=True, kw_only=True)
class LogAndLiveConfig:
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
        (
            "learning_rate finetuning_rate updates_per_transition value_scale",
            ABOVE_0,
            "be above 0",
        ),
        ("target_rate", A_SHARE_ABOVE_0, "lie in (0, 1]"),
        ("discount log_share warmup_share", A_SHARE, "lie in 0..1"),
        (
            "batch_size buffer_size item_size hidden",
            A_COUNT,
            "be a whole number of 1 or more",
        ),
        ("learning_starts", NOT_NEGATIVE, "be 0 or more"),
    )

    def __post_init__(self) -> None:
        agent = type(self).__name__.removesuffix("Config")
        for names, holds, rule in self.rules:
            for name in names.split():
                value = getattr(self, name)
                if not (isinstance(value, (int, float)) and holds(value)):
                    raise ConfigError(f"{name} of {agent} must {rule}, got {value!r}")
