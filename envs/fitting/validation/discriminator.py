"""A classifier that tries to tell two groups of visits or persons apart."""

from typing import Any

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit
from scipy.stats import rankdata

from rlrec.arrays import Floats

_FOLDS, _PENALTY = 5, 1.0


def discriminator_auc(one: Floats, other: Floats, rng: np.random.Generator) -> float:
    """Return the area under the ROC curve of a classifier of two samples, judged on held-out rows.

    A logistic regression with squares and products of the features, with a ridge penalty; five
    folds. 0.5 where they cannot be told apart; chance may bring it below.

    Args:
        one: Shape (n, D).
        other: Shape (m, D).
        rng: Of the folds.
    """
    rows = np.vstack([one, other])
    labels = np.repeat([0.0, 1.0], [len(one), len(other)])
    weights = np.repeat([0.5 / len(one), 0.5 / len(other)], [len(one), len(other)])
    design = _expanded(rows)
    folds = rng.permutation(len(rows)) % _FOLDS
    scores = np.empty(len(rows))
    for fold in range(_FOLDS):
        held_out = folds == fold
        point = _logistic(design[~held_out], labels[~held_out], weights[~held_out])
        scores[held_out] = design[held_out] @ point
    ranks = rankdata(scores)
    n_one, n_other = len(one), len(other)
    above = ranks[n_one:].sum() - n_other * (n_other + 1) / 2
    return float(above / (n_one * n_other))


def _expanded(rows: Floats) -> Floats:
    """Return standardised features with their squares and products, and a constant."""
    spread = rows.std(axis=0)
    scaled = (rows - rows.mean(axis=0)) / np.where(spread > 0, spread, 1.0)
    first, second = np.triu_indices(rows.shape[1])
    return np.column_stack([np.ones(len(rows)), scaled, scaled[:, first] * scaled[:, second]])


def _logistic(design: Floats, labels: Floats, weights: Floats) -> Floats:
    scale = weights / weights.sum() * len(weights)

    def loss(point: Floats) -> tuple[float, Floats]:
        logits = design @ point
        value = float((scale * (np.logaddexp(0.0, logits) - labels * logits)).sum())
        slope = design.T @ (scale * (expit(logits) - labels))
        return value + 0.5 * _PENALTY * float(point @ point), slope + _PENALTY * point

    search: Any = minimize
    found: Floats = search(loss, np.zeros(design.shape[1]), jac=True, method="L-BFGS-B").x
    return found
