"""Low-rank approximation of the interactions, missing ones counted as zero."""

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.linalg import svds

from rlrec.arrays import Floats
from rlrec.baselines.recommender import Recommender
from rlrec.baselines.settings import check_count, check_seed
from rlrec.errors import ConfigError


class PureSVD(Recommender):
    """Projects a history on the leading right singular vectors V of the interactions: X V V'.

    Args:
        factors: Number of singular vectors, below the number of users and of items.
        seed: Seeds the start vector of the solver; the result depends on it only by rounding.
        slate_size: K; None takes the slate size of the log it is fitted to.
        exclude_history: Never show what is in the user's history.

    Stability: experimental.

    Reference:
        Cremonesi, Koren and Turrin, 2010, "Performance of Recommender Algorithms on Top-N
        Recommendation Tasks".
    """

    name = "puresvd"
    _setting_names = ("factors", "seed")
    _fitted_names = ("item_factors",)

    item_factors: Floats
    """Shape (N, factors). Orthonormal columns, the largest singular value first; the largest
    entry of each column is positive."""

    def __init__(
        self,
        factors: int = 40,
        *,
        seed: int = 42,
        slate_size: int | None = None,
        exclude_history: bool = False,
    ) -> None:
        super().__init__(slate_size=slate_size, exclude_history=exclude_history)
        check_count("factors", factors)
        check_seed(seed)
        self.factors = factors
        self.seed = seed

    def _fit(self, interactions: csr_array) -> None:
        smaller = min(interactions.shape)
        if self.factors >= smaller:
            raise ConfigError(
                f"factors must be below the number of users and of items, here {smaller}, "
                f"got {self.factors}"
            )
        start = np.random.default_rng(self.seed).standard_normal(smaller)
        _, values, vectors = svds(interactions, k=self.factors, v0=start)
        vectors = vectors[np.argsort(-values)].T
        largest = np.take_along_axis(vectors, np.abs(vectors).argmax(axis=0)[None], axis=0)
        self.item_factors = vectors * np.where(largest < 0, -1.0, 1.0)

    def _fold_in(self, histories: csr_array) -> Floats:
        return np.asarray(histories @ self.item_factors) @ self.item_factors.T
