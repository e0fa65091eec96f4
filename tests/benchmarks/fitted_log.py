"""Writes a long log of slates and fits users to it; prints seconds and peak memory."""

import resource
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from rlrec.data import Catalogue, InteractionLog, LogMetadata, read_catalogue
from rlrec.data.log_columns import Columns
from rlrec.data.log_files import write_parts
from rlrec.envs import fit_slate_users

N_ITEMS, N_TOPICS, SLATE_SIZE, N_STEPS, N_VISITS = 1_000, 20, 5, 10, 4
PART_ROWS, DAY = 1_000_000, 86_400


def catalogue() -> Catalogue:
    """Return items, topics in turn."""
    topics = np.arange(N_ITEMS) % N_TOPICS
    return Catalogue(
        item_ids=np.arange(N_ITEMS),
        topics=topics,
        features=np.eye(N_TOPICS, dtype=np.float32)[topics],
        topic_names=tuple(f"topic {number}" for number in range(N_TOPICS)),
    )


def parts(n_rows: int) -> Iterator[Columns]:
    """Yield random slates, four visits of ten steps of each user; upper slots are clicked more."""
    rng = np.random.default_rng(0)
    rates = 0.3 * 0.8 ** np.arange(SLATE_SIZE)
    for first in range(0, n_rows, PART_ROWS):
        rows = np.arange(first, min(first + PART_ROWS, n_rows))
        slates = rng.integers(N_ITEMS // SLATE_SIZE, size=(len(rows), SLATE_SIZE))
        clicks = rng.random(slates.shape) < rates
        visits = rows // N_STEPS
        away = (DAY * np.random.default_rng(first).lognormal(0.0, 0.5, visits[-1] + 1)).astype(int)
        yield {
            "user_id": visits // N_VISITS,
            "episode_id": visits,
            "step": rows % N_STEPS,
            "timestamp": (visits % N_VISITS) * 4 * DAY + away[visits] + rows % N_STEPS,
            "slate": slates * SLATE_SIZE + np.arange(SLATE_SIZE),
            "response.click": clicks.astype(np.float32),
            "reward": clicks.sum(axis=1).astype(np.float64),
            "terminated": rows % N_STEPS == N_STEPS - 1,
            "truncated": np.zeros(len(rows), bool),
        }


def main(folder: Path, n_rows: int) -> None:
    """Print rows, seconds of CPU and peak resident megabytes of fitting, not of the writing."""
    path = folder / "log"
    if not path.exists():
        metadata = LogMetadata(slate_size=SLATE_SIZE, response_channels=("click",))
        n_parts = -(-n_rows // PART_ROWS)
        write_parts(path, parts(n_rows), n_parts, metadata, overwrite=False, catalogue=catalogue())
        return
    began = time.process_time()
    items = read_catalogue(path)
    model = fit_slate_users(InteractionLog.open(path, items), items)
    seconds = time.process_time() - began
    megabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    decay = model.estimates["decay"].value
    print(f"{model.figures['n_rows']:.0f} {seconds:.1f} {megabytes:.0f} {decay:.4f}")


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
