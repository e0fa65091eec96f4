"""What is left of a gain in a second world."""

from typing import Any

import numpy as np
import pytest

from rlrec.arrays import Floats
from rlrec.errors import ConfigError, DataError
from rlrec.evaluation import PolicyRollout, RolloutResults, gain_kept, rollout_across
from rlrec.evaluation.results import Timeline


def results(agent: Floats, baseline: Floats, seed: int = 0) -> RolloutResults:
    return RolloutResults(
        policies={"agent": played(agent), "ALS": played(baseline)},
        env_id="made up",
        arguments={},
        n_users=len(agent),
        seed=seed,
        deterministic=True,
        max_steps=None,
        response_channels=("click",),
        topic_names=(),
    )


def played(returns: Floats) -> PolicyRollout:
    n = len(returns)
    nothing: Any = np.zeros((1, 0), np.int64)
    timeline = Timeline(
        edges=np.array([0, 1]),
        user_steps=np.array([n]),
        reward_sums=np.array([returns.sum()]),
        topics_shown=nothing,
        topics_responded=nothing,
    )
    return PolicyRollout(
        returns=returns,
        lengths=np.ones(n, np.int64),
        responses=np.zeros((n, 1)),
        blank_slots=np.zeros(n, np.int64),
        terminated=np.ones(n, bool),
        cut_short=np.zeros(n, bool),
        items_shown=None,
        topics_a_slate=None,
        timeline=timeline,
    )


def test_the_share_kept_is_that_of_the_mean_gains() -> None:
    here = results(np.full(50, 30.0), np.full(50, 10.0))
    there = results(np.full(40, 22.0), np.full(40, 12.0), seed=1)
    kept = gain_kept(here, there, "agent", "ALS")
    assert kept == pytest.approx((0.5, 0.5, 0.5, 0.0, 1))


def test_its_interval_covers_the_truth() -> None:
    rng = np.random.default_rng(0)
    covered = 0
    for _ in range(100):
        here, there = (
            [
                results(base + gain + rng.normal(0, 3, 200), np.zeros(200))
                for base in rng.normal(0, 1, 12)
            ]
            for gain in (10.0, 8.0)
        )
        kept = gain_kept(here, there, "agent", "ALS", n_resamples=300)
        covered += kept.low <= 0.8 <= kept.high
    # seeds and users drawn anew, 100 times: 93 % or so cover, fewer than 84 in one of 1,000 runs
    assert covered >= 84


def test_no_gain_and_unlike_users_are_refused() -> None:
    level = results(np.ones(5), np.ones(5))
    with pytest.raises(ConfigError, match="no gain to keep"):
        gain_kept(level, level, "agent", "ALS")
    better, other = results(np.full(5, 2.0), np.ones(5)), results(np.ones(6), np.ones(6))
    with pytest.raises(DataError, match="same users"):
        gain_kept([better, other], [better, better], "agent", "ALS")
    with pytest.raises(DataError, match="same seeds"):
        gain_kept([better, better], better, "agent", "ALS")
    with pytest.raises(ConfigError, match="one world or more"):
        rollout_across({}, {}, 1, 0)


def test_a_gain_in_training_that_may_be_none_leaves_no_interval() -> None:
    rng = np.random.default_rng(0)
    level = np.zeros(300)
    here, there = (results(rng.normal(mean, 10.0, 300), level) for mean in (1.2, 3.0))
    kept = gain_kept(here, there, "agent", "ALS")
    assert np.isfinite(kept.value)
    assert np.isnan([kept.low, kept.high, kept.standard_error]).all()


def test_a_gain_that_is_none_in_few_resamples_only_widens_the_interval() -> None:
    rng = np.random.default_rng(0)
    noise = rng.normal(0.0, 10.0, 400)
    gains = noise - noise.mean() + 2.35 * noise.std() / 20.0  # one resample in 100 is 0 or less
    there = results(rng.normal(3.0, 10.0, 400), np.zeros(400))
    kept = gain_kept(results(gains, np.zeros(400)), there, "agent", "ALS")
    # No share is negative but for a loss in the second world, which is hardly ever drawn.
    assert kept.low > 0 and kept.value < kept.high < np.inf
    assert np.isnan(kept.standard_error)
