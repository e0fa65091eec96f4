import numpy as np
import pytest
from scipy.sparse import csr_array

from rlrec.baselines import PureSVD
from rlrec.errors import ConfigError


def test_scores_are_the_best_approximation_of_its_rank() -> None:
    dense = np.random.default_rng(1).random((12, 8))
    left, values, right = np.linalg.svd(dense, full_matrices=False)
    best = (left[:, :3] * values[:3]) @ right[:3]
    model = PureSVD(factors=3).fit(csr_array(dense))
    np.testing.assert_allclose(model.scores(np.arange(12)), best, atol=1e-9)


def test_factors_are_orthonormal_with_a_fixed_sign() -> None:
    dense = np.random.default_rng(1).random((12, 8)) - 0.2
    factors = PureSVD(factors=3).fit(csr_array(np.maximum(dense, 0))).item_factors
    np.testing.assert_allclose(factors.T @ factors, np.eye(3), atol=1e-9)
    assert (factors[np.abs(factors).argmax(axis=0), np.arange(3)] > 0).all()


def test_another_start_gives_the_same_factors() -> None:
    dense = csr_array(np.random.default_rng(1).random((12, 8)))
    first, second = (PureSVD(3, seed=seed).fit(dense).item_factors for seed in (0, 1))
    np.testing.assert_allclose(first, second, atol=1e-9)


def test_as_many_factors_as_items_are_refused() -> None:
    with pytest.raises(ConfigError, match="here 8, got 8"):
        PureSVD(factors=8).fit(csr_array(np.ones((12, 8))))


def test_more_factors_than_the_data_have_ranks_add_nothing() -> None:
    dense = np.outer(np.arange(1, 13), np.arange(1, 9)).astype(np.float64)  # rank 1
    model = PureSVD(factors=3).fit(csr_array(dense))
    np.testing.assert_allclose(model.scores(np.arange(12)), dense, rtol=1e-6)
