"""Users who are shown what a log shows."""

import numpy as np

from rlrec.data import InteractionLog
from rlrec.envs import UserSimulator, make_simulator
from rlrec.envs.fitting.validation.replaying import replayed
from rlrec.policy import RandomPolicy

N_ITEMS, SLATE_SIZE = 30, 3


def users(n_users: int = 50) -> UserSimulator:
    return make_simulator(
        "rlrec/ComposedUsers-v0",
        n_users,
        n_items=N_ITEMS,
        slate_size=SLATE_SIZE,
        leaving={"name": "patience", "relief": 0.0, "poor_cost": 0.0, "base": -2.5},
    )


def test_visits_are_shown_the_slates_of_a_visit_of_the_log() -> None:
    simulator = users()
    log = InteractionLog.record(RandomPolicy(N_ITEMS, SLATE_SIZE), simulator, 2_000, seed=0)
    again = replayed(simulator, log, 50, 60, seed=1)
    assert len(again) == 3_000
    assert again.metadata.catalogue_fingerprint == log.metadata.catalogue_fingerprint
    own = {tuple(slate.tolist()) for slate in log.column("slate")}
    assert all(tuple(slate.tolist()) in own for slate in again.column("slate"))
    starts = np.flatnonzero(log.column("step") == 0)
    lengths = np.diff(np.append(starts, len(log)))
    visits = {
        tuple(map(tuple, log.column("slate")[start : start + length].tolist()))
        for start, length in zip(starts, lengths, strict=True)
    }
    begins = np.flatnonzero(again.column("step") == 0)
    sizes = np.diff(np.append(begins, len(again)))
    found = [
        tuple(map(tuple, again.column("slate")[start : start + size].tolist()))
        for start, size in zip(begins, sizes, strict=True)
    ]
    prefixes = {visit[:n] for visit in visits for n in range(1, len(visit) + 1)}
    longer = [visit for visit in found if visit not in prefixes]
    assert all(
        any(visit[:n] in visits for n in range(1, len(visit))) for visit in longer
    )  # a whole visit of the log, then other slates of it
    assert 0 < len(longer) < len(found)


def test_the_same_seed_is_the_same_log_and_users_respond_as_they_do() -> None:
    simulator = users()
    log = InteractionLog.record(RandomPolicy(N_ITEMS, SLATE_SIZE), simulator, 4_000, seed=0)
    one, other = (replayed(simulator, log, 50, 80, seed=3) for _ in range(2))
    for name in one.column_names:
        np.testing.assert_array_equal(one.column(name), other.column(name))
    rates = [(part.response("click") > 0).mean() for part in (log, one)]
    # 12,000 looks each, clicks of a user related: 6 standard errors of independent ones
    assert abs(rates[0] - rates[1]) < 6 * np.sqrt(2 * 0.25 / 12_000)
