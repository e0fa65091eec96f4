"""The search for the dynamics of users under which what they did is most likely."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple, Self

import numpy as np
import torch
from scipy.optimize import minimize
from scipy.special import logit
from torch import Tensor

from rlrec.arrays import Floats, Ints
from rlrec.envs.fitting.intervals import Prior, moments, prior_loss
from rlrec.envs.fitting.slates.taste_filter import Dynamics, filtered
from rlrec.envs.fitting.slates.topic_sequences import TopicSequences

ASSUMED: Mapping[str, float] = {
    "decay": 1.0,
    "taste_sd": 1.0,
    "persistence": 0.9,
    "drift_sd": 0.0,
    "strength": 0.0,
    "memory": 0.5,
}
"""What is assumed of what is not searched: all slots alike, no drift, no satiation."""
PRIORS: Mapping[str, Prior] = {
    "offset": Prior("plain", 0.0, 5.0),
    "decay": Prior("logit", 1.0, 1.5),
    "taste_sd": Prior("log", 0.0, 1.5),
    "persistence": Prior("logit", 1.0, 1.5),
    "drift_sd": Prior("log", -1.0, 1.5),
    "strength": Prior("log", -1.0, 1.5),
    "memory": Prior("logit", 0.0, 1.5),
}
"""Weak ones, of what is searched: they hold what a small log leaves open within reason."""
_APPEAL_SD = 1.0
_PRIOR_LOOKS = 10.0  # of average outcome, added to those of each item
_SLOPE = 0.05  # of the log-posterior along a standard error, below which the search ends
_MOST_ROUNDS = 200


class Search(NamedTuple):
    """Where a search ended."""

    objective: "Objective"
    point: Floats
    """Shape (n + N,). Shared parameters on the scale of their priors, then appeals."""
    ended_early: str
    """Why, empty where it did not."""

    @property
    def log_likelihood(self) -> float:
        """Return that of all looks, without the priors."""
        return self.objective.log_likelihood(self.point)

    def refined(self, objective: "Objective") -> "Search":
        """Return the search for the best of an objective, begun here, to the end.

        Args:
            objective: Of the same parameters, or some of them.
        """
        places = [self.objective.names.index(name) for name in objective.names]
        start = np.append(self.point[places], self.point[len(self.objective.names) :])
        steps = _Steps.along(objective.information(start), objective.of_appeals())
        return _best(objective, start, steps, 1e-9)

    def centred(self) -> "Search":
        """Return the same with appeals of mean 0, of the items shown, and the offset moved along.

        That changes no score. What moves all appeals and the offset alike is told by the prior
        alone, so that the offset would be less sure than its information says.
        """
        n, shown = len(self.objective.names), self.objective.is_shown
        point = self.point.copy()
        mean = point[n:][shown].mean()
        point[n:][shown] -= mean
        point[self.objective.names.index("offset")] -= mean
        return self._replace(point=point)


def roughly(objective: "Objective") -> Search:
    """Return the search for the best of an objective, begun at its start."""
    steps = _Steps.along(objective.information(objective.start), objective.of_appeals())
    return _best(objective, objective.start, steps, 1e-6)


class Objective:
    """The negative log-posterior of all looks, with its gradient."""

    def __init__(self, told: TopicSequences, names: Sequence[str], n_items: int) -> None:
        self.told, self.n_items = told, n_items
        self.blocks = list(told.blocks())
        self.n_looks = len(told.slot)
        self._looks_of = np.bincount(told.item, minlength=n_items)
        self._rate = float(told.taken.mean())
        self.is_shown = self._looks_of > 0
        """Shape (N,). Items with a look."""
        self.names = tuple(names)
        """Of the parameters that are searched; the others have their prior values."""
        means, sds = moments([PRIORS[name] for name in names])
        self._means = np.append(means, np.zeros(n_items))
        self.start = self._means.copy()
        """Where the prior is highest; level and appeals as rates of taking have them."""
        odds = _log_odds(np.bincount(told.item, told.taken, n_items), self._looks_of, self._rate)
        self.start[len(names) :] = np.where(self.is_shown, odds - logit(self._rate), 0.0)
        if "offset" in names:
            self.start[self.names.index("offset")] = -logit(self._rate)
        self._sds = np.append(sds, np.full(n_items, _APPEAL_SD))

    def __call__(self, point: Floats) -> tuple[float, Floats]:
        """Return the objective at a point, and its slope."""
        total, slope = 0.0, np.zeros(len(point))
        for block in self.blocks:
            at = torch.tensor(point, requires_grad=True)
            loss = -filtered(block, self.at(at)).log_likelihoods.sum()
            (gradient,) = torch.autograd.grad(loss, at)
            total, slope = total + loss.item(), slope + gradient.numpy()
        before, slope_before = self._prior_loss(point)
        return total + before, slope + slope_before

    def log_likelihood(self, point: Floats) -> float:
        """Return that of all looks, without the prior."""
        return self._prior_loss(point)[0] - self(point)[0]

    def _prior_loss(self, point: Floats) -> tuple[float, Floats]:
        return prior_loss(point, self._means, self._sds)

    def without(self, names: Sequence[str]) -> "Objective":
        """Return the objective in which these parameters have the values that are assumed."""
        left = [name for name in self.names if name not in names]
        return Objective(self.told, left, self.n_items)

    def dynamics(self, shared: Iterable[Tensor], appeals: Tensor) -> Dynamics:
        """Return the parameters at a point of the space that is searched."""
        values = {name: torch.tensor(value, dtype=torch.float64) for name, value in ASSUMED.items()}
        back = {"plain": lambda value: value, "log": torch.exp, "logit": torch.sigmoid}
        for name, value in zip(self.names, shared, strict=True):
            values[name] = back[PRIORS[name].scale](value)
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
        """Return what prior and looks tell of the shared parameters, from scores of sequences."""
        n = len(self.names)
        total: Floats = np.diag(1.0 / self._sds[:n] ** 2)
        for block in self.blocks:
            # A copy of the parameters for each sequence, whose slope is that sequence's score.
            shared = torch.tensor(point[:n]).expand(len(block.rows), n).T.clone().requires_grad_()
            dynamics = self.dynamics(shared, torch.tensor(point[n:]))
            likely = filtered(block, dynamics).log_likelihoods.sum()
            (scores,) = torch.autograd.grad(likely, shared)
            total += (scores @ scores.T).numpy()
        return total


def _log_odds(taken: Floats | Ints, looks: Ints, rate: float) -> Floats:
    """Return those of taking each item (N,), drawn towards the rate of all."""
    odds: Floats = logit((taken + _PRIOR_LOOKS * rate) / (looks + _PRIOR_LOOKS))
    return odds


class _Steps(NamedTuple):
    """A linear map from the space in which is searched, where all directions are alike."""

    shared: Floats
    """Shape (n, n). Of the shared parameters."""
    appeals: Floats
    """Shape (N,). Of each appeal by itself."""

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


def _best(objective: "Objective", start: Floats, steps: _Steps, tolerance: float) -> Search:
    """Return where the objective is least; `tolerance` is of it, relative.

    Where curvatures are about 1, a step of 1 is one standard error of a parameter.
    """

    def moved(step: Floats) -> tuple[float, Floats]:
        value, slope = objective(start + steps(step))
        return value, steps.back(slope)

    options = {"maxiter": _MOST_ROUNDS, "ftol": tolerance, "gtol": _SLOPE}
    search: Any = minimize
    found = search(moved, np.zeros(len(start)), jac=True, method="L-BFGS-B", options=options)
    ended_early = "" if found.success else str(found.message)
    return Search(objective, start + steps(found.x), ended_early)
