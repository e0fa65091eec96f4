"""How satisfied a user is: a mood that quality lifts, that wears off, and that one gets used to."""

from dataclasses import dataclass

import numpy as np
from scipy.special import expit

from rlrec.arrays import Floats, Ints
from rlrec.envs.arguments import check_number
from rlrec.envs.blocks.block import Block
from rlrec.envs.blocks.priors import LogNormal, Normal, Prior, standard_normals, within
from rlrec.envs.blocks.state import Event, State, put, summed

MOST_MOOD = 30.0
"""Moods are kept within -30..30, where satisfaction differs from 0 or 1 by less than 1e-12."""
_LARGEST = 1e6
_SENSITIVITY = LogNormal(0.3, 0.3)
_SET_POINT = Normal(0.0, 0.5)


@dataclass(frozen=True, kw_only=True)
class Satisfaction(Block):
    """Satisfaction in 0..1 follows the quality of what is consumed, and goes back to a set-point.

    It is the logistic function of a mood s, which begins at the user's set-point b. With the
    qualities q_i of the items consumed in a step and standard normal z,

        s  <-  b + memory * (s - b) + sensitivity * (sum_i (q_i - e) + noise * z)
        e  <-  e + expectation_rate * (mean_i q_i - e)        where something was consumed
        satisfaction  =  1 / (1 + exp(-s))

    Good items lift it and poor ones lower it (sensitisation); `memory` below 1 brings it back to
    the set-point, and an expectation e that follows what one is served makes the same quality
    please less (hedonic adaptation). After h hours away s - b and e are multiplied by
    exp(-h / recovery_hours). `sensitivity` = 0 switches it off: satisfaction stays at its
    set-point. Set-point and sensitivity belong to the user.

    Reference:
        Ie et al., 2019, "RecSim" (its long-term satisfaction problem is memory 0.7, noise 0.05,
        b = 0 and q = 1 - 2 * clickbait, without expectation); Brickman and Campbell, 1971,
        "Hedonic Relativism and Planning the Good Society".
    """

    sensitivity: float | Prior = _SENSITIVITY
    """In 0..1e6: mood gained a unit of quality."""
    set_point: float | Prior = _SET_POINT
    """In -30..30: mood to which a user returns."""
    memory: float = 0.9
    """In 0..1: share of the distance to the set-point that is left after a step."""
    noise: float = 0.1
    """Standard deviation of other influences a step, in units of quality; 0 or more."""
    expectation_rate: float = 0.0
    """In 0..1: share by which the expectation moves to what was consumed; 0 for none."""
    recovery_hours: float = 48.0
    """0.001 or more. Hours away after which 37 % of the distance to the set-point are left."""

    n_initial_draws = 2
    n_step_draws = 1

    def __post_init__(self) -> None:
        sensitivity = within("sensitivity", self.sensitivity, 0.0, _LARGEST)
        object.__setattr__(self, "sensitivity", sensitivity)
        set_point = within("set_point", self.set_point, -MOST_MOOD, MOST_MOOD)
        object.__setattr__(self, "set_point", set_point)
        for name in ("memory", "expectation_rate"):
            check_number(name, getattr(self, name), 0.0, 1.0)
        check_number("noise", self.noise, 0.0)
        check_number("recovery_hours", self.recovery_hours, 1e-3, 1e300)

    def start(self, state: State, users: Ints, draws: Floats) -> None:
        """Draw sensitivities and set-points; new users are at their set-point."""
        sensitivity: Prior = self.sensitivity  # type: ignore[assignment]
        set_point: Prior = self.set_point  # type: ignore[assignment]
        put(state, "sensitivity", users, sensitivity.of(draws[:, 0]))
        moods = set_point.of(draws[:, 1])
        put(state, "set_point", users, moods)
        put(state, "mood", users, moods)
        put(state, "expectation", users, 0.0)
        put(state, "satisfaction", users, expit(moods))

    def update(self, state: State, event: Event, draws: Floats) -> None:
        """Let what was consumed move the mood, and the expectation after it."""
        consumed, n_users = event.consumed, len(state["mood"])
        surprise = summed(
            consumed.users, consumed.quality - state["expectation"][consumed.users], n_users
        )
        shock = self.noise * standard_normals(draws[:, 0])
        moods = self.moved(
            state["mood"], state["set_point"], state["sensitivity"], surprise + shock
        )
        self._set(state, slice(None), moods)
        n_consumed = summed(consumed.users, np.ones(len(consumed.users)), n_users)
        state["expectation"] += self.expectation_rate * surprise / np.maximum(n_consumed, 1.0)

    def rest(self, state: State, users: Ints, gap_hours: Floats) -> None:
        """Let F users be away for some hours each."""
        left = self.left_after(gap_hours)
        set_point = state["set_point"][users]
        self._set(state, users, set_point + (state["mood"][users] - set_point) * left)
        state["expectation"][users] *= left

    def moved(
        self, moods: Floats, set_points: Floats, sensitivity: Floats, surprise: Floats
    ) -> Floats:
        """Return moods after a step with a surprise: quality above expectation, and noise."""
        kept = set_points + self.memory * (moods - set_points)
        return np.clip(kept + sensitivity * surprise, -MOST_MOOD, MOST_MOOD)

    def left_after(self, gap_hours: Floats) -> Floats:
        """Return the share of the distance to the set-point that is left after some hours."""
        left: Floats = np.exp(-gap_hours / self.recovery_hours)
        return left

    def _set(self, state: State, users: Ints | slice, moods: Floats) -> None:
        state["mood"][users] = moods
        state["satisfaction"][users] = expit(moods)
