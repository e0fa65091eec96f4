"""Settings of ThompsonSampling."""

from dataclasses import dataclass
from typing import ClassVar, Literal, get_args

from rlrec.agents.slate_bandit_config import SlateBanditConfig
from rlrec.errors import ConfigError

RewardModel = Literal["linear", "logistic"]


@dataclass(frozen=True, kw_only=True)
class ThompsonSamplingConfig(SlateBanditConfig):
    """Settings of `ThompsonSampling`."""

    rewards: RewardModel = "linear"
    """What is learned: the response in a slot, `linear` with Gaussian noise; or whether there is
    one, `logistic`."""
    noise: float = 1.0
    """Standard deviation of a linear response around its expectation, above 0."""
    n_draws: int = 64
    """Parameters that `act` draws from; in `learn` each slate has a draw of its own."""

    positive: ClassVar[str] = "prior_precision noise"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.rewards not in get_args(RewardModel):
            raise ConfigError(
                f"rewards of ThompsonSampling must be one of {get_args(RewardModel)}, got "
                f"{self.rewards!r}"
            )
        if not (self.n_draws >= 1 and self.n_draws == int(self.n_draws)):
            raise ConfigError(
                "n_draws of ThompsonSampling must be a whole number of 1 or more, got "
                f"{self.n_draws!r}"
            )
