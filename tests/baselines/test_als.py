import numpy as np
import pytest
from implicit.cpu.als import AlternatingLeastSquares
from scipy.sparse import csr_array, csr_matrix
from threadpoolctl import threadpool_limits

from rlrec.arrays import Floats
from rlrec.baselines import ALS


@pytest.fixture
def counts() -> csr_array:
    """Histories of 0 to 25 items out of 50, taken 1 to 3 times."""
    rng = np.random.default_rng(4)
    dense = rng.integers(1, 4, (40, 50)) * (rng.random((40, 50)) < np.linspace(0, 0.5, 40)[:, None])
    return csr_array(dense.astype(np.float64))


def recalculated(model: ALS, histories: csr_array) -> Floats:
    """Return user factors as the `implicit` library solves them."""
    with threadpool_limits(1, "blas"):
        theirs = AlternatingLeastSquares(
            factors=model.factors,
            regularization=model.regularisation,
            alpha=model.alpha,
            num_threads=1,
        )
        theirs.item_factors = model.item_factors.astype(np.float32)
        rows = csr_matrix(histories)
        factors = theirs.recalculate_user(np.arange(rows.shape[0]), rows.astype(np.float32))
    return np.asarray(factors, dtype=np.float64)


@pytest.mark.parametrize("alpha", [1.0, 0.3, 40.0])
@pytest.mark.parametrize("factors", [3, 12, 64])
def test_folded_in_factors_equal_those_of_the_library(
    alpha: float, factors: int, counts: csr_array
) -> None:
    model = ALS(factors=factors, alpha=alpha, regularisation=0.5).fit(counts)
    np.testing.assert_allclose(
        model.fold_in_factors(counts), recalculated(model, counts), rtol=2e-3, atol=2e-4
    )


def test_folded_in_factors_of_binary_histories_equal_those_of_the_library(
    counts: csr_array,
) -> None:
    counts.data[:] = 1.0
    model = ALS(factors=12).fit(counts)
    np.testing.assert_allclose(
        model.fold_in_factors(counts), recalculated(model, counts), rtol=2e-3, atol=2e-4
    )


def test_a_fitted_user_is_nearly_what_folding_in_gives(counts: csr_array) -> None:
    model = ALS(factors=4, alpha=2.0, iterations=50).fit(counts)
    users = np.flatnonzero(np.diff(counts.indptr) > 2)
    folded, fitted = model.fold_in(counts[users]), model.scores(users)
    assert np.corrcoef(folded.ravel(), fitted.ravel())[0, 1] > 0.99


def test_the_seed_alone_decides_the_fit(counts: csr_array) -> None:
    first, again, other = (ALS(4, seed=seed).fit(counts).item_factors for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert not np.allclose(first, other)


def test_scores_are_products_of_factors(counts: csr_array) -> None:
    model = ALS(factors=4).fit(counts)
    assert model.item_factors.shape == (50, 4)
    product = model.user_factors[[30]] @ model.item_factors.T
    np.testing.assert_array_equal(model.scores(30), product)
