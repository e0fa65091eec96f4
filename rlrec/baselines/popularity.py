"""The same slate for everybody: what most users took."""

import numpy as np
from scipy.sparse import csr_array

from rlrec.arrays import Floats
from rlrec.baselines.recommender import Recommender


class Popularity(Recommender):
    """Scores each item by the number of its interactions.

    Args:
        slate_size: K; None takes the slate size of the log it is fitted to.
        exclude_history: Never show what is in the user's history.

    Stability: experimental.
    """

    name = "popularity"

    def _fit(self, interactions: csr_array) -> None:
        """Keep nothing beyond the counts that every recommender keeps."""

    def _fold_in(self, histories: csr_array) -> Floats:
        return np.tile(self.popularity, (histories.shape[0], 1))
