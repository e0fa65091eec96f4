"""A log of Kuaishou's size is loaded in little memory; all rows here are made up."""

import os
import subprocess
import sys
from pathlib import Path

PROGRAM = """
import resource, sys
from pathlib import Path
import numpy as np, pandas as pd
from rlrec.data import csv_blocks, load_kuairand, streamed_log

csv_blocks._BLOCK_BYTES, streamed_log._PART_ROWS = 2**17, 40_000
folder, n_rows = Path(sys.argv[1]), int(sys.argv[2])
names = "user_id video_id time_ms is_click is_like is_follow is_comment is_forward".split()
names += "is_hate long_view play_time_ms is_rand".split()
for start in range(0, n_rows, 50_000):
    rng = np.random.default_rng(start)
    rows = pd.DataFrame(np.zeros((50_000, len(names)), np.int64), columns=names)
    rows["user_id"] = rng.integers(2_000, size=50_000)  # in no order
    rows["video_id"] = rng.integers(1_000, size=50_000)
    rows["time_ms"] = 1_650_000_000_000 + start + np.arange(50_000)
    path = folder / "log_standard_1.csv"
    rows.to_csv(path, index=False, mode="a", header=not start)
log = load_kuairand(folder, path=folder / "log").log
print(len(log), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
"""


def load(folder: Path, n_rows: int) -> tuple[int, int]:
    """Return rows in the log and peak resident bytes of loading it."""
    folder.mkdir()
    words = [sys.executable, "-c", PROGRAM, str(folder), str(n_rows)]
    done = subprocess.run(words, capture_output=True, text=True, env=os.environ)
    assert done.returncode == 0, done.stderr
    n_found, peak = map(int, done.stdout.split())
    return n_found, peak


def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    n_few, few_peak = load(tmp_path / "few", 100_000)
    n_many, many_peak = load(tmp_path / "many", 500_000)
    assert (n_few, n_many) == (100_000, 500_000)
    # held whole, 400,000 more rows are 40 MB of numbers, and more while they are sorted
    assert many_peak - few_peak < 20e6
