"""Settings of SlatePPO."""

from dataclasses import dataclass
from typing import Any, ClassVar, Literal, get_args

from rlrec.agents.on_policy.slate_on_policy_config import SlateOnPolicyConfig
from rlrec.agents.settings import Rule, above_0, count

Clipping = Literal["slot", "slate"]


@dataclass(frozen=True, kw_only=True)
class SlatePPOConfig(SlateOnPolicyConfig):
    """Settings of `SlatePPO`."""

    n_epochs: int = 4
    """Passes over the transitions of a round."""
    clip: float = 0.2
    """Distance of the probability ratio from 1 beyond which nothing more is gained, above 0."""
    clipping: Clipping = "slot"
    """Whether each `slot`'s ratio is clipped, or that of the whole `slate`, whose logarithm varies
    K times as much."""
    stop_kl: float = 0.03
    """Mean divergence of a slot from the policy that acted, in nats, beyond which updates stop
    until the next round; above 0."""

    rules: ClassVar[tuple[Rule, ...]] = (
        *SlateOnPolicyConfig.rules,
        above_0("clip stop_kl"),
        count("n_epochs"),
    )
    choices: ClassVar[dict[str, tuple[Any, ...]]] = {
        **SlateOnPolicyConfig.choices,
        "clipping": get_args(Clipping),
    }
