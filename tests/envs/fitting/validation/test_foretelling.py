"""Log-loss and calibration of clicks and choices, of users who foretell them and who do not."""

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from rlrec.arrays import Floats
from rlrec.data import InteractionLog
from rlrec.envs import SlateUsersModel, fit_slate_users, make_simulator
from rlrec.envs.fitting.slates.taste_filter import Dynamics, filtered, probabilities_of_looks
from rlrec.envs.fitting.slates.topic_sequences import topic_sequences
from rlrec.envs.fitting.validation.foretelling import (
    CALIBRATED,
    FORETOLD,
    N_BINS,
    Foretold,
    Predictions,
    foretold,
)
from rlrec.envs.fitting.validation.foretold_choices import foretold_choices, in_turn
from rlrec.envs.fitting.validation.foretold_clicks import (
    SHUFFLED,
    foretold_clicks,
    rates_of_others,
)
from rlrec.evaluation import Estimate
from rlrec.policy import RandomPolicy
from tests.envs.fitting.rated_world import fitted_to_some, others_like, swapped_items

N_ITEMS, SLATE_SIZE = 40, 4


def words(found: Foretold) -> dict[str, str]:
    return {verdict.aspect: verdict.word for verdict in found.verdicts}


def drawn(stated: Floats, factor: float = 1.0, seed: int = 0) -> Predictions:
    taken = np.random.default_rng(seed).random(len(stated)) < factor * stated
    return Predictions(stated, taken, np.arange(len(stated)) % 200)


def judged(predictions: Predictions) -> Foretold:
    own = np.full(len(predictions.taken), 0.5)
    losses = {"own": own, "constant": own + 0.1}
    return foretold("a look", losses, predictions.persons, predictions)


def test_true_probabilities_are_calibrated_and_doubled_ones_are_not() -> None:
    stated = np.random.default_rng(1).uniform(0.05, 0.45, 20_000)
    right, wrong = judged(drawn(stated)), judged(drawn(stated, factor=2.0))
    assert words(right)[CALIBRATED] == "agrees" and words(wrong)[CALIBRATED] == "differs"
    # 10 bins of 2,000: a share of them is off by .008 or so
    assert right.calibration_error < 0.02 < 0.2 < wrong.calibration_error
    assert len(right.bins) == N_BINS
    for each in wrong.bins:
        assert each.observed == pytest.approx(2 * each.predicted, rel=0.15)


def test_bins_hold_all_predictions_in_order_of_what_was_stated() -> None:
    found = judged(drawn(np.random.default_rng(2).uniform(0.0, 1.0, 5_000)))
    stated = [each.predicted for each in found.bins]
    assert stated == sorted(stated) and sum(each.n for each in found.bins) == 5_000
    expected = [each.n * each.predicted for each in found.bins]
    assert max(expected) - min(expected) < 2


def test_each_control_must_be_beaten() -> None:
    predictions = drawn(np.full(1_000, 0.3))
    noise = np.random.default_rng(0).normal(0.0, 0.1, 1_000)
    own = np.full(1_000, 0.6)

    def word(**controls: Floats) -> str:
        found = foretold("a look", {"own": own, **controls}, predictions.persons, predictions)
        return words(found)[FORETOLD]

    assert word(worse=own + 0.1 + noise) == "agrees"
    assert word(worse=own + 0.1 + noise, alike=own + noise - noise.mean()) == "differs"
    assert word(better=own - 0.1) == "differs"


def test_what_need_not_be_beaten_is_shown_and_what_is_not_beaten_is_named() -> None:
    predictions = drawn(np.full(1_000, 0.3))
    own = np.full(1_000, 0.6)
    losses = {"own": own, "worse": own + 0.1, "alike": own - 1e-6, "same": own}
    names = predictions.persons, predictions
    strict = foretold("a look", losses, *names)
    assert [loss.name for loss in strict.unbeaten] == ["alike", "same"]
    mild = foretold("a look", losses, *names, no_controls=("alike", "same"))
    assert words(mild)[FORETOLD] == "agrees" and not mild.unbeaten
    assert [loss.name for loss in mild.losses] == list(losses)
    (verdict,) = (each for each in mild.verdicts if each.aspect == FORETOLD)
    assert verdict.control == pytest.approx(0.7)  # of the best control, not of what is shown only


def test_persons_like_the_model_choose_as_it_foretells() -> None:
    model = fitted_to_some()
    others = others_like(model, n_persons=200)
    found = foretold_choices(model, others, seed=1)
    assert words(found)[FORETOLD] == "agrees", found
    assert [loss.name for loss in found.losses][1] == "all items alike"
    assert found.losses[1].log_loss == pytest.approx(math.log(100))
    itself, at_random = found.references
    assert itself.log_loss == pytest.approx(found.losses[0].log_loss, abs=0.15)
    # Nothing in this world changes with time, but what attracts most is chosen first.
    assert at_random.log_loss < found.losses[0].log_loss - 0.1
    wrong = foretold_choices(swapped_items(model), others, seed=1)
    assert wrong.losses[0].log_loss > found.losses[0].log_loss + 0.1


@pytest.mark.parametrize("n", [2, 3, 20])
def test_everybody_is_given_another_person(n: int) -> None:
    for seed in range(50):
        given = in_turn(n, np.random.default_rng(seed))
        assert (given != np.arange(n)).all()
        np.testing.assert_array_equal(np.sort(given), np.arange(n))


def users(n_users: int = 150) -> Any:
    return make_simulator(
        "rlrec/ComposedUsers-v0",
        n_users,
        n_items=N_ITEMS,
        n_topics=5,
        slate_size=SLATE_SIZE,
        choice={"name": "position_based", "attraction": {"name": "logistic", "offset": 0.3}},
        blocks={"satiation": {"strength": 1.0, "memory": 0.6}},
        leaving={"name": "patience", "relief": 0.0, "poor_cost": 0.0, "base": -3.0},
    )


def recorded(seed: int) -> InteractionLog:
    return InteractionLog.record(RandomPolicy(N_ITEMS, SLATE_SIZE), users(), 6_000, seed=seed)


@pytest.fixture(scope="module")
def fitted() -> SlateUsersModel:
    return fit_slate_users(recorded(0), users().catalogue)


def test_clicks_of_a_world_with_satiation_are_foretold_by_who_knows_of_it(
    fitted: SlateUsersModel,
) -> None:
    found = foretold_clicks(fitted, recorded(1), fitted.catalogue)
    assert words(found) == {FORETOLD: "agrees", CALIBRATED: "agrees"}, found
    losses = {loss.name: loss.log_loss for loss in found.losses}
    names = ["fitted users", "one click rate", "click rate of item and slot", SHUFFLED]
    assert list(losses) == names
    assert losses[SHUFFLED] > losses["fitted users"]
    assert [loss.name for loss in found.controls] == names[1:]


def still(model: SlateUsersModel) -> SlateUsersModel:
    """Return users whose tastes neither drift nor have enough, with nothing estimated of either."""
    values = {**model.values, "taste_sd": 1.0, "drift_sd": 0.0, "strength": 0.0}
    estimates = {k: v for k, v in model.estimates.items() if k not in ("drift_sd", "strength")}
    return replace(model, values=values, estimates=estimates)


def lived(model: SlateUsersModel, seed: int) -> InteractionLog:
    """Return visits of new users, each of another person."""
    new = make_simulator("rlrec/FittedUsers-v0", 150, model=model, population="new")
    log = InteractionLog.record(RandomPolicy(N_ITEMS, SLATE_SIZE), new, 6_000, seed=seed)
    columns = log.columns()
    visits = np.unique(columns["episode_id"], return_inverse=True)[1]
    return InteractionLog.from_columns({**columns, "user_id": visits}, log.metadata)


def test_the_right_users_agree_where_nothing_moves(fitted: SlateUsersModel) -> None:
    model = still(fitted)
    log = lived(model, 3)
    found = foretold_clicks(model, log, model.catalogue)
    assert words(found)[FORETOLD] == "agrees", found
    assert SHUFFLED in [loss.name for loss in found.losses]
    assert SHUFFLED not in [loss.name for loss in found.controls]
    moving = replace(model, estimates={**model.estimates, "strength": Estimate(0, 0, 0, 0, 9)})
    said = foretold_clicks(moving, log, model.catalogue)
    assert words(said)[FORETOLD] == "differs"
    assert [loss.name for loss in said.unbeaten] == [SHUFFLED]


def test_who_knows_nothing_of_items_is_no_better_than_their_click_rates(
    fitted: SlateUsersModel,
) -> None:
    appeals = np.random.default_rng(0).normal(0.0, 1.0, N_ITEMS)
    model = replace(still(fitted), appeals=appeals)
    blind = replace(model, appeals=np.zeros(N_ITEMS))
    log = lived(model, 4)
    (only,) = foretold_clicks(blind, log, model.catalogue).unbeaten
    assert only.name == "click rate of item and slot"
    assert not foretold_clicks(model, log, model.catalogue).unbeaten


def test_rates_of_others_leave_out_whose_they_are(fitted: SlateUsersModel) -> None:
    told = topic_sequences(recorded(2), fitted.catalogue, "position_based")
    persons = np.repeat(told.persons, told.lengths)

    def rates(taken: Any) -> Floats:
        rng = np.random.default_rng(0)
        return rates_of_others(replace(told, taken=taken), persons, N_ITEMS, rng)

    own = persons == persons[0]
    before, after = rates(told.taken), rates(np.where(own, ~told.taken, told.taken))
    np.testing.assert_array_equal(before[own], after[own])
    assert (before != after).any()
    assert ((before > 0) & (before < 1)).all()
    # 24,000 looks in 160 cells
    assert np.corrcoef(before, told.taken)[0, 1] > 0.02
    assert before.mean() == pytest.approx(told.taken.mean(), abs=0.02)


def test_probabilities_of_looks_are_those_of_the_likelihood(fitted: SlateUsersModel) -> None:
    told = topic_sequences(recorded(2), fitted.catalogue, "position_based", most_visits=30)
    values = {
        name: torch.tensor(fitted.values[name], dtype=torch.float64)
        for name in Dynamics._fields[:-1]
    }
    dynamics = Dynamics(**values, appeals=torch.from_numpy(fitted.appeals))
    (block,) = told.blocks()
    stated = probabilities_of_looks(block, dynamics).numpy()
    likely = np.where(block.taken, np.log(stated), np.log1p(-stated))
    expected = filtered(block, dynamics).log_likelihoods.numpy()
    np.testing.assert_allclose(np.nansum(likely, axis=0), expected, rtol=1e-9)
    assert np.isfinite(stated).sum() == len(told.slot)
