"""Propensities estimated from a log."""

from typing import Any

import numpy as np
import pytest

from rlrec.baselines import make_baseline
from rlrec.data import InteractionLog, LogMetadata
from rlrec.errors import ConfigError, DataError, UnknownNameError
from rlrec.evaluation.offline.evaluate import evaluate_offline
from rlrec.evaluation.offline.logging_policy import (
    _likelihood,
    estimate_logging_policy,
)
from rlrec.slates import plackett_luce_log_probs, sample_plackett_luce


def without_propensities(log: InteractionLog) -> InteractionLog:
    columns = {name: values for name, values in log.columns().items() if "propensity" not in name}
    return InteractionLog.from_columns(columns, log.metadata)


def slate_log(n_rows: int, seed: int) -> InteractionLog:
    """Slates of 2 of 5 items, by Plackett-Luce with logits that a context tilts."""
    rng = np.random.default_rng(seed)
    contexts = rng.normal(size=n_rows)
    levels, tilts = np.array([1.0, 0.5, 0.0, -0.5, -1.0]), np.array([-1.0, 0.0, 1.0, 0.0, 0.5])
    draw = sample_plackett_luce(levels + contexts[:, None] * tilts, 2, rng)
    responses = rng.random((n_rows, 2)) < 0.3
    return InteractionLog.from_columns(
        {
            "user_id": np.arange(n_rows),
            "episode_id": np.arange(n_rows),
            "step": np.zeros(n_rows, np.int64),
            "slate": draw.slates,
            "response.click": responses,
            "reward": responses.sum(axis=1).astype(float),
            "terminated": np.ones(n_rows, bool),
            "truncated": np.zeros(n_rows, bool),
            "context": contexts[:, None].astype(np.float32),
            "propensity_given_prefix": np.exp(draw.log_probs),
        },
        LogMetadata(slate_size=2, response_channels=("click",)),
    )


def test_the_likelihood_is_that_of_slates_and_its_gradient_right() -> None:
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(4, 6))
    slates = np.stack([rng.permutation(6)[:3] for _ in range(4)])
    gain, change = _likelihood(logits, slates)
    assert gain == pytest.approx(plackett_luce_log_probs(logits, slates).sum())
    for cell in [(0, 0), (1, int(slates[1, 0])), (2, int(slates[2, 2])), (3, 5)]:
        moved = logits.copy()
        moved[cell] += 1e-6
        slope = (plackett_luce_log_probs(moved, slates).sum() - gain) / 1e-6
        assert change[cell] == pytest.approx(slope, abs=1e-4)


def test_propensities_of_slates_are_found() -> None:
    log = slate_log(6_000, seed=1)
    found = estimate_logging_policy(without_propensities(log), random_share=1e-6)
    true = np.log(log.column("propensity_given_prefix")).sum(axis=1)
    # 24 free numbers and 4,000 rows a fold: logits err by about sqrt(5 / 4000) = 0.035
    assert np.sqrt(np.mean((found.log_joint - true) ** 2)) < 0.15
    assert found.largest_gap < 4
    assert found.log_likelihood > found.uniform_log_likelihood + 0.3


def test_a_model_that_sees_too_little_is_told_by_its_calibration() -> None:
    log = without_propensities(slate_log(6_000, seed=2))
    blind = estimate_logging_policy(log, "popularity")
    seeing = estimate_logging_policy(log, "multinomial")
    assert seeing.log_likelihood > blind.log_likelihood + 0.1


def test_calibration_tells_wrong_propensities() -> None:
    log = without_propensities(slate_log(3_000, seed=3))
    shrunk = estimate_logging_policy(log, penalty=1e6)
    assert shrunk.largest_gap > 10
    assert "miss what was shown" in shrunk.caveat
    assert shrunk.log_likelihood == pytest.approx(shrunk.uniform_log_likelihood, abs=0.01)


def test_estimates_with_estimated_propensities_say_so(bandit: Any) -> None:
    log = bandit.log(8_000)
    estimated = estimate_logging_policy(without_propensities(log))
    results = evaluate_offline(bandit.target, without_propensities(log), logging=estimated)
    found = results["policy", "snips"]
    assert abs(found.value - bandit.value(bandit.target)) < 0.04
    assert found.verdict.word == "supported"
    assert "Propensities are estimated (multinomial), not logged" in found.verdict.reason
    assert results.facts.caveats == (estimated.caveat,)


def test_a_baseline_can_be_the_model() -> None:
    log = without_propensities(slate_log(2_000, seed=4))
    found = estimate_logging_policy(log, make_baseline("popularity"))
    assert found.log_likelihood > found.uniform_log_likelihood
    assert found.given_prefix.min() > 0


def test_propensities_come_from_other_users() -> None:
    log = without_propensities(slate_log(300, seed=5))
    columns = log.columns()
    columns["slate"] = columns["slate"].copy()
    columns["slate"][7] = [4, 3]  # another slate of one user changes nothing for its fold
    other = InteractionLog.from_columns(columns, log.metadata)
    before, after = (estimate_logging_policy(each, penalty=1.0) for each in (log, other))
    changed = np.flatnonzero((before.given_prefix != after.given_prefix).any(axis=1))
    same = set(range(300)) - set(changed.tolist())
    assert len(same) >= 99  # the other users of its fold
    assert 150 < len(changed) <= 201


def test_what_cannot_be_estimated_is_refused(bandit: Any) -> None:
    log = without_propensities(bandit.log(100))
    with pytest.raises(UnknownNameError, match="Did you mean 'multinomial'"):
        estimate_logging_policy(log, "multinominal")
    with pytest.raises(ConfigError, match="random_share must lie between 0 and 1"):
        estimate_logging_policy(log, random_share=0.0)
    with pytest.raises(ConfigError, match="baseline with fit and softened"):
        estimate_logging_policy(log, 3)
    found = estimate_logging_policy(log)
    with pytest.raises(DataError, match="of 100 rows, the log has 50"):
        evaluate_offline(bandit.target, bandit.log(50), logging=found)
