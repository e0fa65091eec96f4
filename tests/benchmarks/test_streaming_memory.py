"""Logs larger than memory are judged, and users fitted to them, block by block."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

N_ROWS = 20_000_000


def measured(script: str, folder: Path, root: Path) -> list[float]:
    """Return what a script prints of a log that it wrote in a call before."""
    words = [sys.executable, str(root / "tests/benchmarks" / script), str(folder), str(N_ROWS)]
    here = os.environ | {"PYTHONPATH": str(root)}
    subprocess.run(words, check=True, cwd=root, env=here)  # writes the log
    done = subprocess.run(words, check=True, cwd=root, env=here, capture_output=True, text=True)
    return [float(number) for number in done.stdout.split()]


@pytest.mark.benchmark
def test_twenty_million_rows_are_judged_in_one_and_a_half_gigabytes(
    tmp_path: Path, root: Path
) -> None:
    n_rows, seconds, megabytes, value = measured("streamed_log.py", tmp_path, root)
    print(f"streaming: {n_rows:,.0f} rows in {seconds} s of CPU and {megabytes} MB, worth {value}")
    assert n_rows == N_ROWS
    assert megabytes < 1_500


@pytest.mark.benchmark
def test_users_are_fitted_to_twenty_million_rows_in_one_and_a_half_gigabytes(
    tmp_path: Path, root: Path
) -> None:
    n_rows, seconds, megabytes, decay = measured("fitted_log.py", tmp_path, root)
    print(f"fitting: {n_rows:,.0f} rows in {seconds} s of CPU and {megabytes} MB, decay {decay}")
    assert n_rows == N_ROWS
    assert megabytes < 1_500
    assert 0.7 < decay < 0.9  # of 20,000 visits; clicks fall by 0.8 from slot to slot
