"""How long visits last: the chance that one ends after a step, from when visits ended."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit

from rlrec.arrays import Bools, Floats, Ints
from rlrec.data.log import InteractionLog
from rlrec.envs.blocks.patience import Patience
from rlrec.envs.fitting.intervals import Prior, Told, moments, prior_loss, what_is_told
from rlrec.errors import DataError

PRIORS: Mapping[str, Prior] = {
    "base": Prior("plain", -3.0, 5.0),
    "step_cost": Prior("plain", 0.0, 1.0, least=0.0),
    "idle_cost": Prior("plain", 0.0, 1.0, least=0.0),
}
"""Weak ones; costs are 0 or more."""
_FEWEST_ENDS = 20


@dataclass(frozen=True, kw_only=True)
class FittedEnds:
    """The hazard logit(P(visit ends after a step)) = base + step_cost * n + idle_cost * m.

    n are the steps of the visit so far, m those of them in which nothing was taken. Where the data
    want a cost below 0, it is 0: the hazard then does not rise.
    """

    parameters: Told
    """`base`, `step_cost` and `idle_cost`."""
    n_visits: int
    n_ended: int
    """Visits of which the log tells the end; the others were cut off."""
    survival: Floats
    """Shape (S,). Share of visits that last longer than 1, 2, ... steps, cut-off ones counted as
    long as they were seen (Kaplan and Meier, 1958)."""

    def patience(self) -> Patience:
        """Return the block whose hazard this is."""
        base, step, idle = (self.parameters.values[name] for name in PRIORS)
        return Patience(
            base=base,
            fatigue_weight=1.0,
            relief=0.0,
            step_cost=step,
            idle_cost=idle,
            poor_cost=0.0,
            tiring=1.0,
        )


class _Cells(NamedTuple):
    """Steps, counted by how far the visit had come."""

    n_steps: Ints
    n_idle: Ints
    n: Ints
    """Steps in this situation."""
    n_ends: Ints
    """Of these, those after which the visit ended."""


def fit_visit_ends(log: InteractionLog, channel: str | None = None) -> FittedEnds:
    """Return the hazard of the end of a visit under which the ends in a log are most likely.

    With weak priors (`PRIORS`), which matter where ends are few or follow from the steps alone.
    A visit that the log cuts off (`truncated`) counts as far as it goes.

    Args:
        log: With `terminated` where a user left.
        channel: Above 0 where an item was taken; by default the first.

    Raises:
        DataError: Fewer than 20 visits ended: the log does not say how long visits last.

    Reference:
        Discrete-time hazards as in Cox, 1972, "Regression Models and Life-Tables".
    """
    channel = channel or log.metadata.response_channels[0]
    cells, n_visits = _counted(log, channel)
    n_ended = int(cells.n_ends.sum())
    if n_ended < _FEWEST_ENDS:
        raise DataError(
            f"{log.name}: {n_ended} of {n_visits} visits ended (terminated), the others were cut "
            f"off; {_FEWEST_ENDS} or more tell how long visits last"
        )
    return FittedEnds(
        parameters=_told(cells),
        n_visits=n_visits,
        n_ended=n_ended,
        survival=_survival(cells),
    )


def _counted(log: InteractionLog, channel: str) -> tuple[_Cells, int]:
    """Return the steps by cell, block by block, and the number of visits."""
    totals: dict[tuple[int, int], Ints] = {}
    n_visits, idle_before = 0, 0
    names = ["step", "terminated", f"response.{channel}"]
    for block in log.blocks(names=names):
        steps, ended = block["step"], block["terminated"]
        idle = np.all(block[f"response.{channel}"] <= 0, axis=1)
        n_idle = _since_start(idle, steps == 0, idle_before)
        idle_before = int(n_idle[-1]) if len(n_idle) else idle_before
        n_visits += int((steps == 0).sum())
        _add(totals, steps + 1, n_idle, ended)
    keys = sorted(totals)
    cells = np.array(keys, np.int64).reshape(-1, 2)
    counts = np.array([totals[key] for key in keys], np.int64).reshape(-1, 2)
    return _Cells(cells[:, 0], cells[:, 1], counts[:, 0], counts[:, 1]), n_visits


def _since_start(flags: Bools, begins: Bools, before: int) -> Ints:
    """Return how many flags were set since the visit began, with those of the block before."""
    total = np.cumsum(flags)
    at_start = np.where(begins, total - flags, 0)
    offset = np.maximum.accumulate(at_start)
    in_first = np.cumsum(begins) == 0
    counted: Ints = total - offset + np.where(in_first, before, 0)
    return counted


def _add(totals: dict[tuple[int, int], Ints], n_steps: Ints, n_idle: Ints, ended: Bools) -> None:
    keys, place = np.unique(np.stack([n_steps, n_idle], axis=1), axis=0, return_inverse=True)
    n = np.bincount(place.ravel(), minlength=len(keys))
    n_ends = np.bincount(place.ravel(), ended, len(keys)).astype(np.int64)
    for (steps, idle), steps_here, ends_here in zip(keys.tolist(), n, n_ends, strict=True):
        found = totals.setdefault((steps, idle), np.zeros(2, np.int64))
        found += (steps_here, ends_here)


def _told(cells: _Cells) -> Told:
    design = np.column_stack([np.ones(len(cells.n)), cells.n_steps, cells.n_idle])
    design = design.astype(np.float64)
    means, sds = moments(list(PRIORS.values()))

    def loss(point: Floats) -> tuple[float, Floats]:
        logit = design @ point
        value = float((cells.n * np.logaddexp(0.0, logit) - cells.n_ends * logit).sum())
        before, slope = prior_loss(point, means, sds)
        return value + before, slope + design.T @ (cells.n * expit(logit) - cells.n_ends)

    bounds = [(None, None), (0.0, None), (0.0, None)]
    search: Any = minimize
    point: Floats = search(loss, means, jac=True, method="L-BFGS-B", bounds=bounds).x
    hazard = expit(design @ point)
    information = (design * (cells.n * hazard * (1.0 - hazard))[:, None]).T @ design
    information += np.diag(1.0 / sds**2)
    errors: Floats = np.sqrt(np.diag(np.linalg.inv(information)))
    return what_is_told(PRIORS, point, errors, int(cells.n.sum()))


def _survival(cells: _Cells) -> Floats:
    longest = int(cells.n_steps.max())
    at_risk = np.bincount(cells.n_steps, cells.n, longest + 1)[1:]
    ended = np.bincount(cells.n_steps, cells.n_ends, longest + 1)[1:]
    return np.cumprod(1.0 - ended / np.maximum(at_risk, 1)).astype(np.float64)
