"""Tastes that move on their own, whatever is shown."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from rlrec.arrays import Floats, Ints
from rlrec.envs.arguments import check_number, check_whole_number
from rlrec.envs.blocks.block import Block
from rlrec.envs.blocks.priors import Prior, standard_normals, within
from rlrec.envs.blocks.state import Event, State, put


class _Rates(NamedTuple):
    persistence: Prior
    sd: Prior
    set_point_sd: Prior


@dataclass(frozen=True, kw_only=True)
class TasteDrift(Block):
    """Tastes wander around a set-point that wanders slowly itself.

    With the taste th of T numbers, its set-point b and standard normals e, e', at each step

        th  <-  b + persistence * (th - b) + sd * e
        b   <-  b + set_point_sd * e'

    The set-point begins at the taste that was drawn, and the taste then moves away from it by a
    draw of the stationary distribution, Normal(0, sd^2 / (1 - persistence^2)), so that a visit
    begins in the middle of the user's life. Where persistence is 1 (a random walk has no such
    distribution) it begins at the set-point. The three rates belong to the user. `sd` = 0 and
    `set_point_sd` = 0 switch it off: then nothing is drawn.

    The taste is `state["tastes"]`; interests that must stay within bounds are not meant.

    Reference:
        Uhlenbeck and Ornstein, 1930, "On the Theory of the Brownian Motion", in discrete time.
    """

    n_factors: int
    """T."""
    persistence: float | Prior = 0.95
    """In 0..1: share of the distance to the set-point that is left after a step."""
    sd: float | Prior = 0.3
    """0 or more: standard deviation of what moves each number of the taste in a step."""
    set_point_sd: float | Prior = 0.0
    """0 or more: standard deviation of what moves the set-point in a step."""

    def __post_init__(self) -> None:
        check_whole_number("n_factors", self.n_factors, 1)
        object.__setattr__(self, "persistence", within("persistence", self.persistence, 0.0, 1.0))
        for name in ("sd", "set_point_sd"):
            object.__setattr__(self, name, within(f"{name} of drift", getattr(self, name), 0.0))

    @property
    def is_off(self) -> bool:
        """Whether no taste ever moves."""
        most = np.array([np.nextafter(1.0, 0.0)])
        rates = self._rates
        return bool(rates.sd.of(most)[0] == 0 and rates.set_point_sd.of(most)[0] == 0)

    @property
    def n_initial_draws(self) -> int:  # type: ignore[override]
        """Three rates, and the first distance to the set-point."""
        return 0 if self.is_off else 3 + self.n_factors

    @property
    def n_step_draws(self) -> int:  # type: ignore[override]
        """What moves the taste and the set-point."""
        return 0 if self.is_off else 2 * self.n_factors

    def start(self, state: State, users: Ints, draws: Floats) -> None:
        """Draw the rates of new users and begin somewhere around the set-point."""
        if self.is_off:
            return
        persistence, sd, set_point_sd = (
            prior.of(draws[:, number, None]) for number, prior in enumerate(self._rates)
        )
        put(state, "drift_persistence", users, persistence)
        put(state, "drift_sd", users, sd)
        put(state, "drift_set_point_sd", users, set_point_sd)
        put(state, "set_points", users, state["tastes"][users])
        state["tastes"][users] += _stationary_sd(persistence, sd) * standard_normals(draws[:, 3:])

    def update(self, state: State, event: Event, draws: Floats) -> None:
        """Move tastes, then set-points."""
        if self.is_off:
            return
        tastes, set_points = state["tastes"], state["set_points"]
        noise = standard_normals(draws)
        tastes -= set_points
        tastes *= state["drift_persistence"]
        tastes += set_points
        tastes += state["drift_sd"] * noise[:, : self.n_factors]
        set_points += state["drift_set_point_sd"] * noise[:, self.n_factors :]

    @property
    def _rates(self) -> _Rates:
        return _Rates(self.persistence, self.sd, self.set_point_sd)  # type: ignore[arg-type]


@dataclass(frozen=True, kw_only=True)
class HedonicAdaptation(Block):
    """Tastes that something moved come back to what they were at first.

    With the taste th and the taste th_0 at the start of the visit, at each step

        th  <-  retention * th + (1 - retention) * th_0

    `retention` = 1 switches it off, 0 undoes every change at once.

    Reference:
        Brickman and Campbell, 1971, "Hedonic Relativism and Planning the Good Society" (the idea of
        adaptation; the equation is the usual linear one).
    """

    retention: float = 0.9
    """In 0..1."""

    def __post_init__(self) -> None:
        check_number("retention", self.retention, 0.0, 1.0)

    def start(self, state: State, users: Ints, draws: Floats) -> None:
        """Remember the tastes of new users."""
        put(state, "tastes_at_first", users, state["tastes"][users])

    def update(self, state: State, event: Event, draws: Floats) -> None:
        """Move tastes towards what they were."""
        tastes, first = state["tastes"], state["tastes_at_first"]
        tastes += (1.0 - self.retention) * (first - tastes)


def _stationary_sd(persistence: Floats, sd: Floats) -> Floats:
    """Return the standard deviation around the set-point; 0 where there is none."""
    left = 1.0 - persistence**2
    stays = left > 0
    return np.where(stays, sd / np.sqrt(np.where(stays, left, 1.0)), 0.0)
