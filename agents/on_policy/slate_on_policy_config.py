"""Settings that all on-policy agents share."""

from dataclasses import dataclass
from typing import Any, ClassVar, Literal, get_args

from rlrec.agents.settings import (
    CheckedSettings,
    Rule,
    above_0,
    count,
    not_negative,
    share,
    share_above_0,
)

Credit = Literal["own", "onward", "slate"]


@dataclass(frozen=True, kw_only=True)
class SlateOnPolicyConfig(CheckedSettings):
    """Settings that all on-policy agents share."""

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
    credit: Credit = "slate"
    """Which responses a slot is praised for: those of the whole `slate`; its own and those further
    down (`onward`), which is unbiased where nothing above a slot depends on it; or its `own` alone,
    which also leaves out what slots below lose by its choice. The fewer, the less noise. All praise
    it for what comes later. For rewards that are the sum of channel 0."""
    entropy: float = 0.001
    """Weight of the mean entropy of a slot, in nats, 0 or more."""
    leash: float = 0.0
    """Weight of the divergence from the pretrained policy as `learn` starts, per nat and slot, 0 or
    more; 0 for no leash."""
    leash_budget: float = 0.1
    """The weight is raised while the divergence is above this, and lowered while it is below, in
    nats a slot; above 0."""
    frozen_actor: float = 0.0
    """Part of `learn` after pretraining in which only the values are learned, in 0..1."""
    warm_values: bool = True
    """Learn values in `pretrain`, from the returns of the log. Without, `learn` starts with a
    critic that knows nothing, whose first advice may undo what was imitated."""
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

    rules: ClassVar[tuple[Rule, ...]] = (
        above_0("learning_rate finetuning_rate leash_budget value_scale"),
        share("discount trace frozen_actor"),
        share_above_0("cloned_share"),
        not_negative("entropy leash topic_spread"),
        count("n_transitions batch_size item_size hidden"),
    )
    choices: ClassVar[dict[str, tuple[Any, ...]]] = {"credit": get_args(Credit)}
