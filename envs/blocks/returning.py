"""When a user comes back after a visit, and whether at all."""

from dataclasses import dataclass

import numpy as np

from rlrec.arrays import Floats, Ints
from rlrec.envs.arguments import check_name, check_number
from rlrec.envs.blocks.block import Block
from rlrec.envs.blocks.priors import LogNormal, Prior, standard_normals, within
from rlrec.envs.blocks.state import State, put

GAP_DISTRIBUTIONS = ("log-normal", "weibull")
LONGEST_GAP_HOURS = 10 * 365 * 24.0
"""Longer gaps count as ten years."""
_BASE_GAP_HOURS = LogNormal(72.0, 0.3)


@dataclass(frozen=True, kw_only=True)
class Returning(Block):
    """After a visit a user stays away for a gap; the longer, the likelier for good.

    The median gap is  m = base_gap_hours * exp(-pull * satisfaction).  With standard normal z or
    standard exponential x a gap lasts

        m * exp(spread * z)           (log-normal: `spread` is the deviation of its logarithm)
        m * (x / log 2) ** spread     (Weibull of shape 1 / spread)

    hours, at most ten years, and  P(never comes back | gap) = 1 - exp(-gap / tolerance_hours).
    `pull` = 0 switches the effect of satisfaction off, `spread` = 0 chance, `tolerance_hours` =
    None churn. The base gap belongs to the user. Satisfaction is that of the block `Satisfaction`.

    Reference:
        Cai et al., 2023, "Reinforcing User Retention in a Billion Scale Short Video Recommender
        System" (the time until users return as what to minimise); Du et al., 2019, "Improve
        User Retention with Causal Learning" (churn). The equations are ours.
    """

    base_gap_hours: float | Prior = _BASE_GAP_HOURS
    """In 0..87,600: median gap of a user without any satisfaction."""
    pull: float = 2.5
    """In -20..20: how much satisfaction shortens the gap (logarithm at full satisfaction)."""
    distribution: str = "log-normal"
    """"log-normal" or "weibull"."""
    spread: float = 0.8
    """In 0..20: how much gaps of the same median differ."""
    tolerance_hours: float | None = 240.0
    """0.001 or more: gap of which 63 % of users do not come back; None for users who always do."""

    n_initial_draws = 1
    n_step_draws = 2  # gap, and whether it is for good

    def __post_init__(self) -> None:
        base = within("base_gap_hours", self.base_gap_hours, 0.0, LONGEST_GAP_HOURS)
        object.__setattr__(self, "base_gap_hours", base)
        check_number("pull", self.pull, -20.0, 20.0)
        check_name("distribution", self.distribution, GAP_DISTRIBUTIONS)
        check_number("spread of gaps", self.spread, 0.0, 20.0)
        if self.tolerance_hours is not None:
            check_number("tolerance_hours, unless None,", self.tolerance_hours, 1e-3, 1e300)

    def start(self, state: State, users: Ints, draws: Floats) -> None:
        """Draw the base gap of new users."""
        base: Prior = self.base_gap_hours  # type: ignore[assignment]
        put(state, "base_gap_hours", users, base.of(draws[:, 0]))

    def median_gap_hours(self, base_gap_hours: Floats, satisfaction: Floats) -> Floats:
        """Return the median gap after a visit that ended with this satisfaction."""
        median: Floats = base_gap_hours * np.exp(-self.pull * satisfaction)
        return median

    def gap_hours(self, medians: Floats, uniforms: Floats) -> Floats:
        """Return the gaps of these medians at these quantiles, in [0, 1)."""
        if self.distribution == "weibull":
            factor = (-np.log1p(-uniforms) / np.log(2.0)) ** self.spread
        else:
            factor = np.exp(self.spread * standard_normals(uniforms))
        gap_hours: Floats = np.minimum(medians * factor, LONGEST_GAP_HOURS)
        return gap_hours

    def churn_probability(self, gap_hours: Floats) -> Floats:
        """Return the probability that a user who stays away so long never comes back."""
        if self.tolerance_hours is None:
            return np.zeros(np.shape(gap_hours))
        churn: Floats = -np.expm1(-gap_hours / self.tolerance_hours)
        return churn
