"""Do fitted users rank policies as real persons do, of whom every rating is known?

Persons who rated all of Jester's jokes are the truth: what a policy shows them is worth what they
gave. Users are fitted to a sparse log of other persons, policies are learned from a third group.
Over and over, with other divisions of the persons: Kendall's tau of the two orders.
"""

import argparse
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

import rlrec
from rlrec.arrays import Floats
from rlrec.data import Ratings, load_jester
from rlrec.envs import (
    BlockSettings,
    FittedUsersModel,
    PolicyRanking,
    compare_rankings,
    fit_users,
)
from rlrec.envs.fitting.ranking.block_ranking import (
    Measure,
    fit_to_any_scale,
    simulated_values,
    true_values,
)
from rlrec.envs.fitting.ranking.block_split import split_by_block
from rlrec.envs.fitting.ranking.rating_policies import rating_policies
from rlrec.envs.fitting.ratings.made_up_ratings import made_up_block

HERE = Path(__file__).resolve().parent
CLOSE = (
    "most rated",
    "highest mean rating",
    "predicted rating",
    "most liked",
    "ItemKNN",
    "EASE",
    "ALS",
    "ALS, softened",
)
"""Policies without random slates that want to please: the harder ones to tell apart."""
SMALL = BlockSettings(log_size=20, history_size=8, slate_size=3, n_draws=4)
CLICK_RATE = 0.98
"""Where jokes are shown one by one and rated, hardly anything is left."""


@dataclass(frozen=True, kw_only=True)
class Arguments:
    """What to run."""

    ratings: Path | None = None
    """Jester, as `load_jester` takes it."""
    splits: int = 10
    """Divisions of the persons; number i has seed i."""
    trial: bool = False
    """Only every fourth person, on whom settings may be tried; otherwise all but these."""
    results: Path = HERE / "results"
    """Folder of the tables."""
    smoke: bool = False
    """Made-up ratings and two splits, to see that it works; the numbers mean nothing."""


def main(arguments: Arguments) -> None:
    """Judge all splits and write `policies.csv`, `taus.csv` and `table.md`."""
    made_with = {"rlrec": rlrec.__version__, "commit": _commit()}
    judged = _judged(arguments)
    taus, worth = judged.taus.assign(**made_with), judged.policies.assign(**made_with)
    arguments.results.mkdir(parents=True, exist_ok=True)
    taus.to_csv(arguments.results / "taus.csv", index=False, float_format="%.4f")
    worth.to_csv(arguments.results / "policies.csv", index=False, float_format="%.4f")
    text = f"{_summary(taus)}\n{_values(worth)}"
    (arguments.results / "table.md").write_text(text, encoding="utf-8")
    sys.stdout.write(text)


class Judged(NamedTuple):
    """One row a split and ranking, and one a split, ranking and policy."""

    taus: pd.DataFrame
    policies: pd.DataFrame


def _judged(arguments: Arguments) -> Judged:
    ratings, settings = _ratings(arguments), SMALL if arguments.smoke else BlockSettings()
    taus, policies = [], []
    for seed in range(2 if arguments.smoke else arguments.splits):
        for name, ranking in rankings(ratings, replace(settings, seed=seed)).items():
            taus.append({"split": seed, "ranking": name, **_tau(ranking)})
            if not name.startswith("close"):
                table = ranking.table().reset_index()
                policies.append(table.assign(split=seed, ranking=name))
        sys.stderr.write(f"split {seed} is judged\n")
    return Judged(pd.DataFrame(taus), pd.concat(policies))


def rankings(ratings: Ratings, settings: BlockSettings) -> dict[str, PolicyRanking]:
    """Return by value and world how the orders agree, of all policies and of the close ones."""
    split = split_by_block(ratings, settings)
    policies = rating_policies(split.policy_log, settings)
    true = true_values(policies, split)
    found = {}
    for name, (measure, model) in worlds(split.world_log).items():
        simulated = simulated_values(policies, split, model, measure)
        found[name] = compare_rankings(simulated, true)
        found[f"close, {name}"] = compare_rankings(_close(simulated), _close(true))
    return found


def worlds(log: Ratings) -> dict[str, tuple[Measure, FittedUsersModel]]:
    """Return what policies are worth in which world: the first is the question."""
    model = fit_to_any_scale(log)
    generous = fit_users(
        log, min_item_ratings=1, rating_regularisation=model.rating_penalty, click_rate=CLICK_RATE
    )
    alike = replace(model, person_rating_factors=np.zeros_like(model.person_rating_factors))
    return {
        "satisfaction": ("satisfaction", model),
        "satisfaction where tastes are the same": ("satisfaction", alike),
        "return": ("return", model),
        "return where nearly all is taken": ("return", generous),
    }


def _close(values: Mapping[str, Floats]) -> dict[str, Floats]:
    return {name: values[name] for name in CLOSE}


def _ratings(arguments: Arguments) -> Ratings:
    if arguments.smoke:
        return made_up_block()
    if arguments.ratings is None:
        raise SystemExit("name the file of Jester's ratings with --ratings, or try --smoke")
    ratings = load_jester(arguments.ratings)
    is_trial = ratings.user_index % 4 == 0
    return ratings.subset(np.flatnonzero(is_trial == arguments.trial))


def _tau(ranking: PolicyRanking) -> dict[str, float]:
    tau = ranking.tau
    return {"tau": tau.value, "low": tau.low, "high": tau.high, "n_judged": tau.n}


def _summary(taus: pd.DataFrame) -> str:
    lines = [
        "| simulator's value | policies | mean tau | lowest | mean interval | lowest lower end |",
        "|---|---|---|---|---|---|",
    ]
    for name, rows in taus.groupby("ranking", sort=False):
        kind, _, world = str(name).rpartition(", ")
        lines.append(
            f"| {world} | {'8 close ones' if kind else 'all 13'} | {rows['tau'].mean():.2f} | "
            f"{rows['tau'].min():.2f} | {rows['low'].mean():.2f} to {rows['high'].mean():.2f} | "
            f"{rows['low'].min():.2f} |"
        )
    return "\n".join([*lines, ""])


def _values(worth: pd.DataFrame) -> str:
    """Return the values of each policy as means over splits."""
    columns = ["true", "true_low", "true_high", "simulated", "simulated_low", "simulated_high"]
    means = worth.pivot_table(index="policy", columns="ranking", values=columns)
    lines = ["| policy | true rating | in the simulator | minutes a visit |", "|---|---|---|---|"]
    for policy in means["true", "return"].sort_values(ascending=False).index:
        row = means.loc[[policy]]
        cells = [_interval(row, name, "satisfaction", 2) for name in ("true", "simulated")]
        cells.append(_interval(row, "simulated", "return", 0))
        lines.append(f"| {policy} | {' | '.join(cells)} |")
    return "\n".join([*lines, ""])


def _interval(row: pd.DataFrame, name: str, measure: str, digits: int) -> str:
    value, low, high = (
        f"{row[f'{name}{end}', measure].iloc[0]:.{digits}f}" for end in ("", "_low", "_high")
    )
    return f"{value} ({low} to {high})"


def _commit() -> str:
    command = ["git", "-C", str(HERE), "rev-parse", "--short", "HEAD"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"


def _parsed(words: Sequence[str] | None = None) -> Arguments:
    parser = argparse.ArgumentParser(description=__doc__)
    for field in fields(Arguments):
        name = f"--{field.name.replace('_', '-')}"
        if field.type is bool:
            parser.add_argument(name, action="store_true")
        else:
            kind = type(field.default) if field.default is not None else Path
            parser.add_argument(name, type=kind, default=field.default)
    return Arguments(**vars(parser.parse_args(words)))


if __name__ == "__main__":
    main(_parsed())
