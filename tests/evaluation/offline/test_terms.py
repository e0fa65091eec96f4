"""Sums of ratios, their influences and their resamples."""

from typing import Any

import numpy as np
import pytest

from rlrec.errors import ConfigError
from rlrec.evaluation.offline.resampling import Resamples
from rlrec.evaluation.offline.terms import Terms, normalised, one_term


def test_a_plain_mean_is_one_term() -> None:
    assert one_term(np.array([1.0, 2.0, 6.0])).value == 3.0


def test_a_normalised_mean_divides_by_the_weights() -> None:
    assert normalised(np.array([2.0, 4.0]), np.array([1.0, 2.0])).value == 2.0


def test_influences_are_the_leave_one_out_changes_to_first_order() -> None:
    rng = np.random.default_rng(0)
    terms = Terms(rng.random((4000, 2)), 0.5 + rng.random((4000, 2)))
    assert terms.denominators is not None
    kept = np.arange(4000) != 17
    without = Terms(terms.numerators[kept], terms.denominators[kept])
    np.testing.assert_allclose(
        (terms.value - without.value) * 4000, terms.influences()[17], rtol=1e-3
    )


def test_the_spread_of_resamples_is_the_standard_error() -> None:
    rng = np.random.default_rng(1)
    n, n_replicates = 5000, 2000
    weights = rng.exponential(size=n)
    terms = normalised(weights * rng.random(n), weights)
    spread = Resamples(None, n, n_replicates, most_clusters=5000).values(terms).std()
    error = terms.influences().std() / np.sqrt(n)
    # the standard deviation of R replicates has a relative error of 1 / sqrt(2 R): 5 of them
    assert abs(spread / error - 1) < 5 / np.sqrt(2 * n_replicates)


def test_rows_of_a_user_are_resampled_together() -> None:
    rng = np.random.default_rng(2)
    users = np.repeat(np.arange(300), 20)
    values = rng.normal(size=300)[users]
    spread = Resamples(users, 6000, 2000).values(one_term(values)).std()
    expected = values[::20].std() / np.sqrt(300)
    assert abs(spread / expected - 1) < 5 / np.sqrt(4000)


def test_two_policies_meet_the_same_replicates() -> None:
    values = np.random.default_rng(3).random(500)
    resamples = Resamples(None, 500, 50)
    difference = resamples.values(one_term(values + 1.0)) - resamples.values(one_term(values))
    np.testing.assert_allclose(difference, 1.0)


@pytest.mark.parametrize(
    "arguments",
    [
        {"n_replicates": 1},
        {"n_replicates": 100.0},
        {"seed": -1},
        {"most_clusters": 0},
        {"most_clusters": 1},
    ],
)
def test_resamples_need_whole_numbers(arguments: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=f"{next(iter(arguments))} must be"):
        Resamples(None, 100, **arguments)
