"""Items like those in the history."""

from typing import Literal, get_args

import numpy as np
from scipy.sparse import csr_array

from rlrec.arrays import Floats
from rlrec.baselines.interactions import implicit_matrix
from rlrec.baselines.recommender import Recommender
from rlrec.baselines.settings import check_count
from rlrec.errors import ConfigError

Similarity = Literal["cosine", "tfidf"]


class ItemKNN(Recommender):
    """Scores an item by the similarities of the history's items that count it as a neighbour.

    Args:
        similarity: "cosine" of the items' columns of interactions; "tfidf" weighs each user down
            who took many items before taking the cosine.
        n_neighbours: Most similar items kept for each item, itself included.
        slate_size: K; None takes the slate size of the log it is fitted to.
        exclude_history: Never show what is in the user's history.

    Stability: experimental.

    Reference:
        Deshpande and Karypis, 2004, "Item-Based Top-N Recommendation Algorithms"; computed by
        the `implicit` library.
    """

    name = "itemknn"
    _setting_names = ("similarity", "n_neighbours")
    _fitted_names = ("similarities",)

    similarities: csr_array
    """Shape (N, N). Row i holds the n_neighbours items most similar to item i."""

    def __init__(
        self,
        similarity: Similarity = "cosine",
        n_neighbours: int = 100,
        *,
        slate_size: int | None = None,
        exclude_history: bool = False,
    ) -> None:
        super().__init__(slate_size=slate_size, exclude_history=exclude_history)
        check_count("n_neighbours", n_neighbours)
        if similarity not in get_args(Similarity):
            raise ConfigError(
                f"similarity must be one of {list(get_args(Similarity))}, got {similarity!r}"
            )
        self.similarity = similarity
        self.n_neighbours = n_neighbours

    def _fit(self, interactions: csr_array) -> None:
        from implicit.nearest_neighbours import ItemItemRecommender

        # The library's own CosineRecommender hands its solver another sparse format than it
        # asks for, which warns; the weights are made here instead.
        weighted = implicit_matrix(self._weighted(interactions), np.float64)
        model = ItemItemRecommender(K=self.n_neighbours, num_threads=1)
        model.fit(weighted, show_progress=False)
        self.similarities = csr_array(model.similarity)

    def _weighted(self, interactions: csr_array) -> csr_array:
        """Return (B, N) interactions with columns of length 1, weighted as the similarity says."""
        weighted = interactions.copy()
        if self.similarity == "tfidf":
            n_items_of_user = np.diff(interactions.indptr)
            inverse_frequency = np.log(interactions.shape[1]) - np.log1p(n_items_of_user)
            weighted.data = np.sqrt(weighted.data) * np.repeat(inverse_frequency, n_items_of_user)
        lengths = np.sqrt(np.bincount(weighted.indices, weighted.data**2, weighted.shape[1]))
        weighted.data /= np.where(lengths > 0, lengths, 1.0)[weighted.indices]
        return weighted

    def _fold_in(self, histories: csr_array) -> Floats:
        return np.asarray((histories @ self.similarities).toarray())
