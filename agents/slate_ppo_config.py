"""Settings of SlatePPO."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from rlrec.errors import ConfigError

Clipping = Literal["slot", "slate"]
Credit = Literal["own", "onward", "slate"]


@dataclass(frozen=True, kw_only=True)
class SlatePPOConfig:
    """Settings of `SlatePPO`."""

    discount: float = 0.95
    """Weight of the value one step ahead, in 0..1."""
    trace: float = 0.9
    """Lambda of generalised advantage estimation, in 0..1."""
    learning_rate: float = 1e-3
    """Step size of Adam, above 0."""
    finetuning_rate: float = 0.3
    """Factor of the step size in `learn` after pretraining."""
    n_transitions: int = 8_192
    """Transitions of all users together between two rounds of updates."""
    batch_size: int = 1_024
    """Transitions an update."""
    n_epochs: int = 4
    """Passes over the transitions of a round."""
    clip: float = 0.2
    """Distance of the probability ratio from 1 beyond which nothing more is gained, above 0."""
    clipping: Clipping = "slot"
    """Whether each `slot`'s ratio is clipped, or that of the whole `slate`, whose logarithm varies
    K times as much."""
    credit: Credit = "slate"
    """Which responses a slot is praised for: those of the whole `slate`; its own and those further
    down (`onward`), which is unbiased where nothing above a slot depends on it; or its `own` alone,
    which also leaves out what slots below lose by its choice. The fewer, the less noise. All praise
    it for what comes later. For rewards that are the sum of channel 0."""
    entropy: float = 0.001
    """Weight of the mean entropy of a slot, in nats, 0 or more."""
    stop_kl: float = 0.03
    """Mean divergence of a slot from the policy that acted, in nats, beyond which updates stop
    until the next round; above 0."""
    leash: float = 0.0
    """Weight of the divergence from the pretrained policy as `learn` starts, per nat and slot, 0 or
    more; 0 for no leash."""
    leash_budget: float = 0.1
    """The weight is raised while the divergence is above this, and lowered while it is below, in
    nats a slot; above 0."""
    frozen_actor: float = 0.0
    """Part of `learn` after pretraining in which only the values are learned, in 0..1."""
    value_scale: float = 10.0
    """Values are learned in this unit of discounted return, above 0."""
    topic_aware: bool = True
    """Learn how many items of each topic a slate should hold, where items have topics."""
    topic_spread: float = 0.0
    """What the logit of an item loses, before training, for each item of its topic that stands
    above it, 0 or more. Where too much of a topic harms, 1 or 2 saves the agent finding out."""
    item_size: int = 32
    """Length of an item's vector."""
    hidden: int = 128
    """Width of the two hidden layers."""
    cloned_share: float = 1.0
    """Part of the rows of a log, those of the highest returns to come, whose slates `pretrain`
    imitates, in (0, 1]. Values are learned from all of them."""

    def __post_init__(self) -> None:
        for names, holds, rule in _RULES:
            for name in names.split():
                value = getattr(self, name)
                if not (isinstance(value, (int, float)) and holds(value)):
                    raise ConfigError(f"{name} of SlatePPO must {rule}, got {value!r}")
        for name, known in (("clipping", get_args(Clipping)), ("credit", get_args(Credit))):
            if getattr(self, name) not in known:
                raise ConfigError(
                    f"{name} of SlatePPO must be one of {known}, got {getattr(self, name)!r}"
                )


_RULES: tuple[tuple[str, Callable[[float], bool], str], ...] = (
    (
        "learning_rate finetuning_rate clip stop_kl leash_budget value_scale",
        lambda x: 0 < x < np.inf,
        "be above 0",
    ),
    ("discount trace frozen_actor", lambda x: 0 <= x <= 1, "lie in 0..1"),
    ("cloned_share", lambda x: 0 < x <= 1, "lie in (0, 1]"),
    ("entropy leash topic_spread", lambda x: 0 <= x < np.inf, "be 0 or more"),
    (
        "n_transitions batch_size n_epochs item_size hidden",
        lambda x: x >= 1 and x == int(x),
        "be a whole number of 1 or more",
    ),
)
