"""The stages that read real ratings, rank the baselines on them, and make the simulated users."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
from scipy.sparse import csr_matrix

from rlrec.data import Ratings, Split, leave_one_out, load_ratings, split_positive_by_time
from rlrec.envs import describe_environments
from rlrec.errors import ConfigError
from rlrec.evaluation import evaluate_ranking
from rlrec.workflow.config import BaselineConfig, DataConfig, RankingConfig
from rlrec.workflow.run_folder import Results
from rlrec.workflow.runner import StageContext
from rlrec.workflow.saved_policies import simulator_for, unfitted

_BY_DEFAULT = (RankingConfig(split="leave_one_out"), RankingConfig(split="positive_by_time"))
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
    return {"summary": ratings.summary(), "rankings": rankings}


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
    try:
        return load_ratings(data.path, **data.columns)
    except ConfigError as error:
        raise ConfigError(f"data.columns: {error}") from None


def _rankings(context: StageContext, data: DataConfig, ratings: Ratings) -> Iterator[Results]:
    advance = context.reporter.task("ranking held-out ratings")
    rankings = _wanted(context, data, ratings)
    parts = [_matrices(ratings, _split(ratings, ranking)) for ranking in rankings]
    orders = [
        (ranking, part, baseline)
        for ranking, part in zip(rankings, parts, strict=True)
        for baseline in ranking.baselines or context.config.baselines
    ]
    for number, (ranking, part, baseline) in enumerate(orders, start=1):
        metrics = _rank(baseline, *part, ranking.k)
        yield {"split": _title(ranking), "baseline": baseline.title, "k": ranking.k, **metrics}
        advance(number, len(orders))


def _wanted(context: StageContext, data: DataConfig, ratings: Ratings) -> tuple[RankingConfig, ...]:
    """Return the rankings of the configuration; all are by time."""
    if data.rankings is None and ratings.timestamps is None:
        context.reporter.say("    no rankings: the ratings have no timestamps")
        return ()
    return _BY_DEFAULT if data.rankings is None else data.rankings


def _split(ratings: Ratings, ranking: RankingConfig) -> Split:
    if ranking.split == "leave_one_out":
        return leave_one_out(ratings, ranking.core)
    return split_positive_by_time(ratings, ranking.threshold, ranking.core)


def _title(ranking: RankingConfig) -> str:
    """Return the split with those of its settings that are not the usual ones."""
    usual = RankingConfig(split=ranking.split)
    changed = [
        f"{name} {getattr(ranking, name):g}"
        for name in ("core", "threshold")
        if getattr(ranking, name) != getattr(usual, name)
    ]
    return ", ".join([ranking.split, *changed])


def _matrices(
    ratings: Ratings, split: Split
) -> tuple[csr_matrix[np.float64], csr_matrix[np.float64]]:
    """Return what is known and what is held out, over the users and items of the split."""
    known = np.concatenate([split.train, split.valid])
    rows = np.concatenate([known, split.test])
    users, items = np.unique(ratings.user_index[rows]), np.unique(ratings.item_index[rows])
    whole = [ratings.matrix(part, binary=True) for part in (known, split.test)]
    return whole[0][users][:, items], whole[1][users][:, items]


def _rank(
    baseline: BaselineConfig,
    known: csr_matrix[np.float64],
    held_out: csr_matrix[np.float64],
    k: int,
) -> Results:
    metrics = evaluate_ranking(unfitted(baseline).fit(known), known, held_out, k)
    means = {name: float(np.mean(getattr(metrics, name))) for name in _METRICS}
    return {**means, "coverage": metrics.coverage, "n_users": metrics.n_users}
