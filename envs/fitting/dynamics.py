"""Drift, satiation, position effects and the level of taking nothing, estimated from slates."""

import logging
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, Self

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit
from torch import Tensor

from rlrec.arrays import Floats
from rlrec.data.catalogue import Catalogue
from rlrec.data.log import InteractionLog
from rlrec.envs.fitting.intervals import Scale, estimate_on
from rlrec.envs.fitting.taste_filter import Dynamics, filtered
from rlrec.envs.fitting.topic_sequences import (
    Scanning,
    TopicSequences,
    topic_sequences,
)
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
_SLOPE = 0.01  # of the log-posterior along a standard error, below which the search ends
_MOST_ROUNDS = 200

_logger = logging.getLogger(__name__)


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
    ended_early: str = ""
    """Why the search ended before it was done, empty where it was: then estimates may be off."""

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
    Intervals are normal ones on the scale of logarithms and logits, from the outer products of the
    scores of pairs of a person and a topic (Berndt, Hall, Hall and Hausman, 1974).
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
    few = topic_sequences(
        log, catalogue, scanning, channel=channel, most_visits=_few(most_visits), seed=seed
    )
    pilot = _Objective(few, told_parameters(few, scanning), catalogue.n_items)
    point = _best(pilot, pilot.start, _Steps.even(len(pilot.start)), 1e-6).point
    told = topic_sequences(
        log, catalogue, scanning, channel=channel, most_visits=most_visits, seed=seed
    )
    whole = _Objective(told, told_parameters(told, scanning), catalogue.n_items)
    if whole.names != pilot.names:  # of more visits more can be told
        point = _best(whole, whole.start, _Steps.even(len(whole.start)), 1e-6).point
    steps = _Steps.along(whole.information(point), whole.of_appeals())
    return _fitted(told, whole, _best(whole, point, steps, 1e-12), catalogue, scanning)


def with_persons_of(
    log: InteractionLog,
    catalogue: Catalogue,
    found: FittedDynamics,
    *,
    channel: str | None = None,
    most_visits: int | None = 20_000,
    seed: int = 0,
) -> FittedDynamics:
    """Return dynamics with the persons of another log and what that tells of their tastes.

    Args:
        log: Slates with responses.
        catalogue: The items that the dynamics were fitted with.
        found: What holds for all persons.
        channel: As in `fit_dynamics`, as are the next two.
        most_visits: Of more, as many drawn at random.
        seed: Of that draw.

    Raises:
        DataError: Nothing was ever taken, or everything.
    """
    told = topic_sequences(
        log, catalogue, found.scanning, channel=channel, most_visits=most_visits, seed=seed
    )
    values = {name: torch.tensor(found.values[name], dtype=torch.float64) for name in NAMES}
    dynamics = Dynamics(**values, appeals=torch.from_numpy(found.appeals))
    seen = _tastes(told, dynamics, catalogue.n_topics)
    return replace(
        found, person_ids=told.person_ids, tastes=seen.tastes, taste_variances=seen.variances
    )


class _Tastes(NamedTuple):
    """What looks tell of the tastes of P persons."""

    tastes: Floats
    """Shape (P, T). Means."""
    variances: Floats
    """Shape (P, T). What the looks leave open."""
    log_likelihood: float
    """Of all looks together."""


def _tastes(told: TopicSequences, dynamics: Dynamics, n_topics: int) -> _Tastes:
    tastes: Floats = np.zeros((len(told.person_ids), n_topics))
    variances = np.full(tastes.shape, float(dynamics.taste_sd) ** 2)
    likely = 0.0
    for block in told.blocks():
        with torch.no_grad():
            part = filtered(block, dynamics)
        cells = told.persons[block.rows], told.topics[block.rows]
        tastes[cells], variances[cells] = part.tastes.numpy(), part.variances.numpy()
        likely += float(part.log_likelihoods.sum())
    return _Tastes(tastes, np.maximum(variances, 0.0), likely)


def _few(most_visits: int | None) -> int:
    return _FEW_VISITS if most_visits is None else min(_FEW_VISITS, most_visits)


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


class _Steps(NamedTuple):
    """A linear map from the space in which is searched, where all directions are alike."""

    shared: Floats
    """Shape (n, n). Of the shared parameters."""
    appeals: Floats
    """Shape (N,). Of each appeal by itself."""

    @classmethod
    def even(cls, n: int) -> Self:
        """Return the map that changes nothing."""
        return cls(np.eye(0), np.ones(n))

    @classmethod
    def along(cls, information: Floats, of_appeals: Floats) -> Self:
        """Return the map under which the curvature is about 1 everywhere.

        Args:
            information: Shape (n, n). Curvature of the shared parameters.
            of_appeals: Shape (N,). That of each appeal.
        """
        curvatures, directions = np.linalg.eigh(information)
        floor = max(float(curvatures.max()), 1e-12) * 1e-6
        shared = directions / np.sqrt(np.maximum(curvatures, floor))
        return cls(shared, 1.0 / np.sqrt(of_appeals))

    def __call__(self, step: Floats) -> Floats:
        n = len(self.shared)
        return np.concatenate([self.shared @ step[:n], self.appeals * step[n:]])

    def back(self, slope: Floats) -> Floats:
        """Return a gradient in the space in which is searched."""
        n = len(self.shared)
        return np.concatenate([self.shared.T @ slope[:n], self.appeals * slope[n:]])


class _Found(NamedTuple):
    point: Floats
    ended_early: str
    """Why, empty where it did not."""


def _best(objective: "_Objective", start: Floats, steps: _Steps, tolerance: float) -> _Found:
    """Return where the objective is least; `tolerance` is of it, relative.

    Where curvatures are about 1, a step of 1 is one standard error of a parameter.
    """

    def moved(step: Floats) -> tuple[float, Floats]:
        value, slope = objective(start + steps(step))
        return value, steps.back(slope)

    options = {"maxiter": _MOST_ROUNDS, "ftol": tolerance, "gtol": _SLOPE}
    search: Any = minimize
    found = search(moved, np.zeros(len(start)), jac=True, method="L-BFGS-B", options=options)
    return _Found(start + steps(found.x), "" if found.success else str(found.message))


class _Objective:
    """The negative log-posterior of all looks, with its gradient."""

    def __init__(self, told: TopicSequences, names: Sequence[str], n_items: int) -> None:
        self.blocks = list(told.blocks())
        self.n_looks = len(told.slot)
        self._looks_of = np.bincount(told.item, minlength=n_items)
        self._rate = float(told.taken.mean())
        self.names = tuple(names)
        """Of the parameters that are searched; the others have their prior values."""
        self.start = np.concatenate([[_START[name] for name in names], np.zeros(n_items)])

    def __call__(self, point: Floats) -> tuple[float, Floats]:
        total, slope = 0.0, np.zeros(len(point))
        for block in self.blocks:
            at = torch.tensor(point, requires_grad=True)
            loss = -filtered(block, self.at(at)).log_likelihoods.sum()
            (gradient,) = torch.autograd.grad(loss, at)
            total, slope = total + loss.item(), slope + gradient.numpy()
        n = len(self.names)
        appeals = point[n:] / _APPEAL_SD
        total += 0.5 * float(appeals @ appeals)
        slope[n:] += appeals / _APPEAL_SD
        return total, slope

    def dynamics(self, shared: Iterable[Tensor], appeals: Tensor) -> Dynamics:
        """Return the parameters at a point of the space that is searched."""
        values = {name: torch.tensor(value, dtype=torch.float64) for name, value in PRIOR.items()}
        back = {"plain": lambda value: value, "log": torch.exp, "logit": torch.sigmoid}
        for name, value in zip(self.names, shared, strict=True):
            values[name] = back[_scale_of(name)](value)
        return Dynamics(**values, appeals=appeals)

    def at(self, point: Tensor) -> Dynamics:
        """Return the parameters at a point, shared ones first."""
        n = len(self.names)
        return self.dynamics(point[:n], point[n:])

    def of_appeals(self) -> Floats:
        """Return about how strongly the objective is curved along each appeal, (N,)."""
        of_looks: Floats = self._looks_of * np.float64(self._rate * (1.0 - self._rate))
        return of_looks + 1.0 / _APPEAL_SD**2

    def information(self, point: Floats) -> Floats:
        """Return what the looks tell of the shared parameters, from the scores of sequences."""
        n = len(self.names)
        total: Floats = np.zeros((n, n))
        for block in self.blocks:
            # A copy of the parameters for each sequence, whose slope is that sequence's score.
            shared = torch.tensor(point[:n]).expand(len(block.rows), n).T.clone().requires_grad_()
            dynamics = self.dynamics(shared, torch.tensor(point[n:]))
            likely = filtered(block, dynamics).log_likelihoods.sum()
            (scores,) = torch.autograd.grad(likely, shared)
            total += (scores @ scores.T).numpy()
        return total


def _fitted(
    told: TopicSequences,
    objective: _Objective,
    found: _Found,
    catalogue: Catalogue,
    scanning: Scanning,
) -> FittedDynamics:
    point = found.point
    with torch.no_grad():
        dynamics = objective.at(torch.tensor(point))
    seen = _tastes(told, dynamics, catalogue.n_topics)
    if found.ended_early:
        _logger.warning(
            "the search for the likeliest dynamics ended early (%s): estimates may be off",
            found.ended_early,
        )
    rate = float(told.taken.mean())
    return FittedDynamics(
        scanning=scanning,
        values={name: float(getattr(dynamics, name)) for name in NAMES},
        estimates=_estimates(objective, point),
        appeals=point[len(objective.names) :],
        tastes=seen.tastes,
        taste_variances=seen.variances,
        person_ids=told.person_ids,
        log_likelihood=seen.log_likelihood / objective.n_looks,
        constant_log_likelihood=rate * math.log(rate) + (1.0 - rate) * math.log(1.0 - rate),
        n_looks=objective.n_looks,
        n_visits=told.n_visits,
        ended_early=found.ended_early,
    )


def _estimates(objective: _Objective, point: Floats) -> dict[str, Estimate]:
    n = objective.n_looks
    covariance: Floats = np.linalg.pinv(objective.information(point)).astype(np.float64)
    errors = np.sqrt(np.maximum(np.diag(covariance), 0.0))
    places = {name: number for number, name in enumerate(objective.names)}
    found = {
        name: estimate_on(_scale_of(name), float(point[number]), float(errors[number]), n)
        for name, number in places.items()
    }
    if "drift_sd" in places:
        found[STEP_SD] = estimate_on("log", *_step_sd(places, point, covariance), n)
    return found


def _step_sd(places: Mapping[str, int], point: Floats, covariance: Floats) -> tuple[float, float]:
    """Return the logarithm of drift_sd * sqrt(1 - persistence^2), and its standard error."""
    persistence, drift = places["persistence"], places["drift_sd"]
    kept = float(expit(point[persistence]))
    slope: Floats = np.zeros(len(places))
    slope[drift], slope[persistence] = 1.0, -(kept**2) / (1.0 + kept)
    value = float(point[drift]) + 0.5 * math.log(1.0 - kept**2)
    return value, math.sqrt(max(float(slope @ covariance @ slope), 0.0))


def _scale_of(name: str) -> Scale:
    if name in _SHARES:
        return "logit"
    return "log" if name in _POSITIVE else "plain"
