"""Exposure that builds up: clickbait wears users out, better fare restores them."""

from dataclasses import dataclass

import numpy as np
from scipy.special import expit

from rlrec.arrays import Floats, Ints
from rlrec.envs.arguments import check_number
from rlrec.envs.blocks.appeal import QualitySource, quality_shown
from rlrec.envs.blocks.block import Block
from rlrec.envs.blocks.priors import standard_normals
from rlrec.envs.blocks.response import Yield
from rlrec.envs.blocks.state import Consumed, Event, Shown, State, put, summed
from rlrec.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class Sensitisation(Block):
    """A latent exposure n that each item of clickbait lowers, and its effect, satisfaction z.

    With the clickbait score s in [0, 1] of what was consumed (the mean of several items),

        n  <-  memory * n - 2 (s - 1/2) + Normal(0, noise),    z = 1 / (1 + exp(-sensitivity * n)).

    It begins at (U - 1/2) / (1 - memory), U uniform on [0, 1], and stays where nothing is consumed.
    `sensitivity` = 0 switches it off: z is 1/2 whatever happens.

    Reference:
        Ie et al., 2019, "RecSim: A Configurable Simulation Platform for Recommender Systems" (its
        long-term satisfaction; the sign of s is that of the code, not of its docstring).
    """

    memory: float = 0.7
    """In 0..1, below 1: share of the exposure that stays for a step."""
    sensitivity: float = 0.3
    """0 or more: how much satisfaction follows exposure; hardly with the published 0.01."""
    noise: float = 0.05
    """Standard deviation of the innovation, 0 or more."""

    n_initial_draws = 1
    n_step_draws = 1

    def __post_init__(self) -> None:
        check_number("memory of exposure", self.memory, 0.0, 1.0)
        if self.memory == 1:
            raise ConfigError(f"memory of exposure must lie in 0..1, below 1, got {self.memory!r}")
        check_number("sensitivity", self.sensitivity, 0.0)
        check_number("noise", self.noise, 0.0)

    def start(self, state: State, users: Ints, draws: Floats) -> None:
        """Draw the exposure that users come with."""
        put(state, "exposure", users, (draws[:, 0] - 0.5) / (1.0 - self.memory))

    def update(self, state: State, event: Event, draws: Floats) -> None:
        """Move the exposure of those who consumed something."""
        exposure, consumed = state["exposure"], event.consumed
        counts = np.bincount(consumed.users, minlength=len(exposure))
        took = np.flatnonzero(counts)
        scores = summed(consumed.users, consumed.quality, len(exposure))[took] / counts[took]
        innovation = self.noise * standard_normals(draws[took, 0])
        exposure[took] = self.moved(exposure[took], scores) + innovation

    def moved(self, exposure: Floats, scores: Floats) -> Floats:
        """Return the expected exposure after consuming items of these clickbait scores."""
        return self.memory * exposure - 2.0 * (scores - 0.5)

    def satisfaction(self, exposure: Floats) -> Floats:
        """Return satisfaction in (0, 1) at an exposure."""
        satisfied: Floats = expit(self.sensitivity * exposure)
        return satisfied


@dataclass(frozen=True, kw_only=True)
class Engagement:
    """An item taken yields a click and an engagement, which is the reward.

    With satisfaction z and the clickbait score s of the item, engagement is exp(Normal(mean, sd)),

        mean = z (choc_mean s + kale_mean (1 - s)),    sd = choc_sd s + kale_sd (1 - s).

    The channel is clipped at 100, the reward is not.

    Reference:
        Ie et al., 2019, "RecSim: A Configurable Simulation Platform for Recommender Systems" (its
        long-term satisfaction).
    """

    sensitisation: Sensitisation
    """Says how satisfied users are."""
    source: QualitySource
    """The items, whose quality is their clickbait score."""
    choc_mean: float = 5.0
    """In -50..50."""
    choc_sd: float = 1.0
    """In 0..5."""
    kale_mean: float = 4.0
    """In -50..50."""
    kale_sd: float = 1.0
    """In 0..5."""

    channels = ("click", "engagement")
    n_draws = 1
    _MOST_SHOWN = 100.0

    def __post_init__(self) -> None:
        for name, least, most in (("mean", -50, 50), ("sd", 0, 5)):
            for kind in ("choc", "kale"):
                check_number(f"{kind}_{name}", getattr(self, f"{kind}_{name}"), least, most)

    def respond(self, state: State, consumed: Consumed, draws: Floats) -> Yield:
        """Return a click and the engagement of each item."""
        scores = consumed.quality
        satisfaction = self.sensitisation.satisfaction(state["exposure"][consumed.users])
        noise = self._sd(scores) * standard_normals(draws[:, 0])
        engagement = np.exp(satisfaction * self._mean(scores) + noise)
        channels = np.ones((len(scores), 2), np.float32)
        channels[:, 1] = np.minimum(engagement, self._MOST_SHOWN)
        return Yield(channels, engagement)

    def expected(self, state: State, shown: Shown) -> Floats:
        """Return the mean engagement with each item shown, (B, n)."""
        satisfaction = self.sensitisation.satisfaction(state["exposure"])
        return self.expected_of(satisfaction[:, None], quality_shown(self.source, state, shown))

    def expected_of(self, satisfaction: Floats, scores: Floats) -> Floats:
        """Return the mean engagement at a satisfaction with items of these clickbait scores."""
        mean: Floats = np.exp(satisfaction * self._mean(scores) + 0.5 * self._sd(scores) ** 2)
        return mean

    def _mean(self, scores: Floats) -> Floats:
        return self.choc_mean * scores + self.kale_mean * (1.0 - scores)

    def _sd(self, scores: Floats) -> Floats:
        return self.choc_sd * scores + self.kale_sd * (1.0 - scores)
