import numpy as np
from scipy.sparse import csr_array

from rlrec.baselines import Popularity


def test_scores_are_the_numbers_of_interactions() -> None:
    interactions = csr_array(np.array([[1, 0, 2], [1, 0, 0], [1, 1, 0]]))
    model = Popularity().fit(interactions)
    np.testing.assert_array_equal(model.scores([0, 2]), [[3, 1, 2], [3, 1, 2]])
