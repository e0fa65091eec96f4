"""A user's whole time with a service: visit after visit, until one never comes back."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rlrec.arrays import Bools, Floats, Ints
from rlrec.envs.blocks.block import Leaving
from rlrec.envs.blocks.context import DayAndDevice
from rlrec.envs.blocks.patience import Patience
from rlrec.envs.blocks.returning import Returning
from rlrec.envs.blocks.satisfaction import Satisfaction
from rlrec.envs.blocks.state import Event, Shown, State, put
from rlrec.simulation import Space


class Visits(Leaving):
    """Lets users come back after a visit; the episode ends when one never does.

    After a step, in this order: satisfaction moves, fatigue grows and the visit may end, the hour
    passes. Where the visit ended the gap is drawn and whether it is for good. Who comes back is
    rested, begins the next visit at the hour that the gap leads to, and perhaps on another device.

    It adds the observation `context`, (2 + D + 3,): sine and cosine of the hour, the device
    one-hot, log(1 + hours of the gap before this visit; 0 before the first), steps so far in this
    visit, and the number of the visit, from 1. The gap of who never comes back is not told.

    Args:
        satisfaction: What the visits do to the user.
        patience: When a visit ends.
        returning: When the next one begins, if ever.
        context: Hour and device.
    """

    open_state = (*DayAndDevice.open_state, "gap_hours", "visit_steps", "visit")

    def __init__(
        self,
        satisfaction: Satisfaction,
        patience: Patience,
        returning: Returning,
        context: DayAndDevice,
    ) -> None:
        self.satisfaction = satisfaction
        self.patience = patience
        self.returning = returning
        self.context = context
        self._parts = (satisfaction, patience, returning, context)
        self.n_initial_draws = sum(part.n_initial_draws for part in self._parts)
        self.n_step_draws = sum(part.n_step_draws for part in self._parts)

    def start(self, state: State, users: Ints, draws: Floats) -> None:
        """Begin the first visit of new users."""
        begin = 0
        for part in self._parts:
            end = begin + part.n_initial_draws
            part.start(state, users, draws[:, begin:end])
            begin = end
        put(state, "visit", users, 1, np.int64)
        put(state, "visit_steps", users, 0, np.int64)
        put(state, "gap_hours", users, 0.0)
        put(state, "churned", users, False, np.bool_)

    def adjust(self, state: State, shown: Shown, scores: Floats) -> Floats:
        """Add what hour and device are worth."""
        return self.context.adjust(state, shown, scores)

    def update(self, state: State, event: Event, draws: Floats) -> None:
        """Let the step move the users, and end visits."""
        self.satisfaction.update(state, event, draws[:, :1])
        self.patience.update(state, event, draws[:, 1:2])
        self.context.update(state, event, draws[:, 2:2])
        state["visit_steps"] += 1
        users = np.flatnonzero(state["visit_over"])
        if users.size:
            self._end_visits(state, users, draws[users, 2:])

    def has_left(self, state: State) -> Bools:
        """Return who never comes back, shape (B,)."""
        return state["churned"].copy()

    def spaces(self) -> dict[str, Space]:
        """Add `context`."""
        large = float(np.finfo(np.float32).max)
        return {"context": Space((self.context.n_devices + 5,), np.float32, -1.0, large)}

    def observe(self, state: State, users: Ints | slice) -> dict[str, NDArray[Any]]:
        """Return `context` of some users."""
        visit = (np.log1p(state["gap_hours"][users]), state["visit_steps"][users])
        columns = (self.context.told(state, users), *visit, state["visit"][users])
        return {"context": np.column_stack(columns).astype(np.float32)}

    def _end_visits(self, state: State, users: Ints, draws: Floats) -> None:
        """End the visits of F users; `draws` are of gap, churn and device, (F, 3)."""
        returning = self.returning
        medians = returning.median_gap_hours(
            state["base_gap_hours"][users], state["satisfaction"][users]
        )
        gap_hours = returning.gap_hours(medians, draws[:, 0])
        churned = draws[:, 1] < returning.churn_probability(gap_hours)
        state["churned"][users] = churned
        back = ~churned
        users, gap_hours = users[back], gap_hours[back]
        self.satisfaction.rest(state, users, gap_hours)
        self.patience.rest(state, users)
        self.context.come_back(state, users, gap_hours, draws[back, 2])
        state["gap_hours"][users] = gap_hours
        state["visit_steps"][users] = 0
        state["visit"][users] += 1
