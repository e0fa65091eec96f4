"""What the benchmark says of its cells, checked against numbers worked out by hand."""

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from rlrec.evaluation import interquartile_mean
from rlrec.workflow.bench.charts import Line, line_chart
from rlrec.workflow.bench.menu import MENU
from rlrec.workflow.bench.results import BenchResults, curves, figures, scored
from rlrec.workflow.bench.tables import all_tables, curve_table, overall, task_table

CURVE = [(0, 60.0, 0.2), (100, 45.0, 0.1), (200, 90.0, 0.92), (400, 80.0, 0.8)]


def row(
    task: str,
    agent: str,
    seed: int,
    score: float | None,
    curve: Sequence[tuple[int, float, float]] = (),
    **more: Any,
) -> dict[str, Any]:
    looks = [{"interactions": n, "value": value, "score": at} for n, value, at in curve]
    return {
        "task": task,
        "agent": agent,
        "seed": seed,
        "test": {"value": 100.0 if score is None else 100 * score, "score": score},
        "made": {"cpu_seconds": 1.5},
        "curve": looks,
        **more,
    }


def test_figures_of_a_curve_are_those_worked_out_by_hand() -> None:
    results = BenchResults(
        [
            row("drift", "SlateQ-finetuned", 0, 0.8, CURVE),
            row("drift", "SlateQ-scratch", 0, 0.5, [(0, 1.0, 0.0), (900, 5.0, 0.5)]),
            # of the same class, but another agent: no goal
            row("drift", "SlateQ-recsim-scratch", 0, 0.1, [(0, 1.0, 0.0), (900, 2.0, 0.1)]),
        ]
    )
    found = figures(results, "drift", "SlateQ-finetuned")
    area = (100 * 0.15 + 100 * 0.51 + 200 * 0.86) / 400
    assert found.jump_start == 0.2 and found.final == 0.8
    assert found.dip == 45 / 60
    assert found.area == pytest.approx(area) and found.regret == pytest.approx(1 - area)
    assert found.to_reference == 200  # 0.92 is the first at or above 0.9
    assert found.to_scratch == 200  # and the first at or above 0.5


def test_a_goal_that_one_seed_never_reaches_is_never_reached() -> None:
    slow = [(0, 60.0, 0.2), (400, 80.0, 0.4)]
    results = BenchResults(
        [row("drift", "SlateQ-scratch", seed, 0.8, c) for seed, c in enumerate((CURVE, slow))]
    )
    found = figures(results, "drift", "SlateQ-scratch")
    assert found.to_reference == np.inf and np.isnan(found.to_scratch)
    assert found.final == pytest.approx(0.6)
    line = curve_table(results).rows[0]
    assert line[:2] == ["drift", "SlateQ-scratch"] and line[5:7] == ["never", ""]


def test_curves_hold_a_row_a_seed_and_leave_out_who_did_not_interact() -> None:
    results = BenchResults(
        [
            *(row("drift", "SlateQ-scratch", seed, 0.8, CURVE) for seed in (0, 1)),
            row("drift", "SlateQ-offline", 0, 0.8, CURVE[:1]),
        ]
    )
    (only,) = curves(results, "drift")
    assert only.agent == "SlateQ-scratch" and only.interactions == [0, 100, 200, 400]
    assert only.scores.tolist() == [[0.2, 0.1, 0.92, 0.8]] * 2


def variants(agent: str, scores: dict[str, list[float]]) -> list[dict[str, Any]]:
    return [
        row(task, agent, seed, score)
        for task, found in scores.items()
        for seed, score in enumerate(found)
    ]


def test_variants_of_a_task_count_as_one_and_seeds_as_many_as_all_have() -> None:
    results = BenchResults(
        variants(
            "SlateQ-offline",
            {
                "drift": [0.1, 0.2, 0.3],
                "log-to-live-mixed": [0.4, 0.6],
                "log-to-live-expert": [0.8, 0.2],
            },
        )
    )
    matrix = results.matrix("SlateQ-offline")
    assert matrix is not None
    np.testing.assert_allclose(matrix, [[0.1, 0.6], [0.2, 0.4]])


def test_who_lacks_a_task_is_named_and_left_out_of_the_overall_table() -> None:
    results = BenchResults(
        [
            *variants("SlateQ-offline", {"drift": [0.1], "boredom": [0.3]}),
            *variants("SlatePPO-offline", {"drift": [0.5], "boredom": [0.9]}),
            *variants("ALS", {"drift": [0.9]}),
        ]
    )
    table = overall(results)
    assert [line[0] for line in table.rows] == ["SlatePPO-offline", "SlateQ-offline"]
    assert table.rows[0][2] == "0.700"
    assert "not here: ALS." in table.note


def test_a_task_table_says_what_was_tried_by_hand() -> None:
    results = BenchResults([row("boredom", "ALS", 0, 0.1, tried="3 sizes, 150 users")])
    table = task_table(results, "boredom")
    assert dict(zip(table.columns, table.rows[0], strict=True))["tuning"] == (
        "by hand: 3 sizes, 150 users"
    )


def test_a_task_table_shows_the_tuning_budget_beside_a_tuned_result() -> None:
    tuning = {"n_trials": 20, "interactions": 2_000_000}
    results = BenchResults(
        [
            row("drift", "random", 0, None),
            *(
                row("drift", "SlateQ-scratch", seed, 0.5, tuning=tuning, interactions=200_000)
                for seed in (0, 1)
            ),
        ]
    )
    table = task_table(results, "drift")
    told = dict(zip(table.columns, table.rows[1], strict=True))
    assert told["policy"] == "SlateQ-scratch"
    assert told["tuning"] == "20 trials, 2,000,000 interactions"
    assert told["score"] == "0.500" and told["seeds"] == "2"  # too few for an interval
    assert told["interactions"] == "200,000" and told["CPU s"] == "1.5"
    assert dict(zip(table.columns, table.rows[0], strict=True))["score"] == "0.000"


@pytest.mark.parametrize(
    ("scores", "has_interval"),
    [([0.1, 0.2, 0.3, 0.4], False), ([0.3] * 10, False), ([0.1, 0.2, 0.3, 0.4, 0.5], True)],
    ids=["few seeds", "seeds that decide nothing", "enough"],
)
def test_an_interval_takes_five_seeds_that_differ(scores: list[float], has_interval: bool) -> None:
    table = task_table(BenchResults(variants("SlateQ-offline", {"drift": scores})), "drift")
    told = dict(zip(table.columns, table.rows[0], strict=True))["score"]
    numbers = [float(word) for word in re.findall(r"\d\.\d+", told)]
    assert numbers[0] == pytest.approx(interquartile_mean(scores), abs=5e-4)
    assert len(numbers) == (3 if has_interval else 1)
    if has_interval:
        assert 0.1 <= numbers[1] < numbers[0] < numbers[2] <= 0.5


def test_scores_follow_from_floor_and_reference_however_late_these_came() -> None:
    looks = [{"interactions": 0, "value": 3.0}]
    rows = scored(
        [
            {"task": "drift", "agent": "ALS", "test": {"value": 15.0}, "curve": looks},
            {"task": "drift", "agent": "random", **worlds(10.0, 1.0)},
            {"task": "drift", "agent": "reference", **worlds(20.0, 5.0)},
            {"task": "return", "agent": "ALS", "test": {"value": 15.0}},
        ]
    )
    assert rows[0]["test"]["score"] == 0.5
    assert rows[0]["curve"][0]["score"] == 0.5
    assert [rows[number]["test"]["score"] for number in (1, 2)] == [0.0, 1.0]
    assert np.isnan(rows[3]["test"]["score"])


def worlds(test: float, validation: float) -> dict[str, Any]:
    return {"test": {"value": test}, "validation": {"value": validation}}


def test_tables_of_nothing_are_left_out() -> None:
    keys = [table.key for table in all_tables(BenchResults([row("drift", "ALS", 0, 0.5)]))]
    assert keys == ["overall", "drift", "improvement"]


def test_a_chart_has_a_line_a_curve_and_names_them_all() -> None:
    lines = [Line(f"<{n}>", [0, 1], [0.1 * n, 0.5], [0.0, 0.4], [0.2, 0.6]) for n in range(3)]
    chart = line_chart("a & b", "steps", lines)
    assert chart.count("<polyline") == 3 and chart.count("<polygon") == 3
    assert "a &amp; b" in chart and "&lt;2&gt;" in chart and "<2>" not in chart


def test_every_policy_has_a_name_that_serves_as_a_folder() -> None:
    assert all(name.replace("-", "").isalnum() for name in MENU)
