"""Agreement of rankings: known orders, ties, noise, and what cannot be compared."""

from typing import Any

import numpy as np
import pytest
from scipy.stats import kendalltau

from rlrec.arrays import Floats
from rlrec.data import InteractionLog, LogMetadata
from rlrec.envs.fitting.ranking.policy_ranking import (
    compare_rankings,
    compare_with_offline,
    kendall_tau,
)
from rlrec.errors import ConfigError, DataError, UnknownNameError
from rlrec.evaluation import Estimate
from rlrec.evaluation.offline import OfflineResults, evaluate_offline

NAMES = [f"policy {letter}" for letter in "abcdefgh"]


def values(means: Any, n_users: int, seed: int, noise: float = 1.0) -> dict[str, Floats]:
    """Return values of each user: a level of the user, a mean of the policy, and noise."""
    rng = np.random.default_rng(seed)
    level = 3.0 * rng.standard_normal(n_users)
    return {
        name: mean + level + noise * rng.standard_normal(n_users)
        for name, mean in zip(NAMES, means, strict=False)
    }


def test_the_same_order_has_tau_one_and_its_reverse_minus_one() -> None:
    ahead, back = np.arange(8.0), -np.arange(8.0)
    true = values(ahead, 200, 0)
    for means, tau in ((10 * ahead, 1.0), (back, -1.0)):
        found = compare_rankings(values(means, 300, 1), true).tau
        assert (found.value, found.low, found.high) == (tau, tau, tau)
        assert found.n == 200


def test_users_who_differ_more_than_policies_do_not_hide_the_order() -> None:
    # levels of users have sd 3, policies lie 0.3 apart: only paired draws tell them apart
    means = 0.3 * np.arange(8.0)
    found = compare_rankings(values(means, 400, 2, 0.5), values(means, 400, 3, 0.5)).tau
    assert found.value == 1.0
    assert found.low > 0.9


def test_noise_alone_gives_intervals_that_hold_zero() -> None:
    holds = []
    for seed in range(40):
        one, other = values(np.zeros(8), 50, seed), values(np.zeros(8), 50, 1_000 + seed)
        found = compare_rankings(one, other, n_resamples=200).tau
        holds.append(found.low <= 0.0 <= found.high)
    # nominally 38 of 40; 33 or fewer by chance in one of a hundred such tests
    assert sum(holds) >= 34


def test_close_policies_widen_the_interval() -> None:
    far = values(np.arange(8.0), 100, 4)
    near = values(0.05 * np.arange(8.0), 100, 5)
    found = compare_rankings(near, far).tau
    assert found.low <= found.value <= found.high
    assert found.high - found.low > 0.2


@pytest.mark.parametrize("seed", range(5))
def test_tau_is_that_of_scipy_with_ties(seed: int) -> None:
    rng = np.random.default_rng(seed)
    one, other = rng.integers(0, 4, 9).astype(float), rng.integers(0, 4, 9).astype(float)
    assert kendall_tau(one, other) == pytest.approx(kendalltau(one, other).statistic, abs=1e-12)


def test_policies_that_do_the_same_are_tied_in_every_resample() -> None:
    true = values([0.0, 1.0, 2.0], 60, 6, noise=0.1)
    same = np.random.default_rng(7).standard_normal(60)
    simulated = {"policy a": same, "policy b": same.copy(), "policy c": same + 1.0}
    found = compare_rankings(simulated, true).tau
    tau = 2 / np.sqrt(2 * 3)
    assert (found.value, found.low, found.high) == pytest.approx((tau, tau, tau))


def test_the_same_users_are_drawn_on_both_sides() -> None:
    means = 0.1 * np.arange(8.0)
    both = values(means, 80, 8)
    found = compare_rankings(both, both, same_users=True).tau
    assert (found.low, found.high) == (1.0, 1.0)
    assert compare_rankings(both, both).tau.low < 0.95


def test_estimates_with_errors_serve_as_a_side() -> None:
    def estimates(error: float) -> dict[str, Estimate]:
        numbers = enumerate(NAMES)
        return {name: Estimate(n, n - 2 * error, n + 2 * error, error, 70) for n, name in numbers}

    simulated = values(np.arange(8.0), 500, 9)
    exact = compare_rankings(simulated, estimates(0.01))
    assert (exact.tau.value, exact.tau.low, exact.tau.n) == (1.0, 1.0, 70)
    assert exact.true == estimates(0.01)
    rough = compare_rankings(simulated, estimates(3.0)).tau
    assert rough.value == 1.0 and rough.low < 0.7


def test_the_table_has_the_truly_best_first_and_shares_ranks_of_ties() -> None:
    true = {"a": np.array([0.0, 2.0]), "b": np.array([2.0, 4.0]), "c": np.array([1.0, 1.0])}
    table = compare_rankings({"a": [5.0, 6.0], "b": [7.0, 8.0], "c": [1.0, 2.0]}, true).table()
    assert list(table.index) == ["b", "a", "c"]
    assert list(table["true_rank"]) == [1.0, 2.5, 2.5]
    assert list(table["simulated_rank"]) == [1.0, 2.0, 3.0]
    assert (table["simulated_low"] < table["simulated"]).all()


@pytest.mark.parametrize(
    ("simulated", "true", "message"),
    [
        ({"a": [1.0, 2.0]}, {"a": [1.0, 2.0]}, "2 or more policies"),
        ({"a": [1.0, 2.0], "b": [2.0, 1.0]}, {"a": [1.0, 2.0], "c": [1.0, 3.0]}, "the same on"),
        ({"a": [1.0], "b": [2.0]}, {"a": [1.0, 2.0], "b": [1.0, 3.0]}, "2 or more users, got 1"),
        ({"a": [1.0, 2.0], "b": [1.0]}, {"a": [1.0, 2.0], "b": [1.0, 3.0]}, "the same users"),
        ({"a": [1.0, 2.0], "b": [1.0, 2.0]}, {"a": [0.0, 1.0], "b": [1.0, 3.0]}, "simulator: th"),
        ({"a": [0.0, 1.0], "b": [1.0, 3.0]}, {"a": [1.0, 2.0], "b": [1.0, 2.0]}, "truth: there"),
        ({"a": [0.0, np.nan], "b": [1.0, 3.0]}, {"a": [1.0, 2.0], "b": [1.0, 4.0]}, "not finite"),
    ],
)
def test_what_cannot_be_ranked_is_refused(simulated: Any, true: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        compare_rankings(simulated, true)


def offline_results(n_rounds: int) -> OfflineResults:
    """Return estimates of policies that always choose one of five, each better than the last."""
    rng = np.random.default_rng(10)
    choices = rng.integers(5, size=n_rounds)
    rewards = 0.4 * choices + rng.standard_normal(n_rounds)
    columns = {
        "user_id": np.arange(n_rounds) // 10,
        "episode_id": np.arange(n_rounds),
        "step": np.zeros(n_rounds, np.int64),
        "slate": choices[:, None],
        "response.liked": (rewards > 0).astype(float)[:, None],
        "reward": rewards,
        "terminated": np.ones(n_rounds, bool),
        "truncated": np.zeros(n_rounds, bool),
        "log_propensity": np.full(n_rounds, np.log(0.2)),
        "propensity_given_prefix": np.full((n_rounds, 1), 0.2),
    }
    metadata = LogMetadata(slate_size=1, response_channels=("liked",), logging_policy="uniform")
    policies = {
        name: np.tile(np.eye(5)[choice], (n_rounds, 1)) for choice, name in enumerate(NAMES[:5])
    }
    log = InteractionLog.from_columns(columns, metadata)
    return evaluate_offline(policies, log, estimators=["snips"], n_replicates=300)


def test_off_policy_estimates_are_a_truth_to_compare_with() -> None:
    offline = offline_results(4_000)
    found = compare_with_offline(values(np.arange(5.0), 200, 11), offline, "snips")
    assert found.tau.value == 1.0 and found.tau.low > 0.9
    assert found.tau.n == 200
    estimate = offline["policy c", "snips"]
    told = found.true["policy c"]
    assert (told.value, told.low, told.high) == (estimate.value, estimate.lower, estimate.upper)
    back = compare_with_offline(values(-np.arange(5.0), 200, 12), offline, "snips").tau
    assert back.value == -1.0


def test_estimates_without_support_give_no_order() -> None:
    offline = offline_results(100)
    assert offline["policy a", "snips"].verdict.word == "unsupported"
    with pytest.raises(DataError, match=r"unsupported are \['policy a'"):
        compare_with_offline(values(np.arange(5.0), 50, 0), offline, "snips")
    with pytest.raises(UnknownNameError, match="no estimate of policy 'policy f'"):
        compare_with_offline(values(np.arange(8.0), 50, 0), offline, "snips")
    with pytest.raises(DataError, match="2 or more policies"):
        compare_with_offline({"policy a": np.arange(9.0)}, offline, "snips")


def test_wrong_arguments_are_refused() -> None:
    one, other = values(np.arange(8.0), 20, 0), values(np.arange(8.0), 30, 0)
    with pytest.raises(ConfigError, match="n_resamples must be 1 or more"):
        compare_rankings(one, other, n_resamples=0)
    with pytest.raises(ConfigError, match="confidence lie between 0 and 1"):
        compare_rankings(one, other, confidence=1.0)
    with pytest.raises(DataError, match="equally many on both sides"):
        compare_rankings(one, other, same_users=True)
    mixed: Any = {**one, "policy a": Estimate(1.0, 0.0, 2.0, 0.5, 20)}
    with pytest.raises(DataError, match="values of users for some policies and estimates"):
        compare_rankings(mixed, other)
    with pytest.raises(DataError, match="got shapes"):
        kendall_tau([1.0, 2.0], [1.0])
