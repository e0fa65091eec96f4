"""Models of the reward, and that none is judged on whom it was fitted to."""

import sys
from typing import Any

import numpy as np
import pytest

from rlrec.arrays import Floats
from rlrec.errors import ConfigError, DataError
from rlrec.evaluation.offline.evaluate import evaluate_offline
from rlrec.evaluation.offline.reward_features import SlateFeatures
from rlrec.evaluation.offline.reward_models import (
    BoostedModel,
    FittedModel,
    NetworkModel,
    RidgeModel,
    fit_folds,
    predict_folds,
    user_folds,
)


def test_ridge_finds_a_line() -> None:
    rng = np.random.default_rng(0)
    features = rng.normal(size=(500, 3))
    targets = 2.0 + features @ np.array([1.0, -2.0, 0.0])
    fitted = RidgeModel(penalty=1e-9).fit(features, targets)
    np.testing.assert_allclose(fitted.predict(features), targets, atol=1e-6)


def test_ridge_takes_weights_as_repeated_rows() -> None:
    rng = np.random.default_rng(1)
    features, targets = rng.normal(size=(40, 2)), rng.normal(size=40)
    weights = rng.integers(0, 4, size=40).astype(float)
    repeated = np.repeat(np.arange(40), weights.astype(int))
    left = RidgeModel().fit(features, targets, weights)
    right = RidgeModel().fit(features[repeated], targets[repeated])
    np.testing.assert_allclose(left.predict(features), right.predict(features), rtol=1e-9)


def test_a_constant_feature_changes_nothing() -> None:
    rng = np.random.default_rng(2)
    features, targets = rng.normal(size=(60, 2)), rng.normal(size=60)
    wider = np.column_stack([features, np.full(60, 7.0)])
    left = RidgeModel().fit(features, targets).predict(features)
    right = RidgeModel().fit(wider, targets).predict(wider)
    np.testing.assert_allclose(left, right, rtol=1e-9)


def test_a_network_learns_what_no_line_can() -> None:
    rng = np.random.default_rng(3)
    features = rng.choice([-1.0, 1.0], size=(2_000, 2))
    targets = features[:, 0] * features[:, 1]
    found = NetworkModel(n_updates=400).fit(features, targets).predict(features)
    assert np.mean((found - targets) ** 2) < 0.1
    line = RidgeModel().fit(features, targets).predict(features)
    assert np.mean((line - targets) ** 2) > 0.9


def test_a_network_repeats_under_its_seed() -> None:
    rng = np.random.default_rng(4)
    features, targets = rng.normal(size=(100, 2)), rng.normal(size=100)
    model = NetworkModel(n_updates=20)
    first = model.fit(features, targets).predict(features)
    np.testing.assert_array_equal(first, model.fit(features, targets).predict(features))


def test_boosting_learns_what_no_line_can() -> None:
    pytest.importorskip("sklearn")
    rng = np.random.default_rng(5)
    features = rng.choice([-1.0, 1.0], size=(2_000, 2))
    targets = features[:, 0] * features[:, 1] + 0.1 * features[:, 0]
    found = BoostedModel().fit(features, targets).predict(features)
    assert np.mean((found - targets) ** 2) < 0.1


def test_boosting_without_its_package_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn.ensemble", None)
    with pytest.raises(ConfigError, match=r"rlrec\[boosting\]"):
        BoostedModel().fit(np.zeros((3, 1)), np.zeros(3))


def test_folds_are_of_whole_users() -> None:
    users = np.repeat(np.arange(31), 4)
    folds = user_folds(users, 3, seed=0)
    assert all(len(set(folds[users == user].tolist())) == 1 for user in range(31))
    sizes = np.bincount(folds, minlength=3)
    assert sizes.min() >= 40
    with pytest.raises(ConfigError, match=r"n_folds must lie in 2\.\.2"):
        user_folds(np.array([0, 1]), 3, seed=0)


class Memory:
    """Remembers the rewards of the rows it saw, and knows 0 of others."""

    def fit(self, features: Floats, targets: Floats, weights: Any = None) -> FittedModel:
        known = {tuple(row): target for row, target in zip(features, targets, strict=True)}

        class Fitted:
            def predict(self, features: Floats) -> Floats:
                return np.array([known.get(tuple(row), 0.0) for row in features])

        return Fitted()


def test_no_row_is_predicted_by_a_model_that_saw_its_user() -> None:
    users = np.repeat(np.arange(20), 3)
    folds = user_folds(users, 4, seed=1)
    features = users[:, None].astype(float)  # the user, told openly
    fitted = fit_folds(Memory(), features, np.ones(60), folds, 4)
    np.testing.assert_array_equal(predict_folds(fitted, features, folds), 0.0)


def test_models_that_predict_no_number_are_refused() -> None:
    class Broken:
        def fit(self, *_: Any) -> Any:
            return self

        def predict(self, features: Floats) -> Floats:
            return np.full(len(features), np.nan)

    with pytest.raises(DataError, match="must predict finite numbers"):
        predict_folds([Broken()], np.zeros((2, 1)), np.zeros(2, np.int64))


def test_a_model_of_ones_own_is_used(bandit: Any) -> None:
    class Half:
        def fit(self, *_: Any) -> Any:
            return self

        def predict(self, features: Floats) -> Floats:
            return np.full(len(features), 0.5)

    log = bandit.log(400)
    found = evaluate_offline(bandit.target, log, estimators=["dm"], reward_model=Half())
    assert found["policy", "dm"].value == pytest.approx(0.5)
    with pytest.raises(ConfigError, match="have a method fit"):
        evaluate_offline(bandit.target, log, estimators=["dm"], reward_model=3)


def test_a_good_model_narrows_doubly_robust_estimates(bandit: Any) -> None:
    log = bandit.log(10_000)
    table = evaluate_offline(bandit.target, log, estimators=["ips", "dr"]).table()
    widths = (table["upper"] - table["lower"]).to_list()
    assert widths[1] < 0.8 * widths[0]


def test_features_are_the_same_in_any_batch(bandit: Any) -> None:
    describe = SlateFeatures(None, 3)
    rng = np.random.default_rng(6)
    observations = {"context": rng.random((50, 4)).astype(np.float32)}
    slates = rng.integers(3, size=(50, 2))
    whole = describe(observations, slates)
    for row in range(50):
        one = {key: values[row : row + 1] for key, values in observations.items()}
        np.testing.assert_array_equal(describe(one, slates[row : row + 1])[0], whole[row])
