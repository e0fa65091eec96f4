"""Users and items learned from a log of ratings, with what is known of how good they are."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rlrec.arrays import Floats, Floats32, Ints
from rlrec.baselines.settings import (
    check_above_zero,
    check_count,
    check_seed,
)
from rlrec.data.catalogue import Catalogue
from rlrec.envs.fitting.populations import POPULATIONS, check_shares
from rlrec.envs.fitting.ratings.affinity import Correction, check_correction
from rlrec.envs.fitting.ratings.pair_values import PairFactors, PairValues, standardised
from rlrec.envs.fitting.saved_users import SavedUsers
from rlrec.envs.simulator import Assumption
from rlrec.errors import ConfigError, DataError

_CORRECTED: dict[Correction, str] = {
    "none": "not corrected for what they chose to rate",
    "inverse_propensity": "corrected for what they chose to rate, by inverse propensities",
    "doubly_robust": "corrected for what they chose to rate, doubly robust",
}
QUALITY_BOUND = 3.0
"""Qualities lie between minus and plus this: the range of topic means in interest evolution."""


@dataclass(frozen=True, kw_only=True)
class FitSettings:
    """Settings of `fit_users`."""

    factors: int = 32
    """Length of the factors learned from choices, 1 or more."""
    rating_factors: int = 32
    """Length of the factors learned from ratings, 1 or more."""
    choice_regularisation: float = 10.0
    """Of the factors learned from choices, above 0; 10 foretold choices of MovieLens 100K best."""
    rating_regularisation: float | None = 0.12
    """Of the factors learned from ratings, above 0; 0.12 suits ratings of 1 to 5 stars; None takes
    the one that foretells held-out ratings best."""
    correction: Correction = "none"
    """For what persons chose to rate, see `fit_affinity`."""
    min_item_ratings: int = 5
    """Items with fewer ratings are left out."""
    slate_size_for_calibration: int = 10
    """Size of the random slates that `click_rate` is about."""
    click_rate: float = 0.5
    """Share of random slates from which a user takes something at first, in (0, 1)."""
    quality_centre: float | None = None
    """Rating of quality 0, above 0; None takes the mean of the ratings."""
    quality_spread: float | None = None
    """Rating points for a unit of quality, above 0; None takes a third of their sd."""
    shares: tuple[float, float, float] = (0.6, 0.2, 0.2)
    """Shares of the persons in the populations train, validation and test; they sum to 1."""
    seed: int = 0
    """Of the populations, of what is held out, and of the factors' start."""
    bootstrap: int | None = None
    """Number of a draw of persons, with replacement, from whom items are learned; None: all."""

    def __post_init__(self) -> None:
        for name in ("factors", "rating_factors", "min_item_ratings", "slate_size_for_calibration"):
            check_count(name, getattr(self, name))
        check_above_zero("choice_regularisation", self.choice_regularisation)
        if self.rating_regularisation is not None:
            check_above_zero("rating_regularisation", self.rating_regularisation)
        check_correction(self.correction)
        if self.quality_spread is not None:
            check_above_zero("quality_spread", self.quality_spread)
        if self.quality_centre is not None:
            check_above_zero("quality_centre", self.quality_centre)
        check_above_zero("click_rate", self.click_rate)
        if not self.click_rate < 1:
            raise ConfigError(f"click_rate must lie between 0 and 1, got {self.click_rate!r}")
        check_shares(self.shares)
        check_seed(self.seed)
        if self.bootstrap is not None:
            check_seed(self.bootstrap)
            if self.correction != "none":
                raise ConfigError(
                    "a bootstrap is of ratings as they are: correction must be 'none'"
                )


class FitFigures(NamedTuple):
    """How well the models did on ratings held out from them."""

    n_ratings: int
    """Ratings fitted to in the end, these included."""
    n_choices: int
    """Held-out choices judged."""
    n_alternatives: int
    """Items beside the one chosen, for each of these choices."""
    choice_log_likelihood: float
    """Mean log-probability of a choice."""
    popularity_log_likelihood: float
    """The same where everyone follows popularity (a scaled log of the number of ratings)."""
    n_held_out_ratings: int
    """Held-out ratings predicted."""
    rating_rmse: float
    """Root mean squared error, in rating points; with a correction, weighted by the inverse of the
    propensities, so that it stands for ratings of anything."""
    constant_rmse: float
    """The same where the mean is predicted for all."""
    chosen_penalty: float | None = None
    """Regularisation of the factors learned from ratings that foretold held-out ratings best; None
    where it was given."""

    @property
    def uniform_log_likelihood(self) -> float:
        """Mean log-probability of a choice where all items are equally likely."""
        return -float(np.log(self.n_alternatives + 1))


@dataclass(frozen=True, kw_only=True, eq=False)
class FittedUsersModel(SavedUsers):
    """P persons and N items learned from ratings, made by `fit_users`.

    Attraction is learned from what persons chose to rate: the inner product of the factors of
    person and item, standardised over the catalogue for each person, times `choice_scale`.
    Satisfaction is learned from how they rated: the rating predicted from biases and factors.

    Stability: experimental.
    """

    saved_name: ClassVar[str] = "fitted_users"
    saved_version: ClassVar[int] = 1
    learned: ClassVar[tuple[str, ...]] = (
        "person_factors",
        "item_factors",
        "person_bias",
        "item_bias",
        "person_rating_factors",
        "item_rating_factors",
    )

    catalogue: Catalogue
    """The items with enough ratings."""
    person_ids: NDArray[Any]
    """Shape (P,). The data set's own labels of the persons."""
    populations: dict[str, Ints]
    """Rows of the persons of "train", "validation" and "test"; disjoint."""
    person_factors: Floats
    """Shape (P, factors). Learned from choices (`ALS`)."""
    item_factors: Floats
    """Shape (N, factors)."""
    choice_scale: float
    """Logit for one standard deviation of a person's attraction."""
    nothing_score: float
    """Logit of taking nothing."""
    rating_mean: float
    rating_sd: float
    """Standard deviation of the ratings."""
    rating_range: tuple[float, float]
    """Lowest and highest rating; predictions are clipped to it."""
    person_bias: Floats
    """Shape (P,). Learned from ratings (`BiasedSVD`), in rating points."""
    item_bias: Floats
    """Shape (N,)."""
    person_rating_factors: Floats
    """Shape (P, rating_factors)."""
    item_rating_factors: Floats
    """Shape (N, rating_factors)."""
    settings: FitSettings
    figures: FitFigures

    def __post_init__(self) -> None:
        n_persons, n_items = len(self.person_ids), self.catalogue.n_items
        for name, n_rows in (("person", n_persons), ("item", n_items)):
            for part in ("factors", "rating_factors", "bias"):
                array = getattr(self, f"{name}_{part}")
                if len(array) != n_rows or not np.isfinite(array).all():
                    raise DataError(
                        f"{name}_{part} needs {n_rows} rows of finite numbers, got shape "
                        f"{array.shape}"
                    )

    @property
    def rating_penalty(self) -> float:
        """Regularisation of the factors learned from ratings, as given or chosen."""
        given = self.settings.rating_regularisation
        penalty = self.figures.chosen_penalty if given is None else given
        return float("nan") if penalty is None else penalty

    @property
    def quality_centre(self) -> float:
        """Rating of quality 0."""
        given = self.settings.quality_centre
        return self.rating_mean if given is None else given

    @property
    def quality_spread(self) -> float:
        """Rating points for a unit of quality."""
        given = self.settings.quality_spread
        return self.rating_sd / 3.0 if given is None else given

    @cached_property
    def attraction(self) -> PairValues:
        """Logit of each item for each person."""
        factors = self._standard_factors
        return PairValues(self.choice_scale * factors.persons, factors.items)

    @cached_property
    def quality(self) -> PairValues:
        """Quality of each item for each person: (predicted rating - centre) / spread, clipped."""
        base = self.person_bias + (self.rating_mean - self.quality_centre)
        persons = np.column_stack([self.person_rating_factors, base, np.ones_like(base)])
        items = np.column_stack(
            [self.item_rating_factors, np.ones_like(self.item_bias), self.item_bias]
        )
        lowest, highest = (self._quality_of(rating) for rating in self.rating_range)
        bounds = (max(lowest, -QUALITY_BOUND), min(highest, QUALITY_BOUND))
        return PairValues(persons / self.quality_spread, items, bounds)

    @cached_property
    def traits(self) -> Floats32:
        """What is observed of a person where tastes are observed, (P, factors)."""
        return self._standard_factors.persons.astype(np.float32)

    def card(self) -> tuple[Assumption, ...]:
        """Return every value of the model with its status: estimated or assumed."""
        return (*_estimates(self), *_assumptions(self))

    @cached_property
    def _standard_factors(self) -> PairFactors:
        return standardised(self.person_factors, self.item_factors)

    def _quality_of(self, rating: float) -> float:
        return (rating - self.quality_centre) / self.quality_spread

    def _settings(self) -> dict[str, Any]:
        return asdict(self.settings)

    def _plain(self) -> dict[str, Any]:
        names = ("choice_scale", "nothing_score", "rating_mean", "rating_sd")
        return {
            **{name: getattr(self, name) for name in names},
            "rating_range": list(self.rating_range),
            "figures": self.figures._asdict(),
        }

    @classmethod
    def _restored(cls, settings: dict[str, Any], state: dict[str, Any]) -> dict[str, Any]:
        low, high = state["rating_range"]
        return {
            **state,
            "rating_range": (float(low), float(high)),
            "figures": FitFigures(**state["figures"]),
            "settings": FitSettings(**{**settings, "shares": tuple(settings["shares"])}),
        }


def _estimates(model: FittedUsersModel) -> list[Assumption]:
    def line(name: str, value: str, note: str) -> Assumption:
        return Assumption(name, value, "estimated", note)

    figures, settings = model.figures, model.settings
    held_out = f"on {figures.n_held_out_ratings:,} held-out ratings"
    return [
        line(
            "persons and items",
            f"{model.n_persons:,} persons, {model.catalogue.n_items:,} items",
            f"from {figures.n_ratings:,} ratings; items with {settings.min_item_ratings} or more",
        ),
        line(
            "open features of an item",
            "average rating and number of ratings, besides its topics",
            f"from the {len(model.populations['train']):,} persons of the population train",
        ),
        line("attraction", f"{settings.factors} factors (ALS)", "from what persons chose to rate"),
        line(
            "fit of attraction",
            f"{figures.choice_log_likelihood:.3f} a choice; popularity "
            f"{figures.popularity_log_likelihood:.3f}, uniform "
            f"{figures.uniform_log_likelihood:.3f}",
            f"mean log-likelihood of {figures.n_choices:,} held-out choices, each among "
            f"{figures.n_alternatives + 1} items",
        ),
        line(
            "choice scale",
            f"{model.choice_scale:.3f}",
            "logit for a standard deviation of attraction; maximum likelihood on held-out choices",
        ),
        line(
            "satisfaction",
            f"{settings.rating_factors} factors and biases (biased SVD)",
            f"from how persons rated; {_CORRECTED[settings.correction]}",
        ),
        line(
            "fit of satisfaction",
            f"RMSE {figures.rating_rmse:.3f}; constant {figures.constant_rmse:.3f}",
            held_out
            if settings.correction == "none"
            else f"{held_out}, weighted so as to stand for ratings of anything",
        ),
    ]


def _assumptions(model: FittedUsersModel) -> list[Assumption]:
    def line(name: str, value: str, note: str) -> Assumption:
        return Assumption(name, value, "assumed", note)

    settings = model.settings
    penalties = f"{settings.choice_regularisation:g} and {model.rating_penalty:g}"
    is_chosen = settings.rating_regularisation is None
    shares = ", ".join(
        f"{name} {len(model.populations[name]):,} ({share:.0%})"
        for name, share in zip(POPULATIONS, settings.shares, strict=True)
    )
    return [
        line(
            "penalties",
            penalties,
            "regularisation of choice and rating factors"
            + ("; the latter by the error of held-out ratings" if is_chosen else ""),
        ),
        line(
            "click rate",
            f"{settings.click_rate:g}",
            f"of random slates of {settings.slate_size_for_calibration} at first: the log does "
            "not say what was shown and left",
        ),
        line("score of nothing", f"{model.nothing_score:.3f}", "follows from the click rate"),
        line(
            "quality 0",
            f"rating {model.quality_centre:.3f}",
            _given(settings.quality_centre, "the mean of the ratings"),
        ),
        line(
            "a unit of quality",
            f"{model.quality_spread:.3f} rating points",
            _given(settings.quality_spread, "a third of the sd of the ratings"),
        ),
        line(
            "range of quality",
            f"-{QUALITY_BOUND:g} to {QUALITY_BOUND:g}",
            "as the topics of interest evolution; more would make a visit endless",
        ),
        line("populations", shares, f"persons at random, seed {settings.seed}"),
        *_bootstrap(settings),
    ]


def _bootstrap(settings: FitSettings) -> list[Assumption]:
    """Return a line where items were learned from persons drawn with replacement."""
    if settings.bootstrap is None:
        return []
    note = "items are learned from persons drawn with replacement"
    return [Assumption("bootstrap", f"number {settings.bootstrap}", "assumed", note)]


def _given(value: float | None, default: str) -> str:
    return default if value is None else "given"
