"""Returning: medians and spread of gaps, churn, the neutral setting and extremes."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlrec.envs.blocks import Returning
from rlrec.envs.blocks.returning import GAP_DISTRIBUTIONS, LONGEST_GAP_HOURS
from rlrec.errors import ConfigError, UnknownNameError


@pytest.mark.parametrize("distribution", GAP_DISTRIBUTIONS)
@pytest.mark.parametrize("satisfaction", [0.0, 0.4, 1.0])
def test_gaps_have_the_stated_median(distribution: str, satisfaction: float) -> None:
    n = 40_000
    block = Returning(base_gap_hours=48.0, pull=2.0, distribution=distribution, spread=0.7)
    medians = block.median_gap_hours(np.full(n, 48.0), np.full(n, satisfaction))
    gaps = block.gap_hours(medians, np.random.default_rng(1).random(n))
    expected = 48.0 * math.exp(-2.0 * satisfaction)
    # Half of n = 40,000 lie below the median: 5 standard errors of a share of one half.
    assert abs((gaps < expected).mean() - 0.5) < 5 * 0.5 / math.sqrt(n)


def test_log_normal_gaps_have_the_stated_spread() -> None:
    n = 40_000
    block = Returning(spread=0.7)
    gaps = block.gap_hours(np.full(n, 20.0), np.random.default_rng(2).random(n))
    # 5 standard errors of a standard deviation of n = 40,000 normals
    assert abs(np.log(gaps).std() - 0.7) < 5 * 0.7 / math.sqrt(2 * n)


def test_weibull_gaps_are_longer_than_stated_as_often_as_a_weibull() -> None:
    n, shape = 40_000, 2.0
    block = Returning(distribution="weibull", spread=1 / shape)
    gaps = block.gap_hours(np.full(n, 20.0), np.random.default_rng(3).random(n))
    scale = 20.0 / math.log(2.0) ** (1 / shape)
    for hours in (10.0, 30.0, 45.0):
        p = math.exp(-((hours / scale) ** shape))
        # 5 standard errors of n = 40,000 gaps
        assert abs((gaps > hours).mean() - p) < 5 * math.sqrt(p * (1 - p) / n)


def test_churn_grows_with_the_gap_as_stated() -> None:
    block = Returning(tolerance_hours=100.0)
    churn = block.churn_probability(np.array([0.0, 50.0, 100.0, LONGEST_GAP_HOURS]))
    np.testing.assert_allclose(churn, [0.0, 1 - math.exp(-0.5), 1 - math.exp(-1), 1.0])


def test_neutral_settings_take_satisfaction_chance_and_churn_away() -> None:
    block = Returning(pull=0.0, spread=0.0, tolerance_hours=None)
    medians = block.median_gap_hours(np.full(3, 24.0), np.array([0.0, 0.5, 1.0]))
    gaps = block.gap_hours(medians, np.array([0.0, 0.3, 0.999]))
    np.testing.assert_allclose(gaps, 24.0)
    np.testing.assert_array_equal(block.churn_probability(gaps), 0.0)


@given(
    base=st.floats(0, LONGEST_GAP_HOURS),
    pull=st.floats(-20, 20),
    distribution=st.sampled_from(GAP_DISTRIBUTIONS),
    spread=st.floats(0, 20),
    tolerance=st.one_of(st.none(), st.floats(1e-3, 1e300)),
    satisfaction=st.floats(0, 1),
)
def test_gaps_and_churn_stay_in_range_at_any_parameters(
    base: float, tolerance: float | None, satisfaction: float, **parameters: Any
) -> None:
    block = Returning(base_gap_hours=base, tolerance_hours=tolerance, **parameters)
    medians = block.median_gap_hours(np.full(3, base), np.full(3, satisfaction))
    gaps = block.gap_hours(medians, np.array([0.0, 0.5, 1.0 - 2.0**-53]))
    churn = block.churn_probability(gaps)
    assert ((gaps >= 0) & (gaps <= LONGEST_GAP_HOURS)).all()
    assert ((churn >= 0) & (churn <= 1)).all()


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"base_gap_hours": -1.0}, "base_gap_hours"),
        ({"pull": 21.0}, "pull"),
        ({"spread": -0.1}, "spread"),
        ({"tolerance_hours": 0.0}, "tolerance_hours"),
        ({"tolerance_hours": float("inf")}, "unless None"),
    ],
)
def test_wrong_settings_are_refused(parameters: dict[str, float], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        Returning(**parameters)  # type: ignore[arg-type]


def test_an_unknown_distribution_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(UnknownNameError, match="weibull"):
        Returning(distribution="weibul")
