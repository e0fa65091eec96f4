"""Numbers of a choice model that are found from choices: its scale, and the score of nothing."""

from typing import NamedTuple

import numpy as np
from scipy.optimize import brentq
from scipy.sparse import csr_array
from scipy.special import expit, logsumexp, softmax

from rlrec.arrays import Bools, Floats, Ints

_LARGEST_SCALE = 100.0
_CROWDED = 0.9  # share of the items; who chose more leaves too few others to draw from


class ChoiceSets(NamedTuple):
    """Choices, each with alternatives that the person did not choose."""

    persons: Ints
    """Shape (n,)."""
    items: Ints
    """Shape (n, J + 1). The item chosen comes first."""


def choice_sets(
    persons: Ints, items: Ints, chosen: csr_array, n_alternatives: int, rng: np.random.Generator
) -> ChoiceSets:
    """Return choices with alternatives drawn uniformly from what each person never chose.

    The scale of a logit model can be estimated from such sets as from the whole catalogue. Choices
    of persons who chose more than 90 % of the items are left out.

    Args:
        persons: Shape (n,). Who chose.
        items: Shape (n,). What.
        chosen: Shape (P, N). All that the persons chose, these choices among it.
        n_alternatives: J, with repeats where the draw repeats.
        rng: Source of the draws.

    Reference:
        McFadden, 1978, "Modelling the Choice of Residential Location".
    """
    n_items = chosen.shape[1]
    roomy = (np.diff(chosen.indptr) <= _CROWDED * n_items)[persons]
    persons, items = persons[roomy], items[roomy]
    alternatives = rng.integers(n_items, size=(len(persons), n_alternatives))
    taken = _is_stored(chosen, persons, alternatives)
    while taken.any():
        rows, places = np.nonzero(taken)
        alternatives[rows, places] = rng.integers(n_items, size=len(rows))
        taken[rows, places] = _is_stored(
            chosen, persons[rows], alternatives[rows, places][:, None]
        )[:, 0]
    return ChoiceSets(persons, np.column_stack([items, alternatives]))


def choice_scale(scores: Floats) -> float:
    """Return the factor on `scores` under which the first of each row is most likely chosen.

    The maximum likelihood estimate of a conditional logit with one coefficient, between 0 and 100.
    The likelihood is concave: the estimate is where its slope is 0.

    Args:
        scores: Shape (n, J + 1). The item chosen comes first.
    """

    def slope(scale: float) -> float:
        expected = (softmax(scale * scores, axis=1) * scores).sum(axis=1)
        return float(np.mean(scores[:, 0] - expected))

    if slope(0.0) <= 0:  # choices do not follow the scores
        return 0.0
    if slope(_LARGEST_SCALE) >= 0:
        return _LARGEST_SCALE
    return float(brentq(slope, 0.0, _LARGEST_SCALE))


def choice_log_likelihood(scores: Floats, scale: float) -> float:
    """Return the mean log-probability that the first of each row is chosen."""
    scaled = scale * scores
    return float(np.mean(scaled[:, 0] - logsumexp(scaled, axis=1)))


def nothing_score(scores: Floats, click_rate: float) -> float:
    """Return the score of taking nothing at which slates are taken from at a given rate.

    Args:
        scores: Shape (n, K). Scores of n slates.
        click_rate: Mean probability that something is taken, in (0, 1).
    """
    slates = logsumexp(scores, axis=1)

    def surplus(score: float) -> float:
        return float(np.mean(expit(slates - score))) - click_rate

    return float(brentq(surplus, slates.min() - 50.0, slates.max() + 50.0))


def _is_stored(matrix: csr_array, rows: Ints, columns: Ints) -> Bools:
    """Return which cells of a sorted sparse matrix are stored: rows (n,), columns (n, J)."""
    n_columns = matrix.shape[1]
    stored = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr)) * n_columns
    stored += matrix.indices
    cells = rows[:, None] * n_columns + columns
    place = np.minimum(np.searchsorted(stored, cells), len(stored) - 1)
    found: Bools = stored[place] == cells
    return found
