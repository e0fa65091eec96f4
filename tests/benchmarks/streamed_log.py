"""Writes a long log of single choices and judges a policy on it; prints seconds and peak memory."""

import resource
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from rlrec.arrays import Floats, Ints, Observations
from rlrec.data import InteractionLog, LogMetadata
from rlrec.data.log_columns import Columns
from rlrec.data.log_files import write_parts
from rlrec.evaluation.offline.streaming import stream_offline
from rlrec.slates import SlateDraw

N_CHOICES, N_STEPS, PART_ROWS = 10, 10, 1_000_000


class Tilted:
    """Prefers low choices a little."""

    chances = np.linspace(1.2, 0.8, N_CHOICES) / N_CHOICES

    def act(
        self, observations: Observations, rng: np.random.Generator, deterministic: bool = False
    ) -> SlateDraw:
        """Draw choices."""
        raise NotImplementedError

    def log_probs(self, observations: Observations, slates: Ints) -> Floats:
        """Return log-probabilities (B, 1)."""
        return np.log(self.chances)[slates]


def parts(n_rows: int) -> Iterator[Columns]:
    """Yield sessions of ten uniform choices, two of each user."""
    rng = np.random.default_rng(0)
    for first in range(0, n_rows, PART_ROWS):
        rows = np.arange(first, min(first + PART_ROWS, n_rows))
        clicks = rng.random(len(rows)) < 0.1
        yield {
            "user_id": rows // (2 * N_STEPS),
            "episode_id": rows // N_STEPS,
            "step": rows % N_STEPS,
            "slate": rng.integers(N_CHOICES, size=(len(rows), 1)),
            "response.click": clicks[:, None].astype(np.float32),
            "reward": clicks.astype(np.float64),
            "terminated": rows % N_STEPS == N_STEPS - 1,
            "truncated": np.zeros(len(rows), bool),
            "log_propensity": np.full(len(rows), -np.log(N_CHOICES)),
        }


def main(folder: Path, n_rows: int) -> None:
    """Print seconds of CPU and peak resident megabytes of judging, the writing left out of time."""
    metadata = LogMetadata(slate_size=1, response_channels=("click",))
    path = folder / "log"
    if not path.exists():
        write_parts(path, parts(n_rows), -(-n_rows // PART_ROWS), metadata, overwrite=False)
        return
    began = time.process_time()
    results = stream_offline(Tilted(), InteractionLog.open(path))
    seconds = time.process_time() - began
    megabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{results.facts.n_rows} {seconds:.1f} {megabytes:.0f} {results.estimates[0].value:.4f}")


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
