"""Several channels of a response: a click, and what may follow it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import expit

from rlrec.arrays import Floats
from rlrec.envs.arguments import check_number, check_numbers
from rlrec.envs.blocks.appeal import QualitySource, quality_shown
from rlrec.envs.blocks.response import Yield
from rlrec.envs.blocks.state import Consumed, Shown, State
from rlrec.errors import ConfigError


@dataclass(frozen=True)
class ChannelLogit:
    """P(channel | click) = 1 / (1 + exp(-(base + slope * quality)))."""

    base: float
    """Logit at quality 0; finite."""
    slope: float = 0.0
    """Logit a unit of quality; 0 switches the effect of quality off."""

    def __post_init__(self) -> None:
        check_number("base of a channel", self.base)
        check_number("slope of a channel", self.slope)

    def of(self, quality: Floats) -> Floats:
        """Return the probability at these qualities."""
        probability: Floats = expit(self.base + self.slope * quality)
        return probability


LONG_VIEW = ChannelLogit(0.0, 2.0)
LIKE = ChannelLogit(-2.5, 2.0)
HIDE = ChannelLogit(-3.5, -2.0)


class ClickChannels:
    """An item taken yields a click, and perhaps a long view, a like or a hide.

    Given a click they are independent, each with a probability that depends on the quality of the
    item (`ChannelLogit`): 50 %, 8 % and 3 % at quality 0; 88 %, 38 % and 0.4 % at quality 1. The
    reward of an item is the weighted sum of its channels; by default clicks alone count. So a
    greedy seeker of clicks sees nothing of the quality.

    Args:
        source: Knows the hidden quality; the items of an environment do.
        reward_weights: Of click, long view, like and hide; finite, any sign.
        long_view: P(long view | click).
        like: P(like | click).
        hide: P(hide | click).

    Reference:
        Channels as in Zhao et al., 2023, "KuaiSim"; the probabilities are ours, and assumed.
    """

    channels = ("click", "long_view", "like", "hide")
    n_draws = 3

    def __init__(
        self,
        source: QualitySource,
        reward_weights: Sequence[float] = (1.0, 0.0, 0.0, 0.0),
        long_view: ChannelLogit = LONG_VIEW,
        like: ChannelLogit = LIKE,
        hide: ChannelLogit = HIDE,
    ) -> None:
        weights = check_numbers("reward_weights", reward_weights)
        if len(weights) != len(self.channels):
            raise ConfigError(
                f"reward_weights must be four finite numbers, of {', '.join(self.channels)}, "
                f"got {reward_weights!r}"
            )
        self.reward_weights = np.array(weights, np.float64)
        self._source = source
        self._after_click = (long_view, like, hide)

    @property
    def described(self) -> str:
        """The logits of the channels after a click, in words."""
        named = zip(self.channels[1:], self._after_click, strict=True)
        return ", ".join(f"{name} {c.base:g} + {c.slope:g} quality" for name, c in named)

    def probabilities(self, quality: Floats) -> Floats:
        """Return the probability of each channel given a click, (..., 4); the first is 1."""
        after = [channel.of(quality) for channel in self._after_click]
        return np.stack([np.ones(np.shape(quality)), *after], axis=-1)

    def respond(self, state: State, consumed: Consumed, draws: Floats) -> Yield:
        """Return a click for each item, and which other channels follow it."""
        happens = np.ones((len(consumed.users), 4), np.float32)
        happens[:, 1:] = draws < self.probabilities(consumed.quality)[:, 1:]
        return Yield(happens, (happens * self.reward_weights).sum(axis=-1))

    def expected(self, state: State, shown: Shown) -> Floats:
        """Return the weighted probabilities of each item shown."""
        if not self.reward_weights[1:].any():
            return np.full((1, 1), self.reward_weights[0])
        expected: Floats = self.probabilities(quality_shown(self._source, state, shown))
        weighted: Floats = (expected * self.reward_weights).sum(axis=-1)
        return weighted
