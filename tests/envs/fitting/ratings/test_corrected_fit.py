"""Satisfaction of fitted users, corrected for what persons chose to rate."""

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rlrec.arrays import Floats, Ints
from rlrec.data import Ratings, load_coat
from rlrec.data.catalogue import Catalogue
from rlrec.envs import FittedUsersModel, fit_users
from rlrec.envs.fitting.ratings.exposure import propensities_of_pairs
from rlrec.errors import ConfigError

N_PERSONS, N_ITEMS = 120, 60
SMALL: dict[str, Any] = {"factors": 4, "rating_factors": 4, "rating_regularisation": 0.3}
SMALL["min_item_ratings"] = 1


def truth() -> Floats:
    """Return what everybody would give to everything, 1 to 5."""
    rng = np.random.default_rng(0)
    taste = rng.standard_normal((N_PERSONS, 2)) @ rng.standard_normal((2, N_ITEMS))
    return np.clip(np.rint(2.6 + 0.8 * taste + 0.4 * rng.standard_normal(N_ITEMS)), 1, 5)


CHANCES = np.array([0.03, 0.06, 0.12, 0.3, 0.6])[truth().astype(int) - 1]


def ratings_of(values: Floats, persons: Ints, items: Ints) -> Ratings:
    catalogue = Catalogue.of_ids(np.arange(N_ITEMS))
    return Ratings(np.arange(N_PERSONS), persons, items, values, None, catalogue)


@pytest.fixture(scope="module")
def chosen() -> Ratings:
    """What persons rated by choice: mostly what they like."""
    persons, items = np.nonzero(np.random.default_rng(1).random(CHANCES.shape) < CHANCES)
    return ratings_of(truth()[persons, items], persons, items)


def missed(model: FittedUsersModel) -> float:
    """Return the error of the qualities of all pairs, in rating points."""
    quality = model.quality.of_all(np.arange(N_PERSONS))
    found = model.quality_centre + model.quality_spread * quality
    return float(np.sqrt(np.mean((found - truth()) ** 2)))


@pytest.mark.parametrize("correction", ["inverse_propensity", "doubly_robust"])
def test_corrected_satisfaction_is_nearer_to_the_truth_of_all_pairs(
    chosen: Ratings, correction: Any
) -> None:
    scale: Any = {"quality_spread": 1.0, "quality_centre": 3.0}  # or qualities would be cut off
    naive = fit_users(chosen, **SMALL, **scale)
    propensities = propensities_of_pairs(chosen, CHANCES)
    fair = fit_users(chosen, propensities, correction=correction, **SMALL, **scale)
    assert missed(fair) < 0.95 * missed(naive)
    np.testing.assert_array_equal(fair.person_factors, naive.person_factors)  # attraction stays


def test_propensities_stay_with_their_ratings_whatever_the_order(chosen: Ratings) -> None:
    propensities = propensities_of_pairs(chosen, CHANCES)
    order = np.random.default_rng(2).permutation(len(chosen))
    straight = fit_users(chosen, propensities, **SMALL)
    mixed_up = fit_users(chosen.subset(order), propensities[order], **SMALL)
    assert straight.fingerprint == mixed_up.fingerprint
    assert straight.settings.correction == "inverse_propensity"


def test_the_card_says_which_correction_was_used_also_after_loading(
    chosen: Ratings, tmp_path: Path
) -> None:
    propensities = propensities_of_pairs(chosen, CHANCES)
    for name, words in (
        ("none", "not corrected"),
        ("inverse_propensity", "by inverse propensities"),
        ("doubly_robust", "doubly robust"),
    ):
        correction: Any = name
        fit_users(chosen, propensities, correction=correction, **SMALL).save(tmp_path / name)
        loaded = FittedUsersModel.load(tmp_path / name)
        notes = {line.name: line.note for line in loaded.card()}
        assert words in notes["satisfaction"]
        assert ("weighted" in notes["fit of satisfaction"]) == (name != "none")
        assert loaded.settings.correction == name


def test_a_penalty_may_be_chosen_by_held_out_ratings(chosen: Ratings, tmp_path: Path) -> None:
    model = fit_users(chosen, factors=4, rating_factors=4, rating_regularisation=None)
    assert model.rating_penalty == model.figures.chosen_penalty
    assert model.rating_penalty > 0.05
    penalties = {line.name: line for line in model.card()}["penalties"]
    assert f"{model.rating_penalty:g}" in penalties.value
    assert "held-out" in penalties.note
    model.save(tmp_path / "users")
    assert FittedUsersModel.load(tmp_path / "users").rating_penalty == model.rating_penalty


def test_models_saved_before_there_were_corrections_are_still_read(
    chosen: Ratings, tmp_path: Path
) -> None:
    fit_users(chosen, **SMALL).save(tmp_path / "users")
    path = tmp_path / "users" / "model.json"
    card = json.loads(path.read_text())
    del card["settings"]["correction"]
    del card["state"]["figures"]["chosen_penalty"]
    path.write_text(json.dumps(card))
    loaded = FittedUsersModel.load(tmp_path / "users")
    assert (loaded.settings.correction, loaded.rating_penalty) == ("none", 0.3)


def test_a_correction_without_fitting_propensities_is_refused(chosen: Ratings) -> None:
    with pytest.raises(ConfigError, match="needs propensities, one for each rating"):
        fit_users(chosen, correction="inverse_propensity", **SMALL)
    with pytest.raises(ConfigError, match=r"must have shape \(\d+,\), one for each rating"):
        fit_users(chosen, np.ones(3), **SMALL)
    with pytest.raises(ConfigError, match=r"must lie in \(0, 1\]"):
        fit_users(chosen, np.zeros(len(chosen)), **SMALL)


@pytest.mark.skipif("RLREC_DATA_DIR" not in os.environ, reason="needs RLREC_DATA_DIR")
def test_on_coat_corrected_users_foretell_ratings_of_random_coats() -> None:
    coat = load_coat(Path(os.environ["RLREC_DATA_DIR"]) / "coat")
    assert coat.propensities is not None
    settings: Any = {"factors": 8, "rating_factors": 20, "quality_spread": 1.0}
    settings |= {"rating_regularisation": None, "min_item_ratings": 1}
    propensities = propensities_of_pairs(coat.chosen, coat.propensities)
    errors = []
    for given in (None, propensities):
        model = fit_users(coat.chosen, given, **settings)
        persons = np.searchsorted(model.person_ids, coat.random.user_index)
        kept = np.isin(coat.random.item_index, model.catalogue.item_ids)
        items = np.searchsorted(model.catalogue.item_ids, coat.random.item_index[kept])
        found = model.quality_centre + model.quality.of_pairs(persons[kept], items)
        errors.append(float(np.sqrt(np.mean((found - coat.random.values[kept]) ** 2))))
    assert errors[1] < 1.06  # published, by inverse propensities: 1.063
    assert errors[0] > errors[1] + 0.04
