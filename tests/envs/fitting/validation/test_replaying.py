"""Users who are shown what a log shows."""

import numpy as np

from rlrec.data import InteractionLog
from rlrec.data.log_columns import items_shown
from rlrec.envs import UserSimulator, make_simulator
from rlrec.envs.fitting.validation.replaying import MOST_TIMES_LONGER, replayed
from rlrec.envs.fitting.validation.seen_visits import UNBOUNDED, seen_windows
from rlrec.envs.wrappers import Preselected
from rlrec.policy import RandomPolicy

N_ITEMS, SLATE_SIZE = 30, 3


def users(n_users: int = 50, base: float = -2.5, max_steps: int | None = None) -> UserSimulator:
    return make_simulator(
        "rlrec/ComposedUsers-v0",
        n_users,
        n_items=N_ITEMS,
        slate_size=SLATE_SIZE,
        leaving={"name": "patience", "relief": 0.0, "poor_cost": 0.0, "base": base},
        max_steps=max_steps,
    )


def test_visits_are_shown_the_slates_of_a_visit_of_the_log() -> None:
    simulator = users()
    log = InteractionLog.record(RandomPolicy(N_ITEMS, SLATE_SIZE), simulator, 2_000, seed=0)
    again = replayed(simulator, log, 50, seed=1)
    n_visits = (log.column("step") == 0).sum()
    assert (again.column("step") == 0).sum() == n_visits
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
    one, other = (replayed(simulator, log, 50, seed=3) for _ in range(2))
    for name in one.column_names:
        np.testing.assert_array_equal(one.column(name), other.column(name))
    rates = [(part.response("click") > 0).mean() for part in (log, one)]
    # About 12,000 looks each, clicks of a user related: 6 standard errors of independent ones
    assert abs(rates[0] - rates[1]) < 6 * np.sqrt(2 * 0.25 / 12_000)


def test_of_a_log_with_candidates_the_items_are_shown_not_their_positions() -> None:
    simulator = users()
    few = Preselected(simulator, None, 5)
    log = InteractionLog.record(RandomPolicy(5, SLATE_SIZE), few, 1_000, seed=0)
    again = replayed(simulator, log.in_memory(), 20)
    shown = items_shown({name: log.column(name) for name in ("slate", "candidates")})
    assert len(np.unique(shown)) > 5
    np.testing.assert_array_equal(np.unique(again.column("slate")), np.unique(shown))


def test_visits_are_cut_off_where_those_of_the_log_are() -> None:
    limited = users(max_steps=5)
    log = InteractionLog.record(RandomPolicy(N_ITEMS, SLATE_SIZE), limited, 6_000, seed=0)
    again = replayed(users(), log, 50, seed=1)
    assert again.column("step").max() == 4
    shares = [part.column("truncated").sum() for part in (log, again)]
    n_visits = (log.column("step") == 0).sum()
    # About 1,500 visits each, of which two thirds are cut off: a standard error of .017
    assert abs(shares[0] - shares[1]) / n_visits < 0.07


def test_who_never_leaves_is_ended_far_beyond_the_visits_of_the_log() -> None:
    log = InteractionLog.record(RandomPolicy(N_ITEMS, SLATE_SIZE), users(), 1_500, seed=0)
    columns = log.columns()
    visit = np.cumsum(columns["step"] == 0) - 1
    whole = np.bincount(visit, columns["terminated"])[visit] > 0
    log = InteractionLog.from_columns({k: v[whole] for k, v in columns.items()}, log.metadata)
    again = replayed(users(base=-30.0), log, 10)
    mean = len(log) / (log.column("step") == 0).sum()
    assert again.column("step").max() + 1 == np.ceil(MOST_TIMES_LONGER * mean)
    assert again.column("terminated").sum() == (log.column("step") == 0).sum()


def test_windows_are_those_that_cut_off_what_was_cut_off() -> None:
    rng = np.random.default_rng(0)
    lasting, window = rng.geometric(0.15, 20_000), rng.integers(1, 16, 20_000)
    lengths, is_cut = np.minimum(lasting, window), lasting > window
    found = seen_windows(lengths, is_cut, rng)
    assert (found[is_cut] == lengths[is_cut]).all() and (found >= lengths).all()
    # 20,000 draws, of which some stand for others: a standard error of .006 at most
    for steps in (1, 4, 8, 12):
        assert abs((found <= steps).mean() - steps / 15) < 0.025
    never = seen_windows(lengths, np.zeros(20_000, bool), rng)
    assert (never == UNBOUNDED).all()
