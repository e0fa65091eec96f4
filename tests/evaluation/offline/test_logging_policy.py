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


def test_a_right_model_is_not_in_doubt() -> None:
    for seed in range(10):
        found = estimate_logging_policy(without_propensities(slate_log(1_500, seed)))
        assert found.doubt == ""
        assert "agree with what was shown to other users" in found.caveat


def drawn_log(chances: Any, contexts: Any, seed: int) -> InteractionLog:
    """Slates of one of A items, with chances (n, A) in contexts (n,), a row a user."""
    n_rows, rng = len(chances), np.random.default_rng(seed)
    slates = (np.cumsum(chances, axis=1) < rng.random((n_rows, 1))).sum(axis=1)[:, None]
    return InteractionLog.from_columns(
        {
            "user_id": np.arange(n_rows),
            "episode_id": np.arange(n_rows),
            "step": np.zeros(n_rows, np.int64),
            "slate": slates,
            "response.click": np.zeros((n_rows, 1), bool),
            "reward": np.zeros(n_rows),
            "terminated": np.ones(n_rows, bool),
            "truncated": np.zeros(n_rows, bool),
            "context": contexts[:, None].astype(np.float32),
        },
        LogMetadata(slate_size=1, response_channels=("click",)),
    )


def test_a_model_right_on_average_is_found_wrong_within_contexts() -> None:
    contexts = np.arange(6_000) % 2.0
    first = np.where(contexts == 0, 0.3, 0.7)
    log = drawn_log(np.stack([first, 1 - first], axis=1), contexts, seed=6)
    blind = estimate_logging_policy(log, "popularity")
    assert blind.calibration["gap"].abs().max() < 5  # the marginal chances are right
    assert blind.largest_gap > 20
    assert "(popularity) miss what was shown: of item" in blind.doubt
    assert "where context[0] is" in blind.doubt
    assert "estimates with them are wrong: of item" in blind.caveat
    assert estimate_logging_policy(log, "multinomial").doubt == ""


def test_a_dependence_that_is_no_line_is_found() -> None:
    contexts = np.random.default_rng(6).normal(size=8_000)
    first = np.where(np.abs(contexts) < 0.67, 0.7, 0.3)
    log = drawn_log(np.stack([first, 1 - first], axis=1), contexts, seed=7)
    found = estimate_logging_policy(log)  # linear in the context, which tells it nothing
    assert "where context[0] is" in found.doubt


def test_a_gap_that_random_slates_explain_is_told_as_such() -> None:
    n_rows = 60_000
    log = drawn_log(np.tile([0.9, 0.05, 0.05], (n_rows, 1)), np.arange(n_rows) % 2.0, seed=8)
    mixed = estimate_logging_policy(log, "popularity")
    # 0.98 x 0.9 + 0.02 / 3 is 0.0113 below 0.9, with a standard error of 0.0012
    assert mixed.doubt == ""
    assert "no more than the 0.02 of random slates mixed into them explains" in mixed.caveat
    pure = estimate_logging_policy(log, "popularity", random_share=1e-6)
    assert "agree with what was shown to other users" in pure.caveat


def test_a_gap_that_is_certain_but_small_is_told_and_is_no_doubt() -> None:
    n_rows = 100_000
    contexts = np.arange(n_rows) % 2.0
    first = np.where(contexts == 0, 0.48, 0.52)
    log = drawn_log(np.stack([first, 1 - first], axis=1), contexts, seed=9)
    found = estimate_logging_policy(log, "popularity")
    # 0.02 off, with a standard error of 0.5 / sqrt(50,000) = 0.0022
    assert found.doubt == ""
    assert "standard errors, but nowhere by more than 10%" in found.caveat


def test_cells_count_what_the_log_shows() -> None:
    log = without_propensities(slate_log(2_000, seed=10))
    found = estimate_logging_policy(log, "popularity", random_share=1e-6)
    contexts, first = log.column("context")[:, 0], log.column("slate")[:, 0]
    assert len(found.contexts) == 20  # five items by four quarters of the context
    for cell in found.contexts.to_dict("records"):
        inside = (contexts > cell["low"]) & (contexts < cell["high"])
        assert (cell["observed_number"], cell["n"]) == ("context[0]", inside.sum())
        assert cell["observed"] == pytest.approx((first[inside] == cell["item"]).mean())
        expected = cell["predicted"]
        spread = np.sqrt(expected * (1 - expected) / cell["n"])
        assert cell["gap"] == pytest.approx((cell["observed"] - expected) / spread, abs=0.01)
    assert found.largest_gap == found.contexts["gap"].abs().max()


def test_candidates_are_calibrated_by_item_and_rare_items_together() -> None:
    n_rows, rng = 12_000, np.random.default_rng(11)
    candidates = np.argsort(rng.random((n_rows, 40)), axis=1)[:, :2]
    # Of two items on offer an even one is shown with 0.8 against an odd one, in context 1 alone.
    contexts = np.arange(n_rows) % 2.0
    odd = candidates % 2
    favours = contexts * (odd[:, 1] - odd[:, 0])
    first = 0.5 + 0.3 * favours
    log = drawn_log(np.stack([first, 1 - first], axis=1), contexts, seed=12)
    columns = log.columns() | {"candidates": candidates}
    log = InteractionLog.from_columns(columns, log.metadata)
    blind = estimate_logging_policy(log, "popularity")
    assert set(blind.contexts["item"]) > {-1}
    assert "where context[0] is" in blind.doubt
    assert estimate_logging_policy(log).doubt == ""


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
