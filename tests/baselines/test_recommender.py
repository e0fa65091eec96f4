import math

import numpy as np
import pytest
from scipy.sparse import coo_array, csc_matrix, csr_array

from rlrec.arrays import Observations
from rlrec.baselines import (
    ALS,
    BASELINE_NAMES,
    EASE,
    ItemKNN,
    Popularity,
    PureSVD,
    Recommender,
    make_baseline,
)
from rlrec.errors import (
    CatalogueMismatchError,
    ConfigError,
    DataError,
    SlateError,
    UnknownNameError,
)
from rlrec.policy import SlatePolicy

SETTINGS: dict[str, dict[str, object]] = {
    "itemknn": {"n_neighbours": 20},
    "itemknn_tfidf": {"n_neighbours": 20},
    "als": {"factors": 2},
    "puresvd": {"factors": 2},
}

PERSONAL = tuple(name for name in BASELINE_NAMES if name != "popularity")


def baseline(name: str, **settings: object) -> Recommender:
    return make_baseline(name, **{"slate_size": 3, **SETTINGS.get(name, {}), **settings})


def histories(*rows: list[int], n_items: int = 20) -> csr_array:
    dense = np.zeros((len(rows), n_items))
    for row, items in enumerate(rows):
        np.add.at(dense[row], items, 1.0)
    return csr_array(dense)


def observed(*rows: list[int], length: int = 6) -> Observations:
    items = np.zeros((len(rows), length), dtype=np.int64)
    for row, taken in enumerate(rows):
        items[row, length - len(taken) :] = np.array(taken, dtype=np.int64) + 1
    responses = (items > 0).astype(np.float32)[:, :, None]
    return {"history_items": items, "history_responses": responses}


@pytest.mark.parametrize("name", PERSONAL)
def test_an_unseen_user_of_two_tastes_gets_the_right_half(name: str, two_tastes: csr_array) -> None:
    scores = baseline(name).fit(two_tastes).fold_in(histories([0, 2, 4], [1, 3, 5]))
    best = np.argsort(-scores, axis=1)[:, :10]
    assert (best % 2 == [[0], [1]]).all()


@pytest.mark.parametrize("name", PERSONAL)
def test_a_fitted_user_of_two_tastes_gets_the_right_half(name: str, two_tastes: csr_array) -> None:
    scores = baseline(name).fit(two_tastes).scores(np.arange(60))
    best = np.argsort(-scores, axis=1)[:, :10]
    assert (best % 2 == np.arange(60)[:, None] % 2).all()


@pytest.mark.parametrize("name", ["popularity", "itemknn", "itemknn_tfidf", "ease", "puresvd"])
def test_folding_in_a_fitted_users_own_history_gives_its_scores(
    name: str, two_tastes: csr_array
) -> None:
    model = baseline(name).fit(two_tastes)
    rows = np.array([7, 0, 59])
    np.testing.assert_allclose(model.fold_in(two_tastes[rows]), model.scores(rows), atol=1e-12)


@pytest.mark.parametrize("name", ["popularity", "itemknn", "itemknn_tfidf", "ease", "puresvd"])
def test_renumbering_items_renumbers_the_scores(name: str, two_tastes: csr_array) -> None:
    order = np.random.default_rng(6).permutation(20)
    scores = baseline(name).fit(two_tastes).scores([0, 1])
    renumbered = baseline(name).fit(two_tastes[:, order]).scores([0, 1])
    np.testing.assert_allclose(renumbered, scores[:, order], atol=1e-9)


@pytest.mark.parametrize("name", BASELINE_NAMES)
def test_a_user_without_history_gets_popularity(name: str, two_tastes: csr_array) -> None:
    model = baseline(name).fit(two_tastes)
    np.testing.assert_array_equal(model.fold_in(histories([]))[0], two_tastes.sum(axis=0))


def test_a_fitted_user_without_interactions_gets_popularity(two_tastes: csr_array) -> None:
    cut = two_tastes.toarray()
    cut[4] = 0
    model = baseline("als").fit(csr_array(cut))
    np.testing.assert_array_equal(model.scores(4)[0], cut.sum(axis=0))


@pytest.mark.parametrize("name", PERSONAL)
def test_a_history_of_items_nobody_took_gets_popularity(name: str, two_tastes: csr_array) -> None:
    cut = two_tastes.toarray()
    cut[:, 19] = 0
    model = baseline(name).fit(csr_array(cut))
    scores = model.fold_in(histories([19]))[0]
    assert scores.argmax() == cut.sum(axis=0).argmax()


@pytest.mark.parametrize("name", BASELINE_NAMES)
def test_every_baseline_is_a_slate_policy(name: str) -> None:
    assert isinstance(baseline(name), SlatePolicy)


@pytest.mark.parametrize("name", BASELINE_NAMES)
def test_greedy_slates_are_the_best_scores_with_log_probability_zero(
    name: str, two_tastes: csr_array
) -> None:
    model = baseline(name).fit(two_tastes)
    observations = observed([0, 2], [1, 3, 5], [])
    draw = model.act(observations, np.random.default_rng(0))
    scores = model.fold_in(histories([0, 2], [1, 3, 5], []))
    np.testing.assert_array_equal(draw.slates, np.argsort(-scores, axis=1, kind="stable")[:, :3])
    np.testing.assert_array_equal(draw.log_probs, 0.0)
    np.testing.assert_array_equal(model.log_probs(observations, draw.slates), 0.0)


def test_a_greedy_policy_gives_other_slates_no_chance(two_tastes: csr_array) -> None:
    model = baseline("ease").fit(two_tastes)
    observations = observed([0, 2])
    slates = model.act(observations, np.random.default_rng(0)).slates
    other = slates.copy()
    other[0, 1] = 1 if slates[0, 1] != 1 else 3
    np.testing.assert_array_equal(model.log_probs(observations, other)[0], [0.0, -np.inf, 0.0])


def test_softening_makes_a_copy_and_leaves_the_model_greedy(two_tastes: csr_array) -> None:
    model = baseline("ease").fit(two_tastes)
    soft = model.softened(1.0)
    assert (model.temperature, soft.temperature) == (0.0, 1.0)
    rng = np.random.default_rng(0)
    first, second = (model.act(observed([0, 2]), rng).slates for _ in range(2))
    np.testing.assert_array_equal(first, second)


def test_softened_deterministic_slates_are_the_greedy_ones(two_tastes: csr_array) -> None:
    model, rng = baseline("als").fit(two_tastes), np.random.default_rng(0)
    observations = observed([0, 2], [])
    soft = model.softened(0.5).act(observations, rng, deterministic=True)
    np.testing.assert_array_equal(soft.slates, model.act(observations, rng).slates)
    np.testing.assert_array_equal(soft.log_probs, 0.0)


def test_frequencies_of_softened_slates_match_their_propensities() -> None:
    model = Popularity(slate_size=2).fit(csr_array(np.tril(np.ones((4, 4))))).softened(0.8)
    n = 40_000
    observations = observed(*[[0]] * n, length=1)
    slates = model.act(observations, np.random.default_rng(11)).slates
    pairs = np.array([(a, b) for a in range(4) for b in range(4) if a != b])
    few = observed(*[[0]] * len(pairs), length=1)
    probs = np.exp(model.log_probs(few, pairs).sum(axis=1))
    assert math.isclose(probs.sum(), 1.0, rel_tol=1e-12)
    counts = np.array([(slates == pair).all(axis=1).sum() for pair in pairs])
    # 5 standard errors for each of 12 slates: a right policy fails at fewer than 1 seed in 100,000
    assert (np.abs(counts / n - probs) < 5 * np.sqrt(probs * (1 - probs) / n)).all()


@pytest.mark.parametrize("name", BASELINE_NAMES)
def test_drawn_log_probabilities_are_those_of_log_probs(name: str, two_tastes: csr_array) -> None:
    model = baseline(name).fit(two_tastes).softened(0.7)
    observations = observed([0, 2], [1], [])
    draw = model.act(observations, np.random.default_rng(5))
    np.testing.assert_allclose(draw.log_probs, model.log_probs(observations, draw.slates))
    assert (draw.log_probs < 0).all()


def test_a_lower_temperature_shows_the_best_item_more_often(two_tastes: csr_array) -> None:
    model = baseline("ease").fit(two_tastes)
    observations = observed([0, 2])
    slates = model.act(observations, np.random.default_rng(0)).slates
    warm, cool = (model.softened(t).log_probs(observations, slates)[0, 0] for t in (2.0, 0.2))
    assert cool > warm


def test_propensities_do_not_depend_on_the_scale_of_the_interactions(
    two_tastes: csr_array,
) -> None:
    observations, slates = observed([]), np.array([[3, 4, 5]])
    one, ten = (
        Popularity(slate_size=3).fit(two_tastes * scale).softened(1.0) for scale in (1.0, 10.0)
    )
    np.testing.assert_allclose(
        one.log_probs(observations, slates), ten.log_probs(observations, slates)
    )


def test_equal_scores_are_drawn_uniformly() -> None:
    model = Popularity(slate_size=2).fit(csr_array(np.ones((2, 4)))).softened(0.1)
    log_probs = model.log_probs(observed([]), np.array([[2, 0]]))
    np.testing.assert_allclose(log_probs, -np.log([[4, 3]]))


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_excluded_history_is_never_shown(temperature: float, two_tastes: csr_array) -> None:
    model = baseline("itemknn", exclude_history=True).fit(two_tastes).softened(temperature)
    observations = observed(*[[0, 2, 4, 6]] * 200)
    slates = model.act(observations, np.random.default_rng(2)).slates
    assert not np.isin(slates, [0, 2, 4, 6]).any()
    assert np.isneginf(model.log_probs(observations, np.zeros((200, 3), dtype=np.int64))).all()


def test_a_user_with_too_few_items_left_may_be_shown_everything() -> None:
    model = Popularity(slate_size=2, exclude_history=True).fit(csr_array(np.tril(np.ones((3, 3)))))
    draw = model.act(observed([0, 1], [0]), np.random.default_rng(0))
    np.testing.assert_array_equal(draw.slates, [[0, 1], [1, 2]])


def test_slates_name_positions_among_the_candidates(two_tastes: csr_array) -> None:
    model = Popularity(slate_size=2, exclude_history=True).fit(csr_array(np.tril(np.ones((5, 5)))))
    observations = {**observed([3], []), "candidates": np.array([[4, 3, 2], [4, 3, 2]])}
    draw = model.act(observations, np.random.default_rng(0))
    np.testing.assert_array_equal(draw.slates, [[2, 0], [2, 1]])


def test_only_responses_make_a_history(two_tastes: csr_array) -> None:
    model = baseline("ease").fit(two_tastes)
    observations = {key: array.copy() for key, array in observed([0, 2], [1]).items()}
    observations["history_responses"][0] = 0.0
    log_probs = model.log_probs(observations, model.act(observed([], [1]), _rng()).slates)
    np.testing.assert_array_equal(log_probs, 0.0)


def test_a_history_without_responses_counts_every_item(two_tastes: csr_array) -> None:
    model = baseline("ease").fit(two_tastes)
    items = {"history_items": observed([0, 2])["history_items"]}
    full = model.act(observed([0, 2]), _rng()).slates
    np.testing.assert_array_equal(model.act(items, _rng()).slates, full)


def test_candidates_without_identity_are_refused(two_tastes: csr_array) -> None:
    observations = {**observed([0]), "candidate_features": np.zeros((1, 4, 2))}
    with pytest.raises(ConfigError, match="no identity"):
        baseline("ease").fit(two_tastes).act(observations, _rng())


def test_an_observation_without_history_is_refused(two_tastes: csr_array) -> None:
    with pytest.raises(UnknownNameError, match=r"history_items.*topic_counts"):
        baseline("ease").fit(two_tastes).act({"topic_counts": np.zeros((1, 3))}, _rng())


def test_history_items_beyond_the_catalogue_are_refused(two_tastes: csr_array) -> None:
    with pytest.raises(CatalogueMismatchError, match=r"0\.\.20.*got 26"):
        baseline("ease").fit(two_tastes).act(observed([25]), _rng())


def test_histories_of_another_catalogue_are_refused(two_tastes: csr_array) -> None:
    with pytest.raises(CatalogueMismatchError, match="20 columns"):
        baseline("ease").fit(two_tastes).fold_in(histories([0], n_items=19))


def test_a_slate_size_that_nobody_told_is_refused(two_tastes: csr_array) -> None:
    model = baseline("ease", slate_size=None).fit(two_tastes)
    with pytest.raises(ConfigError, match="slate_size"):
        model.act(observed([0]), _rng())


def test_a_slate_longer_than_the_catalogue_is_refused(two_tastes: csr_array) -> None:
    model = baseline("ease", slate_size=21).fit(two_tastes)
    with pytest.raises(SlateError, match=r"1\.\.20"):
        model.act(observed([0]), _rng())


@pytest.mark.parametrize("name", BASELINE_NAMES)
def test_an_unfitted_model_says_so(name: str) -> None:
    with pytest.raises(ConfigError, match="not fitted"):
        baseline(name).scores(0)


def test_users_beyond_the_fitted_ones_are_refused(two_tastes: csr_array) -> None:
    with pytest.raises(DataError, match=r"0\.\.59.*position 1: 60"):
        baseline("ease").fit(two_tastes).scores([0, 60])


@pytest.mark.parametrize("value", [-1.0, np.nan, np.inf])
def test_interactions_that_are_not_counts_are_refused(value: float) -> None:
    dense = np.ones((3, 4))
    dense[1, 2] = value
    with pytest.raises(DataError, match="the first of user 1 with item 2"):
        Popularity().fit(csr_array(dense))


def test_no_interactions_at_all_are_refused() -> None:
    with pytest.raises(DataError, match="no interactions"):
        Popularity().fit(csr_array((3, 4)))


def test_a_dense_array_is_refused() -> None:
    with pytest.raises(DataError, match="sparse matrix"):
        Popularity().fit(np.ones((3, 4)))  # type: ignore[arg-type]


@pytest.mark.parametrize("name", BASELINE_NAMES)
def test_any_sparse_format_gives_the_same_scores(name: str, two_tastes: csr_array) -> None:
    stored = coo_array(two_tastes)
    wide = coo_array(
        (stored.data, (stored.row.astype(np.int64), stored.col.astype(np.int64))), stored.shape
    )
    expected = baseline(name).fit(two_tastes).scores(np.arange(5))
    for matrix in (wide, csc_matrix(two_tastes)):
        np.testing.assert_allclose(baseline(name).fit(matrix).scores(np.arange(5)), expected)


def test_fitting_leaves_the_interactions_as_they_were(two_tastes: csr_array) -> None:
    before = two_tastes.copy()
    baseline("itemknn_tfidf").fit(two_tastes).fold_in(two_tastes)
    np.testing.assert_array_equal(two_tastes.toarray(), before.toarray())


@pytest.mark.parametrize("temperature", [-0.1, np.nan, np.inf])
def test_temperatures_below_zero_or_not_finite_are_refused(temperature: float) -> None:
    with pytest.raises(ConfigError, match="temperature"):
        Popularity().softened(temperature)


@pytest.mark.parametrize(
    "make",
    [
        lambda: ALS(factors=0),
        lambda: ALS(alpha=0.0),
        lambda: ALS(iterations=1.5),  # type: ignore[arg-type]
        lambda: ALS(seed=-1),
        lambda: EASE(regularisation=-1.0),
        lambda: EASE(regularisation=float("nan")),
        lambda: ItemKNN("jaccard"),  # type: ignore[arg-type]
        lambda: ItemKNN(n_neighbours=0),
        lambda: PureSVD(factors=True),
        lambda: Popularity(slate_size=0),
    ],
)
def test_settings_outside_their_range_are_refused(make: object) -> None:
    with pytest.raises(ConfigError):
        make()  # type: ignore[operator]


def _rng() -> np.random.Generator:
    return np.random.default_rng(0)
