"""How long users stay away between visits, from the times of visits in a log."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.stats import norm

from rlrec.arrays import Bools, Floats, Ints
from rlrec.data.log import InteractionLog
from rlrec.envs.blocks.priors import LogNormal
from rlrec.envs.blocks.returning import Returning
from rlrec.envs.fitting.intervals import Prior, Told, moments, prior_loss, what_is_told
from rlrec.errors import DataError

PRIORS: Mapping[str, Prior] = {
    "median_hours": Prior("log", float(np.log(24.0)), 2.0),
    "person_sd": Prior("log", -1.0, 1.5),
    "spread": Prior("log", -0.5, 1.5),
}
"""Weak ones, around a day."""
_FEWEST_GAPS = 20
_SHORTEST_HOURS = 1.0 / 60.0
_NODES = 20
_MOST_PERSONS = 20_000  # more would not move the third digit


@dataclass(frozen=True, kw_only=True)
class FittedGaps:
    """Gaps last median * exp(person_sd * z + spread * e) hours, z of the person, e of the gap."""

    parameters: Told
    """`median_hours`, `person_sd` and `spread`."""
    n_gaps: int
    n_persons: int
    """With two visits or more, or one and time left to come back."""

    def returning(self) -> Returning:
        """Return the block whose gaps these are; of satisfaction and churn a log tells nothing."""
        median, person, spread = (self.parameters.values[name] for name in PRIORS)
        return Returning(
            base_gap_hours=LogNormal(median, person),
            pull=0.0,
            spread=spread,
            tolerance_hours=None,
        )


class _Gaps(NamedTuple):
    """Gaps in order of persons."""

    persons: Ints
    log_hours: Floats
    is_open: Bools
    """Whether the person had not come back as the log ended."""


def fit_return_gaps(log: InteractionLog, seed: int = 0) -> FittedGaps:
    """Return the log-normal gaps under which the times of visits are most likely.

    With weak priors (`PRIORS`). A gap is from the last step of a visit to the first of the next;
    whoever does not come back before the log ends counts as away at least that long. What a
    person's gaps have in common is integrated out by Gauss-Hermite quadrature. Of more than 20,000
    persons as many are drawn at random.

    Args:
        log: With `timestamp`.
        seed: Of that draw.

    Raises:
        DataError: There are no times, or fewer than 20 gaps.

    Reference:
        Censored log-normal times with a random effect, as in Klein and Moeschberger, 2003,
        "Survival Analysis".
    """
    if not log.has("timestamp"):
        raise DataError(f"{log.name} has no timestamp: when users come back cannot be told")
    gaps = _of_some_persons(_gaps_of(log), seed)
    n_closed = int((~gaps.is_open).sum())
    if n_closed < _FEWEST_GAPS:
        raise DataError(
            f"{log.name}: users came back {n_closed} times; {_FEWEST_GAPS} or more tell how long "
            "they stay away"
        )
    closed = gaps.log_hours[~gaps.is_open]
    if np.ptp(closed) == 0:
        raise DataError(f"{log.name}: all gaps are equally long, as if times were made up")
    return FittedGaps(
        parameters=_told(gaps),
        n_gaps=n_closed,
        n_persons=len(np.unique(gaps.persons)),
    )


def _gaps_of(log: InteractionLog) -> _Gaps:
    """Return the gaps, from the first and last time of each visit, collected block by block."""
    parts: dict[str, list[NDArray[Any]]] = {name: [] for name in ("user", "visit", "low", "high")}
    for block in log.blocks(names=["user_id", "episode_id", "timestamp"]):
        user, visit, time = block["user_id"], block["episode_id"], block["timestamp"]
        starts = np.flatnonzero(
            np.append(True, (user[1:] != user[:-1]) | (visit[1:] != visit[:-1]))
        )
        parts["user"].append(user[starts])
        parts["visit"].append(visit[starts])
        parts["low"].append(np.minimum.reduceat(time, starts))
        parts["high"].append(np.maximum.reduceat(time, starts))
    users, visits, low, high = (np.concatenate(found) for found in parts.values())
    goes_on = np.append(False, (users[1:] == users[:-1]) & (visits[1:] == visits[:-1]))
    first = np.flatnonzero(~goes_on)  # a visit may reach over the edge of blocks
    low, high = np.minimum.reduceat(low, first), np.maximum.reduceat(high, first)
    _, persons = np.unique(users[first], return_inverse=True)
    order = np.lexsort((low, persons))
    persons, low, high = persons[order], low[order], high[order]
    comes_back = np.append(persons[1:] == persons[:-1], False)
    until = np.where(comes_back, np.append(low[1:], 0), high.max())
    hours = np.maximum((until - high) / 3600.0, 0.0)
    kept = comes_back | (hours > _SHORTEST_HOURS)
    log_hours = np.log(np.maximum(hours[kept], _SHORTEST_HOURS))
    return _Gaps(persons[kept], log_hours, ~comes_back[kept])


def _of_some_persons(gaps: _Gaps, seed: int) -> _Gaps:
    persons = np.unique(gaps.persons)
    if len(persons) <= _MOST_PERSONS:
        return gaps
    drawn = np.random.default_rng(seed).choice(persons, _MOST_PERSONS, replace=False)
    kept = np.isin(gaps.persons, drawn)
    return _Gaps(gaps.persons[kept], gaps.log_hours[kept], gaps.is_open[kept])


def _told(gaps: _Gaps) -> Told:
    closed = gaps.log_hours[~gaps.is_open]
    start = np.array([closed.mean(), np.log(0.5 * closed.std()), np.log(closed.std())])
    search: Any = minimize
    point: Floats = search(_loss, start, args=(gaps,), method="BFGS", options={"gtol": 1e-4}).x
    errors: Floats = np.sqrt(np.diag(np.linalg.pinv(_curvature(point, gaps))))
    return what_is_told(PRIORS, point, errors, len(closed))


def _curvature(point: Floats, gaps: _Gaps, step: float = 1e-3) -> Floats:
    """Return the second derivatives (n, n) of the loss, by central differences."""
    moves = step * np.eye(len(point))

    def at(*signs: tuple[int, Floats]) -> float:
        return _loss(point + sum(sign * move for sign, move in signs), gaps)

    return np.array(
        [
            [
                sum(one * two * at((one, a), (two, b)) for one in (1, -1) for two in (1, -1))
                for b in moves
            ]
            for a in moves
        ]
    ) / (4.0 * step**2)


def _loss(point: Floats, gaps: _Gaps) -> float:
    """Return the negative log-posterior, each person's own median integrated out."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(_NODES)
    centre, person_sd, spread = point[0], np.exp(point[1]), np.exp(point[2])
    z = (gaps.log_hours[:, None] - centre - person_sd * nodes) / spread
    of_gap = np.where(gaps.is_open[:, None], norm.logsf(z), norm.logpdf(z) - point[2])
    starts = np.flatnonzero(np.append(True, np.diff(gaps.persons) != 0))
    of_person = np.add.reduceat(of_gap, starts, axis=0)
    shares = np.log(weights / weights.sum())
    likely = float(np.logaddexp.reduce(of_person + shares, axis=1).sum())
    return prior_loss(point, *moments(list(PRIORS.values())))[0] - likely
