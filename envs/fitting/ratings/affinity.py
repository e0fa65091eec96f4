"""How much each person likes each item, from ratings that people gave to what they chose."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from scipy.sparse import csr_array

from rlrec.arrays import Floats, Ints
from rlrec.baselines.biased_svd import BiasedSVD
from rlrec.data.ratings import Ratings
from rlrec.envs.fitting.ratings.exposure import weights_of
from rlrec.errors import ConfigError, DataError

Correction = Literal["none", "inverse_propensity", "doubly_robust"]
CORRECTIONS: tuple[Correction, ...] = get_args(Correction)
PENALTIES = (0.05, 0.1, 0.2, 0.3, 0.5, 0.8)
MOST_PAIRS = 2**24
"""Of users and items, up to which `doubly_robust` works: it looks at all of them."""
_SWEEPS = 30
_LARGEST_WEIGHT = 50.0  # of a held-out rating: one of them must not decide


@dataclass(frozen=True, eq=False)
class Affinity:
    """Ratings predicted for all pairs, and how the penalty was chosen."""

    model: BiasedSVD
    correction: Correction
    penalty: float
    """Of those tried, the one of the least error on held-out ratings."""
    errors: dict[float, float]
    """Root mean squared error of held-out ratings by penalty, weighted as the correction says, so
    that it stands for all pairs; in rating points."""


def fit_affinity(
    ratings: Ratings,
    propensities: Floats | None = None,
    *,
    correction: Correction | None = None,
    factors: int = 20,
    penalties: Sequence[float] = PENALTIES,
    n_folds: int = 5,
    seed: int = 0,
) -> Affinity:
    """Return affinities learned from ratings, corrected for what people chose to rate.

    People rate what they like, so that a model of given ratings thinks too well of all others.
    With the propensity p of each rating, `inverse_propensity` weights its squared error by 1 / p;
    `doubly_robust` fits all pairs, each to what the former predicts, and given ratings to that plus
    (rating - predicted) / p, which needs only one of the two to be right. The penalty is chosen by
    the error of held-out ratings, weighted by 1 / p too.

    Args:
        ratings: A pair rated more than once counts with its latest rating.
        propensities: Shape (n,), in (0, 1]. Probability that each rating was given: from
            `propensities_of_values`, `propensities_of_pairs` or a model of your own.
        correction: By default `inverse_propensity` with propensities, else `none`.
        factors: Length of the factors.
        penalties: To choose from, each above 0.
        n_folds: Parts of the ratings, each held out once, 2 or more.
        seed: Of the parts and of the factors' start.

    Raises:
        ConfigError: A correction needs propensities or is not known, or an argument is out of
            range.
        DataError: There are fewer ratings than folds, or too many pairs for `doubly_robust`.

    Reference:
        Schnabel et al., 2016, "Recommendations as Treatments"; Wang, Zhang, Sun and Qi, 2019,
        "Doubly Robust Joint Learning for Recommendation on Data Missing Not at Random" (here
        imputation and model are not learned jointly).
    """
    if correction is None:
        correction = "none" if propensities is None else "inverse_propensity"
    known = _known(ratings, propensities, correction)
    _check(known, correction, penalties, n_folds)
    fitter = _Fitter(known, correction, factors, seed)
    folds = np.random.default_rng(seed).permutation(len(known.values)) % n_folds
    errors = {float(penalty): fitter.error(penalty, folds) for penalty in penalties}
    best = min(errors, key=lambda penalty: errors[penalty])
    everything = np.arange(len(known.values))
    return Affinity(fitter.fit(everything, best), correction, best, errors)


@dataclass(frozen=True, eq=False)
class _Known:
    users: Ints
    items: Ints
    values: Floats
    weights: Floats
    shape: tuple[int, int]

    def matrix(self, rows: Ints) -> csr_array:
        cells = (self.values[rows], (self.users[rows], self.items[rows]))
        return csr_array(cells, shape=self.shape)


def _known(ratings: Ratings, propensities: Floats | None, correction: str) -> _Known:
    """Return the latest rating of each pair, by user and item, with its weight."""
    n = len(ratings)
    if correction in ("inverse_propensity", "doubly_robust") and propensities is None:
        raise ConfigError(
            f"correction {correction!r} needs propensities; estimate them with "
            "propensities_of_values from ratings of random items, or take correction 'none'"
        )
    if propensities is not None and np.shape(propensities) != (n,):
        raise ConfigError(
            f"propensities must have shape ({n},), one for each rating, got "
            f"{np.shape(propensities)}"
        )
    weights = np.ones(n)
    if propensities is not None and correction != "none":
        weights = weights_of(np.asarray(propensities, np.float64))
    order = ratings.by_user_and_time()
    cells = (ratings.user_index * ratings.n_items + ratings.item_index)[order]
    _, from_end = np.unique(cells[::-1], return_index=True)
    rows = order[::-1][from_end]
    return _Known(
        ratings.user_index[rows],
        ratings.item_index[rows],
        ratings.values[rows],
        weights[rows],
        (ratings.n_users, ratings.n_items),
    )


def fit_at_penalty(
    ratings: Ratings,
    propensities: Floats,
    correction: Correction,
    *,
    penalty: float,
    factors: int,
    seed: int,
) -> BiasedSVD:
    """Return what `fit_affinity` does at one penalty, which is not judged.

    Args:
        ratings: As the others, see `fit_affinity`.
        propensities: Shape (n,), in (0, 1].
        correction: Other than "none".
        penalty: Above 0.
        factors: Length of the factors.
        seed: Of the factors' start.

    Raises:
        ConfigError: An argument is out of range.
        DataError: There are too many pairs for `doubly_robust`.
    """
    known = _known(ratings, propensities, correction)
    _check(known, correction, (penalty,), n_folds=2)
    return _Fitter(known, correction, factors, seed).fit(np.arange(len(known.values)), penalty)


def check_correction(correction: object) -> None:
    """Raise ConfigError unless a correction is known."""
    if correction not in CORRECTIONS:
        raise ConfigError(f"correction must be one of {CORRECTIONS}, got {correction!r}")


def _check(known: _Known, correction: str, penalties: Sequence[float], n_folds: int) -> None:
    check_correction(correction)
    if not len(penalties) or min(penalties) <= 0:
        raise ConfigError(f"penalties must be one or more numbers above 0, got {penalties!r}")
    if n_folds < 2:
        raise ConfigError(f"n_folds must be 2 or more, got {n_folds}")
    if len(known.values) < n_folds:
        raise DataError(f"{n_folds} folds need as many ratings, got {len(known.values)}")
    n_pairs = known.shape[0] * known.shape[1]
    if correction == "doubly_robust" and n_pairs > MOST_PAIRS:
        raise DataError(
            f"doubly_robust looks at all pairs of users and items, at most {MOST_PAIRS:,}, got "
            f"{n_pairs:,}: take inverse_propensity"
        )


class _Fitter:
    """Fits a model to some of the ratings."""

    def __init__(self, known: _Known, correction: Correction, factors: int, seed: int) -> None:
        self.known, self.correction, self.factors, self.seed = known, correction, factors, seed

    def fit(self, rows: Ints, penalty: float) -> BiasedSVD:
        """Return a model of the ratings in these rows."""
        known = self.known
        matrix = known.matrix(rows)
        order = np.lexsort((known.items[rows], known.users[rows]))  # as the matrix stores them
        model = self._model(penalty).fit(matrix, known.weights[rows][order])
        return self._of_all_pairs(model, rows, penalty) if self._is_doubly else model

    def error(self, penalty: float, folds: Ints) -> float:
        """Return the weighted root mean squared error of ratings that were held out."""
        known = self.known
        squares = np.empty(len(folds))
        for fold in range(folds.max() + 1):
            held_out = np.flatnonzero(folds == fold)
            model = self.fit(np.flatnonzero(folds != fold), penalty)
            missed = model.predict(known.users[held_out], known.items[held_out])
            squares[held_out] = (missed - known.values[held_out]) ** 2
        relative = known.weights / known.weights.mean()
        return float(np.sqrt(np.average(squares, weights=np.minimum(relative, _LARGEST_WEIGHT))))

    @property
    def _is_doubly(self) -> bool:
        return self.correction == "doubly_robust"

    def _model(self, penalty: float) -> BiasedSVD:
        return BiasedSVD(self.factors, regularisation=penalty, iterations=_SWEEPS, seed=self.seed)

    def _of_all_pairs(self, imputed: BiasedSVD, rows: Ints, penalty: float) -> BiasedSVD:
        """Return a model of all pairs: what is imputed, put right where ratings are given."""
        known = self.known
        users, items = np.indices(known.shape).reshape(2, -1)
        targets = imputed.predict(users, items).reshape(known.shape)
        given = (known.users[rows], known.items[rows])
        weights = np.minimum(known.weights[rows], _LARGEST_WEIGHT)
        targets[given] += weights * (known.values[rows] - targets[given])
        model = self._model(penalty).fit(csr_array(targets))
        model.rating_range = imputed.rating_range
        return model
