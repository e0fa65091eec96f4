"""Gaps between visits, from times whose law is known."""

import numpy as np
import pytest

from rlrec.data import InteractionLog, LogMetadata
from rlrec.envs.fitting.slates import return_gaps
from rlrec.envs.fitting.slates.return_gaps import fit_return_gaps
from rlrec.errors import DataError

MEDIAN, PERSON_SD, SPREAD, DAYS = 30.0, 0.4, 0.8, 60


def log_of(n_persons: int = 600, seed: int = 0, days: float = DAYS) -> InteractionLog:
    """Return visits of 3 steps, a minute each, until the log ends."""
    rng = np.random.default_rng(seed)
    users, visits, steps, times = [], [], [], []
    n_visits = 0
    for person in range(n_persons):
        median = MEDIAN * np.exp(PERSON_SD * rng.standard_normal())
        now = rng.uniform(0, 48 * 3600)
        while now < days * 86_400:
            for step in range(3):
                users.append(person)
                visits.append(n_visits)
                steps.append(step)
                times.append(int(now) + 60 * step)
            n_visits += 1
            now += 120 + 3600 * median * np.exp(SPREAD * rng.standard_normal())
    n = len(users)
    last = np.array(steps) == 2
    return InteractionLog.from_columns(
        {
            "user_id": np.array(users),
            "episode_id": np.array(visits),
            "step": np.array(steps),
            "timestamp": np.array(times),
            "slate": np.zeros((n, 1), np.int64),
            "response.click": np.zeros((n, 1), np.float32),
            "reward": np.zeros(n),
            "terminated": last,
            "truncated": np.zeros(n, bool),
        },
        LogMetadata(
            slate_size=1, response_channels=("click",), catalogue_fingerprint="", n_topics=1
        ),
    )


def test_known_gaps_are_recovered_although_long_ones_are_cut_off() -> None:
    found = fit_return_gaps(log_of(days=12))
    truth = {"median_hours": MEDIAN, "person_sd": PERSON_SD, "spread": SPREAD}
    for name, value in truth.items():
        estimate = found.parameters.estimates[name]
        assert abs(estimate.value - value) < 4 * estimate.standard_error, (name, estimate)
        assert estimate.standard_error < 0.1 * value
    block = found.returning()
    assert (
        block.spread == found.parameters.estimates["spread"].value and block.tolerance_hours is None
    )


def test_it_is_the_same_however_a_log_is_cut_into_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    log = log_of(60)
    whole = fit_return_gaps(log)
    blocks = type(log).blocks
    monkeypatch.setattr(type(log), "blocks", lambda self, names: blocks(self, names, n_rows=7))
    assert fit_return_gaps(log) == whole


def test_logs_that_tell_no_gaps_are_refused() -> None:
    log = log_of(40)
    columns = {name: log.column(name) for name in log.column_names}
    with pytest.raises(DataError, match="users came back 0 times"):
        first = columns["episode_id"] == np.repeat(
            [columns["episode_id"][columns["user_id"] == user].min() for user in range(40)],
            [int((columns["user_id"] == user).sum()) for user in range(40)],
        )
        once = {name: column[first] for name, column in columns.items()}
        fit_return_gaps(InteractionLog.from_columns(once, log.metadata))
    constant = {**columns, "timestamp": np.zeros(len(log), np.int64)}
    with pytest.raises(DataError, match="equally long"):
        fit_return_gaps(InteractionLog.from_columns(constant, log.metadata))
    del columns["timestamp"]
    with pytest.raises(DataError, match="has no timestamp"):
        fit_return_gaps(InteractionLog.from_columns(columns, log.metadata))


def test_of_many_persons_some_are_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(return_gaps, "_MOST_PERSONS", 100)
    found = fit_return_gaps(log_of(300))
    assert found.n_persons == 100
    median = found.parameters.estimates["median_hours"]
    assert abs(median.value - MEDIAN) < 4 * median.standard_error
