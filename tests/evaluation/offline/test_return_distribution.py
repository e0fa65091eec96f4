"""The distribution of the return on a task whose sessions can all be listed."""

import tracemalloc

import numpy as np
import pytest

from rlrec.arrays import Floats
from rlrec.errors import ConfigError, DataError
from rlrec.evaluation.offline.resampling import Resamples
from rlrec.evaluation.offline.return_distribution import (
    ReturnDistribution,
    cdf_at_jumps,
    cdf_dm,
    cdf_dr,
    cdf_sndr,
    cdf_sntis,
    cdf_tis,
    cvar_terms,
    grid_cdf,
    grid_summary,
    raw_cdf,
    resampled_cdf,
    return_points,
)
from tests.evaluation.offline.session_problem import (
    LOGGING,
    expectation,
    log_of,
    sessions,
    truth,
    whole,
)

ALL = sessions()
SAMPLE = ALL.sample()
RETURNS = SAMPLE.returns
WEIGHTS = SAMPLE.weights[SAMPLE.last_rows]
TARGET_PROBS = ALL.probs * WEIGHTS
"""Of each session under the target policy: weights are ratios of these to those of the log."""
POINTS = return_points(RETURNS)
FIRST_STATES = ALL.states[SAMPLE.first_rows]  # a model knows how a session begins, no more
WRONG_MODEL = np.array([0.3, 1.0])[FIRST_STATES][:, None] * np.linspace(0.2, 0.9, len(POINTS))
WRONG_RETURNS = np.array([1.5, -0.4])[FIRST_STATES]


def _true_cdf(points: Floats) -> Floats:
    return np.array([TARGET_PROBS[point >= RETURNS - 1e-12].sum() for point in points])


@pytest.mark.parametrize("modelled", [WRONG_MODEL, WRONG_RETURNS], ids=["probs", "points"])
def test_the_expectation_of_each_point_is_the_true_probability(modelled: Floats) -> None:
    for terms in (
        cdf_tis(RETURNS, WEIGHTS, POINTS),
        cdf_sntis(RETURNS, WEIGHTS, POINTS),
        cdf_dr(RETURNS, WEIGHTS, modelled, POINTS),
        cdf_sndr(RETURNS, WEIGHTS, modelled, POINTS),
    ):
        found = [expectation(each, ALL) for each in terms]
        np.testing.assert_allclose(found, _true_cdf(POINTS), atol=1e-12)


def test_the_direct_method_is_the_mean_of_the_model() -> None:
    np.testing.assert_allclose(raw_cdf(cdf_dm(WRONG_MODEL, POINTS)), WRONG_MODEL.mean(axis=0))
    found = raw_cdf(cdf_dm(np.array([1.0, 2.0, 2.0, 4.0]), np.array([0.0, 2.0, 3.0])))
    np.testing.assert_allclose(found, [0, 0.75, 0.75])


def test_the_mean_of_the_distribution_on_all_returns_is_the_truth() -> None:
    log = whole(ALL).sample()
    weights = log.weights[log.last_rows]
    found = ReturnDistribution.of(return_points(log.returns), cdf_at_jumps(log.returns, weights))
    assert float(found.means) == pytest.approx(truth(), abs=1e-9)
    second = (TARGET_PROBS * RETURNS**2).sum()
    assert float(found.variances) == pytest.approx(second - truth() ** 2, abs=1e-9)


def test_the_logging_policy_has_the_empirical_distribution() -> None:
    sample = log_of(ALL, 400, seed=2).sample(target=LOGGING)
    ones = sample.weights[sample.last_rows]
    np.testing.assert_array_equal(ones, 1.0)
    points = return_points(sample.returns)
    found = ReturnDistribution.of(points, raw_cdf(cdf_tis(sample.returns, ones, points)))
    np.testing.assert_allclose(found.cdf, (sample.returns[:, None] <= points).mean(axis=0))
    shares = np.array([0.05, 0.5, 0.9, 1.0])
    expected = np.quantile(sample.returns, shares, method="inverted_cdf")
    np.testing.assert_array_equal(found.quantiles(shares), expected)
    lowest = np.sort(sample.returns)[:40]
    assert float(found.cvar(0.1)) == pytest.approx(lowest.mean(), abs=1e-12)


def test_jumps_at_once_are_the_values_of_the_terms() -> None:
    sample = log_of(ALL, 300, seed=3).sample()
    weights, points = sample.weights[sample.last_rows], return_points(sample.returns)
    for normalised, terms in (
        (True, cdf_sntis(sample.returns, weights, points)),
        (False, cdf_tis(sample.returns, weights, points)),
    ):
        found = cdf_at_jumps(sample.returns, weights, normalised)
        np.testing.assert_allclose(found, raw_cdf(terms), atol=1e-12)


def test_the_cdf_on_all_returns_needs_memory_by_the_sessions_alone() -> None:
    n, rng = 4_000, np.random.default_rng(5)
    returns, modelled = rng.normal(size=n), rng.normal(size=n)
    weights = rng.exponential(size=n)
    points = return_points(returns)
    resamples = Resamples(None, n, n_replicates=2)
    tracemalloc.start()
    for terms in (
        cdf_tis(returns, weights, points),
        cdf_sntis(returns, weights, points),
        cdf_dm(modelled, points),
        cdf_dr(returns, weights, modelled, points),
        cdf_sndr(returns, weights, modelled, points),
    ):
        assert len(terms) == n
        raw_cdf(terms)
        resampled_cdf(terms[::100], resamples)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 20e6  # all terms of one estimator at once would hold 128 MB or more


def test_terms_of_points_are_counted_as_in_a_list() -> None:
    terms = cdf_sntis(RETURNS, WEIGHTS, POINTS)
    values = [each.value for each in terms]
    assert len(values) == len(terms) == len(POINTS)
    assert [each.value for each in terms[1:3]] == values[1:3]
    assert terms[-1].value == values[-1] == pytest.approx(1)
    with pytest.raises(IndexError):
        terms[len(POINTS)]


@pytest.mark.parametrize("self_normalised", [True, False])
@pytest.mark.parametrize("share", [0.1, 0.25, 1.0])
def test_the_terms_of_a_tail_are_the_tail_of_the_distribution(
    share: float, self_normalised: bool
) -> None:
    sample = whole(ALL).sample()
    weights = sample.weights[sample.last_rows]
    order = np.argsort(RETURNS, kind="stable")
    filled = np.minimum(np.cumsum(TARGET_PROBS[order]), share)
    true = (np.diff(filled, prepend=0.0) * RETURNS[order]).sum() / share
    terms = cvar_terms(sample.returns, weights, share, self_normalised)
    assert terms.value == pytest.approx(true, abs=1e-9)
    found = ReturnDistribution.of(
        return_points(sample.returns), cdf_at_jumps(sample.returns, weights, self_normalised)
    )
    assert float(found.cvar(share)) == pytest.approx(true, abs=1e-9)


def test_intervals_of_a_tail_cover_it() -> None:
    n_logs, n_sessions, share = 200, 400, 0.2
    order = np.argsort(RETURNS, kind="stable")
    filled = np.minimum(np.cumsum(TARGET_PROBS[order]), share)
    true = (np.diff(filled, prepend=0.0) * RETURNS[order]).sum() / share
    covered = 0
    for seed in range(n_logs):
        sample = log_of(ALL, n_sessions, seed).sample()
        terms = cvar_terms(sample.returns, sample.weights[sample.last_rows], share)
        reach = 1.96 * terms.influences().std() / np.sqrt(n_sessions)
        covered += abs(terms.value - true) <= reach
    # n = 200 logs, 4 standard errors of a share of 0.95
    assert abs(covered / n_logs - 0.95) < 4 * np.sqrt(0.95 * 0.05 / n_logs)


def test_resampled_distributions_spread_as_their_points_do() -> None:
    sample = log_of(ALL, 500, seed=4).sample()
    weights = sample.weights[sample.last_rows]
    points = np.quantile(sample.returns, np.linspace(0, 1, 9))
    terms = cdf_sntis(sample.returns, weights, np.unique(points))
    resamples = Resamples(None, 500, n_replicates=400)
    raw = resampled_cdf(terms, resamples)
    assert raw.shape == (400, len(terms))
    found = ReturnDistribution.of(np.unique(points), raw)
    assert found.means.shape == (400,)
    assert found.quantiles(np.array([0.1, 0.5])).shape == (400, 2)
    middle = len(terms) // 2
    error = terms[middle].influences().std() / np.sqrt(500)
    # a standard deviation of 400 replicates errs by 1 / sqrt(800) of itself: 5 of them
    assert abs(raw[:, middle].std() / error - 1) < 5 / np.sqrt(800)


def test_a_raw_distribution_is_made_to_rise_from_0_to_1() -> None:
    found = ReturnDistribution.of(np.arange(4.0), np.array([-0.1, 0.5, 0.3, 0.8]))
    np.testing.assert_allclose(found.cdf, [0, 0.5, 0.5, 1])
    np.testing.assert_allclose(found.masses, [0, 0.5, 0, 0.5])
    np.testing.assert_array_equal(found.quantiles(np.array([0.5, 0.51])), [1, 3])
    assert float(found.cvar(0.75)) == pytest.approx((0.5 * 1 + 0.25 * 3) / 0.75)
    np.testing.assert_allclose(grid_cdf(np.array([0.2, 1.2, 0.9])), [0.2, 1, 1])


def test_a_summary_on_a_grid_follows_its_conventions() -> None:
    found = grid_summary(np.arange(4.0), np.array([0.0, 0.2, 0.6, 1.0]), shares=(0.5,), alpha=0.1)
    assert found.mean == pytest.approx(0.2 * 1 + 0.4 * 2 + 0.4 * 3)
    np.testing.assert_allclose(found.cvar, (0.2 * 1 + 0.4 * 2) / 0.6)
    assert (found.low, found.median, found.high) == (1.5, 2.5, 3.0)


def test_a_return_equal_to_a_point_but_for_rounding_counts() -> None:
    returns = np.array([0.1 + 0.2])
    assert returns[0] > 0.3
    assert raw_cdf(cdf_tis(returns, np.ones(1), np.array([0.3])))[0] == 1.0


def test_bad_points_and_shares_are_refused() -> None:
    with pytest.raises(DataError, match="rise from each to the next"):
        cdf_tis(RETURNS, WEIGHTS, np.array([1.0, 1.0]))
    with pytest.raises(DataError, match="modelled must have shape"):
        cdf_dm(np.zeros((3, 2)), np.arange(3.0))
    with pytest.raises(ConfigError, match="share must be above 0"):
        cvar_terms(RETURNS, WEIGHTS, 0.0)
    with pytest.raises(DataError, match="CDF must have shape"):
        ReturnDistribution.of(np.arange(3.0), np.zeros(2))


def test_target_probabilities_of_sessions_sum_to_1() -> None:
    assert TARGET_PROBS.sum() == pytest.approx(1, abs=1e-12)
