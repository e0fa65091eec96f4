"""Ranking items for users, and how good the rankings are against held-out items."""

from dataclasses import dataclass, fields
from typing import Protocol

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy import sparse

from rlrec.arrays import Bools, Floats, Floats32, Ints
from rlrec.errors import ConfigError, DataError
from rlrec.evaluation.exposure import coverage, gini, shown_counts
from rlrec.slates import top_slates

SparseRows = sparse.csr_matrix | sparse.csr_array
"""Users by items; every stored entry counts, whatever its value."""

_SCORES_A_BLOCK = 4_000_000  # 32 MB of float64


class Recommender(Protocol):
    """Scores all items for users it knows by row number."""

    def scores(self, user_index: Ints) -> Floats:
        """Return scores (B, N) of all items for B users."""
        ...


@dataclass(frozen=True, eq=False)
class RankingMetrics:
    """Quality of the top k of U users; arrays have one value a user."""

    k: int
    ndcg: Floats
    """Sum over hits at rank j of 1 / log2(j + 1), divided by that of the best possible ranking."""
    recall: Floats
    """Hits divided by the number of relevant items."""
    precision: Floats
    """Hits divided by k."""
    hit_rate: Floats
    """1 if there is any hit, else 0."""
    mrr: Floats
    """1 / rank of the first hit, 0 without a hit."""
    map: Floats
    """Sum over hits at rank j of the precision at j, divided by min(k, relevant items)."""
    coverage: float
    """Share of all items that are in at least one user's top k."""
    gini: float
    """Gini coefficient of how often items are in a top k."""
    novelty: Floats | None = None
    """Mean of -log2(share of all interactions) over the top k, in bits; None without popularity."""
    diversity: Floats | None = None
    """Mean of 1 - cosine similarity over pairs of the top k; None without features."""

    @property
    def n_users(self) -> int:
        """Number of users, U."""
        return int(self.ndcg.size)

    def table(self) -> pd.DataFrame:
        """Return one row a metric: mean over users, its standard error, number of users.

        Users for whom a metric is not defined (nan) are left out of its mean; coverage and Gini
        are of all users together and have no standard error.
        """
        rows = {}
        for name in (field.name for field in fields(self) if field.name != "k"):
            values = getattr(self, name)
            if isinstance(values, np.ndarray):
                rows[f"{name}@{self.k}"] = _summary(values)
            elif values is not None:
                rows[f"{name}@{self.k}"] = (values, np.nan, self.n_users)
        columns = ["mean", "standard_error", "n_users"]
        table = pd.DataFrame.from_dict(rows, orient="index", columns=columns)
        return table.rename_axis("metric")


def rank_items(scores: ArrayLike, hidden: SparseRows | Bools | None, k: int) -> Ints:
    """Return the k best-scored items of each user that are not hidden, best first.

    Args:
        scores: Shape (B, N). Ties go to the lower item_index; -inf ranks last but is ranked.
        hidden: (B, N), stored entries or True where an item must not be ranked (such as those the
            user had in training); None hides nothing.
        k: Length of the ranking, 1 or more.

    Returns:
        Shape (B, k). item_index; -1 fills up where fewer than k items are left.

    Raises:
        DataError: Shapes differ, or a score is nan.
    """
    ranked_scores = np.array(scores, dtype=np.float64)
    if k < 1:
        raise ConfigError(f"k must be 1 or more, got {k!r}")
    _check_scores(ranked_scores)
    barred = _barred(hidden, ranked_scores.shape)
    np.maximum(ranked_scores, np.finfo(np.float64).min, out=ranked_scores)
    ranked_scores[barred] = -np.inf
    n_users, n_items = ranked_scores.shape
    ranked = np.full((n_users, k), -1, dtype=np.int64)
    best = top_slates(ranked_scores, min(k, n_items))
    left_over = np.isneginf(np.take_along_axis(ranked_scores, best, axis=1))
    ranked[:, : best.shape[1]] = np.where(left_over, -1, best)
    return ranked


def ranking_metrics(
    ranked: Ints,
    relevant: SparseRows,
    n_items: int,
    popularity: ArrayLike | None = None,
    features: NDArray[np.float64] | Floats32 | None = None,
) -> RankingMetrics:
    """Return the metrics of rankings against each user's relevant items.

    Args:
        ranked: Shape (U, k). item_index, best first, no repeats; -1 for an empty place, at the end.
        relevant: (U, n_items). Stored entries are the relevant items; at least one a user.
        n_items: Items in the catalogue, N.
        popularity: Shape (N,). Interactions of each item in the training data, for novelty. Items
            without any are taken to be as popular as the least popular item that has some.
        features: Shape (N, D). For diversity. Items whose features are all 0 are like no other.

    Raises:
        DataError: Shapes differ, or a user has no relevant item.
    """
    pattern = _relevant_pattern(ranked, relevant, n_items)
    n_relevant = np.diff(pattern.indptr)
    hits = _hits(ranked, pattern)
    k = ranked.shape[1]
    ranks = np.arange(1, k + 1)
    gains = 1.0 / np.log2(ranks + 1)
    ideal = np.cumsum(gains)[np.minimum(n_relevant, k) - 1]
    n_hits = hits.sum(axis=1)
    precision_at = np.cumsum(hits, axis=1) / ranks
    counts = shown_counts(ranked, n_items)
    return RankingMetrics(
        k=k,
        ndcg=(hits * gains).sum(axis=1) / ideal,
        recall=n_hits / n_relevant,
        precision=n_hits / k,
        hit_rate=(n_hits > 0).astype(np.float64),
        mrr=np.where(n_hits > 0, 1.0 / (hits.argmax(axis=1) + 1), 0.0),
        map=(hits * precision_at).sum(axis=1) / np.minimum(n_relevant, k),
        coverage=coverage(counts),
        gini=gini(counts),
        novelty=None if popularity is None else _novelty(ranked, popularity, n_items),
        diversity=None if features is None else _diversity(ranked, np.asarray(features), n_items),
    )


def evaluate_ranking(
    recommender: Recommender,
    train: SparseRows,
    test: SparseRows,
    k: int = 10,
    features: NDArray[np.float64] | Floats32 | None = None,
) -> RankingMetrics:
    """Return how well a fitted recommender ranks each user's test items.

    Users are those with a test item; each one's candidates are all items but those of `train`.
    Users are scored in blocks, so that memory does not grow with their number.

    Args:
        recommender: Fitted on `train`; row i of the matrices is its user i.
        train: (n_users, N). What the users had; also gives the popularity for novelty.
        test: (n_users, N). What they should be shown.
        k: Length of the rankings.
        features: Shape (N, D). For diversity.

    Raises:
        DataError: Shapes differ, a score is nan, or no user has a test item.
    """
    if train.shape != test.shape:
        raise DataError(f"train and test need one shape, got {train.shape} and {test.shape}")
    n_items = int(test.shape[1])
    users = np.flatnonzero(np.diff(test.indptr)).astype(np.int64)
    if users.size == 0:
        raise DataError("a ranking can only be judged for users with a test item; there are none")
    block = max(1, _SCORES_A_BLOCK // n_items)
    ranked = [
        rank_items(recommender.scores(rows), train[rows], k)
        for rows in (users[start : start + block] for start in range(0, users.size, block))
    ]
    popularity = np.bincount(train.indices, minlength=n_items) if train.nnz else None
    return ranking_metrics(np.concatenate(ranked), test[users], n_items, popularity, features)


def _summary(values: Floats) -> tuple[float, float, int]:
    """Return mean, standard error and number of the values that are not nan."""
    defined = values[~np.isnan(values)]
    n = int(defined.size)
    mean = float(defined.mean()) if n else np.nan
    return mean, float(defined.std(ddof=1) / np.sqrt(n)) if n > 1 else np.nan, n


def _check_scores(scores: Floats) -> None:
    if scores.ndim != 2 or scores.shape[1] == 0:
        raise DataError(f"scores need shape (users, items), got {scores.shape}")
    if np.isnan(scores).any():
        row, item = np.argwhere(np.isnan(scores))[0]
        raise DataError(f"scores must be numbers, the one of row {row} and item {item} is nan")


def _barred(hidden: SparseRows | Bools | None, shape: tuple[int, ...]) -> Bools:
    barred = np.zeros(shape, dtype=bool)
    if hidden is None:
        return barred
    if hidden.shape != shape:
        raise DataError(f"hidden needs the shape of the scores {shape}, got {hidden.shape}")
    if isinstance(hidden, np.ndarray):
        return np.asarray(hidden, dtype=bool)
    rows = np.repeat(np.arange(shape[0]), np.diff(hidden.indptr))
    barred[rows, hidden.indices] = True
    return barred


def _relevant_pattern(ranked: Ints, relevant: SparseRows, n_items: int) -> SparseRows:
    """Return `relevant` with sorted entries, each once."""
    if relevant.shape != (len(ranked), n_items) or ranked.ndim != 2:
        raise DataError(
            f"ranked needs shape (users, k) and relevant (users, {n_items}), got {ranked.shape} "
            f"and {relevant.shape}"
        )
    if ranked.size and not -1 <= ranked.min() <= ranked.max() < n_items:
        raise DataError(
            f"ranked must name items in 0..{n_items - 1} or -1, got {ranked.min()}..{ranked.max()}"
        )
    pattern = relevant.copy()
    pattern.sum_duplicates()
    without = np.flatnonzero(np.diff(pattern.indptr) == 0)
    if without.size:
        raise DataError(
            f"every user needs a relevant item; {without.size} of {len(ranked)} have none, the "
            f"first at row {without[0]}"
        )
    return pattern


def _hits(ranked: Ints, pattern: SparseRows) -> Bools:
    """Return which places hold a relevant item. Shape (U, k)."""
    n_users, n_items = pattern.shape
    rows = np.repeat(np.arange(n_users), np.diff(pattern.indptr))
    relevant_cells = rows * n_items + pattern.indices  # rising
    cells = np.arange(n_users)[:, None] * n_items + ranked
    place = np.minimum(np.searchsorted(relevant_cells, cells), relevant_cells.size - 1)
    hits: Bools = (relevant_cells[place] == cells) & (ranked >= 0)
    return hits


def _novelty(ranked: Ints, popularity: ArrayLike, n_items: int) -> Floats:
    # Zhou et al., 2010, "Solving the Apparent Diversity-Accuracy Dilemma of Recommender Systems"
    counts = np.asarray(popularity, dtype=np.float64)
    if counts.shape != (n_items,) or counts.min() < 0 or not counts.sum() > 0:
        raise DataError(
            f"popularity needs {n_items} counts, 0 or more and not all 0, got shape {counts.shape}"
        )
    counts = np.where(counts > 0, counts, counts[counts > 0].min())
    bits = -np.log2(counts / np.sum(np.asarray(popularity, dtype=np.float64)))
    return _mean_or_nan(np.where(ranked >= 0, bits[ranked], 0.0).sum(axis=1), ranked >= 0)


def _diversity(ranked: Ints, features: Floats, n_items: int) -> Floats:
    # Ziegler et al., 2005, "Improving Recommendation Lists Through Topic Diversification"
    if features.ndim != 2 or len(features) != n_items:
        raise DataError(f"features need shape ({n_items}, D), got {features.shape}")
    lengths = np.linalg.norm(features, axis=1, keepdims=True)
    units = features / np.where(lengths > 0, lengths, 1.0)
    total, with_itself = np.zeros((len(ranked), units.shape[1])), np.zeros(len(ranked))
    for items in ranked.T:  # a place at a time: (U, k, D) at once could be large
        shown = np.where(items[:, None] >= 0, units[items], 0.0)
        total += shown
        with_itself += (shown**2).sum(axis=1)
    # The square of a sum of vectors holds every pair twice, and each vector with itself.
    twice_pairs = (total**2).sum(axis=1) - with_itself
    n_shown = (ranked >= 0).sum(axis=1)
    n_ordered = n_shown * (n_shown - 1)
    return np.where(n_ordered > 0, 1.0 - twice_pairs / np.maximum(n_ordered, 1), np.nan)


def _mean_or_nan(sums: Floats, counted: Bools) -> Floats:
    n = counted.sum(axis=1)
    return np.where(n > 0, sums / np.maximum(n, 1), np.nan)
