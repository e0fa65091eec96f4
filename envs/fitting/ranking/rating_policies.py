"""Policies of very different and of nearly the same worth, learned from a log of ratings."""

from typing import Protocol

import numpy as np
from scipy.sparse import csr_array

from rlrec.arrays import Floats, Ints, Observations
from rlrec.baselines import ALS, EASE, BiasedSVD, ItemKNN, Popularity, Recommender
from rlrec.data.ratings import Ratings
from rlrec.envs.fitting.ranking.block_split import RATING, BlockSettings, liked
from rlrec.envs.fitting.ratings.affinity import PENALTIES, fit_affinity
from rlrec.policy import MixturePolicy, RandomPolicy, SlatePolicy
from rlrec.slates import SlateDraw, top_slates

_PRIOR_RATINGS = 5  # of average height, added to those of each item
_FACTORS = 16


class _Scores(Protocol):
    def __call__(self, observations: Observations) -> Floats:
        """Return the scores (B, N) of all items."""
        ...


class GreedyPolicy:
    """Shows the candidates of the highest scores, without candidates the items.

    Args:
        scores: Takes observations of B users, returns scores (B, N) of all items.
        slate_size: K.
    """

    def __init__(self, scores: _Scores, slate_size: int) -> None:
        self._scores = scores
        self.slate_size = slate_size

    def act(
        self, observations: Observations, rng: np.random.Generator, deterministic: bool = False
    ) -> SlateDraw:
        """Return the best slates; `deterministic` makes no difference."""
        scores = self._scores(observations)
        if "candidates" in observations:
            scores = np.take_along_axis(scores, observations["candidates"], axis=1)
        slates = top_slates(scores, self.slate_size)
        return SlateDraw(slates, np.zeros(slates.shape))

    def log_probs(self, observations: Observations, slates: Ints) -> Floats:
        """Return 0 for the slates that are shown, else -inf, (B, K)."""
        shown = self.act(observations, np.random.default_rng(0)).slates
        return np.where(slates == shown, 0.0, -np.inf)


class SameForAll:
    """Scores that are the same for everybody.

    Args:
        scores: Shape (N,).
    """

    def __init__(self, scores: Floats) -> None:
        self._scores = scores

    def __call__(self, observations: Observations) -> Floats:
        """Return the scores, (B, N)."""
        return np.tile(self._scores, (len(observations["history_items"]), 1))


class PredictedRatings:
    """Ratings predicted from those in the history.

    Args:
        model: Fitted to ratings of other persons.
    """

    def __init__(self, model: BiasedSVD) -> None:
        self._model = model

    def __call__(self, observations: Observations) -> Floats:
        """Return predicted ratings, (B, N)."""
        items = observations["history_items"] - 1
        users = np.repeat(np.arange(len(items)), items.shape[1])
        values = observations["history_responses"][:, :, RATING].astype(np.float64)
        shape = (len(items), len(self._model.item_bias))
        return self._model.fold_in(csr_array((values.ravel(), (users, items.ravel())), shape=shape))


def rating_policies(log: Ratings, settings: BlockSettings) -> dict[str, SlatePolicy]:
    """Return thirteen policies learned from a log, for what `rank_in_block` shows them.

    Collaborative filtering learns from what persons liked (rated above their own mean), the others
    from ratings. Their settings are ordinary ones, not the best for any data: what is asked is
    whether a simulator ranks them right. Mixtures with random slates lie between the others.

    Args:
        log: Ratings by persons who are not served.
        settings: Slate size, length of histories, seed.
    """
    slate_size = settings.slate_size
    means = _mean_ratings(log)
    anything = RandomPolicy(log.n_items - settings.history_size, slate_size)
    rated_best = GreedyPolicy(SameForAll(means), slate_size)
    predicted = GreedyPolicy(PredictedRatings(_rating_model(log, settings.seed)), slate_size)
    filtered = _filters(liked(log), slate_size)
    return {
        "random": anything,
        "most rated": Popularity(slate_size=slate_size).fit(log),
        "highest mean rating": rated_best,
        "lowest mean rating": GreedyPolicy(SameForAll(-means), slate_size),
        "predicted rating": predicted,
        **filtered,
        "ALS, softened": filtered["ALS"].softened(1.0),
        "half highest mean rating, half random": MixturePolicy([rated_best, anything], [1, 1]),
        "half EASE, half random": MixturePolicy([filtered["EASE"], anything], [1, 1]),
        "predicted rating, a third random": MixturePolicy([predicted, anything], [2, 1]),
    }


def _filters(taken: csr_array, slate_size: int) -> dict[str, Recommender]:
    models = {
        "most liked": Popularity(slate_size=slate_size),
        "ItemKNN": ItemKNN(slate_size=slate_size),
        "EASE": EASE(slate_size=slate_size),
        "ALS": ALS(_FACTORS, slate_size=slate_size),
    }
    return {name: model.fit(taken) for name, model in models.items()}


def _mean_ratings(log: Ratings) -> Floats:
    """Return the mean rating of each item (N,), drawn towards that of all by a few ratings."""
    counts = np.bincount(log.item_index, minlength=log.n_items)
    sums = np.bincount(log.item_index, log.values, log.n_items)
    means: Floats = (sums + _PRIOR_RATINGS * log.values.mean()) / (counts + _PRIOR_RATINGS)
    return means


def _rating_model(log: Ratings, seed: int) -> BiasedSVD:
    """Return a model of ratings, its penalty chosen by held-out ratings of the log."""
    penalties = [float(penalty * log.values.std()) for penalty in PENALTIES]
    return fit_affinity(log, factors=_FACTORS, penalties=penalties, n_folds=3, seed=seed).model
