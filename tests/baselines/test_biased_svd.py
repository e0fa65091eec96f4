from pathlib import Path

import numpy as np
import pytest
from scipy.sparse import coo_array, csr_array

from rlrec.baselines import BiasedSVD, make_baseline
from rlrec.errors import CatalogueMismatchError, ConfigError, DataError, ModelFileError


@pytest.fixture
def ratings() -> csr_array:
    """Two tastes and biases: 60 % of 40 by 30, none of item 29, none by user 39."""
    rng = np.random.default_rng(8)
    taste = np.where(np.arange(40) % 2, 1.0, -1.0)[:, None] * np.where(np.arange(30) % 2, 1, -1)
    truth = 3.0 + taste + rng.uniform(-0.5, 0.5, (40, 1)) + rng.uniform(-0.5, 0.5, 30)
    seen = rng.random((40, 30)) < 0.6
    seen[39], seen[:, 29] = False, False
    users, items = np.nonzero(seen)
    return csr_array((truth[users, items], (users, items)), shape=(40, 30))


def test_hidden_ratings_of_two_tastes_are_predicted(ratings: csr_array) -> None:
    stored = coo_array(ratings)
    train = np.random.default_rng(0).random(stored.nnz) < 0.8
    shown = csr_array(
        (stored.data[train], (stored.row[train], stored.col[train])), shape=ratings.shape
    )
    model = BiasedSVD(factors=5, regularisation=0.01, iterations=30).fit(shown)
    error = model.predict(stored.row[~train], stored.col[~train]) - stored.data[~train]
    assert np.sqrt(np.mean(error**2)) < 0.1  # the ratings themselves deviate by 1.1


def test_a_fit_is_where_no_parameter_can_be_improved(ratings: csr_array) -> None:
    model = BiasedSVD(factors=3, regularisation=0.1, iterations=500).fit(ratings)
    traits = model.fold_in_traits(ratings)  # solved exactly, items held fixed
    np.testing.assert_allclose(traits.bias, model.user_bias, atol=1e-4)
    np.testing.assert_allclose(traits.factors, model.user_factors, atol=1e-4)


def test_each_sweep_lowers_the_objective(ratings: csr_array) -> None:
    stored = coo_array(ratings)

    def objective(iterations: int) -> float:
        model = BiasedSVD(factors=4, regularisation=0.1, iterations=iterations).fit(ratings)
        users, items = stored.row, stored.col
        raw = model.mean + model.user_bias[users] + model.item_bias[items]
        raw += np.einsum("nd,nd->n", model.user_factors[users], model.item_factors[items])
        penalty = model.user_bias[users] ** 2 + model.item_bias[items] ** 2
        penalty += (model.user_factors[users] ** 2).sum(axis=1)
        penalty += (model.item_factors[items] ** 2).sum(axis=1)
        return float(np.sum((stored.data - raw) ** 2 + 0.1 * penalty))

    values = [objective(iterations) for iterations in range(1, 8)]
    assert (np.diff(values) < 0).all()


def test_unseen_users_and_items_get_the_mean_and_the_known_bias(ratings: csr_array) -> None:
    model = BiasedSVD(factors=5).fit(ratings)
    mean, user_bias, item_bias = model.mean, model.user_bias[3], model.item_bias[4]
    predicted = model.predict(np.array([39, 3, -1, 3, -1]), np.array([4, 29, 4, -1, -1]))
    expected = [mean + item_bias, mean + user_bias, mean + item_bias, mean + user_bias, mean]
    np.testing.assert_allclose(predicted, expected)


def test_predictions_stay_within_the_ratings_seen() -> None:
    ratings = csr_array(np.array([[5.0, 5, 1], [5, 5, 1], [1, 1, 1]]))
    model = BiasedSVD(factors=2, regularisation=1e-6).fit(ratings)
    users, items = np.indices((3, 3)).reshape(2, -1)
    predicted = model.predict(users, items)
    assert predicted.min() >= 1 and predicted.max() <= 5
    assert model.rating_range == (1.0, 5.0)


def test_an_unseen_user_is_told_from_its_ratings(ratings: csr_array) -> None:
    model = BiasedSVD(factors=5, regularisation=0.05).fit(ratings)
    opinion = csr_array(([4.0, 2.0, 4.0, 2.0], ([0, 0, 0, 0], [1, 2, 3, 4])), shape=(1, 30))
    predicted = model.fold_in(opinion)[0, 5:29]
    assert predicted[0::2].min() > predicted[1::2].max()  # odd items over even ones


def test_a_user_without_ratings_folds_in_as_the_average_user(ratings: csr_array) -> None:
    model = BiasedSVD(factors=5).fit(ratings)
    np.testing.assert_allclose(model.fold_in(csr_array((1, 30)))[0], model.mean + model.item_bias)


def test_a_rating_of_zero_is_a_rating() -> None:
    stored = csr_array(([0.0, 4.0], ([0, 1], [0, 1])), shape=(2, 2))
    assert BiasedSVD(factors=1).fit(stored).mean == 2.0


def test_a_saved_model_predicts_the_same(tmp_path: Path, ratings: csr_array) -> None:
    model = BiasedSVD(factors=5).fit(ratings)
    model.save(tmp_path / "svd")
    users, items = np.indices((40, 30)).reshape(2, -1)
    loaded = BiasedSVD.load(tmp_path / "svd")
    np.testing.assert_array_equal(loaded.predict(users, items), model.predict(users, items))


def test_a_folder_of_another_model_is_refused(tmp_path: Path, ratings: csr_array) -> None:
    make_baseline("popularity").fit(ratings).save(tmp_path / "model")
    with pytest.raises(ModelFileError, match="'popularity', not 'biased_svd'"):
        BiasedSVD.load(tmp_path / "model")


def test_a_rating_that_is_not_a_number_is_refused() -> None:
    with pytest.raises(DataError, match="by user 1 of item 0"):
        BiasedSVD().fit(csr_array(np.array([[1.0, 2.0], [np.nan, 3.0]])))


def test_no_ratings_at_all_are_refused() -> None:
    with pytest.raises(DataError, match="no ratings"):
        BiasedSVD().fit(csr_array((3, 4)))


def test_an_unfitted_model_says_so() -> None:
    with pytest.raises(ConfigError, match="not fitted"):
        BiasedSVD().predict(np.array([0]), np.array([0]))


def test_ratings_of_another_catalogue_are_refused(ratings: csr_array) -> None:
    with pytest.raises(CatalogueMismatchError, match="30 columns"):
        BiasedSVD(factors=2).fit(ratings).fold_in(csr_array((1, 31)))
