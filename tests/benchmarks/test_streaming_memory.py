"""A log larger than memory is judged on sums."""

import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.benchmark
def test_twenty_million_rows_are_judged_in_one_and_a_half_gigabytes(
    tmp_path: Path, root: Path
) -> None:
    script = [sys.executable, str(root / "tests/benchmarks/streamed_log.py")]
    words = [*script, str(tmp_path), "20000000"]
    here = os.environ | {"PYTHONPATH": str(root)}
    subprocess.run(words, check=True, cwd=root, env=here)  # writes the log
    done = subprocess.run(words, check=True, cwd=root, env=here, capture_output=True, text=True)
    n_rows, seconds, megabytes, value = done.stdout.split()
    print(
        f"streaming: {int(n_rows):,} rows in {seconds} s of CPU and {megabytes} MB, worth {value}"
    )
    assert int(n_rows) == 20_000_000
    assert float(megabytes) < 1_500
