from typing import Any

import numpy as np
import pytest

from rlrec.errors import DataError, PropensityError
from rlrec.evaluation.offline.latent_slates import LatentIPS
from rlrec.evaluation.offline.pseudo_inverse import PseudoInverse
from rlrec.evaluation.offline.slate import (
    CascadeDR,
    IndependentIPS,
    JointIPS,
    RewardInteractionIPS,
    SlateSample,
    per_slot_ips,
    rows_to_slates,
)


def arrays() -> dict[str, Any]:
    """Two slates of two slots, right in all."""
    return {
        "rewards": np.array([[1.0, 0.0], [0.0, 2.0]]),
        "joint_propensities": np.array([0.1, 0.3]),
        "prefix_propensities": np.array([[0.5, 0.1], [0.4, 0.3]]),
        "slot_propensities": np.array([[0.5, 0.2], [0.4, 0.6]]),
        "joint_target_probs": np.array([0.2, 0.0]),
        "prefix_target_probs": np.array([[0.4, 0.2], [0.1, 0.0]]),
        "slot_target_probs": np.array([[0.4, 0.3], [0.1, 0.0]]),
        "actions": np.array([[0, 1], [2, 0]]),
        "q_hat": np.zeros((2, 2, 3)),
        "target_given_prefix": np.array(
            [[[0.4, 0.5, 0.1], [0.0, 0.5, 0.5]], [[0.4, 0.5, 0.1], [0.0, 1.0, 0.0]]]
        ),
    }


def changed(name: str, place: tuple[int, ...], value: float) -> dict[str, Any]:
    given = arrays()
    given[name][place] = value
    return given


@pytest.mark.parametrize(
    ("name", "place", "value", "message"),
    [
        ("joint_propensities", (1,), 0.0, r"joint_propensities must lie in \(0, 1\].*row 1: 0"),
        ("joint_propensities", (1,), np.nan, r"joint_propensities must lie in.*row 1: nan"),
        ("prefix_propensities", (0, 1), -0.1, r"prefix_propensities.*row 0, slot 1: -0.1"),
        ("slot_propensities", (1, 1), 1.2, r"slot_propensities.*row 1, slot 1: 1.2"),
        ("slot_target_probs", (1, 1), 1.2, r"slot_target_probs must lie in \[0.*row 1, slot 1"),
        ("joint_target_probs", (0,), np.nan, r"joint_target_probs must lie in.*row 0"),
        ("prefix_propensities", (1, 1), 0.41, r"must not rise from the top.*row 1, slot 1: 0.41"),
        ("joint_propensities", (0,), 0.09, r"last slot must equal joint.*row 0, slot 1: 0.1"),
        ("joint_target_probs", (1,), 1e-9, r"last slot must equal joint.*row 1, slot 1: 0"),
        ("slot_propensities", (1, 0), 0.7, r"first slot must equal prefix.*row 1, slot 0: 0.7"),
        ("slot_propensities", (1, 1), 0.2, r"must be at least prefix.*row 1, slot 1: 0.2"),
        ("target_given_prefix", (0, 1, 2), 0.4, r"sum to 1 over items.*row 0, slot 1: 0.9"),
    ],
)
def test_wrong_probabilities_are_refused_with_row_and_slot(
    name: str, place: tuple[int, ...], value: float, message: str
) -> None:
    with pytest.raises(PropensityError, match=message):
        SlateSample(**changed(name, place, value))


def test_right_arrays_are_accepted() -> None:
    assert SlateSample(**arrays()).n_slates == 2


def test_a_joint_probability_above_that_of_a_slot_is_refused() -> None:
    given = changed("joint_propensities", (1,), 0.61)
    del given["prefix_propensities"]
    with pytest.raises(PropensityError, match=r"at least joint_propensities.*row 1, slot 0: 0.4"):
        SlateSample(**given)


def test_a_target_distribution_of_other_slates_is_refused() -> None:
    given = arrays()
    given["target_given_prefix"] = given["target_given_prefix"][:, ::-1]
    with pytest.raises(PropensityError, match=r"product of target_given_prefix.*row 0, slot 0"):
        SlateSample(**given)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("rewards", [[1.0, np.nan], [0.0, 0.0]], r"rewards must be finite.*row 0, slot 1: nan"),
        ("actions", [[0, 1], [3, 0]], r"actions must lie in 0\.\.2.*row 1, slot 0: 3"),
        ("slot_propensities", [[0.5], [0.5]], r"shape \(2, 2\), got \(2, 1\)"),
        ("joint_target_probs", [[0.5], [0.5]], r"shape \(2,\), got \(2, 1\)"),
        ("q_hat", [0.0, 1.0], r"q_hat must have shape \(n, K, A\), got \(2,\)"),
        ("abstraction_weights", [1.0, -1.0], r"0 or more.*row 1: -1"),
    ],
)
def test_other_wrong_arrays_are_refused(name: str, value: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        SlateSample(**{**arrays(), name: np.array(value)})


@pytest.mark.parametrize(
    ("estimator", "missing"),
    [
        (JointIPS(), "joint_propensities"),
        (IndependentIPS(), "slot_propensities"),
        (RewardInteractionIPS(), "prefix_propensities"),
        (CascadeDR(), "prefix_propensities"),
        (PseudoInverse(), "pseudo_inverse_weights"),
        (PseudoInverse(factorised=True), "slot_propensities"),
        (LatentIPS(), "abstraction_weights"),
    ],
)
def test_an_estimator_names_what_it_lacks(estimator: Any, missing: str) -> None:
    targets = {name: value for name, value in arrays().items() if "propensities" not in name}
    with pytest.raises(DataError, match=missing):
        estimator.terms(SlateSample(**targets))


def test_estimates_by_hand() -> None:
    sample = SlateSample(**arrays())
    assert JointIPS().terms(sample).value == pytest.approx((0.2 / 0.1) / 2)
    assert IndependentIPS().terms(sample).value == pytest.approx((0.4 / 0.5) / 2)
    assert RewardInteractionIPS(self_normalised=True).terms(sample).value == pytest.approx(
        0.8 / (0.8 + 0.25)
    )


def test_prefixes_give_the_joint_and_slates_may_have_a_reward_of_their_own() -> None:
    given = arrays()
    for name in ("joint_propensities", "joint_target_probs", "rewards"):
        del given[name]
    sample = SlateSample(**given, slate_rewards=np.array([3.0, 5.0]))
    assert JointIPS().terms(sample).value == pytest.approx(3.0)
    with pytest.raises(DataError, match="`rewards`"):
        IndependentIPS().terms(sample)


def test_diagnostics_see_the_slot_with_the_smallest_effective_sample() -> None:
    weights = np.array([[1.0, 4.0, 1.5], [1.0, 0.0, 0.5], [1.0, 0.0, 1.0], [1.0, 0.0, 1.0]])
    kept = per_slot_ips(np.ones((4, 3)), weights).weights
    assert kept is not None and kept.tolist() == [4.0, 0.0, 0.0, 0.0]


def test_a_slot_never_shown_as_the_target_would_is_seen_in_the_weights() -> None:
    weights = np.array([[1.0, 0.0], [1.0, 0.0]])
    kept = per_slot_ips(np.ones((2, 2)), weights).weights
    assert kept is not None and kept.tolist() == [0.0, 0.0]


def slots(target: float, n: int = 2_000) -> SlateSample:
    """Two slots filled independently, each with one of two items; the target takes item 1.

    The lower slot is never logged with a share 1 - `target` of what the target shows there.
    """
    rng = np.random.default_rng(4)
    propensities = np.full((n, 2), 0.5)
    shown = rng.random((n, 2)) < 0.5
    probs = np.where(shown, [0.9, target], [0.1, 0.0])
    return SlateSample(
        rewards=shown.astype(float), slot_propensities=propensities, slot_target_probs=probs
    )


@pytest.mark.parametrize("estimator", [IndependentIPS(), PseudoInverse(factorised=True)])
def test_a_slot_without_support_is_a_doubt_though_another_is_judged(estimator: Any) -> None:
    assert estimator.doubt(slots(1.0)) == ""
    # Of 0.97 the means of 2,000 weights, with errors of 0.02, do not tell.
    assert estimator.doubt(slots(0.97)) == ""
    assert "of what the policy shows at slot 1 has no support" in estimator.doubt(slots(0.7))


def test_what_the_pseudo_inverse_cannot_tell_apart_is_a_doubt() -> None:
    given: dict[str, Any] = {"rewards": np.ones((4, 2)), "pseudo_inverse_weights": np.ones(4)}
    assert PseudoInverse().doubt(SlateSample(**given)) == ""
    assert PseudoInverse().doubt(SlateSample(**given, unidentified=np.full(4, 0.04))) == ""
    found = PseudoInverse().doubt(SlateSample(**given, unidentified=np.array([0, 0, 0, 0.4])))
    assert "10% of what the policy shows" in found


def test_rows_become_slates() -> None:
    ids, slots = np.array(["a", "a", "c", "c", "b", "b"]), np.array([0, 1, 0, 1, 0, 1])
    assert rows_to_slates(ids, slots, np.arange(6)).tolist() == [[0, 1], [2, 3], [4, 5]]
    assert rows_to_slates(ids, slots, np.zeros((6, 4))).shape == (3, 2, 4)


@pytest.mark.parametrize(
    ("ids", "slots", "message"),
    [
        ([0, 0, 1, 1], [0, 1, 1, 0], "row 2 breaks this: slate 1, slot 1"),
        ([0, 1, 0, 1], [0, 0, 1, 1], "row 1 breaks this"),
        ([0, 0, 0, 0], [0, 1, 0, 1], "row 2 breaks this"),
        ([0, 0, 1], [0, 1, 0], "row 2 breaks this"),
        ([0, 0, 1, 1, 0, 0], [0, 1, 0, 1, 0, 1], "slate 0 stands twice, again from row 4"),
        ([0, 0], [0], "one entry a row"),
    ],
)
def test_rows_out_of_order_are_refused(ids: list[int], slots: list[int], message: str) -> None:
    with pytest.raises(DataError, match=message):
        rows_to_slates(np.array(ids), np.array(slots), np.zeros(len(ids)))
