"""Intervals: their coverage where they promise it, their formulas, what they refuse."""

import math
from typing import Any

import numpy as np
import pytest
from scipy import stats

from rlrec.arrays import Floats
from rlrec.errors import ConfigError, DataError, UnknownNameError
from rlrec.evaluation.offline.intervals import (
    METHODS,
    confidence_interval,
    delta_interval,
    empirical_bernstein_interval,
    empirical_bernstein_margin,
    frozen_bootstrap,
    hoeffding_interval,
    hoeffding_margin,
    percentile_interval,
    stretched_interval,
    student_t_interval,
    student_t_margin,
)
from rlrec.evaluation.offline.resampling import Replicates, Resamples
from rlrec.evaluation.offline.terms import Terms, normalised, one_term
from rlrec.evaluation.statistics import mean_interval


def ratio_terms(rng: np.random.Generator, n: int) -> Terms:
    """Terms of a self-normalised mean whose true value is `RATIO_TRUTH`."""
    weights = rng.gamma(2.0, 1.0, size=n)  # mean 2, variance 2
    return normalised(weights * (0.5 * weights - 0.5 + rng.normal(size=n)), weights)


RATIO_TRUTH = (0.5 * 6.0 - 0.5 * 2.0) / 2.0  # E[w] = 2, E[w^2] = 6


def extra(method: str, n: int, seed: int = 0) -> dict[str, Any]:
    if method == "bootstrap":
        return {"resamples": Resamples(None, n, 400, seed)}
    return {"value_range": (0.0, 1.0)} if method in ("hoeffding", "empirical_bernstein") else {}


@pytest.mark.parametrize("method", ["bootstrap", "delta", "student_t"])
def test_intervals_of_ratios_cover_the_truth_as_often_as_they_say(method: str) -> None:
    rng, n_logs, covered = np.random.default_rng(0), 300, 0
    for log in range(n_logs):
        terms = ratio_terms(rng, 400)
        lower, upper = confidence_interval(terms, method, 0.9, **extra(method, 400, log))
        covered += lower <= RATIO_TRUTH <= upper
    # 4 standard errors of a share of 300, and 1 % for what 400 units leave to be asymptotic
    assert abs(covered / n_logs - 0.9) < 4 * math.sqrt(0.9 * 0.1 / n_logs) + 0.01


@pytest.mark.parametrize("method", ["hoeffding", "empirical_bernstein"])
def test_bounded_intervals_cover_at_least_as_often_as_they_say(method: str) -> None:
    rng, covered = np.random.default_rng(1), 0
    for _ in range(300):
        terms = one_term(rng.binomial(1, 0.05, size=100).astype(np.float64))
        interval = confidence_interval(terms, method, 0.9, **extra(method, 100))
        covered += interval.lower <= 0.05 <= interval.upper
    assert covered >= 0.9 * 300


@pytest.mark.parametrize("method", METHODS)
def test_more_confidence_and_fewer_units_are_wider(method: str) -> None:
    values = np.random.default_rng(2).random(900)

    def width(n: int, confidence: float) -> float:
        found = confidence_interval(one_term(values[:n]), method, confidence, **extra(method, n))
        return found.upper - found.lower

    assert 0 < width(900, 0.8) < width(900, 0.95) < width(100, 0.95)


def test_student_t_of_a_plain_mean_is_the_textbook_interval() -> None:
    values = np.random.default_rng(3).normal(size=20)
    expected = mean_interval(values)
    found = student_t_interval(one_term(values))
    assert found == pytest.approx((expected.low, expected.high))


def test_delta_approaches_student_t_from_inside() -> None:
    for n in (5, 10_000):
        terms = one_term(np.random.default_rng(4).normal(size=n))
        t, delta = student_t_interval(terms), delta_interval(terms)
        assert delta.upper < t.upper
        assert n == 5 or delta.upper == pytest.approx(t.upper, abs=1e-5)


@pytest.mark.parametrize("method", ["delta", "student_t", "hoeffding", "empirical_bernstein"])
def test_copies_of_a_user_s_rows_do_not_narrow_an_interval(method: str) -> None:
    values = np.random.default_rng(5).random(80)
    alone = confidence_interval(one_term(values), method, **extra(method, 80))
    users = np.repeat(np.arange(80), 5)
    copied = confidence_interval(
        one_term(np.repeat(values, 5)), method, users=users, **extra(method, 400)
    )
    assert copied == pytest.approx(alone)


def test_the_order_and_names_of_users_do_not_matter() -> None:
    rng = np.random.default_rng(6)
    users, values = rng.integers(30, size=200), rng.random(200)
    order = rng.permutation(200)
    found = student_t_interval(one_term(values[order]), users=users[order] * 7 + 100)
    assert found == pytest.approx(student_t_interval(one_term(values), users=users))


def test_bounds_are_by_their_formulas() -> None:
    values = np.random.default_rng(7).random(50) * 2.0
    n, side, log = 50, 0.025, math.log(2.0 / 0.025)
    lower, upper = hoeffding_interval(one_term(values), (0.0, 2.0))
    reach = 2.0 * math.sqrt(math.log(1.0 / side) / (2 * n))
    assert (lower, upper) == pytest.approx((values.mean() - reach, values.mean() + reach))
    assert hoeffding_margin(n, 2.0, side) == pytest.approx(reach)
    lower, upper = empirical_bernstein_interval(one_term(values), (0.0, 2.0))
    # with the variance of n - 1 of Maurer and Pontil's Theorem 4
    reach = math.sqrt(2 * values.var(ddof=1) * log / n) + 7 * 2.0 * log / (3 * (n - 1))
    assert (lower, upper) == pytest.approx((values.mean() - reach, values.mean() + reach))


def test_a_range_that_does_not_hold_is_refused_with_the_row() -> None:
    terms = one_term(np.array([0.0, 1.0, 3.0]))
    with pytest.raises(DataError, match=r"value_range.* row 2: 3"):
        hoeffding_interval(terms, (0.0, 2.0))
    for wrong in ((0.0, 0.0), (2.0, 1.0), (0.0, math.inf), (math.nan, 1.0)):
        with pytest.raises(ConfigError, match="value_range"):
            empirical_bernstein_interval(terms, wrong)


@pytest.mark.parametrize("method", ["hoeffding", "empirical_bernstein"])
def test_bounds_need_a_given_range_and_a_plain_mean(method: str) -> None:
    values = np.array([0.2, 0.4])
    with pytest.raises(ConfigError, match="needs value_range"):
        confidence_interval(one_term(values), method)
    with pytest.raises(ConfigError, match="plain means"):
        confidence_interval(normalised(values, values), method, value_range=(0.0, 1.0))


def test_arguments_that_are_not_used_or_missing_are_refused() -> None:
    terms, resamples = one_term(np.array([0.2, 0.4])), Resamples(None, 2, 10)
    users = np.array([0, 1])
    with pytest.raises(ConfigError, match="does not use value_range"):
        confidence_interval(terms, "delta", value_range=(0.0, 1.0))
    with pytest.raises(ConfigError, match="does not use resamples"):
        confidence_interval(terms, "delta", resamples=resamples)
    with pytest.raises(ConfigError, match="needs resamples"):
        confidence_interval(terms)
    with pytest.raises(ConfigError, match="already hold the users"):
        confidence_interval(terms, resamples=resamples, users=users)
    with pytest.raises(UnknownNameError, match="Did you mean 'hoeffding'"):
        confidence_interval(terms, "hoefding")
    with pytest.raises(ConfigError, match="confidence"):
        confidence_interval(terms, "delta", 1.0)
    with pytest.raises(DataError, match="users must have shape"):
        confidence_interval(terms, "delta", users=users[:1])


def test_one_user_and_no_weight_tell_nothing() -> None:
    one = one_term(np.array([0.3]))
    assert all(math.isnan(end) for end in student_t_interval(one))
    assert all(math.isnan(end) for end in delta_interval(one))
    assert math.isnan(student_t_margin(np.array([0.3]), 0.05))
    assert math.isnan(empirical_bernstein_margin(np.array([0.3]), 1.0, 0.05))
    weightless = normalised(np.zeros(5), np.zeros(5))
    for method in ("bootstrap", "delta", "student_t"):
        found = confidence_interval(weightless, method, **extra(method, 5))
        assert all(math.isnan(end) for end in found)


def test_a_bootstrap_interval_is_stretched_by_t_where_few_clusters_decide_it() -> None:
    drawn = np.random.default_rng(4).normal(0.5, 0.1, 1_000)
    lower, upper = percentile_interval(drawn)
    for influences, freedom in (
        (np.array([1.0, -1.0] * 5), 9),  # ten clusters that count the same
        (np.append(np.full(400, 1e-9), 2.0), 1),  # one decides: as wide as it gets
        (np.array([3.0, 1.0, -1.0]), 1),
    ):
        found = stretched_interval(Replicates(0.5, drawn, influences))
        stretch = stats.t.isf(0.025, freedom) / stats.norm.isf(0.025)
        if freedom == 1:  # 121 / 83 clusters, less one, are fewer than 1
            assert Replicates(0.5, drawn, influences).effective_clusters < 2
        assert found.lower == pytest.approx(0.5 - stretch * (0.5 - lower))
        assert found.upper == pytest.approx(0.5 + stretch * (upper - 0.5))


def test_clusters_that_count_the_same_do_not_stretch_an_interval() -> None:
    terms = one_term(np.random.default_rng(5).random(3_000))
    resamples = Resamples(None, 3_000, 400)
    plain = percentile_interval(resamples.values(terms))
    found = confidence_interval(terms, resamples=resamples)
    # a kurtosis of 3 in 1,000 blocks: a t of 332 degrees of freedom
    assert found.upper - found.lower == pytest.approx(plain.upper - plain.lower, rel=0.005)


def test_the_difference_of_equal_estimates_is_nothing() -> None:
    replicates = Resamples(None, 50, 30).of(one_term(np.random.default_rng(5).random(50)))
    difference = replicates.minus(replicates)
    assert difference.value == 0.0
    assert stretched_interval(difference) == (0.0, 0.0)


def test_skewed_weights_cover_more_often_than_percentiles_do() -> None:
    rng, n_logs, covered, plainly = np.random.default_rng(6), 600, 0, 0
    truth = math.exp(0.5)
    for log in range(n_logs):
        terms = one_term(np.exp(rng.normal(size=60)))
        replicates = Resamples(None, 60, 300, log).of(terms)
        lower, upper = stretched_interval(replicates)
        covered += lower <= truth <= upper
        lower, upper = percentile_interval(replicates.values)
        plainly += lower <= truth <= upper
    # the same logs: fewer misses by a quarter at least; a share of 600 errs by 1 %
    assert n_logs - covered < 0.75 * (n_logs - plainly)
    assert covered / n_logs > 0.90


def literal(values: Floats, n_replicates: int) -> tuple[float, float, float]:
    rng = np.random.RandomState(12345)
    means = [rng.choice(values, size=len(values)).mean() for _ in range(n_replicates)]
    lower, upper = np.percentile(means, [2.5, 97.5])
    return float(np.mean(means)), float(lower), float(upper)


def test_the_frozen_bootstrap_draws_as_public_packages_do() -> None:
    rng = np.random.default_rng(8)
    weights, rewards, model = rng.exponential(size=70), rng.random(70), rng.random(70)
    double = Terms(
        np.stack([model, weights * rewards], axis=1), np.stack([np.ones(70), weights], axis=1)
    )
    found = frozen_bootstrap(
        [one_term(weights * rewards), normalised(weights * rewards, weights), double], 200
    )
    units = weights * rewards
    expected = [units, units / weights.mean(), model + units / weights.mean()]
    for one, values in zip(found, expected, strict=True):
        assert one == pytest.approx(literal(values, 200), rel=1e-12)
