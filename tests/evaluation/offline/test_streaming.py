"""Sums over a log in blocks of users."""

import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rlrec.arrays import Ints
from rlrec.data import InteractionLog
from rlrec.errors import ConfigError, PropensityError, UnknownNameError
from rlrec.evaluation.offline.evaluate import evaluate_offline
from rlrec.evaluation.offline.session_rows import Sessions
from rlrec.evaluation.offline.streaming import stream_offline
from rlrec.evaluation.offline.user_blocks import user_blocks, user_numbers


@pytest.mark.parametrize("n_rows", [1, 2, 7, 100, 10_000])
def test_blocks_hold_whole_users(visits: Any, bandit: Any, n_rows: int) -> None:
    log = visits.record(bandit.logging, 60, seed=1)
    parts = list(user_blocks(log, n_rows=n_rows))
    users = [set(part.column("user_id").tolist()) for part in parts]
    assert sum(len(some) for some in users) == len(set.union(*users)) == 60
    joined = np.concatenate([part.column("reward") for part in parts])
    np.testing.assert_array_equal(joined, log.column("reward"))


def test_blocks_of_a_log_of_one_user_are_one(bandit: Any) -> None:
    log = bandit.log(50)
    columns = log.columns() | {"user_id": np.zeros(50, np.int64)}
    alone = InteractionLog.from_columns(columns, log.metadata)
    (part,) = user_blocks(alone, n_rows=8)
    assert part.n_rows == 50


def test_users_are_numbered_in_order(bandit: Any) -> None:
    log = bandit.log(6)
    columns = log.columns() | {"user_id": np.array(["a", "a", "b", "d", "d", "e"])}
    named = InteractionLog.from_columns(columns, log.metadata)
    assert user_numbers(named).tolist() == [0, 0, 1, 2, 2, 3]


def test_weights_begin_anew_with_each_session(visits: Any, bandit: Any) -> None:
    log = visits.record(bandit.logging, 40, seed=2)
    sessions = Sessions.of(log, 1.0)
    rng = np.random.default_rng(0)
    ratios = rng.exponential(size=log.n_rows)
    ratios[rng.random(log.n_rows) < 0.1] = 0.0
    with np.errstate(divide="ignore"):
        found = sessions.weights_so_far(np.log(ratios))
    ends = np.append(sessions.starts[1:], log.n_rows)
    for start, end in zip(sessions.starts, ends, strict=True):
        np.testing.assert_allclose(found[start:end], np.cumprod(ratios[start:end]), rtol=1e-9)


@pytest.mark.parametrize("n_rows", [16, 100_000])
def test_a_stream_gives_the_values_of_the_whole(visits: Any, bandit: Any, n_rows: int) -> None:
    log = visits.record(bandit.logging, 400, seed=3)
    policies = {"target": bandit.target, "logging": bandit.logging}
    streamed = stream_offline(policies, log, discount=0.9, n_rows=n_rows)
    whole = evaluate_offline(policies, log, estimators=["ips", "snips", "pdis"], discount=0.9)
    left, right = streamed.table(), whole.table()
    for column in ("value", "effective_sample_size", "mean_weight", "mean_weight_error"):
        np.testing.assert_allclose(left[column], right[column], rtol=1e-9, atol=1e-9)
    assert list(left["verdict"]) == list(right["verdict"])
    # both intervals are of 1,000 replicates drawn apart: ends differ by a few percent of width
    widths = right["upper"] - right["lower"]
    np.testing.assert_allclose(left["lower"], right["lower"], atol=0.15 * widths.max())
    assert streamed.facts.value_range == whole.facts.value_range
    assert streamed.differences()["difference"].tolist() == pytest.approx(
        whole.differences()["difference"].tolist()
    )


def test_a_stream_of_more_users_than_blocks_has_the_same_error(bandit: Any) -> None:
    log = bandit.log(12_000)
    streamed = stream_offline(bandit.target, log)["policy", "ips"]
    whole = evaluate_offline(bandit.target, log, interval="delta")["policy", "ips"]
    ratio = (streamed.upper - streamed.lower) / (whole.upper - whole.lower)
    # of 1,000 blocks and 1,000 replicates, a width errs by 2.2 % and 3 % or so: 5 errors
    assert abs(ratio - 1) < 0.2


def test_a_policy_outside_the_log_is_not_supported(bandit: Any) -> None:
    results = stream_offline(bandit.best, bandit.log(3_000, never=2))
    assert set(results.table()["verdict"]) == {"unsupported"}
    assert set(results.table()["lower"]) == {0.0}
    assert set(results.table()["upper"]) == {1.0}


def test_what_needs_more_than_sums_is_refused(bandit: Any) -> None:
    log = bandit.log(100)
    with pytest.raises(UnknownNameError, match="use evaluate_offline"):
        stream_offline(bandit.target, log, estimators=["dr"])
    with pytest.raises(ConfigError, match="needs a SlatePolicy"):
        stream_offline(np.full(100, 0.5), log)
    columns = log.columns()
    del columns["log_propensity"]
    with pytest.raises(PropensityError, match="estimate_logging_policy"):
        stream_offline(bandit.target, InteractionLog.from_columns(columns, log.metadata))


def test_memory_does_not_grow_with_the_log(bandit: Any, tmp_path: Path) -> None:
    peaks: dict[int, int] = {}
    for n in (50_000, 200_000):
        bandit.log(n).write(tmp_path / str(n))
        log = InteractionLog.open(tmp_path / str(n))
        tracemalloc.start()
        stream_offline(bandit.target, log, n_rows=8_192)
        peaks[n] = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    # 150,000 more rows at 3 bytes each would be seen; one column of them has 8 bytes a row
    assert peaks[200_000] - peaks[50_000] < 150_000 * 3


def test_a_part_is_a_log_of_the_same_metadata(bandit: Any) -> None:
    log = bandit.log(20)
    part = next(user_blocks(log, ["user_id", "reward"], n_rows=4))
    assert part.metadata == log.metadata
    assert part.column_names == ("user_id", "reward")
    users: Ints = part.column("user_id")
    assert users.tolist() == [0, 0]
