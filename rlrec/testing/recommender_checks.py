"""What a collaborative-filtering model must keep: shapes, known answers, fold-in, files."""

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from scipy.sparse import csr_array

from rlrec.arrays import Observations
from rlrec.baselines.recommender import Recommender

RecommenderMaker = Callable[[], Recommender]
"""Returns an unfitted recommender that shows slates of at least 2 and at most 10."""

N_USERS, N_ITEMS = 60, 20


def two_tastes() -> csr_array:
    """Return interactions (60, 20): even users took six of ten even items, odd users of the odd."""
    rng = np.random.default_rng(3)
    users = np.repeat(np.arange(N_USERS), 6)
    chosen = np.stack([rng.permutation(10)[:6] for _ in range(N_USERS)]).ravel()
    cells = (users, 2 * chosen + users % 2)
    return csr_array((np.ones(users.size), cells), shape=(N_USERS, N_ITEMS))


def check_scores_are_shaped(make: RecommenderMaker) -> None:
    """`fit` returns the model; scores are finite, one a user and item, and fresh arrays."""
    model = make()
    assert model.fit(two_tastes()) is model, "fit must return the model itself"
    for scores in (model.scores([0, 5, 59]), model.fold_in(two_tastes()[[0, 5, 59]])):
        assert scores.shape == (3, N_ITEMS), f"scores must be (3, {N_ITEMS}), got {scores.shape}"
        assert np.isfinite(scores).all(), "scores must be finite"
    before = model.scores([7]).copy()
    model.scores([7])[:] = 0.0
    assert (model.scores([7]) == before).all(), "scores must be the caller's own array"


def check_two_tastes_are_told_apart(make: RecommenderMaker) -> None:
    """An unseen and a fitted user of two tastes both get their half of the items first."""
    model = make().fit(two_tastes())
    for scores, parity in (
        (model.fold_in(_histories([0, 2, 4], [1, 3, 5])), np.array([0, 1])),
        (model.scores(np.arange(N_USERS)), np.arange(N_USERS) % 2),
    ):
        best = np.argsort(-scores, axis=1)[:, : N_ITEMS // 2]
        right = (best % 2 == parity[:, None]).mean()
        assert right == 1.0, (
            f"the best {N_ITEMS // 2} items must be those of the user's taste, {right:.0%} are"
        )


def check_without_history_popularity_counts(make: RecommenderMaker) -> None:
    """A user without history gets the items in the order of their popularity."""
    scores = make().fit(two_tastes()).fold_in(_histories([]))[0]
    counts = np.asarray(two_tastes().sum(axis=0))
    ordered = counts[np.argsort(-scores, kind="stable")]
    assert (np.diff(ordered) <= 0).all(), "without history the most taken items must come first"


def check_fitting_is_repeatable(make: RecommenderMaker) -> None:
    """The same interactions give the same scores, and stay as they are."""
    interactions = two_tastes()
    one, other = (make().fit(interactions).scores(np.arange(N_USERS)) for _ in range(2))
    assert (one == other).all(), "fitting twice must give the same scores"
    same = (interactions.toarray() == two_tastes().toarray()).all()
    assert same, "fitting must leave the interactions as they are"


def check_files_give_the_model_back(make: RecommenderMaker) -> None:
    """A saved and loaded model gives equal scores, and the same slates."""
    model = make().fit(two_tastes())
    with tempfile.TemporaryDirectory() as folder:
        model.save(Path(folder) / "model")
        loaded = type(model).load(Path(folder) / "model")
    histories = _histories([0, 2], [3], [])
    assert (loaded.scores([0, 59]) == model.scores([0, 59])).all(), "loaded scores must be equal"
    assert (loaded.fold_in(histories) == model.fold_in(histories)).all(), (
        "a loaded model must fold in equally"
    )
    seen = _observations([0, 2], [3], [])
    slates = [m.act(seen, np.random.default_rng(0)).slates for m in (loaded, model)]
    assert (slates[0] == slates[1]).all(), "a loaded model must show the same slates"


def check_greedy_slates_are_the_best_scores(make: RecommenderMaker) -> None:
    """As made a recommender shows its best scores with certainty; softened it draws."""
    model = make().fit(two_tastes())
    seen = _observations([0, 2], [1, 3, 5])
    draw = model.act(seen, np.random.default_rng(0))
    scores = model.fold_in(_histories([0, 2], [1, 3, 5]))
    shown = np.take_along_axis(scores, draw.slates, axis=1)
    best = -np.sort(-scores, axis=1)[:, : shown.shape[1]]
    assert (shown == best).all(), "a greedy slate must hold the best scores, best first"
    assert (draw.log_probs == 0).all(), "a greedy slate must have log-probability 0"
    soft = model.softened(1.0).act(seen, np.random.default_rng(0))
    assert (soft.log_probs < 0).all(), "a softened recommender must draw"


RECOMMENDER_CHECKS = (
    check_scores_are_shaped,
    check_two_tastes_are_told_apart,
    check_without_history_popularity_counts,
    check_fitting_is_repeatable,
    check_files_give_the_model_back,
    check_greedy_slates_are_the_best_scores,
)


def check_recommender(make: RecommenderMaker) -> None:
    """Run all RECOMMENDER_CHECKS."""
    for check in RECOMMENDER_CHECKS:
        check(make)


def _histories(*rows: list[int]) -> csr_array:
    dense = np.zeros((len(rows), N_ITEMS))
    for row, items in enumerate(rows):
        dense[row, items] = 1.0
    return csr_array(dense)


def _observations(*rows: list[int], length: int = 5) -> Observations:
    items = np.zeros((len(rows), length), np.int64)
    for row, taken in enumerate(rows):
        items[row, length - len(taken) :] = np.asarray(taken, np.int64) + 1
    observed: dict[str, Any] = {"history_items": items}
    observed["history_responses"] = (items > 0).astype(np.float32)[:, :, None]
    return observed
