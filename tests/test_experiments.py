"""Each experiment runs from end to end at tiny settings."""

import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

EXPERIMENTS = Path(__file__).resolve().parent.parent / "experiments"


@pytest.mark.slow
def test_the_quickstart_over_seeds_writes_a_row_a_seed_and_policy(tmp_path: Path) -> None:
    command = [sys.executable, str(EXPERIMENTS / "quickstart" / "run.py"), "--smoke"]
    command += ["--runs", str(tmp_path / "runs"), "--results", str(tmp_path)]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, cwd=tmp_path, env=dict(os.environ)
    )
    assert done.returncode == 0, done.stderr
    rows = pd.read_csv(tmp_path / "seeds.csv")
    assert rows.groupby("policy")["seed"].nunique().eq(2).all()
    scores = rows.set_index(["policy", "seed"])["score"]
    assert scores["Random slates"].eq(0).all()
    assert scores["Planning reference"].eq(1).all()
    assert "2 seeds" in (tmp_path / "table.md").read_text(encoding="utf-8")


def test_coverage_of_offline_intervals_is_near_95_percent_or_refused(tmp_path: Path) -> None:
    command = [sys.executable, str(EXPERIMENTS / "offline_evaluation" / "run.py"), "--smoke"]
    done = subprocess.run(
        [*command, "--results", str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
        env=dict(os.environ),
    )
    assert done.returncode == 0, done.stderr
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


def test_the_agents_of_topic_boredom_write_curves_and_returns(tmp_path: Path) -> None:
    command = [sys.executable, str(EXPERIMENTS / "topic_boredom" / "run.py"), "--smoke"]
    done = subprocess.run(
        [*command, "--seeds", "1", "--results", str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
        env=dict(os.environ),
    )
    assert done.returncode == 0, done.stderr
    curves = pd.read_csv(tmp_path / "curves.csv")
    assert curves.groupby("head")["interactions"].agg(["size", "max"]).values.tolist() == [
        [10, 10_240],
        [10, 10_240],
    ]
    returns = pd.read_csv(tmp_path / "returns.csv").set_index("policy")
    assert len(returns) == 6
    # ten thousand interactions with twenty-step visits already teach something
    low, high = returns["low"].to_dict(), returns["high"].to_dict()
    assert low["SlatePPO, topics, drawn"] > high["random"]


def test_agents_with_a_log_behind_them_write_curves_and_dips(tmp_path: Path) -> None:
    command = [sys.executable, str(EXPERIMENTS / "log_to_live" / "run.py"), "--smoke"]
    done = subprocess.run(
        [*command, "--seeds", "1", "--results", str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
        env=dict(os.environ),
    )
    assert done.returncode == 0, done.stderr
    curves = pd.read_csv(tmp_path / "curves.csv")
    moments = curves.groupby("variant")["interactions"].agg(["size", "min", "max"])
    assert moments.values.tolist() == [[5, 0, 4_096], [5, 0, 4_096]]
    dips = pd.read_csv(tmp_path / "dips.csv").set_index("variant")
    first = curves.groupby("variant")["return"].first()
    lowest = curves.groupby("variant")["return"].min()
    # both come from tables of a few digits
    assert ((1 - lowest / first) - dips["dip"]).abs().max() < 1e-3
    assert (dips["lowest"] <= dips["final"]).all()
