"""How a user picks an item: values by hand, properties over random scores."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from rlrec.arrays import Floats
from rlrec.envs.blocks.choice import ChoiceModel, LogitChoice, ProportionalChoice
from rlrec.errors import ConfigError

MODELS = pytest.mark.parametrize(
    "model",
    [ProportionalChoice(), LogitChoice(), LogitChoice(nothing_score=-2.0, temperature=0.3)],
    ids=["proportional", "logit", "cold logit"],
)


def scores(low: float = -1e3, high: float = 1e3) -> st.SearchStrategy[Floats]:
    shapes = st.tuples(st.integers(1, 4), st.integers(1, 6))
    return hnp.arrays(np.float64, shapes, elements=st.floats(low, high))


def test_proportional_choice_takes_score_plus_one_against_two() -> None:
    probabilities = ProportionalChoice().probabilities(np.array([[1.0, 0.0, -1.0]]))
    np.testing.assert_allclose(probabilities, [[2 / 5, 1 / 5, 0, 2 / 5]])


def test_proportional_choice_counts_scores_below_the_minimum_as_the_minimum() -> None:
    probabilities = ProportionalChoice().probabilities(np.array([[-7.0, 1.0]]))
    np.testing.assert_allclose(probabilities, [[0, 1 / 2, 1 / 2]])


def test_logit_choice_is_the_softmax_of_the_scores_and_nothing() -> None:
    model = LogitChoice(nothing_score=1.0, temperature=2.0)
    probabilities = model.probabilities(np.array([[1.0, 1.0 + 2.0 * np.log(3.0)]]))
    np.testing.assert_allclose(probabilities, [[1 / 5, 3 / 5, 1 / 5]])


def test_near_temperature_zero_the_best_option_is_taken() -> None:
    probabilities = LogitChoice(temperature=1e-3).probabilities(np.array([[0.1, 0.2], [-1.0, -2]]))
    np.testing.assert_allclose(probabilities, [[0, 1, 0], [0, 0, 1]], atol=1e-12)


@MODELS
@given(scores=scores())
def test_probabilities_sum_to_one_without_overflow(model: ChoiceModel, scores: Floats) -> None:
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        probabilities = model.probabilities(scores)
    assert (probabilities >= 0).all()
    np.testing.assert_allclose(probabilities.sum(axis=1), 1.0, rtol=1e-12)


@MODELS
@given(scores=scores(), data=st.data())
def test_blank_slots_are_never_taken(
    model: ChoiceModel, scores: Floats, data: st.DataObject
) -> None:
    blank = data.draw(hnp.arrays(np.bool_, scores.shape))
    probabilities = model.probabilities(np.where(blank, -np.inf, scores))
    assert (probabilities[:, :-1][blank] == 0).all()
    np.testing.assert_allclose(probabilities.sum(axis=1), 1.0, rtol=1e-12)


@MODELS
@given(scores=scores(-5, 5), raised=st.floats(0.0, 5.0), data=st.data())
def test_a_higher_score_is_never_taken_less_often(
    model: ChoiceModel, scores: Floats, raised: float, data: st.DataObject
) -> None:
    slot = data.draw(st.integers(0, scores.shape[1] - 1))
    higher = scores.copy()
    higher[:, slot] += raised
    before, after = model.probabilities(scores), model.probabilities(higher)
    assert (after[:, slot] >= before[:, slot] - 1e-12).all()
    assert (np.delete(after - before, slot, axis=1) <= 1e-12).all()


@MODELS
@given(scores=scores(-5, 5), data=st.data())
def test_the_place_in_the_slate_does_not_matter(
    model: ChoiceModel, scores: Floats, data: st.DataObject
) -> None:
    order = np.array(data.draw(st.permutations(range(scores.shape[1]))))
    permuted = model.probabilities(scores[:, order])
    expected = model.probabilities(scores)
    np.testing.assert_allclose(permuted[:, :-1], expected[:, order], rtol=1e-9, atol=1e-15)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: ProportionalChoice(minimum=1.0, nothing_score=1.0), "above minimum 1.0, got 1.0"),
        (lambda: ProportionalChoice(nothing_score=np.nan), "got nan"),
        (lambda: ProportionalChoice(minimum=-np.inf), "-inf"),
        (
            lambda: LogitChoice(temperature=0.0),
            "temperature must be 1e-06 or more and finite, got 0.0",
        ),
        (lambda: LogitChoice(temperature=np.inf), "got inf"),
        (lambda: LogitChoice(nothing_score=np.nan), "nothing_score must be finite, got nan"),
    ],
)
def test_settings_out_of_range_are_refused(make: type[ChoiceModel], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        make()
