"""A linear item-to-item model in closed form."""

import numpy as np
from scipy.sparse import csr_array

from rlrec.arrays import Floats
from rlrec.baselines.recommender import Recommender
from rlrec.baselines.settings import check_above_zero


class EASE(Recommender):
    """Predicts each item from all other items of a history by ridge regression.

    The weights B minimise |X - X B|^2 + regularisation |B|^2 with a diagonal of zeros:
    with P = (X'X + regularisation I)^-1, B_ij = -P_ij / P_jj off the diagonal.
    Memory grows with the square of the number of items.

    Args:
        regularisation: Above 0, in squared interactions. Larger for larger data.
        slate_size: K; None takes the slate size of the log it is fitted to.
        exclude_history: Never show what is in the user's history.

    Stability: experimental.

    Reference:
        Steck, 2019, "Embarrassingly Shallow Autoencoders for Sparse Data".
    """

    name = "ease"
    _setting_names = ("regularisation",)
    _fitted_names = ("item_weights",)

    item_weights: Floats
    """Shape (N, N). Weight of an item in the history (row) for a recommended item (column)."""

    def __init__(
        self,
        regularisation: float = 100.0,
        *,
        slate_size: int | None = None,
        exclude_history: bool = False,
    ) -> None:
        super().__init__(slate_size=slate_size, exclude_history=exclude_history)
        check_above_zero("regularisation", regularisation)
        self.regularisation = regularisation

    def _fit(self, interactions: csr_array) -> None:
        gram = (interactions.T @ interactions).toarray()
        gram[np.diag_indices_from(gram)] += self.regularisation
        precision = np.linalg.inv(gram)
        weights = precision / -np.diag(precision)
        np.fill_diagonal(weights, 0.0)
        self.item_weights = weights

    def _fold_in(self, histories: csr_array) -> Floats:
        return np.asarray(histories @ self.item_weights)
