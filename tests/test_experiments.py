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
