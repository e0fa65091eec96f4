"""Settings of SlateA2C."""

from dataclasses import dataclass

from rlrec.agents.on_policy.slate_on_policy_config import SlateOnPolicyConfig


@dataclass(frozen=True, kw_only=True)
class SlateA2CConfig(SlateOnPolicyConfig):
    """Settings of `SlateA2C`.

    All transitions of a round make one update; `batch_size` is that of `pretrain`.
    """

    n_transitions: int = 1_024
    """Transitions of all users together between two updates."""
