"""The grid of the benchmark: cells are found out once, in processes of their own."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from functools import partialmethod
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from rlrec.agents import SlatePPOConfig
from rlrec.envs.fitting.ratings.made_up_ratings import made_up_ratings
from rlrec.errors import ConfigError, RunFolderError
from rlrec.policy import RandomPolicy
from rlrec.workflow.bench.cell import Cell
from rlrec.workflow.bench.command import BenchOrder, Finished, cells, report_again, run_bench
from rlrec.workflow.bench.grid import run_grid
from rlrec.workflow.bench.menu import MENU, Entry, agent_entries
from rlrec.workflow.bench.results import read_results
from rlrec.workflow.bench.tasks import TASKS, Task, sized, with_fitted
from rlrec.workflow.bench.tunings import write_tuning
from rlrec.workflow.bench.worlds import judged, simulator_of_task
from rlrec.workflow.cli import app

AGENTS = ("ALS-capped", "SlatePPO-finetuned")


def silent(line: str) -> None:
    pass


def order(results: Path, **changed: Any) -> BenchOrder:
    told = {"tasks": ("satisfaction", "boredom"), "agents": AGENTS, "n_seeds": 2, "jobs": 2}
    return BenchOrder(results=results, size="tiny", **{**told, **changed})


def written(results: Path) -> dict[str, bytes]:
    """Return what stands in each file of a cell."""
    found = sorted(results.glob("*/*/*.json"))
    return {str(path.relative_to(results)): path.read_bytes() for path in found}


def without_times(content: bytes) -> dict[str, Any]:
    """Return a cell without what a repetition may differ in."""
    row: dict[str, Any] = json.loads(content)
    del row["made"]
    return row


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    return run_bench(order(tmp_path_factory.mktemp("bench")), silent)


@pytest.fixture(scope="module")
def results(finished: Finished) -> Iterator[Path]:
    folder = finished.pages.html.parent
    before = written(folder)
    yield folder
    assert written(folder) == before  # no test may change what the others see


def test_each_task_and_agent_that_fit_have_a_cell_a_seed(finished: Finished, results: Path) -> None:
    assert finished.outcome == (10, 0, {})
    assert sorted(written(results)) == [
        *(f"boredom/{name}/{seed}.json" for name in AGENTS for seed in (0, 1)),
        "boredom/random/0.json",
        "boredom/reference/0.json",
        *(f"satisfaction/SlatePPO-finetuned/{seed}.json" for seed in (0, 1)),
        "satisfaction/random/0.json",
        "satisfaction/reference/0.json",
    ]


def test_scores_are_places_between_floor_and_reference_on_the_same_users(results: Path) -> None:
    found = read_results(results)
    row = found.of("boredom", "SlatePPO-finetuned")[1]
    for world, scored in (("test", row["test"]), ("validation", row["curve"][0])):
        low, high = (found.of("boredom", end)[0][world]["value"] for end in ("random", "reference"))
        assert low < high
        assert scored["score"] == pytest.approx((scored["value"] - low) / (high - low))


def test_a_cell_tells_its_budget_settings_time_and_versions(results: Path) -> None:
    row = json.loads(written(results)["satisfaction/SlatePPO-finetuned/0.json"])
    assert [look["interactions"] for look in row["curve"]] == [0, 128, 256]
    assert (row["interactions"], row["pretraining_updates"], row["log_steps"]) == (256, 10, 1000)
    assert row["updates"] > row["pretraining_updates"]
    assert row["settings"]["leash"] == 1.0 and row["settings"]["hidden"] == 16
    assert row["tuning"] is None and row["tried"] is None
    by_hand = json.loads(written(results)["boredom/ALS-capped/0.json"])
    assert "3 caps" in by_hand["tried"]
    assert row["made"]["cpu_seconds"] > 0 and row["made"]["wall_seconds"] > 0
    assert {"log", "training", "validation"} == set(row["made"]["cpu_seconds_by"])
    assert "torch" in row["made"]["versions"]
    best = max(row["curve"], key=lambda look: look["value"])
    assert row["best_interactions"] == best["interactions"]


def test_finished_cells_are_not_run_again(results: Path) -> None:
    again = run_grid(cells(order(results)), results, 1, silent)
    assert again == (0, 10, {})


def test_the_report_holds_every_policy_and_needs_nothing_else(
    finished: Finished, results: Path
) -> None:
    html = finished.pages.html.read_text(encoding="utf-8")
    text = finished.pages.markdown.read_text(encoding="utf-8")
    for name in (*AGENTS, "random", "reference", "satisfaction"):
        assert name in text and name in html
    assert html.count("<svg") >= 3  # a performance profile, a curve a task
    assert "http" not in html and "<script" not in html and "src=" not in html
    assert "Without results on every task, and so not here: ALS-capped" in text


def test_a_report_of_what_there_is_can_be_written_again(finished: Finished, results: Path) -> None:
    before = finished.pages.markdown.read_text(encoding="utf-8")
    again = report_again(order(results), "rlrec bench")
    assert again.pages.markdown.read_text(encoding="utf-8") == before


def test_a_folder_without_results_has_no_report(tmp_path: Path) -> None:
    with pytest.raises(RunFolderError, match="holds no results of rlrec bench"):
        report_again(order(tmp_path))


@pytest.mark.parametrize("what", ["budget", "settings"])
def test_cells_of_another_budget_or_other_settings_are_left_out_of_the_report(
    what: str, results: Path, tmp_path: Path
) -> None:
    for path, content in written(results).items():
        row = json.loads(content)
        if path == "boredom/ALS-capped/1.json":
            if what == "budget":
                row["task_card"]["budget"]["test_users"] += 1
            else:  # as after a change of the menu, of which the order at hand says nothing
                row["fingerprint"] = "0" * 16
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(json.dumps(row))
    again = report_again(order(tmp_path))
    boredom = next(table for table in again.tables if table.key == "boredom")
    seeds = {row[0]: row[boredom.columns.index("seeds")] for row in boredom.rows}
    assert seeds["ALS-capped"] == "1" and seeds["SlatePPO-finetuned"] == "2"
    assert "as of other settings: 1 cells" in again.pages.markdown.read_text(encoding="utf-8")


def test_a_changed_default_makes_a_cell_stale(
    results: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cell = first()
    assert cell.is_done(results)
    monkeypatch.setattr(
        SlatePPOConfig, "__init__", partialmethod(SlatePPOConfig.__init__, n_epochs=5)
    )
    assert SlatePPOConfig().n_epochs == 5
    assert not cell.is_done(results)


def test_a_task_is_told_whole_by_its_card() -> None:
    for task in TASKS.values():
        assert replace(Task.from_card(task.card()), title=task.title) == task


def test_a_killed_run_goes_on_and_ends_in_the_same_results(results: Path, tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path\n"
        "from rlrec.workflow.bench.command import BenchOrder, run_bench\n"
        "run_bench(BenchOrder(results=Path(sys.argv[1]), size='tiny', tasks=('satisfaction',), "
        "agents=('SlatePPO-finetuned',), n_seeds=2), lambda line: None)\n"
    )
    run = subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path)],
        start_new_session=True,
        stderr=subprocess.DEVNULL,
    )
    while not written(tmp_path):
        assert run.poll() is None, "it ended before it was killed"
        time.sleep(0.02)
    os.killpg(run.pid, signal.SIGKILL)
    run.wait()
    kept = written(tmp_path)
    assert len(kept) < 4
    wanted = cells(order(tmp_path, tasks=("satisfaction",), agents=("SlatePPO-finetuned",)))
    outcome = run_grid(wanted, tmp_path, 1, silent)
    assert outcome == (4 - len(kept), len(kept), {})
    now, undisturbed = written(tmp_path), written(results)
    assert all(now[path] == content for path, content in kept.items())
    assert len(now) == 4
    for path, content in now.items():
        assert without_times(content) == without_times(undisturbed[path])


def first(name: str = "SlatePPO-finetuned") -> Cell:
    return Cell(task=sized(TASKS["satisfaction"], "tiny"), entry=MENU[name], seed=0)


@pytest.mark.parametrize(
    "changed",
    [
        replace(first(), entry=replace(MENU["SlatePPO-finetuned"], settings={"leash": 2.0})),
        replace(first(), tuning={"settings": {"clip": 0.1}}),
        replace(first(), task=replace(first().task, arguments={"sensitivity": 0.2})),
        replace(first(), task=sized(TASKS["satisfaction"], "small")),
    ],
    ids=["setting", "tuning", "argument", "budget"],
)
def test_a_changed_setting_makes_a_cell_stale(changed: Cell, results: Path) -> None:
    assert first().is_done(results)
    assert changed.path(results) == first().path(results)
    assert not changed.is_done(results)


def test_settings_for_other_tasks_leave_a_cell_as_it_is() -> None:
    entry = MENU["SlatePPO-finetuned"]
    elsewhere = replace(entry, by_task={**entry.by_task, "drift": {"leash": 9.0}}, tasks=("x",))
    here = replace(entry, by_task={"satisfaction": {"leash": 9.0}})
    assert replace(first(), entry=elsewhere).fingerprint == first().fingerprint
    assert replace(first(), entry=here).fingerprint != first().fingerprint


@pytest.mark.parametrize(
    ("agent", "where"),
    [("SlateQ-null-0-scratch", "interest"), ("SlatePPO-naive-finetuned", "log-to-live-expert")],
)
def test_an_entry_for_some_tasks_has_cells_in_no_other(
    agent: str, where: str, tmp_path: Path
) -> None:
    tasks = ("interest", "satisfaction", "log-to-live")
    told = order(tmp_path, tasks=tasks, agents=(agent,), n_seeds=1)
    assert {cell.task.name for cell in cells(told) if not cell.is_scale} == {where}


def test_where_fitted_users_lie_is_no_matter_but_which_they_are() -> None:
    task = TASKS["log-to-live-mixed"]
    a, b, c = (
        replace(first(), task=with_fitted(task, path)).fingerprint
        for path in ("here/7f", "there/7f", "here/80")
    )
    assert a == b != c
    assert with_fitted(TASKS["drift"], "here/7f") is TASKS["drift"]


def movielens_like(folder: Path) -> Path:
    """Write made-up ratings as `ratings.csv` with `movies.csv`, and return the folder."""
    made_up = made_up_ratings()
    users = made_up.user_ids[made_up.user_index]
    items = made_up.catalogue.item_ids[made_up.item_index]
    lines = ["userId,movieId,rating,timestamp"]
    rows = zip(users, items, made_up.values, strict=True)
    lines += [f"{user},{item},{value:g},{t}" for t, (user, item, value) in enumerate(rows)]
    genres = ("Comedy", "Drama", "Horror", "Action", "Crime", "War")
    movies = ["movieId,title,genres"]
    topics = zip(made_up.catalogue.item_ids, made_up.catalogue.topics, strict=True)
    movies += [f"{item},Film {item},{genres[topic]}" for item, topic in topics]
    folder.mkdir()
    (folder / "ratings.csv").write_text("\n".join(lines) + "\n")
    (folder / "movies.csv").write_text("\n".join(movies) + "\n")
    return folder


def test_users_of_log_to_live_are_fitted_to_ratings_that_are_given(tmp_path: Path) -> None:
    ratings = movielens_like(tmp_path / "ratings")
    told = order(
        tmp_path / "bench", tasks=("log-to-live-random",), agents=("random",), ratings=ratings
    )
    wanted, again = cells(told), cells(told)
    assert [cell.fingerprint for cell in wanted] == [cell.fingerprint for cell in again]
    plain = cells(replace(told, ratings=None))
    assert wanted[0].fingerprint != plain[0].fingerprint
    users = simulator_of_task(wanted[0].task, "test", 5)
    assert users.catalogue is not None
    assert "Crime" in users.catalogue.topic_names  # as in the files, not as made up
    assert len(list((tmp_path / "bench" / "models").iterdir())) == 1
    earned = judged(RandomPolicy(users.n_choices, users.slate_size), wanted[0].task, "test")
    assert earned.n == 20 and earned.value > 0


def test_a_half_written_cell_is_run_again(results: Path, tmp_path: Path) -> None:
    cell = first()
    cell.path(tmp_path).parent.mkdir(parents=True)
    cell.path(tmp_path).write_bytes(cell.path(results).read_bytes()[:-40])
    assert not cell.is_done(tmp_path)


def test_a_failing_cell_is_reported_the_rest_goes_on_and_the_exit_code_is_1(
    tmp_path: Path,
) -> None:
    bad = {"agent": "SlateQ-offline", "task": "satisfaction", "settings": {"hidden": -1}}
    spent = {"n_trials": 3, "interactions": 0, "updates": 0, "cpu_seconds": 1.0}
    write_tuning(tmp_path / "bad.json", {**bad, **spent})
    words = ["bench", "--small", "--tasks", "satisfaction", "--agents", "SlateQ-offline,myopic"]
    words += ["--results", str(tmp_path / "bench"), "--tuned", str(tmp_path / "bad.json")]
    shown = CliRunner().invoke(app, words)
    assert shown.exit_code == 1, shown.output
    problem = "satisfaction, SlateQ-offline, seed 0 failed: hidden of SlateQ must be a whole number"
    assert problem in shown.stderr
    assert "satisfaction/myopic/0.json" in written(tmp_path / "bench")
    assert (tmp_path / "bench" / "report.html").is_file()
    assert "satisfaction/SlateQ-offline/0.json" not in written(tmp_path / "bench")


class Deadly(dict[str, Any]):
    """Ends the process that reads it from its pickle."""

    def __reduce__(self) -> tuple[Any, ...]:
        return os._exit, (3,)


@pytest.mark.slow
def test_a_process_that_dies_takes_no_other_cell_with_it(results: Path, tmp_path: Path) -> None:
    for name in ("random", "reference"):
        path = first(name).path(tmp_path)
        path.parent.mkdir(parents=True)
        path.write_bytes(first(name).path(results).read_bytes())
    wanted = [first("random"), first("reference"), first("myopic"), first("logger")]
    wanted[3] = replace(wanted[3], tuning=Deadly(settings={}))
    outcome = run_grid(wanted, tmp_path, 2, silent)
    assert outcome.n_done == 1 and first("myopic").is_done(tmp_path)
    assert list(outcome.failures) == ["satisfaction, logger, seed 0"]
    assert "killed" in outcome.failures["satisfaction, logger, seed 0"]


def test_a_task_whose_reference_failed_is_left_out(tmp_path: Path) -> None:
    broken = replace(sized(TASKS["satisfaction"], "tiny"), arguments={"n_steps": -1})
    wanted = [
        Cell(task=broken, entry=MENU[name], seed=0) for name in ("random", "reference", "myopic")
    ]
    outcome = run_grid(wanted, tmp_path, 1, silent)
    assert outcome.n_done == 0 and len(outcome.failures) == 3
    assert "n_steps" in outcome.failures["satisfaction, random, seed 0"]
    assert "no scale" in outcome.failures["satisfaction, myopic, seed 0"]


def test_baselines_stand_only_where_items_have_an_identity(tmp_path: Path) -> None:
    grid = cells(BenchOrder(results=tmp_path, n_seeds=1))
    tasks_of = {name: {cell.task.name for cell in grid if cell.entry.name == name} for name in MENU}
    assert tasks_of["SlateQ-scratch"] == set(TASKS)
    assert tasks_of["EASE"] == set(TASKS) - {"interest", "satisfaction"}
    assert tasks_of["ALS-capped"] == {"boredom"}
    assert all(cell.is_scale for cell in grid[: 2 * len(TASKS)])


def test_the_six_tasks_stand_in_the_benchmark_the_last_with_four_logs() -> None:
    families = [task.family for task in TASKS.values()]
    assert sorted(set(families)) == [
        "boredom",
        "drift",
        "interest",
        "log-to-live",
        "return",
        "satisfaction",
    ]
    assert families.count("log-to-live") == 4
    assert TASKS["log-to-live-expert"].shifted == {"choice": "cascade"}


def test_an_agent_is_added_by_its_class_with_each_way_to_learn() -> None:
    entries = list(agent_entries("SlateQ", "scratch", "offline", settings={"hidden": 8}))
    assert [entry.name for entry in entries] == ["SlateQ-scratch", "SlateQ-offline"]
    assert all(entry.settings_for(TASKS["drift"]) == {"hidden": 8} for entry in entries)


def test_the_settings_of_a_task_go_before_those_of_its_family() -> None:
    entry = Entry(
        name="a",
        kind="agent",
        builder="SlateQ",
        settings={"x": 1, "y": 1, "z": 1},
        by_task={"log-to-live": {"y": 2, "z": 2}, "log-to-live-mixed": {"z": 3}},
    )
    assert entry.settings_for(TASKS["log-to-live-mixed"]) == {"x": 1, "y": 2, "z": 3}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--tasks", "boredm"], "no task is called 'boredm'. Did you mean 'boredom'?"),
        (["--agents", "SlatQ"], "no agent is called 'SlatQ'. Did you mean 'SlateQ"),
        (["--seeds", "-1"], "seeds must lie in 1..1000, got -1"),
        (["--jobs", "0"], "jobs must lie in 1..1000, got 0"),
        (["--tuned", "nowhere.json"], "no such file or folder: nowhere.json"),
        (["--report-only"], "holds no results of rlrec bench"),
    ],
)
def test_errors_are_one_line_and_exit_code_2(
    words: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    failed = CliRunner().invoke(app, ["bench", *words])
    assert failed.exit_code == 2
    assert message in failed.stderr and failed.stderr.count("\n") == 1


def test_the_list_shows_the_grid_and_runs_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    shown = CliRunner().invoke(app, ["bench", "--list", "--tasks", "log-to-live", "--seeds", "2"])
    assert shown.exit_code == 0
    assert shown.output.count("log-to-live-") == 4
    assert "expert, 100,000" in shown.output
    assert not list(tmp_path.iterdir())


def test_a_size_that_is_not_known_is_refused() -> None:
    with pytest.raises(ConfigError, match="size must be one of"):
        sized(TASKS["drift"], "huge")  # type: ignore[arg-type]
