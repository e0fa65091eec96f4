"""The stages that read real ratings, rank the baselines on them, and make the simulated users."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import numpy as np
import pandas as pd
from scipy.sparse import csr_matrix

from rlrec.data import Ratings, Split, leave_one_out, load_ratings, split_positive_by_time
from rlrec.envs import describe_environments
from rlrec.evaluation import evaluate_ranking
from rlrec.workflow.config import BaselineConfig, DataConfig
from rlrec.workflow.run_folder import Results
from rlrec.workflow.runner import StageContext
from rlrec.workflow.saved_policies import simulator_for, unfitted

_SPLITS: Mapping[str, Callable[[Ratings], Split]] = {
    "leave_one_out": leave_one_out,
    "positive_by_time": split_positive_by_time,
}
_METRICS = ("ndcg", "recall", "precision", "hit_rate", "mrr", "map")


def describe_data(context: StageContext) -> Results:
    """Read the ratings, count them and rank the baselines on held-out ones. Files: `ranking.csv`.

    Without `data` in the configuration there is nothing to do.
    """
    data = context.config.data
    if data is None:
        return {}
    ratings = ratings_of(data)
    context.reporter.say(f"    {ratings.summary()}")
    rankings = list(_rankings(context, data, ratings))
    pd.DataFrame(rankings).to_csv(context.path / "ranking.csv", index=False)
    return {"summary": ratings.summary(), "k": data.k, "rankings": rankings}


def make_environment(context: StageContext) -> Results:
    """Fit users to the ratings, if there are any, and say what is assumed. Files: `model`."""
    data = context.config.data
    if data is not None:
        from rlrec.envs import fit_users

        context.reporter.say("    fitting users to the ratings")
        fit_users(ratings_of(data), **data.users).save(context.path / "model")
    simulator = simulator_for(context.folder, 1, model=context.path / "model")
    titles = {entry.env_id: entry.title for entry in describe_environments()}
    return {
        "title": titles[simulator.env_id],
        "n_items": None if simulator.catalogue is None else simulator.catalogue.n_items,
        "n_choices": simulator.n_choices,
        "slate_size": simulator.slate_size,
        "card": [assumption._asdict() for assumption in simulator.card()],
    }


def ratings_of(data: DataConfig) -> Ratings:
    """Return the ratings that a configuration names."""
    return load_ratings(data.path, **data.columns)


def _rankings(context: StageContext, data: DataConfig, ratings: Ratings) -> Iterator[Results]:
    baselines = context.config.baselines if data.baselines is None else data.baselines
    splits = [name for name in _SPLITS if data.split in ("both", name)]
    advance = context.reporter.task("ranking held-out ratings")
    total = len(splits) * len(baselines)
    for number, name in enumerate(splits):
        known, held_out = _matrices(ratings, _SPLITS[name](ratings))
        for place, baseline in enumerate(baselines):
            yield {
                "split": name,
                "baseline": baseline.title,
                **_rank(baseline, known, held_out, data.k),
            }
            advance(number * len(baselines) + place + 1, total)


def _matrices(
    ratings: Ratings, split: Split
) -> tuple[csr_matrix[np.float64], csr_matrix[np.float64]]:
    """Return what users are known to have and what is held out, over the items of the split."""
    known_rows = np.concatenate([split.train, split.valid])
    items = np.unique(ratings.item_index[np.concatenate([known_rows, split.test])])
    known = ratings.matrix(known_rows, binary=True)[:, items]
    return known, ratings.matrix(split.test, binary=True)[:, items]


def _rank(
    baseline: BaselineConfig,
    known: csr_matrix[np.float64],
    held_out: csr_matrix[np.float64],
    k: int,
) -> Results:
    metrics = evaluate_ranking(unfitted(baseline).fit(known), known, held_out, k)
    means = {name: float(np.mean(getattr(metrics, name))) for name in _METRICS}
    return {**means, "coverage": metrics.coverage, "n_users": metrics.n_users}
