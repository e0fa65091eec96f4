import numpy as np
from scipy.sparse import csr_array

from rlrec.baselines import EASE


def test_weights_of_three_items_equal_the_ones_solved_by_hand() -> None:
    # X'X = [[2, 2, 0], [2, 3, 1], [0, 1, 1]]; each column is a ridge regression on the other two
    # items with penalty 1, for example (4 w1 + w2, w1 + 2 w2) = (2, 0) for item 0.
    interactions = csr_array(np.array([[1.0, 1, 0], [1, 1, 0], [0, 1, 1]]))
    model = EASE(regularisation=1.0).fit(interactions)
    expected = [[0, 2 / 3, -1 / 4], [4 / 7, 0, 3 / 8], [-2 / 7, 1 / 2, 0]]
    np.testing.assert_allclose(model.item_weights, expected, atol=1e-12)
    np.testing.assert_allclose(model.scores(2)[0], [4 / 7 - 2 / 7, 1 / 2, 3 / 8], atol=1e-12)
