import math

import numpy as np
import pytest

from rlrec.evaluation import coverage, gini
from rlrec.evaluation.exposure import shown_counts


def test_empty_places_are_not_counted_as_shown() -> None:
    assert shown_counts(np.array([[2, 0, -1], [2, -1, -1]]), 4).tolist() == [1, 0, 2, 0]


def test_coverage_is_the_share_of_items_shown_at_least_once() -> None:
    assert coverage(np.array([3, 0, 1, 0])) == 0.5


def test_gini_is_zero_for_even_counts_and_nearly_one_for_a_single_item() -> None:
    assert gini(np.full(10, 7)) == pytest.approx(0.0)
    assert gini(np.array([0, 0, 0, 9])) == pytest.approx(3 / 4)


def test_gini_equals_the_mean_absolute_difference_over_twice_the_mean() -> None:
    counts = np.random.default_rng(0).poisson(3.0, size=50)
    differences = np.abs(counts[:, None] - counts).mean()
    assert gini(counts) == pytest.approx(differences / (2 * counts.mean()))


def test_gini_of_nothing_shown_is_not_defined() -> None:
    assert math.isnan(gini(np.zeros(3)))
