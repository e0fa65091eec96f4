"""Settings of the agents that act by proto-actions."""

from dataclasses import dataclass
from typing import ClassVar, get_args

from rlrec.agents.proto.proto_decoder import Form
from rlrec.agents.settings import (
    CheckedSettings,
    Rule,
    above_0,
    count,
    count_or_0,
    finite,
    not_negative,
    share,
    share_above_0,
)


@dataclass(frozen=True, kw_only=True)
class WolpertingerConfig(CheckedSettings):
    """Settings that `WolpertingerTD3` and `WolpertingerSAC` share."""

    form: Form = "top_k"
    """`top_k`: one proto-vector shows the K items of the largest dot product. `slots`: one for each
    slot, which the critic fills with the best of the nearest items; larger, and slower to learn."""
    n_nearest: int = 10
    """Nearest items that the critic compares for a slot, 1 or more; for `slots`."""
    beam: int = 16
    """Clusters followed in the search through more than 1,024 items, 1 or more: the wider, the
    fewer near items are missed, and the longer it takes."""
    pull: float = 0.1
    """Weight of the squared distance a slot between protos and what they show, 0 or more: it keeps
    the actor where the critic has seen data. Against values over their mean size."""
    cloning_weight: float = 0.4
    """In `pretrain`, weight of the squared distance a slot between protos and what the log showed,
    0 or more. Against values over their mean size: 1 over the lambda of TD3+BC, which is 2.5."""
    log_share: float = 0.5
    """Part of each batch of `learn` that comes from the log, if there is one, in 0..1."""
    exploration: float = 0.05
    """Share of random slates in `act` and `learn`, in 0..1; at 0 slates have no propensities."""
    discount: float = 0.95
    """Weight of the value one step ahead, in 0..1."""
    learning_rate: float = 1e-3
    """Step size of Adam, above 0."""
    batch_size: int = 256
    """Transitions an update, 1 or more."""
    buffer_size: int = 100_000
    """Transitions kept from interaction."""
    learning_starts: int = 2_000
    """Interactions before the first update of `learn`, with random slates if not pretrained."""
    updates_per_transition: float = 1 / 16
    """Updates of `learn` for each transition, above 0."""
    target_rate: float = 0.01
    """Part of the way that the target networks follow at each update, in (0, 1]."""
    value_scale: float = 10.0
    """Values are learned in this unit of discounted return, above 0."""
    hidden: int = 128
    """Width of the two hidden layers."""

    rules: ClassVar[tuple[Rule, ...]] = (
        count("n_nearest beam batch_size buffer_size hidden"),
        count_or_0("learning_starts"),
        not_negative("pull cloning_weight"),
        share("exploration discount log_share"),
        share_above_0("target_rate"),
        above_0("learning_rate updates_per_transition value_scale"),
    )

    choices: ClassVar[dict[str, tuple[str, ...]]] = {"form": get_args(Form)}


@dataclass(frozen=True, kw_only=True)
class WolpertingerTD3Config(WolpertingerConfig):
    """Settings of `WolpertingerTD3`."""

    proto_noise: float = 0.2
    """Standard deviation of what is added to each number of a proto in `learn`, 0 or more."""
    target_noise: float = 0.1
    """Standard deviation of what is added to the protos of targets, 0 or more."""
    target_noise_clip: float = 0.3
    """Largest size of what is added to the protos of targets, above 0."""
    policy_delay: int = 2
    """Updates of the critics for each of the actor, 1 or more."""

    rules: ClassVar[tuple[Rule, ...]] = (
        *WolpertingerConfig.rules,
        not_negative("proto_noise target_noise"),
        above_0("target_noise_clip"),
        count("policy_delay"),
    )


@dataclass(frozen=True, kw_only=True)
class WolpertingerSACConfig(WolpertingerConfig):
    """Settings of `WolpertingerSAC`."""

    entropy: float = 0.1
    """Weight of the entropy as training starts, above 0; then adapted to `target_entropy`."""
    target_entropy: float = -1.0
    """Entropy that the weight is adapted to, in nats for each number of a proto."""

    rules: ClassVar[tuple[Rule, ...]] = (
        *WolpertingerConfig.rules,
        above_0("entropy"),
        finite("target_entropy"),
    )
