"""What the README of the benchmark claims stands in the cells beside it."""

import json
from pathlib import Path

import numpy as np
import pytest

from rlrec.arrays import Floats
from rlrec.workflow.bench.cell import Cell
from rlrec.workflow.bench.menu import LOGGER, MENU, REFERENCE
from rlrec.workflow.bench.results import BenchResults, read_results
from rlrec.workflow.bench.tasks import TASKS

RESULTS = Path(__file__).resolve().parent.parent / "experiments" / "bench" / "results"
FEWEST_SEEDS = 5
LOGS = ("random", "popular", "mixed", "expert")


@pytest.fixture(scope="module")
def results() -> BenchResults:
    return read_results(RESULTS)


def returns(results: BenchResults, task: str, agent: str) -> Floats:
    """Return the mean return of each seed."""
    found = results.values(task, agent)
    assert len(found) >= FEWEST_SEEDS
    return found


def mean(results: BenchResults, task: str, agent: str) -> float:
    return float(results.values(task, agent).mean())


def first_and_lowest(results: BenchResults, task: str, agent: str) -> tuple[Floats, Floats]:
    """Return the first and the lowest value of the curve of each seed."""
    curves = [[look["value"] for look in row["curve"]] for row in results.of(task, agent)]
    assert len(curves) >= FEWEST_SEEDS
    return np.array([curve[0] for curve in curves]), np.array([min(curve) for curve in curves])


def test_every_cell_is_of_the_settings_that_the_menu_has_now() -> None:
    paths = sorted(RESULTS.glob("*/*/*.json"))
    assert paths
    for path in paths:
        row = json.loads(path.read_text(encoding="utf-8"))
        cell = Cell(
            task=TASKS[row["task"]],
            entry=MENU[row["agent"]],
            seed=row["seed"],
            tuning=row["tuning"],
        )
        assert cell.is_done(RESULTS), f"{cell.name} is out of date: rlrec bench makes it again"


@pytest.mark.parametrize(("agent", "least"), [("SlateQ-scratch", 225.0), ("SlateQ-offline", 250.0)])
def test_interest_in_quality_is_learned_in_every_seed(
    results: BenchResults, agent: str, least: float
) -> None:
    assert returns(results, "interest", agent).min() >= least


def test_a_null_value_of_0_learns_to_click(results: BenchResults) -> None:
    assert returns(results, "interest", "SlateQ-null-0-scratch").max() < 180.0


@pytest.mark.parametrize(
    ("task", "agent", "most_of_clicks"),
    [("satisfaction", "SlatePPO-scratch", 0.3), ("return", "SlateCQL-offline", 0.31)],
)
def test_restraint_earns_70_percent_of_the_reference_and_clicks_less_than_a_third(
    results: BenchResults, task: str, agent: str, most_of_clicks: float
) -> None:
    reference = mean(results, task, REFERENCE)
    assert returns(results, task, agent).mean() >= 0.7 * reference
    assert mean(results, task, "myopic") < most_of_clicks * reference


def test_the_best_learned_agent_bores_far_less_than_als_in_every_seed(
    results: BenchResults,
) -> None:
    learned = returns(results, "boredom", "SlatePPO-unleashed-finetuned")
    assert learned.min() > 1.5 * returns(results, "boredom", "ALS").max()


@pytest.mark.parametrize(
    ("task", "pretrained", "scratch"),
    [
        ("interest", "SlateQ-finetuned", "SlateQ-scratch"),
        ("boredom", "SlatePPO-unleashed-finetuned", "SlatePPO-scratch"),
        ("return", "SlatePPO-unleashed-finetuned", "SlatePPO-scratch"),
    ],
)
def test_a_log_saves_all_interactions_that_learning_from_scratch_takes(
    results: BenchResults, task: str, pretrained: str, scratch: str
) -> None:
    rows = {name: results.of(task, name) for name in (pretrained, scratch)}
    first, _ = first_and_lowest(results, task, pretrained)
    ends = np.array([row["curve"][-1]["value"] for row in rows[scratch]])
    assert first.mean() >= ends.mean()
    updates = [row["pretraining_updates"] for row in rows[pretrained]]
    assert max(updates) <= min(row["updates"] for row in rows[scratch])


@pytest.mark.parametrize(
    ("task", "agent"),
    [
        ("interest", "SlateQ-finetuned"),
        ("boredom", "SlatePPO-unleashed-finetuned"),
        ("log-to-live-expert", "SlatePPO-kit-finetuned"),
    ],
)
def test_with_the_kit_on_finetuning_hardly_dips(
    results: BenchResults, task: str, agent: str
) -> None:
    first, lowest = first_and_lowest(results, task, agent)
    assert (lowest / first).mean() >= 0.95


def test_with_the_kit_off_a_clone_of_an_expert_is_unlearned(results: BenchResults) -> None:
    task = "log-to-live-expert"
    first, lowest = first_and_lowest(results, task, "SlatePPO-naive-finetuned")
    assert (lowest / first).mean() < 0.7
    _, kept = first_and_lowest(results, task, "SlatePPO-kit-finetuned")
    assert kept.min() > lowest.mean()


@pytest.mark.parametrize("logger", LOGS)
def test_the_default_offline_agent_is_hardly_below_imitation(
    results: BenchResults, logger: str
) -> None:
    task = f"log-to-live-{logger}"
    imitation = returns(results, task, "SlateBC-offline").mean()
    assert returns(results, task, "SlateIQL-offline").mean() >= 0.95 * imitation


def test_bandits_lead_early_where_tastes_drift(results: BenchResults) -> None:
    curves = {
        agent: [row["curve"] for row in results.of("drift", f"{agent}-scratch")]
        for agent in ("LinUCB", "ThompsonSampling", "SlateQ", "SlatePPO")
    }
    assert min(len(rows) for rows in curves.values()) >= FEWEST_SEEDS
    early = {
        agent: np.mean([value_at(curve, 5_120) for curve in rows]) for agent, rows in curves.items()
    }
    late = {
        agent: np.mean([curve[-1]["value"] for curve in rows]) for agent, rows in curves.items()
    }
    bandits = min(early["LinUCB"], early["ThompsonSampling"])
    assert bandits > max(early["SlateQ"], early["SlatePPO"])
    assert late["SlateQ"] > max(late["LinUCB"], late["ThompsonSampling"])


def value_at(curve: list[dict[str, float]], interactions: int) -> float:
    """Return the last value seen up to so many interactions."""
    return [look["value"] for look in curve if look["interactions"] <= interactions][-1]


def test_the_default_offline_agent_beats_the_logger_on_three_of_four_logs(
    results: BenchResults,
) -> None:
    tasks = [f"log-to-live-{logger}" for logger in LOGS]
    beaten = [
        returns(results, task, "SlateIQL-offline").mean() > mean(results, task, LOGGER)
        for task in tasks
    ]
    assert sum(beaten) >= 3


def test_no_agent_beats_the_reference(results: BenchResults) -> None:
    """No proof of anything, but so far the references know more than anybody learned."""
    for task in results.tasks:
        for agent in results.agents:
            if MENU[agent].kind != "oracle":
                assert (results.scores(task, agent) < 1.0).all(), (task, agent)
