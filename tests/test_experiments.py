"""Each experiment runs from end to end at tiny settings."""

import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

EXPERIMENTS = Path(__file__).resolve().parent.parent / "experiments"


def run_small(name: str, folder: Path, *words: str) -> None:
    """Run an experiment at tiny settings, with its results in a folder."""
    command = [sys.executable, str(EXPERIMENTS / name / "run.py"), "--smoke"]
    done = subprocess.run(
        [*command, "--results", str(folder), *words],
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
        env=dict(os.environ),
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_the_quickstart_over_seeds_writes_a_row_a_seed_and_policy(tmp_path: Path) -> None:
    run_small("quickstart", tmp_path, "--runs", str(tmp_path / "runs"))
    rows = pd.read_csv(tmp_path / "seeds.csv")
    assert rows.groupby("policy")["seed"].nunique().eq(2).all()
    scores = rows.set_index(["policy", "seed"])["score"]
    assert scores["Random slates"].eq(0).all()
    assert scores["Planning reference"].eq(1).all()
    assert "2 seeds" in (tmp_path / "table.md").read_text(encoding="utf-8")


def test_coverage_of_offline_intervals_is_near_95_percent_or_refused(tmp_path: Path) -> None:
    run_small("offline_evaluation", tmp_path)
    rows = pd.read_csv(tmp_path / "coverage.csv")
    assert rows["n_logs"].eq(20).all()
    poor = rows[rows["setting"] == "bandit of poor overlap"]
    assert len(poor) == 4
    assert poor["covers_or_unsupported"].ge(0.95).all()
    assert poor["n_supported"].le(1).all()
    plain = rows[rows["setting"].isin(["bandit", "slates (TopicBoredom)"])]
    assert len(plain) == 10
    # 20 logs of 94 %: fewer than 14 cover in one of 10,000 draws of each estimator
    assert plain["coverage"].ge(0.7).all()
    assert rows.loc[rows["setting"] == "bandit", "n_supported"].eq(20).all()


def test_each_head_of_topic_boredom_is_judged_before_and_after_it_learned(tmp_path: Path) -> None:
    run_small("topic_boredom", tmp_path, "--seeds", "1")
    returns = pd.read_csv(tmp_path / "returns.csv")
    assert len(returns) == 4 * 2 * 2 * 2  # heads, sizes, moments, drawn and best slates
    assert set(returns["interactions"]) == {0, 4_096}
    drawn = returns[returns["slates"] == "drawn"]
    found = drawn.groupby(["head", "interactions"])["return"].mean().to_dict()
    # four thousand interactions with twenty-step visits already teach something
    assert found["topics", 4_096] > 1.05 * found["topics", 0]
    assert found["topics", 4_096] > found["independent", 4_096]


def test_the_recovery_of_dynamics_writes_a_row_for_each_log_and_parameter(tmp_path: Path) -> None:
    run_small("user_fitting", tmp_path)
    rows = pd.read_csv(tmp_path / "recovery.csv")
    assert rows.groupby("parameter")["repetition"].nunique().eq(2).all()
    assert len(rows) == 14
    # 300 visits each: the level of nothing and the decay of positions are told even so
    told = rows[rows["parameter"].isin(["offset", "decay"])]
    assert told["either"].mean() >= 0.75
    sure = rows[rows["told"]]
    assert (sure["low"] < sure["estimate"]).all() and (sure["estimate"] < sure["high"]).all()


def test_the_ranking_of_policies_writes_a_row_for_each_split_and_policy(tmp_path: Path) -> None:
    run_small("policy_ranking", tmp_path)
    taus = pd.read_csv(tmp_path / "taus.csv")
    assert len(taus) == 2 * 4 * 2  # splits, values and worlds, all policies and the close ones
    assert (taus["low"] <= taus["tau"]).all() and (taus["tau"] <= taus["high"]).all()
    asked = taus[taus["ranking"] == "satisfaction"]
    assert asked["tau"].ge(0.7).all()  # made-up ratings have the structure that is fitted
    policies = pd.read_csv(tmp_path / "policies.csv")
    assert len(policies) == 2 * 4 * 13
    assert "lowest mean rating" in (tmp_path / "table.md").read_text(encoding="utf-8")


def test_a_second_world_tells_what_is_left_of_each_gain(tmp_path: Path) -> None:
    run_small("second_world", tmp_path)
    returns = pd.read_csv(tmp_path / "returns.csv")
    assert len(returns) == 2 * 2 * 7  # seeds, worlds, policies
    found = returns.groupby(["policy", "world"])["return"].mean()
    kept = pd.read_csv(tmp_path / "kept.csv").set_index("policy")
    agent, als = kept.loc["one world"], kept.loc["ALS"]
    assert agent["trained in"] == pytest.approx(found["one world", "trained in"], abs=0.01)
    assert agent["second gain"] == pytest.approx(agent["second"] - als["second"], abs=0.01)
