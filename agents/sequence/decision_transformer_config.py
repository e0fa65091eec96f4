"""Settings of DecisionTransformer."""

from dataclasses import dataclass
from typing import ClassVar

from rlrec.agents.sequence.return_quantiles import HIGHEST, LOWEST
from rlrec.agents.settings import CheckedSettings, Rule, above_0, count, count_or_0, share
from rlrec.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class DecisionTransformerConfig(CheckedSettings):
    """Settings of `DecisionTransformer`."""

    quantile: float = 0.9
    """Rank of the return that is wanted, among those that followed from a like state: 0.05 (the
    worst) to 0.95 (the best). `prompted` serves others."""
    context_length: int = 20
    """Most items of the history that are read; fewer where fewer are observed."""
    discount: float = 0.95
    """Weight of the reward one step ahead, in 0..1. The nearer to 1, the more of a return is luck,
    and the less its rank says of what was shown."""
    learning_rate: float = 1e-3
    """Step size of Adam, above 0; in `pretrain` it falls to a tenth."""
    finetuning_rate: float = 0.3
    """Factor of the step size in `learn` after pretraining."""
    warmup_share: float = 0.1
    """Part of the updates of `pretrain` in which only the quantiles of the return are learned,
    without which no return has a rank; in 0..1."""
    batch_size: int = 64
    """Rows an update, each with its history."""
    max_grad_norm: float = 0.25
    """Longest gradient, above 0."""
    value_scale: float = 10.0
    """Returns are learned in this unit, above 0."""
    log_share: float = 0.5
    """Part of each batch of `learn` that comes from the log, if there is one, in 0..1."""
    buffer_size: int = 100_000
    """Transitions kept from interaction."""
    learning_starts: int = 1_000
    """Interactions before the first update of `learn`."""
    updates_per_transition: float = 1 / 64
    """Updates of `learn` for each transition, above 0."""
    n_steps: int = 50
    """Steps that `learn` follows a visit; what comes later counts by its median."""
    width: int = 128
    """Length of a token."""
    n_layers: int = 3
    """Layers of the transformer."""
    n_heads: int = 1
    """Parts in which a layer attends; `width` is a multiple of it."""
    dropout: float = 0.1
    """Chance that an element is dropped while training, in [0, 1)."""
    item_size: int = 32
    """Length of an item's vector."""

    rules: ClassVar[tuple[Rule, ...]] = (
        above_0("learning_rate finetuning_rate max_grad_norm value_scale updates_per_transition"),
        share("discount warmup_share log_share"),
        Rule("quantile", lambda x: LOWEST <= x <= HIGHEST, f"lie in {LOWEST}..{HIGHEST}"),
        Rule("dropout", lambda x: 0 <= x < 1, "lie in [0, 1)"),
        count_or_0("learning_starts"),
        count("context_length batch_size buffer_size n_steps width n_layers n_heads item_size"),
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.width % self.n_heads:
            raise ConfigError(
                f"width of DecisionTransformer must be a multiple of n_heads, got {self.width} "
                f"and {self.n_heads}"
            )


def check_quantile(quantile: float) -> None:
    """Check a rank of the return that is wanted."""
    if not LOWEST <= quantile <= HIGHEST:
        raise ConfigError(
            f"quantile of DecisionTransformer must lie in {LOWEST}..{HIGHEST}, the returns that "
            f"logs show often enough; got {quantile!r}"
        )
