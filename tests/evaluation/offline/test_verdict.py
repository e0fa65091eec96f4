"""When an estimate is supported."""

import math

import numpy as np
import pytest

from rlrec.arrays import Floats
from rlrec.errors import ConfigError
from rlrec.evaluation.offline.verdict import (
    NO_WEIGHTS,
    SUPPORTED,
    UNKNOWN_SUPPORT,
    UNSUPPORTED,
    Diagnostics,
    Support,
    Thresholds,
    Verdict,
    clustered_mean,
    diagnose,
    doubted,
    judge,
    judge_interval,
    share_without_support,
    weight_sums,
    widened,
)

KNOWN = Support(share=0.0, error=0.0)


def diagnosed(weights: Floats) -> Diagnostics:
    return diagnose(weight_sums(weights, np.arange(len(weights))))


def test_diagnostics_of_weights_by_hand() -> None:
    found = diagnosed(np.array([1.0, 3.0]))
    assert found.effective_sample_size == pytest.approx(16 / 10)
    assert (found.largest_weight, found.mean_weight) == (3.0, 2.0)
    assert found.mean_weight_error == pytest.approx(1.0)


def test_weights_of_one_user_are_one_observation() -> None:
    rng = np.random.default_rng(0)
    of_user = rng.exponential(size=400)
    users = np.repeat(np.arange(400), 5)
    found = diagnose(weight_sums(of_user[users], users))
    assert found.mean_weight_error == pytest.approx(of_user.std(ddof=1) / 20)


def test_the_error_of_a_mean_over_users_covers_it() -> None:
    rng = np.random.default_rng(1)
    inside = 0
    for _ in range(400):
        sizes = rng.integers(1, 6, size=100).astype(float)
        level = rng.normal(size=100)
        mean, error = clustered_mean(sizes * level, sizes)
        inside += abs(mean) < 1.96 * error
    # 400 trials of 0.95, a little less for 100 users: 5 standard errors of 0.011
    assert 0.88 < inside / 400 <= 1.0


def test_even_weights_are_supported() -> None:
    verdict = judge(diagnosed(np.ones(200)), KNOWN, 200, Thresholds(), 0.5)
    assert (verdict.word, verdict.reason) == ("supported", "")


def test_a_small_effective_sample_is_not_supported() -> None:
    verdict = judge(diagnosed(np.ones(50)), KNOWN, 50, Thresholds(), 0.5)
    assert verdict.word == "unsupported"
    assert "effective sample size is 50, below 100" in verdict.reason


def test_a_mean_weight_off_one_is_not_supported() -> None:
    weights = np.tile([0.4, 0.6], 500)
    verdict = judge(diagnosed(weights), KNOWN, 1000, Thresholds(), 0.5)
    assert verdict.word == "unsupported"
    assert "the mean weight is 0.5" in verdict.reason


def test_a_mean_weight_off_one_by_chance_is_supported() -> None:
    weights = np.random.default_rng(2).exponential(size=1000)
    assert judge(diagnosed(weights), KNOWN, 1000, Thresholds(), 0.5).word == "supported"


def test_weights_that_are_all_zero_are_not_supported() -> None:
    verdict = judge(diagnosed(np.zeros(1000)), KNOWN, 1000, Thresholds(), 0.0)
    assert verdict.word == "unsupported"
    assert "effective sample size is 0" in verdict.reason


def test_a_share_without_support_is_what_the_mean_ratio_lacks() -> None:
    ratios = np.random.default_rng(3).exponential(0.7, size=4000)
    support = share_without_support(ratios, np.ones(4000))
    assert abs(support.share - 0.3) < 4 * support.error
    assert judge(NO_WEIGHTS, support, 4000, Thresholds(), 0.5).word == "unsupported"


def test_a_model_alone_is_never_called_supported() -> None:
    verdict = judge(NO_WEIGHTS, UNKNOWN_SUPPORT, 500, Thresholds(), 0.5)
    assert verdict.word == "model only"


def test_few_users_are_not_supported() -> None:
    verdict = judge(diagnosed(np.ones(500)), KNOWN, 12, Thresholds(), 0.5)
    assert "12 users, fewer than 30" in verdict.reason


def test_no_number_is_not_supported() -> None:
    assert judge(NO_WEIGHTS, KNOWN, 500, Thresholds(), math.nan).word == "unsupported"


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"effective_sample_size": -1.0}, "effective_sample_size must be 0 or more, got -1.0"),
        ({"weight_errors": 0.0}, "weight_errors must be above 0"),
        ({"unsupported_share": 1.5}, "unsupported_share must lie in 0..1"),
        ({"n_users": 0}, "n_users must be 1 or more"),
    ],
)
def test_thresholds_out_of_range_are_refused(wrong: dict[str, float], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        Thresholds(**wrong)  # type: ignore[arg-type]


def test_without_an_interval_nothing_is_supported() -> None:
    fine = Verdict(word=SUPPORTED, reason="")
    assert judge_interval(fine, 0.1, 0.2) == fine
    assert "no interval" in judge_interval(fine, math.nan, math.nan).reason
    assert "no resample gives another value" in judge_interval(fine, 0.0, 0.0).reason
    assert judge_interval(fine, 0.0, 0.0).word == UNSUPPORTED


def test_missing_mass_widens_an_interval_by_what_it_may_be_worth() -> None:
    rng = np.random.default_rng(0)
    weights = np.where(rng.random(4_000) < 0.5, 1.96, 0.0)  # 2 % of the policy is not in the log
    short = diagnosed(np.full(4_000, 0.98))
    assert short.missing == pytest.approx(0.02, abs=1e-9)
    assert diagnosed(weights).missing == 0.0  # within two standard errors: 2 % could be chance
    assert Support(share=0.03, error=0.001).missing == pytest.approx(0.032)
    assert Support(share=0.03, error=0.02).missing == 0.0
    assert widened((0.4, 0.6), 0.02, 0.5, (0.0, 2.0)) == pytest.approx((0.36, 0.64))
    assert widened((0.4, 0.6), 0.0, 0.5, (-math.inf, math.inf)) == (0.4, 0.6)


def test_an_interval_stays_within_what_is_possible_but_for_the_estimate() -> None:
    assert widened((-0.3, 0.7), 0.0, 0.2, (0.0, 1.0)) == (0.0, 0.7)
    assert widened((0.8, 1.3), 0.0, 1.1, (0.0, 1.0)) == (0.8, 1.1)
    assert all(math.isnan(end) for end in widened((math.nan, math.nan), 0.1, 0.5, (0.0, 1.0)))


def test_users_of_very_different_weight_are_few() -> None:
    users = np.append(np.zeros(2_000, np.int64), np.arange(1, 40))
    diagnostics = diagnose(weight_sums(np.ones(len(users)), users))
    assert diagnostics.effective_users == pytest.approx(2_039**2 / (2_000**2 + 39))
    verdict = judge(diagnostics, KNOWN, 40, Thresholds(), 0.5)
    assert "weights of the 40 users are worth 1.04 equal ones, fewer than 30" in verdict.reason


def test_sessions_that_lack_what_each_step_lacks_a_little_of_are_not_supported() -> None:
    diagnostics = diagnosed(np.full(300, 0.98**10))
    verdict = judge(diagnostics, Support(share=0.02, error=0.001), 300, Thresholds(), 0.5)
    assert "the log lacks more than 5% of what the policy does" in verdict.reason


def test_a_doubt_makes_an_estimate_unsupported() -> None:
    fine = Verdict(word=SUPPORTED, reason="")
    assert doubted(fine, "") == fine
    assert doubted(fine, "odd") == Verdict(word=UNSUPPORTED, reason="odd")
    assert doubted(Verdict(word=UNSUPPORTED, reason="few"), "odd").reason == "few; odd"
