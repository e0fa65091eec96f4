"""The quickstart over several seeds: is its result a matter of luck?

Runs `experiments/quickstart.yaml` once a seed, each in a process of its own, and gathers a row a
seed and policy. A run that is already finished is not repeated.
"""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from rlrec.evaluation import interquartile_mean, stratified_bootstrap_interval

HERE = Path(__file__).resolve().parent
CONFIG = HERE.parent / "quickstart.yaml"
RANDOM, REFERENCE = "Random slates", "Planning reference"
PRETRAINED, FINETUNED = "SlateQ, pretrained", "SlateQ, fine-tuned"
LOGGING = "Logging policy"
SMOKE = (
    "environment.arguments.n_items=60",
    "environment.arguments.slate_size=3",
    "logging.n_bootstrap_steps=2000",
    "logging.n_steps=4000",
    "logging.n_users=50",
    "pretraining.n_updates=100",
    "finetuning.n_steps=2048",
    "finetuning.n_users=64",
    "finetuning.evaluate_every=1024",
    "finetuning.n_validation_users=10",
    "evaluation.n_users=20",
    "evaluation.n_reference_users=5",
)


@dataclass(frozen=True, kw_only=True)
class Arguments:
    """What to run."""

    seeds: int = 10
    """Number of seeds, from 0 on."""
    jobs: int = 1
    """Runs at the same time, each on one core."""
    runs: Path = Path("runs/quickstart-seeds")
    """Folder of the runs."""
    results: Path = HERE / "results"
    """Folder of the tables."""
    smoke: bool = False
    """Tiny settings, to see that it works; the numbers mean nothing."""


def main(arguments: Arguments) -> None:
    """Run all seeds and write `seeds.csv` and `table.md`."""
    seeds = range(2 if arguments.smoke else arguments.seeds)
    with ThreadPoolExecutor(arguments.jobs) as pool:
        folders = list(pool.map(lambda seed: run_seed(seed, arguments), seeds))
    rows = pd.DataFrame([row for folder in folders for row in rows_of(folder)])
    arguments.results.mkdir(parents=True, exist_ok=True)
    rows.to_csv(arguments.results / "seeds.csv", index=False, float_format="%.4f")
    table = table_of(rows)
    (arguments.results / "table.md").write_text(table, encoding="utf-8")
    sys.stdout.write(table)


def run_seed(seed: int, arguments: Arguments) -> Path:
    """Carry out one run, or go on with it, and return its folder."""
    folder = arguments.runs / str(seed)
    if (folder / "results.json").exists():
        return folder
    place = ["--resume", str(folder)] if folder.exists() else ["--output", str(folder)]
    settings = [f"seed={seed}", *(SMOKE if arguments.smoke else ())]
    command = [sys.executable, "-m", "rlrec.workflow.cli", "run", str(CONFIG), *place]
    for setting in settings:
        command += ["--set", setting]
    arguments.runs.mkdir(parents=True, exist_ok=True)
    with open(arguments.runs / f"{seed}.log", "a", encoding="utf-8") as log:
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        subprocess.run(command, check=True, stdout=log, stderr=log, env=environment)
    return folder


def rows_of(folder: Path) -> Iterator[dict[str, Any]]:
    """Yield a row for each policy of a finished run."""
    results = json.loads((folder / "results.json").read_text(encoding="utf-8"))
    card = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    seconds = {
        path.parent.name: json.loads(path.read_text(encoding="utf-8"))["wall_seconds"]
        for path in folder.glob("stages/*/timing.json")
    }
    for policy, row in results["evaluate"]["policies"].items():
        yield {
            "seed": int(folder.name),
            "policy": policy,
            "mean_return": row["mean_return"],
            "low": row["low"],
            "high": row["high"],
            "score": row["score"],
            "length": row["length"],
            "updates_pretraining": results["pretrain"]["n_updates"],
            "interactions": results["finetune"]["n_interactions"],
            "interactions_of_best": results["finetune"]["best_interactions"],
            "wall_seconds": round(sum(seconds.values()), 1),
            "commit": (card.get("commit") or "")[:12],
        }


def table_of(rows: pd.DataFrame) -> str:
    """Return the Markdown table: interquartile means over seeds with bootstrap intervals."""
    returns = rows.pivot(index="seed", columns="policy", values="mean_return")
    scores = rows.pivot(index="seed", columns="policy", values="score")
    not_baselines = {RANDOM, LOGGING, "Myopic oracle", PRETRAINED, FINETUNED, REFERENCE}
    baselines = [name for name in returns.columns if name not in not_baselines]
    best = returns[baselines].max(axis=1)
    lines = [
        f"{len(returns)} seeds; interquartile mean over seeds, 95 % stratified bootstrap interval.",
        "",
        "| policy | return per user | score 0..1 | seeds above the best baseline |",
        "|---|---|---|---|",
    ]
    for name in returns.mean().sort_values().index:
        above = int((returns[name] > best).sum())
        lines.append(
            f"| {name} | {_summary(returns[name], 1)} | {_summary(scores[name], 3)} | "
            f"{above} of {len(returns)} |"
        )
    for name in (PRETRAINED, FINETUNED):
        margin = 100 * (returns[name] / best - 1)
        lines.append("")
        lines.append(
            f"{name}: {_summary(margin, 0)} % above the best baseline of the same seed; least "
            f"{margin.min():.0f} %, most {margin.max():.0f} %."
        )
    return "\n".join(lines) + "\n"


def _summary(values: pd.Series, digits: int) -> str:
    column = values.to_numpy(dtype=np.float64)[:, None]
    middle = interquartile_mean(column)
    interval = stratified_bootstrap_interval(column, rng=np.random.default_rng(0))
    return f"{middle:.{digits}f} ({interval.low:.{digits}f} to {interval.high:.{digits}f})"


def _parsed() -> Arguments:
    parser = argparse.ArgumentParser(description=__doc__)
    for field in fields(Arguments):
        name = f"--{field.name}"
        if field.type is bool:
            parser.add_argument(name, action="store_true")
        else:
            parser.add_argument(name, type=type(field.default), default=field.default)
    return Arguments(**vars(parser.parse_args()))


if __name__ == "__main__":
    main(_parsed())
