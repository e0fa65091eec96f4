"""More robust doubly robust: the reward model that makes the doubly robust estimate vary least.

Given a round, the variance of V + w e that a reward model q can change is, with d = (mean reward)
- q and D the diagonal matrix of the target policy,

    (D d)' Omega (D d),   Omega = diag(1 / logging probabilities) - 1 1'.

`mrdr_criterion` estimates it without bias (up to a constant) from logged rounds; `fit_mrdr`
minimises it over linear q in closed form. Models that only take a weight a row get `mrdr_weights`:
the diagonal of Omega alone, which is all of it where the target policy does not draw.

Reference:
    Farajtabar, Chow and Ghavamzadeh, 2018, "More Robust Doubly Robust Off-policy Evaluation".
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from rlrec.arrays import Bools, Floats, Ints
from rlrec.errors import ConfigError, DataError
from rlrec.evaluation.offline.bandit import dr
from rlrec.evaluation.offline.bandit_sample import BanditSample
from rlrec.evaluation.offline.terms import Terms

_BLOCK_ENTRIES = 1 << 22  # of features held twice at a time


def mrdr_weights(target_probs: Floats, propensities: Floats) -> Floats:
    """Return the weight of each logged row in a least-squares fit of rewards, (n,).

    Args:
        target_probs: Shape (n,). Of the logged actions.
        propensities: Shape (n,). Of the same.
    """
    return (target_probs / propensities) ** 2 * (1.0 - propensities)


def mrdr_criterion(sample: BanditSample, q_hat: Floats) -> float:
    """Return the variance of DR that a reward model adds, up to a constant that it cannot change.

    Args:
        sample: With `actions`, `target_distribution` and `logging_distribution`.
        q_hat: Shape (n, A). The model's rewards.
    """
    target, logging = _policies(sample, np.ones(sample.n_rounds, np.bool_))
    errors = target * q_hat
    errors[np.arange(sample.n_rounds), _actions(sample)] -= sample.rewards
    quadratic = _per_chance(errors**2, logging).sum(axis=1) - errors.sum(axis=1) ** 2
    return float(np.mean(sample.weights * quadratic))


def fit_mrdr(sample: BanditSample, rows: Bools, ridge: float) -> Floats:
    """Return the coefficients (F,) of the linear reward model that minimises the criterion.

    Args:
        sample: With `features`, `actions`, `target_distribution` and `logging_distribution`.
        rows: Shape (n,). Rounds to fit to.
        ridge: Penalty on squared coefficients, above 0, on the scale of the criterion's mean.
    """
    (features,) = sample.needed(sample.features, names=("features",))
    target, logging = _policies(sample, rows)
    picked = np.flatnonzero(rows)
    actions, rewards = _actions(sample)[picked], sample.rewards[picked]
    weights = sample.weights[picked]
    n_actions, n_features = features.shape[1:]
    matrix: Floats = np.zeros((n_features, n_features))
    vector: Floats = np.zeros(n_features)
    step = max(1, _BLOCK_ENTRIES // (n_actions * n_features))
    for start in range(0, len(picked), step):
        part = slice(start, start + step)
        scaled = features[picked[part]] * target[part, :, None]  # D q = scaled @ coefficients
        summed = scaled.sum(axis=1)
        weighted = np.repeat(weights[part, None], n_actions, axis=1)
        factors = _per_chance(weighted, logging[part])
        flat = scaled.reshape(-1, n_features)
        matrix = matrix + flat.T @ (flat * factors.reshape(-1, 1))
        matrix = matrix - summed.T @ (summed * weights[part, None])
        here = np.arange(len(summed))
        chances = logging[part][here, actions[part]]
        pulled = scaled[here, actions[part]] / chances[:, None] - summed
        vector = vector + (pulled * (weights * rewards)[part, None]).sum(axis=0)
    penalty = ridge * len(picked) * np.eye(n_features)
    return np.linalg.solve(matrix + penalty, vector).astype(np.float64)


@dataclass(frozen=True)
class MRDR:
    """DR with the linear reward model that makes it vary least, fitted across folds.

    Unbiased with support, as DR is. Needs `features`, `folds`, `actions`, `target_distribution`
    and `logging_distribution`; does not look at `q_hat`.
    """

    ridge: float = 1e-3
    """Penalty on squared coefficients, above 0, on the scale of the mean criterion a round."""

    name: ClassVar[str] = "mrdr"
    needs: ClassVar[tuple[str, ...]] = ("features",)

    def __post_init__(self) -> None:
        if not self.ridge > 0:
            raise ConfigError(f"ridge must be above 0, got {self.ridge!r}")

    def q_hat(self, sample: BanditSample) -> Floats:
        """Return the rewards (n, A) that models fitted to the other folds expect."""
        (features,) = sample.needed(sample.features, names=("features",))
        if sample.folds is None:
            raise DataError("mrdr needs `folds` of the sample, so that no round predicts itself")
        if np.ptp(sample.folds) == 0:
            raise DataError("mrdr needs two folds or more, got one")
        q_hat = np.empty(features.shape[:2])
        for fold in np.unique(sample.folds):
            inside = sample.folds == fold
            q_hat[inside] = features[inside] @ fit_mrdr(sample, ~inside, self.ridge)
        return q_hat

    def terms(self, sample: BanditSample) -> Terms:
        """Return the terms of the sample, a unit a round."""
        q_hat = self.q_hat(sample)
        (target,) = sample.needed(sample.target_distribution, names=("target_distribution",))
        values: Floats = np.einsum("na,na->n", target, q_hat)
        return dr(values, sample.rewards - sample.logged(q_hat), sample.weights)


def _policies(sample: BanditSample, rows: Bools) -> tuple[Floats, Floats]:
    """Return target and logging distributions of some rounds, (n_rows, A) each."""
    target, logging = sample.needed(
        sample.target_distribution,
        sample.logging_distribution,
        names=("target_distribution", "logging_distribution"),
    )
    # Actions never logged add bias, not variance: the criterion leaves them out.
    return np.where(logging[rows] > 0, target[rows], 0.0), logging[rows]


def _actions(sample: BanditSample) -> Ints:
    if sample.actions is None:
        raise DataError("mrdr needs `actions` of the sample")
    return sample.actions


def _per_chance(values: Floats, chances: Floats) -> Floats:
    """Return values over logging probabilities; 0 where nothing is ever logged."""
    ratios: Floats = np.divide(values, chances, out=np.zeros_like(chances), where=chances > 0)
    return ratios
