"""Weighted matrix factorisation of implicit feedback."""

import numpy as np
from scipy.sparse import csr_array
from threadpoolctl import threadpool_limits

from rlrec.arrays import Floats, Ints
from rlrec.baselines.interactions import check_histories, implicit_matrix
from rlrec.baselines.recommender import Recommender
from rlrec.baselines.settings import check_above_zero, check_count, check_seed

_BLOCK = 1024  # users solved at once: bounds the memory of the batch


class ALS(Recommender):
    """Factorises interactions r with confidence alpha * r in what was taken and 1 elsewhere.

    A user's factors minimise sum_i c_i (p_i - x'y_i)^2 + regularisation |x|^2 over all items,
    with p_i = 1 and c_i = alpha * r_i for items taken, p_i = 0 and c_i = 1 for the others. With
    alpha = 1 and 0/1 interactions all items count alike.

    Args:
        factors: Length of the factors, D.
        regularisation: Above 0.
        alpha: Above 0. Weight of one interaction beside the weight 1 of an item not taken.
        iterations: Rounds of solving all users, then all items.
        seed: Seeds the starting factors. On small data rankings vary noticeably with it.
        slate_size: K; None takes the slate size of the log it is fitted to.
        exclude_history: Never show what is in the user's history.

    Stability: experimental.

    Reference:
        Hu, Koren and Volinsky, 2008, "Collaborative Filtering for Implicit Feedback Datasets";
        fitted by the `implicit` library.
    """

    name = "als"
    _setting_names = ("factors", "regularisation", "alpha", "iterations", "seed")
    _fitted_names = ("user_factors", "item_factors")

    user_factors: Floats
    """Shape (n_users, factors)."""
    item_factors: Floats
    """Shape (N, factors)."""

    def __init__(
        self,
        factors: int = 64,
        *,
        regularisation: float = 0.1,
        alpha: float = 1.0,
        iterations: int = 15,
        seed: int = 42,
        slate_size: int | None = None,
        exclude_history: bool = False,
    ) -> None:
        super().__init__(slate_size=slate_size, exclude_history=exclude_history)
        check_count("factors", factors)
        check_count("iterations", iterations)
        check_above_zero("regularisation", regularisation)
        check_above_zero("alpha", alpha)
        check_seed(seed)
        self.factors = factors
        self.regularisation = regularisation
        self.alpha = alpha
        self.iterations = iterations
        self.seed = seed

    def _fit(self, interactions: csr_array) -> None:
        from implicit.cpu.als import AlternatingLeastSquares

        # The library threads over users itself, and warns of a BLAS that threads beneath it.
        with threadpool_limits(1, "blas"):
            model = AlternatingLeastSquares(
                factors=self.factors,
                regularization=self.regularisation,
                alpha=self.alpha,
                iterations=self.iterations,
                num_threads=1,
                random_state=self.seed,
            )
            model.fit(implicit_matrix(interactions, np.float32), show_progress=False)
        self.user_factors = model.user_factors.astype(np.float64)
        self.item_factors = model.item_factors.astype(np.float64)

    def _scores(self, user_index: Ints) -> Floats:
        return self.user_factors[user_index] @ self.item_factors.T

    def _fold_in(self, histories: csr_array) -> Floats:
        return self._solve(histories) @ self.item_factors.T

    def fold_in_factors(self, histories: csr_array) -> Floats:
        """Return the factors (B, D) that best explain `histories` (B, N), items held fixed."""
        return self._solve(check_histories(histories, self.n_items))

    def _solve(self, histories: csr_array) -> Floats:
        confidence = histories * self.alpha
        gram = self.item_factors.T @ self.item_factors
        gram[np.diag_indices_from(gram)] += self.regularisation
        if (confidence.data == 1.0).all():  # then all users share one system
            return np.asarray(confidence @ np.linalg.solve(gram, self.item_factors.T).T)
        factors = np.zeros((confidence.shape[0], self.factors))
        counts = np.diff(confidence.indptr)
        inverse = np.asarray(np.linalg.inv(gram), dtype=np.float64)
        short = np.flatnonzero(counts <= self.factors)
        for start in range(0, short.size, _BLOCK):
            rows = short[start : start + _BLOCK]
            factors[rows] = self._solve_short(confidence[rows], inverse)
        for row in np.flatnonzero(counts > self.factors):
            factors[row] = self._solve_long(confidence[[row]], gram)
        return factors

    def _solve_long(self, confidence: csr_array, gram: Floats) -> Floats:
        """Solve one user in a system of the size of the factors."""
        items = self.item_factors[confidence.indices]  # (H, D)
        weight = confidence.data
        system = gram + (items.T * (weight - 1.0)) @ items
        return np.asarray(np.linalg.solve(system, weight @ items), dtype=np.float64)

    def _solve_short(self, confidence: csr_array, inverse: Floats) -> Floats:
        """Solve users with at most D items in systems of the size of their history.

        With G the Gram matrix shared by all users, Y the H items taken and C their confidence,
        (G + Y'(C - I)Y)^-1 Y'C1 = G^-1 Y' (I + (C - I) Y G^-1 Y')^-1 C1  (Woodbury's identity).
        """
        counts = np.diff(confidence.indptr)
        there = np.arange(counts.max(initial=0)) < counts[:, None]  # (B, H)
        items = np.zeros(there.shape, dtype=np.int64)
        weight = np.zeros(there.shape)
        items[there], weight[there] = confidence.indices, confidence.data
        reduced = (self.item_factors @ inverse)[items]  # (B, H, D)
        kernel = reduced @ self.item_factors[items].transpose(0, 2, 1)  # (B, H, H)
        system = np.where(there, weight - 1.0, 0.0)[:, :, None] * kernel
        system += np.eye(there.shape[1])
        share = np.linalg.solve(system, weight[:, :, None])  # (B, H, 1)
        return np.asarray((share.transpose(0, 2, 1) @ reduced)[:, 0])
