import math
from collections.abc import Callable

import numpy as np
import pytest
from scipy import stats

from rlrec.arrays import Floats
from rlrec.errors import ConfigError, DataError
from rlrec.evaluation import (
    interquartile_mean,
    mean_interval,
    paired_difference,
    performance_profile,
    probability_interval,
    probability_of_improvement,
    stratified_bootstrap_interval,
)


def mean(scores: Floats) -> float:
    return float(scores.mean())


def test_mean_interval_is_the_one_of_student() -> None:
    values = np.random.default_rng(0).normal(size=12)
    found = mean_interval(values)
    low, high = stats.t.interval(0.95, 11, loc=values.mean(), scale=stats.sem(values))
    assert (found.value, found.low, found.high) == pytest.approx((values.mean(), low, high))
    assert found.standard_error == pytest.approx(stats.sem(values))
    assert found.n == 12


def test_mean_interval_covers_the_truth_as_often_as_it_says() -> None:
    n, rng = 2_000, np.random.default_rng(1)
    intervals = [mean_interval(sample, 0.9) for sample in rng.normal(3.0, 2.0, size=(n, 8))]
    covered = np.mean([found.low <= 3.0 <= found.high for found in intervals])
    # 4 standard errors: a right interval fails at one seed in 16,000
    assert abs(covered - 0.9) < 4 * math.sqrt(0.9 * 0.1 / n)


def test_a_single_value_has_no_interval() -> None:
    found = mean_interval([2.0])
    assert found.value == 2.0 and found.n == 1
    assert math.isnan(found.low) and math.isnan(found.high) and math.isnan(found.standard_error)


def test_paired_difference_is_much_sharper_than_the_unpaired_one_for_like_users() -> None:
    rng = np.random.default_rng(2)
    users = rng.normal(100.0, 50.0, size=500)
    found = paired_difference(users + 1.0 + 0.1 * rng.normal(size=500), users)
    # 4 standard errors of 0.1 / sqrt(500)
    assert abs(found.value - 1.0) < 4 * 0.1 / math.sqrt(500)
    assert found.high - found.low < 0.1


def test_paired_difference_of_equal_values_is_exactly_zero() -> None:
    values = np.random.default_rng(3).normal(size=9)
    assert paired_difference(values, values)[:4] == (0.0, 0.0, 0.0, 0.0)


def test_paired_difference_averages_over_tasks_before_it_counts_seeds() -> None:
    a, b = np.random.default_rng(4).normal(size=(2, 6, 3))
    assert paired_difference(a, b) == mean_interval((a - b).mean(axis=1))


def test_interquartile_mean_equals_the_trimmed_mean_of_scipy() -> None:
    rng = np.random.default_rng(5)
    for shape in [(1,), (3,), (4,), (7, 1), (10, 3), (5, 5)]:
        scores = rng.normal(size=shape)
        assert interquartile_mean(scores) == pytest.approx(stats.trim_mean(scores, 0.25, axis=None))


def test_interquartile_mean_ignores_the_outer_quarters() -> None:
    assert interquartile_mean([-1e9, 1.0, 2.0, 1e9]) == 1.5


def test_stratified_resampling_stays_within_each_task() -> None:
    scores = np.tile([[0.0, 10.0]], (5, 1))  # tasks differ, seeds do not
    found = stratified_bootstrap_interval(scores, mean)
    assert found[:4] == (5.0, 5.0, 5.0, 0.0)
    assert found.n == 5


def test_bootstrap_interval_repeats_and_widens_with_confidence() -> None:
    scores = np.random.default_rng(6).normal(size=(10, 2))
    wide = stratified_bootstrap_interval(scores, confidence=0.99)
    assert stratified_bootstrap_interval(scores, confidence=0.99) == wide
    narrow = stratified_bootstrap_interval(scores, confidence=0.5)
    assert wide.low < narrow.low < narrow.value < narrow.high < wide.high


def test_bootstrap_standard_error_of_a_mean_is_the_plug_in_one() -> None:
    scores = np.random.default_rng(7).normal(size=(12, 3))
    found = stratified_bootstrap_interval(scores, mean, 4_000)
    plug_in = math.sqrt((scores.var(axis=0) / 12).sum()) / 3
    # the standard deviation of 4,000 draws has a relative standard error of 1 / sqrt(8,000)
    assert found.standard_error == pytest.approx(plug_in, rel=5 / math.sqrt(8_000))


@pytest.mark.parametrize("statistic", [interquartile_mean, mean])
def test_bootstrap_interval_covers_the_truth_of_normal_scores(
    statistic: Callable[[Floats], float],
) -> None:
    n, n_seeds, n_tasks = 400, 20, 3
    rng = np.random.default_rng(8)
    covered = 0
    for _ in range(n):
        scores = rng.normal(1.0, 1.0, size=(n_seeds, n_tasks))
        found = stratified_bootstrap_interval(scores, statistic, 200, rng)
        covered += found.low <= 1.0 <= found.high
    # Too narrow by sqrt(19 / 20), a 95 % interval covers 94.4 %. 4 standard errors of n samples:
    # a right interval fails at one seed in 16,000.
    expected = 2 * stats.norm.cdf(1.96 * math.sqrt(19 / 20)) - 1
    assert abs(covered / n - expected) < 4 * math.sqrt(expected * (1 - expected) / n)


def test_probability_of_improvement_counts_pairs_and_halves_ties() -> None:
    assert probability_of_improvement([2.0, 3.0], [1.0, 2.0]) == (1 + 0.5 + 1 + 1) / 4
    assert probability_of_improvement([[5.0, 0.0]], [[1.0, 1.0]]) == 0.5
    scores = np.random.default_rng(9).normal(size=(8, 3))
    assert probability_of_improvement(scores, scores) == 0.5


def test_probability_of_improvement_is_the_statistic_of_mann_and_whitney() -> None:
    a, b = np.random.default_rng(10).normal(size=(2, 9))
    expected = stats.mannwhitneyu(a, b).statistic / 81
    assert probability_of_improvement(a, b) == pytest.approx(expected)


def test_statistics_refuse_what_they_cannot_compare() -> None:
    with pytest.raises(DataError, match=r"equal shapes.*\(2,\) and \(3,\)"):
        paired_difference([1.0, 2.0], [1.0, 2.0, 3.0])
    with pytest.raises(DataError, match="same tasks, got 2 and 1 tasks"):
        probability_of_improvement(np.zeros((3, 2)), np.zeros((3, 1)))
    with pytest.raises(DataError, match="at least one of each"):
        stratified_bootstrap_interval(np.zeros((0, 2)))
    with pytest.raises(DataError, match="at least one score"):
        interquartile_mean([])
    with pytest.raises(ConfigError, match="confidence must lie between 0 and 1, got 95"):
        mean_interval([1.0, 2.0], 95)
    with pytest.raises(ConfigError, match="n_resamples must be 1 or more"):
        stratified_bootstrap_interval([1.0, 2.0], n_resamples=0)


def test_the_performance_profile_is_the_share_of_runs_above_a_threshold() -> None:
    scores = [[0.1, 0.5], [0.3, 0.9]]
    found = performance_profile(scores, [-1.0, 0.1, 0.4, 0.9])
    assert found.tolist() == [1.0, 0.75, 0.5, 0.0]  # above, not at


def test_a_performance_profile_needs_a_row_of_thresholds() -> None:
    with pytest.raises(DataError, match=r"thresholds need shape \(n,\)"):
        performance_profile([0.1], [[0.5]])


def test_the_probability_of_improvement_has_an_interval_that_holds_it() -> None:
    rng = np.random.default_rng(5)
    better, worse = rng.normal(0.5, 1.0, size=(10, 3)), rng.normal(0.0, 1.0, size=(8, 3))
    found = probability_interval(better, worse, n_resamples=500)
    assert found.value == probability_of_improvement(better, worse)
    assert found.low < found.value < found.high and found.n == 8
    assert probability_interval(better, worse, n_resamples=500) == found
    # The spread of the Mann-Whitney share of 10 against 8 runs, near no difference, over 3 tasks
    assert found.standard_error == pytest.approx(math.sqrt((10 + 8 + 1) / (12 * 80) / 3), rel=0.3)


def test_the_interval_of_a_certain_improvement_is_a_point() -> None:
    found = probability_interval([[2.0], [3.0]], [[0.0], [1.0]], n_resamples=50)
    assert found[:4] == (1.0, 1.0, 1.0, 0.0)


def test_a_probability_needs_resamples() -> None:
    with pytest.raises(ConfigError, match="n_resamples must be 1 or more"):
        probability_interval([1.0], [2.0], n_resamples=0)


def test_many_interquartile_means_at_once_are_those_one_by_one() -> None:
    scores = np.random.default_rng(6).normal(size=(7, 3))
    fast = stratified_bootstrap_interval(scores, n_resamples=4_000)
    slow = stratified_bootstrap_interval(
        scores, lambda drawn: interquartile_mean(drawn), n_resamples=4_000
    )
    assert fast.value == slow.value
    # 4 standard errors of the spread of 4,000 resamples
    assert fast.standard_error == pytest.approx(slow.standard_error, rel=4 / math.sqrt(2 * 4_000))
