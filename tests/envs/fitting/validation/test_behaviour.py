"""What a log says of its users, against counts by hand; distances that tell worlds apart."""

from typing import Any

import numpy as np
import pytest

from rlrec.arrays import Floats
from rlrec.data import InteractionLog
from rlrec.envs import make_simulator
from rlrec.envs.fitting.slates.topic_sequences import topic_sequences
from rlrec.envs.fitting.validation.aspects import Rates, Sample, distance
from rlrec.envs.fitting.validation.behaviour import (
    ASPECTS,
    MOST_STEPS_SINCE,
    behaviour,
    steps_since_taken,
)
from rlrec.envs.fitting.validation.concentration import gini, zipf_slope
from rlrec.policy import RandomPolicy
from tests.envs.fitting.slates.test_topic_sequences import catalogue, small_log

N_ITEMS, SLATE_SIZE = 40, 4


def users(strength: float = 0.5) -> Any:
    return make_simulator(
        "rlrec/ComposedUsers-v0",
        300,
        n_items=N_ITEMS,
        n_topics=5,
        slate_size=SLATE_SIZE,
        choice={"name": "position_based", "attraction": {"name": "logistic", "offset": 0.3}},
        blocks={"satiation": {"strength": strength, "memory": 0.6}},
        leaving={"name": "patience", "relief": 0.0, "poor_cost": 0.0, "base": -3.0},
    )


def recorded(simulator: Any, seed: int) -> InteractionLog:
    return InteractionLog.record(RandomPolicy(N_ITEMS, SLATE_SIZE), simulator, 12_000, seed=seed)


def test_steps_since_a_topic_was_taken_are_those_counted_by_hand() -> None:
    log = small_log(seed=3)
    told = topic_sequences(log, catalogue(), "position_based")
    found = dict(zip(_keys(log, told), steps_since_taken(told).tolist(), strict=True))
    names = ("user_id", "episode_id", "step", "slate", "response.click")
    last: dict[tuple[int, int, int], int] = {}
    for user, visit, step, slate, clicks in zip(*(log.column(name) for name in names), strict=True):
        shown = [(k, int(i)) for k, i in enumerate(slate) if i not in slate[:k]]
        for slot, item in shown:
            before = last.get((int(user), int(visit), item % 3))
            expected = 0 if before is None else int(step) - before
            assert found[int(visit), int(step), slot] == expected
        for slot, item in shown:
            if clicks[slot]:
                last[int(user), int(visit), item % 3] = int(step)


def _keys(log: InteractionLog, told: Any) -> list[tuple[int, int, int]]:
    """Return visit, step and slot of each look, by going through the log as it does."""
    looks = []
    names = ("user_id", "episode_id", "step", "slate")
    for user, visit, step, slate in zip(*(log.column(name) for name in names), strict=True):
        for slot, item in enumerate(slate):
            if item not in slate[:slot]:
                looks.append((int(user), int(item) % 3, int(visit), int(step), slot))
    looks.sort()
    return [look[2:] for look in looks]


def test_rates_and_samples_are_those_of_the_log() -> None:
    simulator = users()
    log = recorded(simulator, 0)
    found = behaviour(log, simulator.catalogue)
    clicks = log.response("click") > 0
    np.testing.assert_allclose(found["click rate by slot"].values, clicks.mean(axis=0))
    ended = np.flatnonzero(log.column("terminated"))
    np.testing.assert_array_equal(
        np.sort(found["steps of a visit"].values), np.sort(log.column("step")[ended] + 1)
    )
    assert found["popularity of items"].values.mean() == pytest.approx(1.0)
    assert set(found) == set(ASPECTS) - {"hours between visits"}
    rates = found["click rate after a topic was taken"]
    assert isinstance(rates, Rates) and len(rates.values) == MOST_STEPS_SINCE
    assert rates.values[0] < rates.values[-1]  # satiated at first


def test_other_users_of_the_same_kind_are_near_and_users_of_another_kind_are_far() -> None:
    simulator = users()
    one, same, other = (
        behaviour(recorded(each, seed), simulator.catalogue)
        for each, seed in ((users(), 0), (users(), 1), (users(strength=2.0), 2))
    )
    for aspect in ("click rate after a topic was taken", "items taken in a visit"):
        near, far = distance(one[aspect], same[aspect]), distance(one[aspect], other[aspect])
        assert far > 3 * near, (aspect, near, far)


def test_too_little_is_no_distance() -> None:
    few, many = Sample(np.arange(5.0)), Sample(np.arange(50.0))
    assert np.isnan(distance(few, many))
    empty = Rates(np.full(3, np.nan), ("a", "b", "c"))
    assert np.isnan(distance(empty, empty))


def test_gini_and_slope_of_known_counts() -> None:
    assert gini(np.full(10, 3.0)) == pytest.approx(0.0)
    assert gini(np.array([0.0] * 99 + [7.0])) == pytest.approx(0.99)
    ranks: Floats = np.arange(1.0, 200.0)
    assert zipf_slope(1e6 * ranks**-1.3) == pytest.approx(-1.3, abs=1e-9)
    assert np.isnan(zipf_slope(np.array([3.0, 0.0])))
