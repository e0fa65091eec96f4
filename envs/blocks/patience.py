"""How long a visit lasts: fatigue that grows until the user has had enough."""

from dataclasses import dataclass

import numpy as np
from scipy.special import expit

from rlrec.arrays import Bools, Floats, Ints
from rlrec.envs.arguments import check_number
from rlrec.envs.blocks.block import Leaving
from rlrec.envs.blocks.priors import LogNormal, Prior, within
from rlrec.envs.blocks.state import Event, State, put, summed

_LARGEST = 1e6
_TIRING = LogNormal(1.0, 0.3)


@dataclass(frozen=True, kw_only=True)
class Patience(Leaving):
    """After each step a visit ends with a hazard that rises with fatigue, less if one is satisfied.

    With `tiring` of the user, and qualities q_i of the items consumed in a step,

        fatigue  <-  fatigue + tiring * (step_cost + idle_cost * [nothing consumed]
                                         + poor_cost * sum_i max(0, -q_i))
        P(visit ends)  =  1 / (1 + exp(-(base + fatigue_weight * fatigue - relief * satisfaction)))

    beginning at fatigue 0. By itself the end of a visit is the end of the episode; `Visits` lets
    users come back. Satisfaction is that of the block `Satisfaction`, which must act before;
    `relief` = 0 does without. `base` = None switches it off: visits never end.

    Reference:
        Discrete-time hazards as in Cox, 1972, "Regression Models and Life-Tables".
    """

    base: float | None = -4.0
    """Logit of the hazard without fatigue and satisfaction; None for visits that never end."""
    fatigue_weight: float = 1.0
    """0 or more: what a unit of fatigue adds to the logit."""
    relief: float = 1.5
    """0 or more: what full satisfaction takes from the logit."""
    step_cost: float = 0.2
    """Fatigue of every step, 0 or more."""
    idle_cost: float = 0.3
    """Further fatigue of a step in which nothing is consumed, 0 or more."""
    poor_cost: float = 0.3
    """Further fatigue of an item consumed, for each unit of quality below 0; 0 or more."""
    tiring: float | Prior = _TIRING
    """In 0..1e6: how fast a user tires."""

    n_initial_draws = 1
    n_step_draws = 1

    def __post_init__(self) -> None:
        object.__setattr__(self, "tiring", within("tiring", self.tiring, 0.0, _LARGEST))
        if self.base is not None:
            check_number("base of the hazard", self.base)
        for name in ("fatigue_weight", "relief", "step_cost", "idle_cost", "poor_cost"):
            check_number(name, getattr(self, name), 0.0)

    def start(self, state: State, users: Ints, draws: Floats) -> None:
        """Draw how fast new users tire; they are rested."""
        tiring: Prior = self.tiring  # type: ignore[assignment]
        put(state, "tiring", users, tiring.of(draws[:, 0]))
        put(state, "fatigue", users, 0.0)
        put(state, "visit_over", users, False, np.bool_)

    def update(self, state: State, event: Event, draws: Floats) -> None:
        """Tire all users by this step, and let those who have had enough end their visit."""
        consumed, n_users = event.consumed, len(state["fatigue"])
        idle = np.ones(n_users, bool)
        idle[consumed.users] = False
        poor = summed(consumed.users, np.maximum(-consumed.quality, 0.0), n_users)
        state["fatigue"] += self.tired(state["tiring"], idle, poor)
        satisfaction = state["satisfaction"] if self.relief else 0.0
        state["visit_over"][:] = draws[:, 0] < self.hazard(state["fatigue"], satisfaction)

    def rest(self, state: State, users: Ints) -> None:
        """Let users begin a visit, without fatigue."""
        state["fatigue"][users] = 0.0
        state["visit_over"][users] = False

    def has_left(self, state: State) -> Bools:
        """Return whose visit is over, shape (B,)."""
        return state["visit_over"].copy()

    def tired(self, tiring: Floats, idle: Bools | Floats, poor: Floats) -> Floats:
        """Return the fatigue of a step.

        Args:
            tiring: How fast users tire.
            idle: Whether nothing was consumed.
            poor: Sum over what was consumed of the quality missing to 0.
        """
        cost = self.step_cost + self.idle_cost * idle + self.poor_cost * poor
        tired: Floats = tiring * cost
        return tired

    def hazard(self, fatigue: Floats, satisfaction: Floats | float) -> Floats:
        """Return the probability that the visit ends now."""
        if self.base is None:
            return np.zeros(np.shape(fatigue))
        logit = self.base + self.fatigue_weight * fatigue - self.relief * satisfaction
        hazard: Floats = expit(logit)
        return hazard
