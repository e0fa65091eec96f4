"""Settings of ThompsonSampling."""

from dataclasses import dataclass
from typing import ClassVar, Literal, get_args

from rlrec.agents.bandits.slate_bandit_config import SlateBanditConfig
from rlrec.agents.settings import Rule, above_0, count

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

    rules: ClassVar[tuple[Rule, ...]] = (
        *SlateBanditConfig.rules,
        above_0("noise"),
        count("n_draws"),
    )
    choices: ClassVar[dict[str, tuple[str, ...]]] = {
        **SlateBanditConfig.choices,
        "rewards": get_args(RewardModel),
    }
