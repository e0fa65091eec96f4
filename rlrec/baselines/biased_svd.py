"""Matrix factorisation of explicit ratings with biases."""

from pathlib import Path
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import ArrayLike
from scipy.sparse import csr_array

from rlrec.arrays import Floats
from rlrec.baselines.interactions import Rated, RatingTriples, check_shape, rating_triples
from rlrec.baselines.model_folder import SavedModel, read_model, write_model
from rlrec.baselines.settings import check_above_zero, check_count, check_seed
from rlrec.errors import ConfigError, DataError, ModelFileError


class UserTraits(NamedTuple):
    """What was learned of B users."""

    bias: Floats
    """Shape (B,). How much more than average a user gives, in rating points."""
    factors: Floats
    """Shape (B, factors)."""


class BiasedSVD:
    """Predicts ratings as mean + user bias + item bias + user factors . item factors.

    Minimises over the ratings: squared error + regularisation (b_u^2 + b_i^2 + |p_u|^2 + |q_i|^2),
    so a user's penalty grows with the number of ratings. Solved by coordinate descent, one factor
    of all users and items at a time: each step is exact, and costs one pass over the ratings.
    Ratings may have weights: with the inverse of the probability that each was observed, the loss
    is what it would be had all pairs been (Schnabel et al., 2016).
    A user or item without ratings keeps bias and factors of 0, so that its prediction is the mean
    plus what is known of the other side.

    Args:
        factors: Length of the factors, D.
        regularisation: Above 0, in squared rating points.
        iterations: Sweeps over all factors.
        seed: Seeds the starting factors.

    Stability: experimental.

    Reference:
        Koren, Bell and Volinsky, 2009, "Matrix Factorization Techniques for Recommender Systems";
        Yu, Hsieh, Si and Dhillon, 2012, "Scalable Coordinate Descent Approaches to Parallel
        Matrix Factorization for Recommender Systems" (the solver); Schnabel, Swaminathan, Singh,
        Chandak and Joachims, 2016, "Recommendations as Treatments" (weights).
    """

    name = "biased_svd"
    _setting_names = ("factors", "regularisation", "iterations", "seed")
    _fitted_names = ("user_bias", "item_bias", "user_factors", "item_factors")

    mean: float
    """Mean of the ratings."""
    rating_range: tuple[float, float]
    """Lowest and highest rating seen; predictions are clipped to it."""
    user_bias: Floats
    """Shape (n_users,)."""
    item_bias: Floats
    """Shape (N,)."""
    user_factors: Floats
    """Shape (n_users, factors)."""
    item_factors: Floats
    """Shape (N, factors)."""

    def __init__(
        self,
        factors: int = 100,
        *,
        regularisation: float = 0.12,
        iterations: int = 12,
        seed: int = 42,
    ) -> None:
        check_count("factors", factors)
        check_above_zero("regularisation", regularisation)
        check_count("iterations", iterations)
        check_seed(seed)
        self.factors = factors
        self.regularisation = regularisation
        self.iterations = iterations
        self.seed = seed

    def fit(self, ratings: Rated, weights: Floats | None = None) -> Self:
        """Learn from ratings.

        Args:
            ratings: `Ratings`, or a sparse matrix (n_users, N) whose stored entries are ratings.
            weights: Shape (n,). How much each rating counts, above 0, in the order in which the
                matrix (of `Ratings`: their `matrix()`) stores them; only ratios matter. None for
                all alike.

        Returns:
            Itself.

        Raises:
            DataError: A rating or a weight is not finite, a weight is not above 0, there is not one
                for each rating, or there are no ratings.
        """
        triples = rating_triples(ratings)
        weights = _checked_weights(weights, len(triples.values))
        self.mean = float(np.average(triples.values, weights=weights))
        self.rating_range = (float(triples.values.min()), float(triples.values.max()))
        descent = _CoordinateDescent(triples, weights, self)
        for _ in range(self.iterations):
            descent.sweep()
        self.user_bias, self.item_bias = descent.user_bias, descent.item_bias
        self.user_factors = np.ascontiguousarray(descent.user_factors.T)
        self.item_factors = np.ascontiguousarray(descent.item_factors.T)
        return self

    def predict(self, user_index: ArrayLike, item_index: ArrayLike) -> Floats:
        """Return predicted ratings (n,) of pairs, clipped to the range seen.

        Args:
            user_index: Shape (n,). Row of each user; -1 for a user not in the ratings.
            item_index: Shape (n,). Row of each item; -1 for an item not in the ratings.
        """
        self._check_fitted()
        users, items = np.asarray(user_index), np.asarray(item_index)
        user_known, item_known = users >= 0, items >= 0
        product = np.einsum("nd,nd->n", self.user_factors[users], self.item_factors[items])
        raw = self.mean + np.where(user_known, self.user_bias[users], 0.0)
        raw += np.where(item_known, self.item_bias[items], 0.0)
        raw += np.where(user_known & item_known, product, 0.0)
        return np.clip(raw, *self.rating_range)

    def fold_in(self, ratings: csr_array) -> Floats:
        """Return predicted ratings (B, N) of all items by unseen users, clipped.

        Args:
            ratings: Shape (B, N), sparse. Stored entries are ratings.
        """
        traits = self.fold_in_traits(ratings)
        raw = self.mean + traits.bias[:, None] + self.item_bias
        return np.clip(raw + traits.factors @ self.item_factors.T, *self.rating_range)

    def fold_in_traits(self, ratings: csr_array) -> UserTraits:
        """Return bias and factors that best explain ratings (B, N) of unseen users."""
        self._check_fitted()
        ratings = csr_array(ratings)
        check_shape(ratings, len(self.item_bias))
        traits = np.zeros((ratings.shape[0], self.factors + 1))
        for row in np.flatnonzero(np.diff(ratings.indptr)):
            taken = slice(ratings.indptr[row], ratings.indptr[row + 1])
            items = ratings.indices[taken]
            design = np.column_stack([np.ones(items.size), self.item_factors[items]])
            penalty = self.regularisation * items.size * np.eye(design.shape[1])
            target = ratings.data[taken] - self.mean - self.item_bias[items]
            traits[row] = np.linalg.solve(design.T @ design + penalty, design.T @ target)
        return UserTraits(traits[:, 0], traits[:, 1:])

    def save(self, folder: Path | str) -> None:
        """Write the model to `folder` as safetensors with a JSON card."""
        self._check_fitted()
        settings = {name: getattr(self, name) for name in self._setting_names}
        state = {"mean": self.mean, "rating_range": list(self.rating_range)}
        arrays = {name: getattr(self, name) for name in self._fitted_names}
        write_model(folder, SavedModel(self.name, settings, state, arrays))

    @classmethod
    def load(cls, folder: Path | str) -> Self:
        """Read a model that `save` wrote.

        Raises:
            ModelFileError: The folder is missing, damaged, of another model or version.
        """
        saved = read_model(folder)
        if saved.model != cls.name:
            raise ModelFileError(f"{folder} holds the model {saved.model!r}, not {cls.name!r}")
        try:
            model = cls(**saved.settings)
            model.mean = float(saved.state["mean"])
            low, high = saved.state["rating_range"]
            model.rating_range = (float(low), float(high))
            for name in cls._fitted_names:
                setattr(model, name, saved.arrays[name])
        except (KeyError, TypeError, ValueError) as error:
            raise ModelFileError(f"{folder} is damaged: {error!r}") from error
        return model

    def _check_fitted(self) -> None:
        if not hasattr(self, "item_factors"):
            raise ConfigError("BiasedSVD is not fitted: call fit or load first")


def _checked_weights(weights: Floats | None, n_ratings: int) -> Floats:
    """Return weights (n,) whose mean is 1."""
    if weights is None:
        return np.ones(n_ratings)
    weights = np.asarray(weights, np.float64)
    if weights.shape != (n_ratings,):
        raise DataError(
            f"weights must have shape ({n_ratings},), one for each rating, got {weights.shape}"
        )
    if not (np.isfinite(weights) & (weights > 0)).all():
        raise DataError("weights must be finite and above 0: leave out ratings that do not count")
    relative: Floats = weights / weights.mean()
    return relative


class _CoordinateDescent:
    """Parameters on their way, with the residual of every rating kept up to date."""

    def __init__(self, triples: RatingTriples, weights: Floats, model: BiasedSVD) -> None:
        order = np.argsort(triples.user_index, kind="stable")  # neighbours in memory
        self.users, self.items = triples.user_index[order], triples.item_index[order]
        self.weights = weights[order]
        self.n_users, self.n_items = triples.n_users, triples.n_items
        user_counts = np.bincount(self.users, self.weights, self.n_users)
        item_counts = np.bincount(self.items, self.weights, self.n_items)
        # Those without ratings get a penalty of 1: any value above 0 leaves them at 0.
        self.user_penalty = np.where(user_counts > 0, model.regularisation * user_counts, 1.0)
        self.item_penalty = np.where(item_counts > 0, model.regularisation * item_counts, 1.0)
        self.user_counts, self.item_counts = user_counts, item_counts
        self.user_bias, self.item_bias = np.zeros(self.n_users), np.zeros(self.n_items)
        rng, scale = np.random.default_rng(model.seed), 0.1 / np.sqrt(model.factors)
        self.user_factors = rng.normal(0.0, scale, (model.factors, self.n_users))
        self.item_factors = rng.normal(0.0, scale, (model.factors, self.n_items))
        self.user_factors[:, user_counts == 0] = 0.0
        self.item_factors[:, item_counts == 0] = 0.0
        self.residual = triples.values[order] - model.mean
        for user_factor, item_factor in zip(self.user_factors, self.item_factors, strict=True):
            self.residual -= user_factor[self.users] * item_factor[self.items]

    def sweep(self) -> None:
        """Improve the biases, then each factor in turn."""
        self._fit_item_bias()
        self._fit_user_bias()
        for factor in range(len(self.user_factors)):
            self._fit_factor(factor)

    def _fit_item_bias(self) -> None:
        self.residual += self.item_bias[self.items]
        total = np.bincount(self.items, self.weights * self.residual, self.n_items)
        self.item_bias = total / (self.item_counts + self.item_penalty)
        self.residual -= self.item_bias[self.items]

    def _fit_user_bias(self) -> None:
        self.residual += self.user_bias[self.users]
        total = np.bincount(self.users, self.weights * self.residual, self.n_users)
        self.user_bias = total / (self.user_counts + self.user_penalty)
        self.residual -= self.user_bias[self.users]

    def _fit_factor(self, factor: int) -> None:
        user_side = self.user_factors[factor][self.users]
        item_side = self.item_factors[factor][self.items]
        self.residual += user_side * item_side
        weighted = self.weights * item_side
        self.user_factors[factor] = np.bincount(
            self.users, self.residual * weighted, self.n_users
        ) / (self.user_penalty + np.bincount(self.users, weighted * item_side, self.n_users))
        user_side = self.user_factors[factor][self.users]
        weighted = self.weights * user_side
        self.item_factors[factor] = np.bincount(
            self.items, self.residual * weighted, self.n_items
        ) / (self.item_penalty + np.bincount(self.items, weighted * user_side, self.n_items))
        self.residual -= user_side * self.item_factors[factor][self.items]
