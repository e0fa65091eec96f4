"""Drift, satiation, position effects and the level of taking nothing, estimated from slates."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit
from scipy.stats import norm
from torch import Tensor

from rlrec.arrays import Floats
from rlrec.data.catalogue import Catalogue
from rlrec.data.log import InteractionLog
from rlrec.envs.fitting.taste_filter import Dynamics, filtered
from rlrec.envs.fitting.topic_sequences import Scanning, TopicSequences, topic_sequences
from rlrec.evaluation import Estimate

NAMES = ("offset", "decay", "taste_sd", "persistence", "drift_sd", "strength", "memory")
"""Of the parameters that all users share, see `Dynamics`."""
STEP_SD = "drift_step_sd"
PRIOR: Mapping[str, float] = {
    "decay": 1.0,
    "taste_sd": 1.0,
    "persistence": 0.9,
    "drift_sd": 0.0,
    "strength": 0.0,
    "memory": 0.5,
}
"""What is assumed of what a log does not tell: all slots alike, no drift, no satiation."""
FEWEST_LOOKS = 200
"""Looks that must bear on a parameter for it to be estimated."""
_START = {
    "offset": 0.0,
    "decay": 1.0,
    "taste_sd": 0.0,
    "persistence": 1.0,
    "drift_sd": -1.0,
    "strength": -1.0,
    "memory": 0.0,
}
_SHARES = ("decay", "persistence", "memory")
_POSITIVE = ("taste_sd", "drift_sd", "strength")
_APPEAL_SD = 1.0
_FEW_VISITS = 2_000
_STEP = 1e-3  # of the difference quotients that give the information


@dataclass(frozen=True, kw_only=True, eq=False)
class FittedDynamics:
    """What slates tell of how users choose, drift and have enough; the model is `Dynamics`."""

    scanning: Scanning
    values: dict[str, float]
    """By name, those of `NAMES`: estimated, or assumed (`PRIOR`)."""
    estimates: dict[str, Estimate]
    """Of those that are estimated, with 95 % intervals; and of `drift_step_sd`, what moves a taste
    in one step."""
    appeals: Floats
    """Shape (N,)."""
    tastes: Floats
    """Shape (P, T). Of each person seen: its mean given the log."""
    taste_variances: Floats
    """Shape (P, T). What the log leaves open; that of the population where it says nothing."""
    person_ids: NDArray[Any]
    log_likelihood: float
    """Mean of a look."""
    constant_log_likelihood: float
    """The same where one click rate holds for all."""
    n_looks: int
    n_visits: int

    @property
    def drift_step_sd(self) -> float:
        """Standard deviation of what moves a taste in one step."""
        return self.values["drift_sd"] * math.sqrt(1.0 - self.values["persistence"] ** 2)


def fit_dynamics(
    log: InteractionLog,
    catalogue: Catalogue,
    scanning: Scanning = "position_based",
    *,
    channel: str | None = None,
    most_visits: int | None = 20_000,
    seed: int = 0,
) -> FittedDynamics:
    """Return the dynamics under which the responses to slates are most likely.

    The marginal likelihood of all looks, tastes and their drift integrated out, times a normal
    prior of the items' appeals around 0 with standard deviation 1, is made largest by L-BFGS.
    Intervals are normal ones on the scale of logarithms and logits, from the observed information.
    What fewer than 200 looks bear on is assumed: see `told_parameters`.

    Args:
        log: Slates with responses.
        catalogue: Its items, with topics.
        scanning: How users go through a slate, see `topic_sequences`.
        channel: Above 0 where an item was taken; by default the first.
        most_visits: Of more, as many drawn at random.
        seed: Of that draw.

    Raises:
        ConfigError: `scanning` is not known.
        DataError: Nothing was ever taken, or everything.
    """
    few = _FEW_VISITS if most_visits is None else min(_FEW_VISITS, most_visits)
    start: Floats = np.empty(0)
    for most in (few, most_visits):  # most of the way is gone with few: it costs a tenth
        told = topic_sequences(
            log, catalogue, scanning, channel=channel, most_visits=most, seed=seed
        )
        names = told_parameters(told, scanning)
        objective = _Objective(told, names, catalogue.n_items)
        if len(start) != len(objective.start):  # at first, or more is told by more visits
            start = objective.start
        if most == few or told.n_visits > few:
            start = _best(objective, start, tolerance=1e-6 if most == few else 1e-9)
    return _fitted(told, objective, start, catalogue, scanning)


def told_parameters(told: TopicSequences, scanning: Scanning) -> tuple[str, ...]:
    """Return the names of the parameters that enough looks bear on, in the order of `NAMES`.

    The level of nothing always; `decay` where lower slots were looked at by position; `taste_sd`
    where a person looked at a topic again; drift where that was at another step of a visit;
    satiation where something of the topic had been taken before in the visit.
    """
    again = np.diff(np.append(told.starts, len(told.slot)))
    evidence = {
        "decay": int((told.slot > 0).sum()) if scanning == "position_based" else 0,
        "taste_sd": int((again - 1).sum()),
        "persistence": int((told.gap > 0).sum()),
        "drift_sd": int((told.gap > 0).sum()),
        "strength": int((told.before > 0).sum()),
        "memory": int((told.before > 0).sum()),
    }
    return tuple(name for name in NAMES if evidence.get(name, FEWEST_LOOKS) >= FEWEST_LOOKS)


def _best(objective: "_Objective", start: Floats, tolerance: float) -> Floats:
    """Return where the objective is least; `tolerance` is of it, a look."""
    options = {"maxiter": 200, "ftol": tolerance, "gtol": 1e-6}
    search: Any = minimize  # its types ask for a function, not for an object that is called
    found: Floats = search(objective, start, jac=True, method="L-BFGS-B", options=options).x
    return found


class _Objective:
    """The negative log-posterior of a look, with its gradient."""

    def __init__(self, told: TopicSequences, names: Sequence[str], n_items: int) -> None:
        self.blocks = list(told.blocks())
        self.n_looks = len(told.slot)
        self.names = tuple(names)
        """Of the parameters that are searched; the others have their prior values."""
        self.start = np.concatenate([[_START[name] for name in names], np.zeros(n_items)])

    def __call__(self, point: Floats) -> tuple[float, Floats]:
        total, slope = 0.0, np.zeros(len(point))
        for block in self.blocks:
            at = torch.tensor(point, requires_grad=True)
            loss = -filtered(block, self.dynamics(at)).log_likelihoods.sum() / self.n_looks
            (gradient,) = torch.autograd.grad(loss, at)
            total, slope = total + loss.item(), slope + gradient.numpy()
        n = len(self.names)
        appeals = point[n:] / _APPEAL_SD
        total += 0.5 * float(appeals @ appeals) / self.n_looks
        slope[n:] += appeals / _APPEAL_SD / self.n_looks
        return total, slope

    def dynamics(self, point: Tensor) -> Dynamics:
        """Return the parameters at a point of the space that is searched."""
        values = {name: torch.tensor(value, dtype=torch.float64) for name, value in PRIOR.items()}
        for name, value in zip(self.names, point, strict=False):
            if name in _SHARES:
                value = value.sigmoid()
            values[name] = value.exp() if name in _POSITIVE else value
        return Dynamics(**values, appeals=point[len(self.names) :])

    def covariance(self, point: Floats) -> Floats:
        """Return the covariance of the shared parameters at the best point."""
        n = len(self.names)
        information = np.empty((n, n))
        for number in range(n):
            step = np.zeros(len(point))
            step[number] = _STEP
            above, below = (self(point + sign * step)[1][:n] for sign in (1, -1))
            information[number] = (above - below) / (2 * _STEP)
        symmetric = 0.5 * (information + information.T) * self.n_looks
        covariance: Floats = np.linalg.pinv(symmetric).astype(np.float64)
        return covariance


def _fitted(
    told: TopicSequences,
    objective: _Objective,
    point: Floats,
    catalogue: Catalogue,
    scanning: Scanning,
) -> FittedDynamics:
    with torch.no_grad():
        dynamics = objective.dynamics(torch.tensor(point))
        parts = [(block.rows, filtered(block, dynamics)) for block in objective.blocks]
    tastes = np.zeros((len(told.person_ids), catalogue.n_topics))
    variances = np.full(tastes.shape, float(dynamics.taste_sd) ** 2)
    for rows, part in parts:
        cells = told.persons[rows], told.topics[rows]
        tastes[cells], variances[cells] = part.tastes.numpy(), part.variances.numpy()
    likely = sum(float(part.log_likelihoods.sum()) for _, part in parts)
    rate = float(told.taken.mean())
    return FittedDynamics(
        scanning=scanning,
        values={name: float(getattr(dynamics, name)) for name in NAMES},
        estimates=_estimates(objective, point),
        appeals=point[len(objective.names) :],
        tastes=tastes,
        taste_variances=np.maximum(variances, 0.0),
        person_ids=told.person_ids,
        log_likelihood=likely / objective.n_looks,
        constant_log_likelihood=rate * math.log(rate) + (1.0 - rate) * math.log(1.0 - rate),
        n_looks=objective.n_looks,
        n_visits=told.n_visits,
    )


class _Scale(NamedTuple):
    """A parameter on the scale on which its interval is symmetric."""

    value: float
    error: float


def _estimates(objective: _Objective, point: Floats) -> dict[str, Estimate]:
    covariance, n = objective.covariance(point), objective.n_looks
    errors = np.sqrt(np.maximum(np.diag(covariance), 0.0))
    places = {name: number for number, name in enumerate(objective.names)}
    found = {
        name: _estimate(name, _Scale(float(point[number]), float(errors[number])), n)
        for name, number in places.items()
    }
    if "drift_sd" in places:
        found[STEP_SD] = _estimate("drift_sd", _step_sd(places, point, covariance), n)
    return found


def _step_sd(places: Mapping[str, int], point: Floats, covariance: Floats) -> _Scale:
    """Return the logarithm of drift_sd * sqrt(1 - persistence^2)."""
    persistence, drift = places["persistence"], places["drift_sd"]
    kept = float(expit(point[persistence]))
    slope: Floats = np.zeros(len(places))
    slope[drift], slope[persistence] = 1.0, -(kept**2) / (1.0 + kept)
    value = float(point[drift]) + 0.5 * math.log(1.0 - kept**2)
    return _Scale(value, math.sqrt(max(float(slope @ covariance @ slope), 0.0)))


def _estimate(name: str, scale: _Scale, n: int) -> Estimate:
    reach = float(norm.ppf(0.975)) * scale.error
    ends = np.array([scale.value, scale.value - reach, scale.value + reach])
    if name in _SHARES:
        ends = expit(ends)
    elif name in _POSITIVE:
        ends = np.exp(ends)
    value, low, high = (float(end) for end in ends)
    return Estimate(value, low, high, (high - low) / (2 * float(norm.ppf(0.975))), n)
