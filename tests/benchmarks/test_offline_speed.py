"""A million rounds with 1,000 replicates in two seconds, in a process of its own."""

import json
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.benchmark
def test_ips_snips_and_dr_with_1000_replicates_take_two_seconds_and_one_gigabyte_for_1e6_rounds(
    root: Path,
) -> None:
    command = [sys.executable, "-m", "tests.benchmarks.offline"]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True)
    row = json.loads(done.stdout)
    print(json.dumps(row, indent=2))
    assert (row["rounds"], row["actions"], row["replicates"]) == (1_000_000, 10, 1_000)
    assert row["cpu_seconds_together"] <= 2.0
    assert row["peak_megabytes"] <= 1_000
