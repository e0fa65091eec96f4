"""Choosing the trade of bias for variance from the log."""

import math
from typing import Any

import numpy as np
import pytest

from rlrec.errors import ConfigError, DataError
from rlrec.evaluation.offline.bandit import ClippedIPS, DRos, SubGaussianIPS
from rlrec.evaluation.offline.slope import OVERLAP, Tuned, first_break, mse, slope
from tests.evaluation.offline.bandit_problem import Bandit


def test_the_narrowest_candidate_is_taken_where_all_agree() -> None:
    assert slope(np.zeros(4), np.array([0.5, 0.1, 0.9, 0.3])) == 1


def test_the_walk_stops_before_bias_shows() -> None:
    values, widths = np.array([1.0, 0.9, 0.0, 1.0]), np.array([0.4, 0.2, 0.1, 0.05])
    assert slope(values, widths) == 1
    assert slope(values[::-1], widths[::-1]) == 2  # the order of candidates does not matter


def test_overlap_is_as_the_paper_states_it() -> None:
    widths = np.array([1.0, 0.5])
    edge = 0.5 + OVERLAP * 1.0
    assert first_break(np.array([0.0, edge - 1e-9]), widths) == 2
    assert first_break(np.array([0.0, edge + 1e-9]), widths) == 1
    assert math.sqrt(6) - 1 == pytest.approx(OVERLAP)


def test_of_candidates_alike_the_first_is_taken() -> None:
    assert slope(np.array([0.3, 0.3, 0.3]), np.array([0.1, 0.1, 0.2])) == 0


def test_candidates_without_a_value_are_refused() -> None:
    with pytest.raises(DataError, match="finite"):
        slope(np.array([math.nan, 0.0]), np.array([1.0, 1.0]))
    with pytest.raises(DataError, match="slope needs"):
        slope(np.zeros(0), np.zeros(0))


@pytest.mark.parametrize("criterion", ["slope", "mse", "mse_bound"])
def test_nothing_is_kept_between_samples(criterion: Any) -> None:
    good = Bandit(logging=np.full((2, 3), 1 / 3)).drawn(4_000, 0)
    rare = np.array([[0.98, 0.01, 0.01], [0.01, 0.01, 0.98]])
    poor = Bandit(logging=rare).drawn(200, 1)
    tuned = Tuned(ClippedIPS, (math.inf, 50.0, 10.0, 2.0, 1.0, 0.5, 0.01), criterion)
    first, second, again = (tuned.choose(sample) for sample in (good, poor, good))
    assert first == again
    assert first == Tuned(ClippedIPS, tuned.lambdas, criterion).choose(good)
    assert second == Tuned(ClippedIPS, tuned.lambdas, criterion).choose(poor)
    assert criterion == "mse_bound" or first != second


def test_the_terms_are_those_of_the_candidate_chosen() -> None:
    sample = Bandit().drawn(500, 2)
    tuned = Tuned(DRos, (0.5, 5.0, 50.0))
    chosen = tuned.choose(sample)
    np.testing.assert_array_equal(tuned.terms(sample).numerators, chosen.terms(sample).numerators)


def test_the_bias_estimate_is_what_weights_leave_out() -> None:
    sample = Bandit().drawn(500, 3)
    unclipped, clipped = ClippedIPS(math.inf), ClippedIPS(0.5)
    units = unclipped.terms(sample).numerators[:, 0]
    assert mse(unclipped, sample) == pytest.approx(units.var() / 500)
    units = clipped.terms(sample).numerators[:, 0]
    bias = unclipped.terms(sample).value - clipped.terms(sample).value
    assert mse(clipped, sample) == pytest.approx(units.var() / 500 + bias**2)


def test_settings_out_of_range_are_refused() -> None:
    bad: list[dict[str, Any]] = [
        {"lambdas": ()},
        {"criterion": "best"},
        {"delta": 0.0},
        {"delta": 1.0},
        {"make": SubGaussianIPS},  # of which 2 is not a lambda_
    ]
    for setting in bad:
        given: dict[str, Any] = {"make": ClippedIPS, "lambdas": (2.0,)} | setting
        with pytest.raises(ConfigError):
            Tuned(**given)
