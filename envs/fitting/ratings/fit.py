"""From a log of ratings to users that can be simulated."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from rlrec.arrays import Floats, Ints
from rlrec.baselines.als import ALS
from rlrec.baselines.biased_svd import BiasedSVD
from rlrec.data.catalogue import Catalogue
from rlrec.data.ratings import Ratings
from rlrec.envs.fitting.populations import drawn_populations
from rlrec.envs.fitting.ratings.affinity import PENALTIES, Correction, fit_affinity, fit_at_penalty
from rlrec.envs.fitting.ratings.calibration import (
    ChoiceSets,
    choice_log_likelihood,
    choice_scale,
    choice_sets,
    nothing_score,
)
from rlrec.envs.fitting.ratings.exposure import weights_of
from rlrec.envs.fitting.ratings.model import FitFigures, FitSettings, FittedUsersModel
from rlrec.envs.fitting.ratings.pair_values import PairValues, standardised
from rlrec.errors import ConfigError, DataError
from rlrec.slates import uniform_slates

Progress = Callable[[int, int], None]
"""Told how many of how many steps are done."""

_HELD_OUT_SHARE = 0.2
_MOST_CHOICES = 20_000  # more would not move the scale's second decimal
_N_ALTERNATIVES = 99
_CALIBRATION_SLATES = 20_000
_N_STEPS = 5
_PRIOR_RATINGS = 5  # of average height, added to those of each item
_BLOCK = 1_000  # choices scored at once: bounds memory

_logger = logging.getLogger(__name__)


def fit_users(
    ratings: Ratings,
    propensities: Floats | None = None,
    *,
    factors: int = 32,
    rating_factors: int = 32,
    choice_regularisation: float = 10.0,
    rating_regularisation: float | None = 0.12,
    correction: Correction | None = None,
    min_item_ratings: int = 5,
    slate_size_for_calibration: int = 10,
    click_rate: float = 0.5,
    quality_centre: float | None = None,
    quality_spread: float | None = None,
    shares: tuple[float, ...] | list[float] = (0.6, 0.2, 0.2),
    seed: int = 0,
    bootstrap: int | None = None,
    progress: Progress | None = None,
) -> FittedUsersModel:
    """Return users and items learned from ratings, for `rlrec/FittedUsers-v0`.

    That a person rated an item is taken as a choice, whatever the rating: choices teach attraction
    (`ALS`), ratings teach satisfaction (`BiasedSVD`). A fifth of the ratings is held out first, to
    estimate how strongly choices follow attraction and how good both models are; then both are
    fitted to all ratings. Same ratings, same settings: same model.

    People rate what they like, so a model of given ratings thinks too well of all others. With the
    propensity of each rating satisfaction is corrected for that, as `fit_affinity` does it;
    attraction is not, since what was chosen is what it is about.

    Args:
        ratings: Of an item that a person rated more than once, the latest rating counts.
        propensities: Shape (n,), in (0, 1]. Probability that each rating was given, if known: from
            `propensities_of_values`, `propensities_of_pairs` or a model of your own.
        factors: As the others, see `FitSettings`.
        rating_factors: Length of the factors learned from ratings.
        choice_regularisation: Of the factors learned from choices.
        rating_regularisation: Of the factors learned from ratings. 0.12 suits ratings of 1 to 5
            stars without a correction; None takes the one, in proportion to the sd of the ratings,
            that foretells held-out ratings best, which takes thirty times as long.
        correction: "none", "inverse_propensity" or "doubly_robust"; by default
            "inverse_propensity" with propensities, else "none".
        min_item_ratings: Items with fewer ratings are left out.
        slate_size_for_calibration: Size of the random slates that `click_rate` is about.
        click_rate: Share of random slates from which something is taken.
        quality_centre: Rating of quality 0.
        quality_spread: Rating points for a unit of quality.
        shares: Of the persons, for the populations train, validation and test.
        seed: Of all that is drawn.
        bootstrap: Number of a bootstrap: items are learned from persons drawn with replacement,
            and the factors of all persons follow from their ratings. None learns from all.
        progress: Told (steps done, steps in all).

    Returns:
        The model, with its figures of fit. Its catalogue has two features more than that of the
        ratings: the average rating and the number of ratings of each item, by persons of the
        population train, as any site shows them.

    Raises:
        ConfigError: A setting is out of range, or a correction lacks its propensities.
        DataError: There are too few items with enough ratings, all ratings are the same, or nearly
            everybody rated nearly everything; or too many pairs for "doubly_robust".
    """
    if correction is None:
        correction = "none" if propensities is None else "inverse_propensity"
    settings = FitSettings(
        factors=factors,
        rating_factors=rating_factors,
        choice_regularisation=choice_regularisation,
        rating_regularisation=rating_regularisation,
        correction=correction,
        min_item_ratings=min_item_ratings,
        slate_size_for_calibration=slate_size_for_calibration,
        click_rate=click_rate,
        quality_centre=quality_centre,
        quality_spread=quality_spread,
        shares=tuple(shares) if isinstance(shares, list) else shares,  # type: ignore[arg-type]
        seed=seed,
        bootstrap=bootstrap,
    )
    _check_propensities(ratings, propensities, correction)
    known = _known_part(ratings, propensities, settings)
    model = _fit(known, settings, _Counter(progress))
    _logger.info("fitted users: %s", "; ".join(f"{a.name}: {a.value}" for a in model.card()))
    return model


@dataclass(frozen=True, eq=False)
class _Known:
    """The ratings of the items that are kept."""

    matrix: csr_array
    """Shape (P, N)."""
    catalogue: Catalogue
    person_ids: NDArray[Any]
    propensities: Floats | None
    """Shape (n,). Of the stored ratings."""

    @property
    def persons(self) -> Ints:
        """Who gave each stored rating, (n,)."""
        return np.repeat(np.arange(self.matrix.shape[0]), np.diff(self.matrix.indptr))

    def part(self, rows: Ints) -> csr_array:
        """Return some of the ratings, in a matrix of the same shape."""
        cells = (self.persons[rows], self.matrix.indices[rows])
        return csr_array((self.matrix.data[rows], cells), shape=self.matrix.shape)

    def ratings(self, rows: Ints) -> Ratings:
        """Return some of the ratings one by one."""
        persons, items = self.persons[rows], self.matrix.indices[rows].astype(np.int64)
        values = self.matrix.data[rows]
        return Ratings(self.person_ids, persons, items, values, None, self.catalogue)

    def propensities_of(self, rows: Ints) -> Floats | None:
        """Return the propensities of some of the ratings."""
        return None if self.propensities is None else self.propensities[rows]


class _Models(NamedTuple):
    """Models of choices and of ratings, with a row for each person."""

    choices: ALS
    ratings: BiasedSVD


class _Judgement(NamedTuple):
    """What held-out ratings tell."""

    choice_scale: float
    rating_penalty: float
    figures: FitFigures


class _Counter:
    """Tells `progress` after each step."""

    def __init__(self, progress: Progress | None) -> None:
        self._progress = progress
        self._n_done = 0

    def step(self) -> None:
        self._n_done += 1
        if self._progress is not None:
            self._progress(self._n_done, _N_STEPS)


def _fit(known: _Known, settings: FitSettings, counter: _Counter) -> FittedUsersModel:
    rng = np.random.default_rng(settings.seed)
    populations = drawn_populations(known.matrix.shape[0], settings.shares, rng)
    judgement = _judge(known, settings, rng, counter)
    everything = np.arange(known.matrix.nnz)
    models = _models(known, everything, settings, judgement.rating_penalty, counter)
    draft = FittedUsersModel(
        catalogue=_with_open_ratings(known, populations["train"]),
        person_ids=known.person_ids,
        populations=populations,
        person_factors=models.choices.user_factors,
        item_factors=models.choices.item_factors,
        choice_scale=judgement.choice_scale,
        nothing_score=0.0,
        rating_mean=models.ratings.mean,
        rating_sd=float(known.matrix.data.std()),
        rating_range=models.ratings.rating_range,
        person_bias=models.ratings.user_bias,
        item_bias=models.ratings.item_bias,
        person_rating_factors=models.ratings.user_factors,
        item_rating_factors=models.ratings.item_factors,
        settings=settings,
        figures=judgement.figures,
    )
    calibrated = replace(draft, nothing_score=_nothing_score(draft, rng))
    counter.step()
    return calibrated


def _check_propensities(
    ratings: Ratings, propensities: Floats | None, correction: Correction
) -> None:
    if propensities is None:
        if correction != "none":
            raise ConfigError(f"correction {correction!r} needs propensities, one for each rating")
        return
    if np.shape(propensities) != (len(ratings),):
        raise ConfigError(
            f"propensities must have shape ({len(ratings)},), one for each rating, got "
            f"{np.shape(propensities)}"
        )
    weights_of(np.asarray(propensities, np.float64))  # refuses those outside (0, 1]


def _stored(ratings: Ratings) -> csr_array:
    matrix = csr_array(ratings.matrix())
    matrix.sort_indices()
    return matrix


def _known_part(ratings: Ratings, propensities: Floats | None, settings: FitSettings) -> _Known:
    """Return the ratings of items with enough of them, by persons who have any left."""
    matrix = _stored(ratings)
    n_ratings = np.bincount(matrix.indices, minlength=matrix.shape[1])
    items = np.flatnonzero(n_ratings >= settings.min_item_ratings)
    least = max(settings.slate_size_for_calibration, 2)
    if len(items) < least:
        raise DataError(
            f"fitting users needs {least} or more items with {settings.min_item_ratings} or more "
            f"ratings each (min_item_ratings), found {len(items)} among {ratings.n_rated_items} "
            "rated items"
        )
    matrix = matrix[:, items]
    persons = np.flatnonzero(np.diff(matrix.indptr))
    matrix = csr_array(matrix[persons])
    if np.ptp(matrix.data) == 0:
        raise DataError(
            f"all {matrix.nnz} ratings are {matrix.data[0]:g}: they say what was chosen, but not "
            "how it was liked, which fitting users needs too"
        )
    catalogue, person_ids = _catalogue_part(ratings.catalogue, items), ratings.user_ids[persons]
    if propensities is None or settings.correction == "none":
        return _Known(matrix, catalogue, person_ids, None)
    of_ratings = _stored(replace(ratings, values=np.asarray(propensities, np.float64)))
    return _Known(matrix, catalogue, person_ids, of_ratings[:, items][persons].data)


def _catalogue_part(catalogue: Catalogue, items: Ints) -> Catalogue:
    return Catalogue(
        item_ids=catalogue.item_ids[items],
        topics=catalogue.topics[items],
        features=catalogue.features[items],
        topic_names=catalogue.topic_names,
        titles=tuple(catalogue.titles[item] for item in items) if catalogue.titles else (),
    )


def _with_open_ratings(known: _Known, persons: Ints) -> Catalogue:
    """Return the catalogue with what these persons' ratings openly say of each item.

    Two more features, each with mean 0 and spread 1: the average rating, drawn towards the mean of
    all by a few ratings of that height, and the logarithm of the number of ratings.
    """
    matrix = known.matrix[persons]
    counts = np.bincount(matrix.indices, minlength=known.matrix.shape[1])
    sums = np.bincount(matrix.indices, weights=matrix.data, minlength=known.matrix.shape[1])
    mean = sums.sum() / counts.sum()
    averages = (sums + _PRIOR_RATINGS * mean) / (counts + _PRIOR_RATINGS)
    columns = np.column_stack([averages, np.log1p(counts)])
    spread = np.maximum(columns.std(axis=0), 1e-12)  # all alike: the column is 0
    scaled = ((columns - columns.mean(axis=0)) / spread).astype(np.float32)
    return replace(known.catalogue, features=np.hstack([known.catalogue.features, scaled]))


def _judge(
    known: _Known, settings: FitSettings, rng: np.random.Generator, counter: _Counter
) -> _Judgement:
    """Hold out some ratings, fit to the others, and see how well these foretell those."""
    rows = rng.permutation(known.matrix.nnz)
    held_out, kept = np.split(rows, [max(1, round(_HELD_OUT_SHARE * len(rows)))])
    rest = known.part(kept)
    penalty = _rating_penalty(known, kept, settings)
    models = _models(known, kept, settings, penalty, counter)
    persons, items = known.persons[held_out], known.matrix.indices[held_out].astype(np.int64)
    sample = slice(_MOST_CHOICES)
    sets = choice_sets(persons[sample], items[sample], known.matrix, _N_ALTERNATIVES, rng)
    if len(sets.persons) < 2:
        raise DataError(
            f"of {len(held_out)} held-out ratings none tells a choice: those persons rated nearly "
            f"all of the {known.matrix.shape[1]} items, which leaves nothing that they did not want"
        )
    n_ratings = np.bincount(rest.indices, minlength=rest.shape[1])
    by_taste = _fit_of_choices(_attraction(models.choices, sets))
    by_popularity = _fit_of_choices(np.log1p(n_ratings)[sets.items])
    given, propensities = known.matrix.data[held_out], known.propensities_of(held_out)
    weights = None if propensities is None else weights_of(propensities)
    figures = FitFigures(
        n_ratings=known.matrix.nnz,
        n_choices=by_taste.n_judged,
        n_alternatives=_N_ALTERNATIVES,
        choice_log_likelihood=by_taste.log_likelihood,
        popularity_log_likelihood=by_popularity.log_likelihood,
        n_held_out_ratings=len(held_out),
        rating_rmse=_rmse(models.ratings.predict(persons, items), given, weights),
        constant_rmse=_rmse(np.float64(models.ratings.mean), given, weights),
        chosen_penalty=penalty if settings.rating_regularisation is None else None,
    )
    return _Judgement(by_taste.scale, penalty, figures)


def _rating_penalty(known: _Known, rows: Ints, settings: FitSettings) -> float:
    """Return the penalty that is given, or the one that foretells some of these ratings best."""
    if settings.rating_regularisation is not None:
        return float(settings.rating_regularisation)
    ratings = known.ratings(rows)
    found = fit_affinity(
        ratings,
        known.propensities_of(rows),
        correction=settings.correction,
        factors=settings.rating_factors,
        penalties=[float(penalty * ratings.values.std()) for penalty in PENALTIES],
        seed=settings.seed,
    )
    return found.penalty


def _models(
    known: _Known, rows: Ints, settings: FitSettings, penalty: float, counter: _Counter
) -> _Models:
    """Return models of some of the ratings."""
    matrix = known.part(rows)
    teachers = matrix if settings.bootstrap is None else _drawn_persons(matrix, settings)
    choices = ALS(
        settings.factors, regularisation=settings.choice_regularisation, seed=settings.seed
    )
    choices.fit(_chosen(teachers))
    counter.step()
    if settings.bootstrap is None:
        ratings = _rating_model(known, rows, settings, penalty)
    else:  # without propensities, as is checked
        ratings = BiasedSVD(settings.rating_factors, regularisation=penalty, seed=settings.seed)
        ratings.fit(teachers)
    counter.step()
    models = _Models(choices, ratings)
    return models if settings.bootstrap is None else _with_persons(models, matrix)


def _chosen(matrix: csr_array) -> csr_array:
    """Return 1 where there is a rating."""
    cells = (np.ones(matrix.nnz), matrix.indices, matrix.indptr)
    return csr_array(cells, shape=matrix.shape)


def _drawn_persons(matrix: csr_array, settings: FitSettings) -> csr_array:
    """Return the ratings of as many persons, drawn with replacement."""
    n_persons = matrix.shape[0]
    rng = np.random.default_rng([settings.seed, settings.bootstrap or 0])
    return csr_array(matrix[rng.integers(n_persons, size=n_persons)])


def _with_persons(models: _Models, matrix: csr_array) -> _Models:
    """Return models whose persons are those of a matrix (P, N), with the items held fixed."""
    choices, ratings = models
    choices.user_factors = choices.fold_in_factors(_chosen(matrix))
    traits = ratings.fold_in_traits(matrix)
    ratings.user_bias, ratings.user_factors = traits.bias, traits.factors
    return models


def _rating_model(known: _Known, rows: Ints, settings: FitSettings, penalty: float) -> BiasedSVD:
    propensities = known.propensities_of(rows)
    if propensities is None:
        model = BiasedSVD(settings.rating_factors, regularisation=penalty, seed=settings.seed)
        return model.fit(known.part(rows))
    return fit_at_penalty(
        known.ratings(rows),
        propensities,
        settings.correction,
        penalty=penalty,
        factors=settings.rating_factors,
        seed=settings.seed,
    )


def _attraction(choices: ALS, sets: ChoiceSets) -> Floats:
    """Return the standardised attraction of all items of the choices, (n, J + 1)."""
    values = PairValues(*standardised(choices.user_factors, choices.item_factors))
    starts = range(0, len(sets.persons), _BLOCK)
    blocks = [slice(start, start + _BLOCK) for start in starts]
    return np.concatenate(
        [values.of_slates(sets.persons[block], sets.items[block]) for block in blocks]
    )


class _FitOfChoices(NamedTuple):
    scale: float
    log_likelihood: float
    n_judged: int


def _fit_of_choices(scores: Floats) -> _FitOfChoices:
    """Estimate the scale of scores (n, J + 1) from every other choice; judge by those between."""
    scale = choice_scale(scores[::2])
    judged = scores[1::2]
    return _FitOfChoices(scale, choice_log_likelihood(judged, scale), len(judged))


def _rmse(predicted: Floats | np.float64, given: Floats, weights: Floats | None) -> float:
    return float(np.sqrt(np.average((predicted - given) ** 2, weights=weights)))


def _nothing_score(model: FittedUsersModel, rng: np.random.Generator) -> float:
    """Return the score of nothing at which random slates are taken from at the click rate."""
    settings = model.settings
    persons = rng.integers(model.n_persons, size=_CALIBRATION_SLATES)
    slates = uniform_slates(
        len(persons), model.catalogue.n_items, settings.slate_size_for_calibration, rng
    )
    return nothing_score(model.attraction.of_slates(persons, slates), settings.click_rate)
