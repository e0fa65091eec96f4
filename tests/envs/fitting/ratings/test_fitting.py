"""From ratings to users: what is estimated must be found again, what is wrong must be refused."""

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.sparse import csr_array

from rlrec.arrays import Floats
from rlrec.baselines import ALS, BiasedSVD
from rlrec.data import Ratings, load_movielens
from rlrec.data.catalogue import Catalogue
from rlrec.envs import FitSettings, FittedUsersModel, fit_users
from rlrec.envs.fitting.ratings.calibration import (
    choice_log_likelihood,
    choice_scale,
    choice_sets,
    nothing_score,
)
from rlrec.envs.fitting.ratings.made_up_ratings import made_up_ratings
from rlrec.envs.fitting.ratings.pair_values import PairValues, standardised
from rlrec.errors import ConfigError, DataError, ModelFileError
from rlrec.slates import uniform_slates

SMALL: dict[str, Any] = {"factors": 6, "rating_factors": 5, "choice_regularisation": 1.0}


@pytest.fixture(scope="module")
def ratings() -> Ratings:
    return made_up_ratings(seed=3)


@pytest.fixture(scope="module")
def model(ratings: Ratings) -> FittedUsersModel:
    return fit_users(ratings, **SMALL)


def ratings_of(rows: list[tuple[int, int, float]], n_persons: int, n_items: int) -> Ratings:
    persons, items, values = (np.array(column) for column in zip(*rows, strict=True))
    catalogue = Catalogue(
        item_ids=np.array([f"item {number}" for number in range(n_items)]),
        topics=np.arange(n_items) % 2,
        features=np.zeros((n_items, 0), np.float32),
        topic_names=("even", "odd"),
        titles=tuple(f"Title {number}" for number in range(n_items)),
    )
    person_ids = np.array([f"person {number}" for number in range(n_persons)])
    return Ratings(person_ids, persons, items, values.astype(np.float64), None, catalogue)


def two_camps() -> Ratings:
    """Return ratings of two camps that choose from one half of the items and detest part of it.

    All choose 9 of the 12 items of their half; items 0-5 and 12-17 get 2 stars, the others 5.
    """
    rng = np.random.default_rng(8)
    rows = []
    for person in range(40):
        for item in rng.permutation(12)[:9]:
            rows.append((person, item + 12 * (person % 2), 2.0 if item < 6 else 5.0))
    return ratings_of(rows, 40, 24)


def products(values: PairValues, model: FittedUsersModel) -> Floats:
    return values.of_all(np.arange(model.n_persons))


def test_the_scale_of_simulated_choices_is_found_again() -> None:
    n, scale = 20_000, 1.7
    rng = np.random.default_rng(5)
    scores = rng.standard_normal((n, 20))
    chosen = (scale * scores + rng.gumbel(size=scores.shape)).argmax(axis=1)
    rest = np.arange(20) != chosen[:, None]
    first = np.column_stack([scores[np.arange(n), chosen], scores[rest].reshape(n, 19)])
    p = np.exp(scale * scores) / np.exp(scale * scores).sum(axis=1, keepdims=True)
    information = n * np.mean((p * scores**2).sum(axis=1) - (p * scores).sum(axis=1) ** 2)
    # 5 standard errors of the maximum likelihood estimate
    assert abs(choice_scale(first) - scale) < 5 / np.sqrt(information)


def test_the_scale_has_the_highest_likelihood() -> None:
    scores = np.random.default_rng(6).standard_normal((300, 5))
    scores[:, 0] += 0.7
    scale = choice_scale(scores)
    best = choice_log_likelihood(scores, scale)
    assert best > choice_log_likelihood(scores, scale - 0.01)
    assert best > choice_log_likelihood(scores, scale + 0.01)


def test_choices_against_the_scores_have_scale_zero_and_sure_ones_a_bounded_scale() -> None:
    rising = np.tile(np.arange(4.0), (10, 1))
    assert choice_scale(rising) == 0.0
    assert choice_scale(rising[:, ::-1]) == 100.0
    assert choice_log_likelihood(rising, 0.0) == pytest.approx(-np.log(4))


def test_alternatives_are_uniform_over_what_the_person_never_chose() -> None:
    chosen = csr_array(np.array([[1.0, 0, 1, 0, 0], [1, 1, 1, 1, 1]]))
    n = 2_000
    persons, items = np.repeat([0, 1], n), np.tile([0, 2], n)
    sets = choice_sets(persons, items, chosen, 10, np.random.default_rng(1))
    assert (sets.persons == 0).all()  # the other one left nothing to compare with
    np.testing.assert_array_equal(sets.items[:, 0], items[:n])
    counts = np.bincount(sets.items[:, 1:].ravel(), minlength=5)
    assert counts[[0, 2]].sum() == 0
    # 20,000 draws among three: 5 standard errors
    share = counts[[1, 3, 4]] / counts.sum()
    assert np.abs(share - 1 / 3).max() < 5 * np.sqrt(2 / 9 / counts.sum())


@pytest.mark.parametrize("click_rate", [0.02, 0.5, 0.97])
def test_the_score_of_nothing_gives_the_click_rate(click_rate: float) -> None:
    scores = np.random.default_rng(2).normal(0.0, 2.0, (1000, 4))
    weights = np.exp(scores).sum(axis=1)
    nothing = np.exp(nothing_score(scores, click_rate))
    assert np.mean(weights / (weights + nothing)) == pytest.approx(click_rate, abs=1e-9)


def test_standardised_products_have_mean_zero_and_deviation_one() -> None:
    rng = np.random.default_rng(0)
    persons, items = rng.standard_normal((5, 3)), 2.0 + rng.standard_normal((40, 3))
    persons[4] = 0.0
    raw, factors = persons @ items.T, standardised(persons, items)
    expected = (raw - raw.mean(axis=1, keepdims=True)) / raw.std(axis=1, keepdims=True).clip(1e-9)
    np.testing.assert_allclose(factors.persons @ factors.items.T, expected, atol=1e-12)


def test_a_table_and_products_multiplied_out_agree() -> None:
    rng = np.random.default_rng(4)
    persons, items = rng.standard_normal((30, 8)), rng.standard_normal((50, 8))
    table = PairValues(persons, items, (-2.0, 3.0))
    products = PairValues(persons, items, (-2.0, 3.0), largest_table=0)
    rows, slates = rng.integers(30, size=9), rng.integers(50, size=(9, 4))
    exact = np.clip(persons @ items.T, -2.0, 3.0)
    for values in (table, products):
        np.testing.assert_allclose(values.of_all(rows), exact[rows], rtol=1e-6, atol=1e-6)
        np.testing.assert_allclose(
            values.of_slates(rows, slates), exact[rows[:, None], slates], rtol=1e-6, atol=1e-6
        )
        np.testing.assert_array_equal(
            values.of_pairs(rows, slates[:, 0]), values.of_slates(rows, slates)[:, 0]
        )


def test_fitting_is_repeatable(ratings: Ratings, model: FittedUsersModel) -> None:
    assert fit_users(ratings, **SMALL).fingerprint == model.fingerprint
    assert fit_users(ratings, seed=1, **SMALL).fingerprint != model.fingerprint


def test_populations_are_disjoint_and_hold_everyone(model: FittedUsersModel) -> None:
    rows = np.concatenate(list(model.populations.values()))
    np.testing.assert_array_equal(np.sort(rows), np.arange(200))
    sizes = {name: len(rows) for name, rows in model.populations.items()}
    assert sizes == {"train": 120, "validation": 40, "test": 40}


def test_attraction_is_that_of_als_on_the_scale_of_the_choices(
    ratings: Ratings, model: FittedUsersModel
) -> None:
    als = ALS(6, regularisation=1.0, seed=0)
    kept = np.isin(ratings.catalogue.item_ids, model.catalogue.item_ids)
    als.fit(csr_array(ratings.matrix(binary=True))[:, kept])
    raw = als.user_factors @ als.item_factors.T
    standard = (raw - raw.mean(axis=1, keepdims=True)) / raw.std(axis=1, keepdims=True)
    expected = model.choice_scale * standard
    np.testing.assert_allclose(products(model.attraction, model), expected, atol=1e-5)


def test_quality_is_the_predicted_rating_on_the_stated_scale(
    ratings: Ratings, model: FittedUsersModel
) -> None:
    kept = np.isin(ratings.catalogue.item_ids, model.catalogue.item_ids)
    matrix = csr_array(csr_array(ratings.matrix())[:, kept])
    svd = BiasedSVD(5, regularisation=0.12, seed=0).fit(matrix)
    n_items = model.catalogue.n_items
    persons, items = np.divmod(np.arange(200 * n_items), n_items)
    predicted = svd.predict(persons, items).reshape(200, n_items)
    expected = np.clip((predicted - matrix.data.mean()) / (matrix.data.std() / 3), -3.0, 3.0)
    np.testing.assert_allclose(products(model.quality, model), expected, atol=1e-5)
    assert (np.abs(expected) == 3.0).any()  # or the bounds would go untested


def test_a_given_centre_and_spread_are_used(ratings: Ratings) -> None:
    given = fit_users(ratings, quality_centre=2.0, quality_spread=1.5, **SMALL)
    persons, items = np.arange(200), np.zeros(200, np.int64)
    raw = given.rating_mean + given.person_bias + given.item_bias[0]
    raw += given.person_rating_factors @ given.item_rating_factors[0]
    expected = (np.clip(raw, 1.0, 5.0) - 2.0) / 1.5
    np.testing.assert_allclose(given.quality.of_pairs(persons, items), expected, atol=1e-5)


def test_two_camps_are_attracted_by_their_half_and_satisfied_by_what_they_praised() -> None:
    model = fit_users(
        two_camps(), factors=2, rating_factors=2, choice_regularisation=0.1, min_item_ratings=1
    )
    attraction, quality = products(model.attraction, model), products(model.quality, model)
    own = (np.arange(24) >= 12) == (np.arange(40) % 2)[:, None]
    assert attraction[own].min() > attraction[~own].max()
    praised = np.arange(24) % 12 >= 6
    assert quality[:, praised].min() > 0 > quality[:, ~praised].max()


def test_choices_are_foretold_better_than_by_popularity_and_ratings_than_by_their_mean(
    model: FittedUsersModel,
) -> None:
    figures = model.figures
    assert figures.choice_log_likelihood > figures.popularity_log_likelihood + 0.1
    assert figures.popularity_log_likelihood > figures.uniform_log_likelihood + 0.1
    assert figures.rating_rmse < 0.8 * figures.constant_rmse


def test_choices_without_taste_are_not_said_to_be_foretold() -> None:
    rng = np.random.default_rng(0)
    rows = [
        (person, item, float(rng.integers(1, 6)))
        for person in range(150)
        for item in rng.permutation(60)[:20]
    ]
    figures = fit_users(ratings_of(rows, 150, 60), factors=4, rating_factors=4).figures
    assert figures.choice_log_likelihood < figures.uniform_log_likelihood + 0.02
    assert figures.rating_rmse > 0.97 * figures.constant_rmse


@pytest.mark.parametrize("click_rate", [0.2, 0.5])
def test_random_slates_are_taken_from_at_the_click_rate(
    ratings: Ratings, click_rate: float
) -> None:
    model = fit_users(ratings, click_rate=click_rate, slate_size_for_calibration=4, **SMALL)
    rng = np.random.default_rng(77)
    persons = rng.integers(200, size=50_000)
    slates = uniform_slates(50_000, model.catalogue.n_items, 4, rng)
    weights = np.exp(model.attraction.of_slates(persons, slates)).sum(axis=1)
    rate = np.mean(weights / (weights + np.exp(model.nothing_score)))
    # calibrated on 20,000 slates whose probabilities have sd < 0.3: 5 standard errors of both
    assert abs(rate - click_rate) < 5 * 0.3 * np.sqrt(1 / 20_000 + 1 / 50_000)


def test_items_with_few_ratings_are_left_out_and_the_others_keep_their_names() -> None:
    kept = [(person, item) for person in range(30) for item in range(12) if (person + item) % 2]
    rows = [(person, item, 1.0 + item % 5) for person, item in kept]
    rows += [(0, 12, 5.0), (1, 12, 5.0), (30, 13, 5.0)]
    model = fit_users(ratings_of(rows, 31, 14), factors=2, rating_factors=2, min_item_ratings=3)
    assert model.catalogue.n_items == 12
    assert model.catalogue.titles[11] == "Title 11"
    assert model.catalogue.item_ids[11] == "item 11"
    np.testing.assert_array_equal(model.catalogue.topics, np.arange(12) % 2)
    assert model.person_ids.tolist() == [f"person {number}" for number in range(30)]
    assert model.figures.n_ratings == 180


def test_progress_is_told_to_the_end(ratings: Ratings) -> None:
    told: list[tuple[int, int]] = []
    fit_users(ratings, progress=lambda done, total: told.append((done, total)), **SMALL)
    assert told == [(step, 5) for step in range(1, 6)]


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("factors", 0),
        ("rating_factors", 1.5),
        ("choice_regularisation", 0.0),
        ("rating_regularisation", float("nan")),
        ("correction", "doubly"),
        ("min_item_ratings", -1),
        ("slate_size_for_calibration", 0),
        ("click_rate", 0.0),
        ("click_rate", 1.0),
        ("click_rate", "half"),
        ("quality_centre", float("inf")),
        ("quality_spread", 0.0),
        ("shares", (0.5, 0.5)),
        ("shares", (0.5, 0.6, -0.1)),
        ("shares", (0.5, 0.4, 0.2)),
        ("shares", 1.0),
        ("shares", ("a", "b", "c")),
        ("seed", -1),
    ],
)
def test_a_setting_out_of_range_is_refused_by_name(setting: str, value: Any) -> None:
    with pytest.raises(ConfigError, match=setting.removesuffix("s")):
        fit_users(made_up_ratings(), **{setting: value})


def test_ratings_that_are_all_the_same_are_refused() -> None:
    rows = [(person, item, 1.0) for person in range(20) for item in range(12)]
    with pytest.raises(DataError, match=r"all 240 ratings are 1: .* how it was liked"):
        fit_users(ratings_of(rows, 20, 12))


def test_too_few_items_with_enough_ratings_are_refused(ratings: Ratings) -> None:
    with pytest.raises(DataError, match=r"10 or more items with 150 or more ratings .* found \d"):
        fit_users(ratings, min_item_ratings=150)


def test_persons_who_rated_everything_tell_no_choices() -> None:
    rows = [(person, item, 1.0 + item % 5) for person in range(20) for item in range(12)]
    with pytest.raises(DataError, match="nearly all of the 12 items"):
        fit_users(ratings_of(rows, 20, 12))


def test_a_population_without_anybody_is_refused() -> None:
    rows = [(person, item, 1.0 + item % 5) for person in range(2) for item in range(12)]
    with pytest.raises(DataError, match="leaves nobody in the population"):
        fit_users(ratings_of(rows, 2, 12), min_item_ratings=1)


def test_a_saved_model_comes_back_equal(model: FittedUsersModel, tmp_path: Path) -> None:
    model.save(tmp_path / "users")
    loaded = FittedUsersModel.load(tmp_path / "users")
    assert loaded.fingerprint == model.fingerprint
    assert loaded.card() == model.card()
    assert (loaded.settings, loaded.figures) == (model.settings, model.figures)
    np.testing.assert_array_equal(loaded.person_ids, model.person_ids)
    np.testing.assert_array_equal(
        products(loaded.attraction, loaded), products(model.attraction, model)
    )
    assert sorted(file.name for file in tmp_path.iterdir()) == ["users"]


def test_labels_that_are_texts_come_back_equal(tmp_path: Path) -> None:
    model = fit_users(two_camps(), factors=2, rating_factors=2, min_item_ratings=1)
    model.save(tmp_path / "users")
    loaded = FittedUsersModel.load(tmp_path / "users")
    assert loaded.person_ids.tolist() == model.person_ids.tolist()
    assert loaded.catalogue.titles == model.catalogue.titles
    assert loaded.catalogue.fingerprint == model.catalogue.fingerprint


def rewrite_card(folder: Path, **changes: Any) -> None:
    card = json.loads((folder / "model.json").read_text())
    (folder / "model.json").write_text(json.dumps({**card, **changes}))


def test_folders_that_are_no_fitted_users_are_refused(
    model: FittedUsersModel, tmp_path: Path
) -> None:
    with pytest.raises(ModelFileError, match=r"no saved model in .*nowhere"):
        FittedUsersModel.load(tmp_path / "nowhere")
    ALS(2).fit(csr_array(np.eye(4))).save(tmp_path / "als")
    with pytest.raises(ModelFileError, match="not the card of a user-model"):
        FittedUsersModel.load(tmp_path / "als")
    model.save(tmp_path / "users")
    with pytest.raises(ModelFileError, match="not the card of a baseline"):
        ALS.load(tmp_path / "users")


def test_damaged_models_and_other_versions_are_refused(
    model: FittedUsersModel, tmp_path: Path
) -> None:
    folder = tmp_path / "users"
    model.save(folder)
    state = json.loads((folder / "model.json").read_text())["state"]
    rewrite_card(folder, state={**state, "version": 99})
    with pytest.raises(ModelFileError, match="of version 99"):
        FittedUsersModel.load(folder)
    rewrite_card(folder, state={key: state[key] for key in state if key != "nothing_score"})
    with pytest.raises(ModelFileError, match=r"is damaged: .*nothing_score"):
        FittedUsersModel.load(folder)
    rewrite_card(folder, state=state)
    arrays = folder / "arrays.safetensors"
    arrays.write_bytes(arrays.read_bytes()[:-1])
    with pytest.raises(ModelFileError, match="damaged"):
        FittedUsersModel.load(folder)


def test_a_folder_with_other_files_is_kept(model: FittedUsersModel, tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(ModelFileError, match="other files, which are kept"):
        model.save(tmp_path)
    assert (tmp_path / "thesis.txt").read_text() == "years of work"


OTHER_SETTINGS: dict[str, Any] = {
    "factors": 7,
    "rating_factors": 7,
    "choice_regularisation": 2.0,
    "rating_regularisation": 0.5,
    "correction": "inverse_propensity",
    "min_item_ratings": 4,
    "slate_size_for_calibration": 3,
    "click_rate": 0.7,
    "quality_centre": 3.0,
    "quality_spread": 1.0,
    "shares": (0.5, 0.25, 0.25),
    "seed": 9,
    "bootstrap": 1,
}


@pytest.mark.parametrize("setting", FitSettings.__dataclass_fields__)
def test_the_card_tells_every_setting(model: FittedUsersModel, setting: str) -> None:
    settings = replace(model.settings, **{setting: OTHER_SETTINGS[setting]})
    assert replace(model, settings=settings).card() != model.card()


def test_the_card_says_what_is_estimated_and_what_is_assumed(model: FittedUsersModel) -> None:
    status = {line.name: line.status for line in model.card()}
    assert status == {
        "persons and items": "estimated",
        "open features of an item": "estimated",
        "attraction": "estimated",
        "fit of attraction": "estimated",
        "choice scale": "estimated",
        "satisfaction": "estimated",
        "fit of satisfaction": "estimated",
        "penalties": "assumed",
        "click rate": "assumed",
        "score of nothing": "assumed",
        "quality 0": "assumed",
        "a unit of quality": "assumed",
        "range of quality": "assumed",
        "populations": "assumed",
    }


@pytest.mark.slow
@pytest.mark.skipif("RLREC_DATA_DIR" not in os.environ, reason="needs RLREC_DATA_DIR")
def test_movielens_choices_and_ratings_are_foretold() -> None:
    ratings = load_movielens(Path(os.environ["RLREC_DATA_DIR"]) / "ml-100k")
    model = fit_users(ratings)
    assert (model.n_persons, model.catalogue.n_items) == (943, 1349)
    figures = model.figures
    assert figures.choice_log_likelihood > figures.popularity_log_likelihood + 0.5
    assert figures.rating_rmse < 0.93
    assert 1.0 < model.choice_scale < 2.0
