"""The dynamic Bayesian click model: every way through a slate counted, and its special cases."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from rlrec.arrays import Floats
from rlrec.envs.blocks import (
    CascadeChoice,
    DependentClickChoice,
    DynamicBayesianChoice,
    LogisticAttraction,
    ProportionalAttraction,
)
from rlrec.envs.blocks.scanning import scan_responses
from rlrec.errors import ConfigError

SCORES = hnp.arrays(np.float64, (2, 3), elements=st.floats(-3, 3))
MODEL = DynamicBayesianChoice(LogisticAttraction(), LogisticAttraction(2.0, 0.5), go_on=0.8)


def by_enumeration(attraction: Floats, satisfaction: Floats, go_on: float) -> Floats:
    """Return P(each slot taken) and P(none), summed over all that one user may do."""
    n_slots = len(attraction)
    total = np.zeros(n_slots + 1)
    for taken, satisfied, patient in product(product([0, 1], repeat=n_slots), repeat=3):
        weight, clicks, looking = 1.0, np.zeros(n_slots), True
        for slot in range(n_slots):
            a, s = attraction[slot], satisfaction[slot]
            weight *= a if taken[slot] else 1 - a
            weight *= s if satisfied[slot] else 1 - s
            weight *= go_on if patient[slot] else 1 - go_on
            if looking:
                clicks[slot] = taken[slot]
                looking = bool(patient[slot]) and not (taken[slot] and satisfied[slot])
        total += weight * np.append(clicks, not clicks.any())
    return total


@given(scores=SCORES)
def test_probabilities_are_those_of_all_ways_through_the_slate(scores: Floats) -> None:
    stated = MODEL.probabilities(scores)
    for row, probabilities in zip(scores, stated, strict=True):
        counted = by_enumeration(MODEL.attraction.of(row), MODEL.satisfaction.of(row), MODEL.go_on)
        np.testing.assert_allclose(probabilities, counted, rtol=1e-10, atol=1e-14)


def test_responses_come_as_often_as_stated() -> None:
    n = 40_000
    scores = np.tile([0.5, -0.2, 1.0], (n, 1))
    stated = MODEL.probabilities(scores[:1])[0]
    taken = scan_responses(MODEL.scan(scores), np.random.default_rng(4).random((n, 3)))
    rates = np.append(taken.mean(axis=0), (~taken.any(axis=1)).mean())
    # 5 standard errors: a right model fails at fewer than one seed in a million
    assert (np.abs(rates - stated) < 5 * np.sqrt(stated * (1 - stated) / n)).all()


@given(scores=SCORES, satisfied=st.floats(0, 1), go_on=st.floats(0, 1))
def test_satisfaction_that_is_the_same_for_all_is_a_dependent_click_model(
    scores: Floats, satisfied: float, go_on: float
) -> None:
    attraction = LogisticAttraction()
    constant = ProportionalAttraction(scale=1.0, minimum=-1.0)

    class Same:
        def of(self, scores: Floats) -> Floats:
            return constant.of(np.full(scores.shape, satisfied - 1.0))

    model = DynamicBayesianChoice(attraction, Same(), go_on)
    other = DependentClickChoice(attraction, go_on * (1 - satisfied), after_passing=go_on)
    np.testing.assert_allclose(model.probabilities(scores), other.probabilities(scores), atol=1e-12)


@given(scores=SCORES)
def test_who_is_always_satisfied_and_patient_is_a_cascade(scores: Floats) -> None:
    always = ProportionalAttraction(scale=1.0, minimum=-10.0)
    model = DynamicBayesianChoice(LogisticAttraction(), always, go_on=1.0)
    cascade = CascadeChoice(LogisticAttraction())
    np.testing.assert_allclose(
        model.probabilities(scores), cascade.probabilities(scores), rtol=1e-12
    )


def test_going_on_with_more_than_certainty_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"go_on must lie in 0\.\.1, got 1\.5"):
        DynamicBayesianChoice(LogisticAttraction(), LogisticAttraction(), go_on=1.5)
