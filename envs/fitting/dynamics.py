"""Drift, satiation, position effects and the level of taking nothing, estimated from slates."""

import math
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
from rlrec.envs.fitting.taste_filter import Dynamics, Filtered, filtered
from rlrec.envs.fitting.topic_sequences import Scanning, TopicSequences, topic_sequences
from rlrec.evaluation import Estimate

NAMES = (
    "offset",
    "decay",
    "taste_sd",
    "persistence",
    "drift_sd",
    "strength",
    "memory",
)
"""Of the parameters that all users share."""
_START = (0.0, 1.0, 0.0, 1.0, -1.0, -1.0, 0.0)
_SHARES = ("decay", "persistence", "memory")
_POSITIVE = ("taste_sd", "drift_sd", "strength")
_APPEAL_SD = 1.0
_FEW_VISITS = 2_000
_STEP = 1e-3  # of the difference quotients that give the information


@dataclass(frozen=True, kw_only=True, eq=False)
class FittedDynamics:
    """What slates tell of how users choose, drift and have enough.

    The model is that of `Dynamics`. `drift_step_sd` follows from drift and persistence: what moves
    a taste in one step.
    """

    scanning: Scanning
    estimates: dict[str, Estimate]
    """By name, with 95 % intervals: those of `NAMES`, and `drift_step_sd`."""
    appeals: Floats
    """Shape (N,)."""
    tastes: Floats
    """Shape (P, T). Of each person seen: its mean given the log; 0 where it says nothing."""
    person_ids: NDArray[Any]
    log_likelihood: float
    """Mean of a look."""
    n_looks: int
    n_visits: int


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
    point = np.concatenate([_START, np.zeros(catalogue.n_items)])
    few = _FEW_VISITS if most_visits is None else min(_FEW_VISITS, most_visits)
    for most in (few, most_visits):  # most of the way is gone with few: it costs a tenth
        told = topic_sequences(
            log, catalogue, scanning, channel=channel, most_visits=most, seed=seed
        )
        objective = _Objective(told, catalogue.n_items, scanning)
        if most == few or told.n_visits > few:
            point = _best(objective, point, tolerance=1e-6 if most == few else 1e-9)
    return _fitted(told, objective, point, catalogue)


def _best(objective: "_Objective", start: Floats, tolerance: float) -> Floats:
    """Return where the objective is least; `tolerance` is of it, a look."""
    options = {"maxiter": 200, "ftol": tolerance, "gtol": 1e-6}
    search: Any = minimize  # its types ask for a function, not for an object that is called
    found: Floats = search(objective, start, jac=True, method="L-BFGS-B", options=options).x
    return found


class _Objective:
    """The negative log-posterior of a look, with its gradient."""

    def __init__(self, told: TopicSequences, n_items: int, scanning: Scanning) -> None:
        self.blocks = list(told.blocks())
        self.n_looks = len(told.slot)
        self.n_items = n_items
        self.is_cascade = scanning == "cascade"

    def __call__(self, point: Floats) -> tuple[float, Floats]:
        total, slope = 0.0, np.zeros(len(point))
        for block in self.blocks:
            at = torch.tensor(point, requires_grad=True)
            loss = -filtered(block, self.dynamics(at)).log_likelihoods.sum() / self.n_looks
            (gradient,) = torch.autograd.grad(loss, at)
            total, slope = total + loss.item(), slope + gradient.numpy()
        appeals = point[len(NAMES) :] / _APPEAL_SD
        total += 0.5 * float(appeals @ appeals) / self.n_looks
        slope[len(NAMES) :] += appeals / _APPEAL_SD / self.n_looks
        return total, slope

    def dynamics(self, point: Tensor) -> Dynamics:
        """Return the parameters at a point of the space that is searched."""
        values = dict(zip(NAMES, point, strict=False))
        values |= {name: values[name].sigmoid() for name in _SHARES}
        values |= {name: values[name].exp() for name in _POSITIVE}
        if self.is_cascade:
            values["decay"] = torch.ones((), dtype=torch.float64)
        return Dynamics(**values, appeals=point[len(NAMES) :])

    def covariance(self, point: Floats) -> Floats:
        """Return the covariance of the shared parameters at the best point."""
        n = len(NAMES)
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
    told: TopicSequences, objective: _Objective, point: Floats, catalogue: Catalogue
) -> FittedDynamics:
    with torch.no_grad():
        dynamics = objective.dynamics(torch.tensor(point))
        parts = [(block.rows, filtered(block, dynamics)) for block in objective.blocks]
    tastes = np.zeros((len(told.person_ids), catalogue.n_topics))
    for rows, part in parts:
        tastes[told.persons[rows], told.topics[rows]] = part.tastes.numpy()
    return FittedDynamics(
        scanning="cascade" if objective.is_cascade else "position_based",
        estimates=_estimates(point, objective.covariance(point), objective.n_looks),
        appeals=point[len(NAMES) :],
        tastes=tastes,
        person_ids=told.person_ids,
        log_likelihood=_mean_log_likelihood([part for _, part in parts], objective.n_looks),
        n_looks=objective.n_looks,
        n_visits=told.n_visits,
    )


def _mean_log_likelihood(parts: list[Filtered], n_looks: int) -> float:
    return sum(float(part.log_likelihoods.sum()) for part in parts) / n_looks


class _Scale(NamedTuple):
    """A parameter on the scale on which its interval is symmetric."""

    value: float
    error: float


def _estimates(point: Floats, covariance: Floats, n_looks: int) -> dict[str, Estimate]:
    errors = np.sqrt(np.maximum(np.diag(covariance), 0.0))
    places = {name: number for number, name in enumerate(NAMES)}
    found = {
        name: _estimate(name, _Scale(float(point[number]), float(errors[number])), n_looks)
        for name, number in places.items()
    }
    persistence, drift = places["persistence"], places["drift_sd"]
    kept = float(expit(point[persistence]))
    # log of drift_sd * sqrt(1 - persistence^2), and its slope along the logit of persistence
    slope: Floats = np.zeros(len(NAMES))
    slope[drift], slope[persistence] = 1.0, -(kept**2) / (1.0 + kept)
    value = float(point[drift]) + 0.5 * math.log(1.0 - kept**2)
    error = math.sqrt(max(float(slope @ covariance @ slope), 0.0))
    found["drift_step_sd"] = _estimate("drift_sd", _Scale(value, error), n_looks)
    return found


def _estimate(name: str, scale: _Scale, n: int) -> Estimate:
    reach = float(norm.ppf(0.975)) * scale.error
    ends = np.array([scale.value, scale.value - reach, scale.value + reach])
    if name in _SHARES:
        ends = expit(ends)
    elif name in _POSITIVE:
        ends = np.exp(ends)
    value, low, high = (float(end) for end in ends)
    return Estimate(value, low, high, (high - low) / (2 * float(norm.ppf(0.975))), n)
