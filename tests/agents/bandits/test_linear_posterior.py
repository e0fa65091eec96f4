"""Posteriors of linear and logistic models, against other ways to find them."""

from typing import NamedTuple

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.optimize import minimize

from rlrec.agents.bandits.linear_posterior import LinearPosterior

PRIOR = 0.7


class Data(NamedTuple):
    models: NDArray[np.int64]
    rows: NDArray[np.float64]
    responses: NDArray[np.float64]

    def tensors(self) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        return (
            torch.from_numpy(self.models),
            torch.from_numpy(self.rows),
            torch.from_numpy(self.responses),
        )


def data(n: int, n_models: int, size: int = 4, seed: int = 0, logistic: bool = False) -> Data:
    rng = np.random.default_rng(seed)
    truth = rng.normal(size=(n_models, size))
    models, rows = rng.integers(n_models, size=n), rng.normal(size=(n, size))
    scores = (rows * truth[models]).sum(axis=1)
    chosen = rng.random(n) < 1.0 / (1.0 + np.exp(-scores))
    return Data(
        models, rows, chosen.astype(np.float64) if logistic else scores + rng.normal(size=n)
    )


@pytest.mark.parametrize("n_models", [1, 3])
def test_the_linear_mean_is_that_of_ridge_regression_in_any_number_of_batches(
    n_models: int,
) -> None:
    seen = data(90, n_models)
    posterior = LinearPosterior(n_models, 4, PRIOR)
    models, rows, responses = seen.tensors()
    for part in torch.split(torch.arange(90), 40):
        posterior.see(models[part], rows[part], torch.ones(len(part)).double(), responses[part])
    for model in range(n_models):
        own = seen.models == model
        squares = seen.rows[own].T @ seen.rows[own] + PRIOR * np.eye(4)
        expected = np.linalg.solve(squares, seen.rows[own].T @ seen.responses[own])
        np.testing.assert_allclose(posterior.mean[model], expected, atol=1e-10)
        inverse = posterior.root[model] @ posterior.root[model].T
        np.testing.assert_allclose(inverse, np.linalg.inv(squares), atol=1e-10)


def test_what_is_forgotten_counts_less_and_the_prior_stays() -> None:
    seen = data(50, 1)
    models, rows, responses = seen.tensors()
    posterior = LinearPosterior(1, 4, PRIOR)
    ones = torch.ones(50).double()
    posterior.see(models, rows, ones, responses)
    posterior.forget(0.9)
    posterior.see(models, rows, ones, responses)
    squares = 1.9 * seen.rows.T @ seen.rows + PRIOR * np.eye(4)
    np.testing.assert_allclose(posterior.precision[0], squares, atol=1e-10)
    expected = np.linalg.solve(squares, 1.9 * seen.rows.T @ seen.responses)
    np.testing.assert_allclose(posterior.mean[0], expected, atol=1e-10)
    for _ in range(400):
        posterior.forget(0.9)
    np.testing.assert_allclose(posterior.precision[0], PRIOR * np.eye(4), atol=1e-10)


def test_the_logistic_mean_is_the_peak_and_the_precision_its_curvature() -> None:
    seen = data(200, 1, logistic=True)
    models, rows, chosen = seen.tensors()
    posterior = LinearPosterior(1, 4, PRIOR)
    posterior.see_choices(models, rows, chosen, torch.ones(200).double())

    def loss(theta: NDArray[np.float64]) -> float:
        scores = seen.rows @ theta
        fits = np.logaddexp(0.0, scores) - seen.responses * scores
        return float(fits.sum() + 0.5 * PRIOR * theta @ theta)

    peak = minimize(loss, np.zeros(4), tol=1e-10).x
    np.testing.assert_allclose(posterior.mean[0], peak, atol=1e-3)
    likely = 1.0 / (1.0 + np.exp(-seen.rows @ peak))
    curvature = (seen.rows.T * (likely * (1 - likely))) @ seen.rows + PRIOR * np.eye(4)
    np.testing.assert_allclose(posterior.precision[0], curvature, rtol=2e-2, atol=0.05)


def test_choices_in_batches_come_near_those_seen_at_once() -> None:
    seen = data(2_000, 2, logistic=True)
    models, rows, chosen = seen.tensors()
    ones = torch.ones(2_000).double()
    whole, batches = LinearPosterior(2, 4, PRIOR), LinearPosterior(2, 4, PRIOR)
    whole.see_choices(models, rows, chosen, ones)
    for part in torch.split(torch.arange(2_000), 100):
        batches.see_choices(models[part], rows[part], chosen[part], ones[part])
    assert (whole.mean - batches.mean).abs().max() < 0.1
    truth = np.random.default_rng(0).normal(size=(2, 4))
    # 1,000 choices a model: a standard error of about 0.09 each
    assert np.abs(whole.mean.numpy() - truth).max() < 0.4


def test_drawn_parameters_have_the_posteriors_mean_and_spread() -> None:
    seen, n_draws = data(60, 2), 20_000
    models, rows, responses = seen.tensors()
    posterior = LinearPosterior(2, 4, PRIOR)
    posterior.see(models, rows, torch.ones(60).double(), responses)
    noises = np.random.default_rng(1).standard_normal((n_draws, 2, 4))
    drawn = posterior.drawn(torch.from_numpy(noises)).numpy()
    for model in range(2):
        covariance = np.linalg.inv(posterior.precision[model].numpy())
        spread = np.sqrt(np.diag(covariance))
        off = drawn[:, model].mean(axis=0) - posterior.mean[model].numpy()
        assert (np.abs(off) < 5 * spread / np.sqrt(n_draws)).all()  # 5 standard errors
        found = np.cov(drawn[:, model].T)
        errors = np.sqrt((covariance**2 + np.outer(spread, spread) ** 2) / n_draws)
        assert (np.abs(found - covariance) < 5 * errors).all()
