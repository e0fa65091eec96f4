"""A million user-steps a CPU second, in a process of its own."""

import json
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.benchmark
def test_1000_users_of_a_catalogue_make_a_million_steps_a_second_in_every_batched_face(
    root: Path,
) -> None:
    command = [sys.executable, "-m", "tests.benchmarks.environments", "--first", "1"]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True)
    (row,) = json.loads(done.stdout)["batches"]
    print(json.dumps(row, indent=2))
    assert (row["users"], row["items"], row["slate_size"]) == (1000, 1000, 10)
    assert min(row["user_steps_per_cpu_second"].values()) > 1_000_000
