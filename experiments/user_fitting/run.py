"""Are the dynamics of users recovered from the slates they were shown?

Users of known drift, satiation, position effects and level of taking nothing are shown random
slates; `fit_dynamics` estimates them from the log alone. Over and over, with other users and
other truths: how often is the truth within 10 % of the estimate, or inside the 95 % interval?
"""

import argparse
import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, fields
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from rlrec.data import InteractionLog
from rlrec.envs import make_simulator
from rlrec.envs.fitting.slates.dynamics import fit_dynamics
from rlrec.policy import RandomPolicy

HERE = Path(__file__).resolve().parent
RANGES = {
    "offset": (-0.5, 1.5),
    "decay": (0.6, 0.95),
    "taste_sd": (0.5, 1.5),
    "persistence": (0.7, 0.95),
    "drift_step_sd": (0.15, 0.4),
    "strength": (0.2, 0.8),
    "memory": (0.4, 0.9),
}
"""Of the truths, drawn evenly."""
N_ITEMS, N_TOPICS, SLATE_SIZE = 200, 10, 5
APPEAL = 0.7
"""Standard deviation of what makes items attractive to everybody."""


@dataclass(frozen=True, kw_only=True)
class Arguments:
    """What to run."""

    repetitions: int = 50
    """Each with another truth and other users."""
    visits: int = 20_000
    """Of each log."""
    steps: int = 10
    """Of each visit."""
    jobs: int = 1
    """Logs at the same time, each on one core."""
    results: Path = HERE / "results"
    """Folder of the table."""
    smoke: bool = False
    """Tiny settings, to see that it works; the numbers mean nothing."""


def main(arguments: Arguments) -> None:
    """Fit all logs and write `recovery.csv`."""
    n_logs, n_visits = (2, 300) if arguments.smoke else (arguments.repetitions, arguments.visits)
    with ProcessPoolExecutor(arguments.jobs) as pool:
        fit = partial(recovered, n_visits=n_visits, n_steps=arguments.steps)
        parts = list(pool.map(fit, range(n_logs)))
    rows = pd.DataFrame([row for part in parts for row in part])
    arguments.results.mkdir(parents=True, exist_ok=True)
    rows.to_csv(arguments.results / "recovery.csv", index=False, float_format="%.5f")
    counted = rows.groupby("parameter", sort=False)[
        ["told", "covered", "within_10", "either"]
    ].mean()
    sys.stdout.write(f"{counted.round(3).to_string()}\n")


def recovered(seed: int, n_visits: int, n_steps: int) -> list[dict[str, Any]]:
    """Return one row a parameter: truth, estimate, interval, and whether they agree."""
    torch.set_num_threads(1)
    rng = np.random.default_rng(seed)
    truth = {name: float(rng.uniform(*ends)) for name, ends in RANGES.items()}
    users = make_simulator("rlrec/ComposedUsers-v0", 500, **world(truth, n_steps, seed))
    # The level of nothing is told beside the average item.
    qualities = users.problem.users.items.offer_quality({})
    truth["offset"] -= APPEAL * float(np.mean(qualities))
    random = RandomPolicy(N_ITEMS, SLATE_SIZE)
    log = InteractionLog.record(random, users, n_visits * n_steps, seed=seed)
    assert users.catalogue is not None
    found = fit_dynamics(log, users.catalogue, "position_based")
    rows = []
    values = {**found.values, "drift_step_sd": found.drift_step_sd}
    for name, value in truth.items():
        told = found.estimates.get(name, found.hardly.get(name))  # none where said to be absent
        covered = told is not None and told.low <= value <= told.high
        near = abs(values[name] - value) <= 0.1 * abs(value)
        rows.append(
            {
                "repetition": seed,
                "parameter": name,
                "truth": value,
                "estimate": values[name],
                "low": np.nan if told is None else told.low,
                "high": np.nan if told is None else told.high,
                "told": name in found.estimates,
                "covered": covered,
                "within_10": near,
                "either": covered or near,
            }
        )
    n_agree = sum(bool(row["either"]) for row in rows)
    sys.stderr.write(f"log {seed}: {n_agree} of {len(rows)}\n")
    return rows


def world(truth: dict[str, float], n_steps: int, seed: int) -> dict[str, Any]:
    """Return the arguments of users whose dynamics are known."""
    return {
        "n_items": N_ITEMS,
        "n_topics": N_TOPICS,
        "slate_size": SLATE_SIZE,
        "catalogue_seed": seed,
        "taste": {"name": "topics", "interests": {"normal": [0.0, truth["taste_sd"]]}, "drift": 0},
        "choice": {
            "name": "position_based",
            "decay": truth["decay"],
            "attraction": {"name": "logistic", "offset": truth["offset"]},
        },
        "blocks": {
            "quality_appeal": {"weight": APPEAL},
            "taste_drift": {"persistence": truth["persistence"], "sd": truth["drift_step_sd"]},
            "satiation": {"strength": truth["strength"], "memory": truth["memory"]},
        },
        "leaving": {"name": "fixed_length", "n_steps": n_steps},
    }


def _parsed(words: Sequence[str] | None = None) -> Arguments:
    parser = argparse.ArgumentParser(description=__doc__)
    for field in fields(Arguments):
        name = f"--{field.name.replace('_', '-')}"
        if field.type is bool:
            parser.add_argument(name, action="store_true")
        else:
            parser.add_argument(name, type=type(field.default), default=field.default)
    return Arguments(**vars(parser.parse_args(words)))


if __name__ == "__main__":
    main(_parsed())
