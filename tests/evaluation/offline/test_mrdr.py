"""The reward model that makes the doubly robust estimate vary least."""

import itertools

import numpy as np
import pytest

from rlrec.arrays import Bools, Floats
from rlrec.errors import ConfigError, DataError
from rlrec.evaluation.offline.bandit import DR
from rlrec.evaluation.offline.mrdr import MRDR, fit_mrdr, mrdr_criterion, mrdr_weights
from tests.evaluation.offline.bandit_problem import (
    CLICKS,
    CONTEXTS,
    FEATURES,
    LOGGING,
    TARGET,
    Bandit,
)


def everything(n: int) -> Bools:
    return np.ones(n, np.bool_)


def dr_variance(q_hat: Floats) -> float:
    """Variance of one round's DR contribution, over all rounds there can be."""
    values, chances = [], []
    for context, action, reward in itertools.product(range(2), range(3), range(2)):
        weight = TARGET[context, action] / LOGGING[context, action]
        value = TARGET[context] @ q_hat[context] + weight * (reward - q_hat[context, action])
        click = CLICKS[context, action]
        values.append(value)
        chances.append(
            CONTEXTS[context] * LOGGING[context, action] * (click if reward else 1 - click)
        )
    mean = np.dot(chances, values)
    return float(np.dot(chances, (np.array(values) - mean) ** 2))


def expected_criterion(q_hat: Floats) -> float:
    total = 0.0
    for context, action, reward in itertools.product(range(2), range(3), range(2)):
        one = (np.array([context]), np.array([action]), np.array([reward]))
        chance = float(Bandit().chances(*one)[0])
        total += chance * mrdr_criterion(Bandit().sample(*one), q_hat[[context]])
    return total


def test_the_criterion_is_the_variance_of_dr_up_to_a_constant() -> None:
    rng = np.random.default_rng(0)
    gaps = [dr_variance(q_hat) - expected_criterion(q_hat) for q_hat in rng.normal(size=(5, 2, 3))]
    np.testing.assert_allclose(gaps, gaps[0], atol=1e-12)


def test_the_fit_minimises_the_criterion() -> None:
    sample = Bandit().drawn(400, 1)
    assert sample.features is not None
    best = fit_mrdr(sample, everything(400), ridge=1e-9)
    least = mrdr_criterion(sample, sample.features @ best)
    for change in np.concatenate([np.eye(2), -np.eye(2)]) * 1e-2:
        assert mrdr_criterion(sample, sample.features @ (best + change)) > least


def test_of_large_logs_the_fit_gives_the_linear_model_with_the_least_variance_of_dr() -> None:
    sample = Bandit().drawn(200_000, 2)
    found = dr_variance(FEATURES @ fit_mrdr(sample, everything(200_000), ridge=1e-9))
    # A quadratic in the coefficients: its least value from the second differences.
    axes = np.eye(2)
    start = dr_variance(FEATURES @ np.zeros(2))
    ups = [dr_variance(FEATURES @ axis) for axis in axes]
    downs = [dr_variance(-FEATURES @ axis) for axis in axes]
    slopes = (np.array(ups) - np.array(downs)) / 2
    curves = np.diag(np.array(ups) + np.array(downs) - 2 * start)
    both = dr_variance(FEATURES @ np.ones(2))
    curves[0, 1] = curves[1, 0] = both - start - slopes.sum() - np.trace(curves) / 2
    least = start - slopes @ np.linalg.solve(curves, slopes) / 2
    assert least <= found + 1e-12
    # excess of a fit is of order 1 / n of the variance: 200,000 rounds leave far below 1 in 1,000
    assert found < least * 1.001
    assert start > least * 1.01


def test_blocks_of_rounds_do_not_change_the_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    sample = Bandit().drawn(300, 3)
    whole = fit_mrdr(sample, everything(300), 0.01)
    monkeypatch.setattr("rlrec.evaluation.offline.mrdr._BLOCK_ENTRIES", 100)
    np.testing.assert_allclose(fit_mrdr(sample, everything(300), 0.01), whole, rtol=1e-10)


def test_weights_of_rows_are_the_criterion_where_the_target_does_not_draw() -> None:
    certain = Bandit(target=np.eye(3)[[1, 0]]).drawn(500, 4)
    assert certain.features is not None
    assert certain.actions is not None
    root = np.sqrt(mrdr_weights(certain.target_probs, certain.propensities))
    logged = certain.features[np.arange(500), certain.actions]
    weighted = np.linalg.lstsq(root[:, None] * logged, root * certain.rewards, rcond=None)[0]
    np.testing.assert_allclose(fit_mrdr(certain, everything(500), 1e-12), weighted, rtol=1e-6)


def test_a_round_does_not_predict_itself() -> None:
    folds = np.arange(200) % 2
    sample = Bandit().drawn(200, 5, folds=folds)
    changed = np.where(folds == 0, 1.0 - sample.rewards, sample.rewards)
    before = MRDR().q_hat(sample)
    after = MRDR().q_hat(Bandit().drawn(200, 5, folds=folds, rewards=changed))
    np.testing.assert_array_equal(after[folds == 0], before[folds == 0])
    assert not np.allclose(after[folds == 1], before[folds == 1])


def test_the_terms_are_those_of_dr_with_its_model() -> None:
    folds = np.arange(300) % 3
    sample = Bandit().drawn(300, 6, folds=folds)
    same = Bandit().drawn(300, 6, q_hat=MRDR().q_hat(sample))
    np.testing.assert_allclose(MRDR().terms(sample).numerators, DR().terms(same).numerators)


def test_actions_that_are_never_logged_do_not_spoil_the_fit() -> None:
    blind = Bandit(logging=np.array([[0.5, 0.5, 0.0], [0.5, 0.5, 0.0]]))
    assert np.isfinite(fit_mrdr(blind.drawn(100, 7), everything(100), 0.01)).all()


def test_folds_and_a_ridge_above_0_are_needed() -> None:
    with pytest.raises(DataError, match="needs `folds`"):
        MRDR().terms(Bandit().drawn(20, 0))
    with pytest.raises(DataError, match="two folds"):
        MRDR().terms(Bandit().drawn(20, 0, folds=np.zeros(20, np.int64)))
    with pytest.raises(ConfigError, match="ridge"):
        MRDR(ridge=0.0)
