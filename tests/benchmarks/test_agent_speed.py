"""Learning with a head for whole slates, against independent slots."""

import pytest

from tests.benchmarks.agents import report


@pytest.mark.benchmark
def test_slates_are_learned_faster_than_independent_slots_and_users_cost_little() -> None:
    rows = report(2, ["SlatePPO", "SlatePPO, without topics", "SlateQ", "PPO, independent slots"])
    print(rows)
    assert rows["SlatePPO"]["times_independent_slots"] > 4.0  # 5.3 on an idle core
    assert rows["SlatePPO, without topics"]["times_independent_slots"] > 5.0
    assert all(row["share_in_environment"] < 0.05 for row in rows.values())
