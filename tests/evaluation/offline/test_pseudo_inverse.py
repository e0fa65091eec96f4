import numpy as np
import pytest

from rlrec.arrays import Floats, Ints, Observations
from rlrec.errors import DataError, SlateError
from rlrec.evaluation.offline.pseudo_inverse import (
    factorised_weights,
    plackett_luce_moments,
    plackett_luce_pseudo_inverse_weights,
    policy_pseudo_inverse_weights,
    pseudo_inverse_weights,
    slate_moments,
)
from rlrec.evaluation.offline.slate_probabilities import (
    all_slates,
    plackett_luce_marginals,
    slot_marginals,
)
from rlrec.policy import RandomPolicy


def test_moments_equal_sums_of_outer_products() -> None:
    slates = all_slates(3, 2)
    probs = np.random.default_rng(0).dirichlet(np.ones(len(slates)), size=2)
    indicators = np.zeros((len(slates), 2, 3))
    for row, slate in enumerate(slates):
        indicators[row, [0, 1], slate] = 1.0
    flat = indicators.reshape(len(slates), -1)
    expected = [sum(p * np.outer(f, f) for p, f in zip(row, flat, strict=True)) for row in probs]
    np.testing.assert_allclose(slate_moments(probs, slates, 3), expected, atol=1e-14)


def test_the_diagonal_of_plackett_luce_moments_holds_the_marginals() -> None:
    logits = np.random.default_rng(1).normal(size=(4, 5))
    moments = plackett_luce_moments(logits, 3)
    marginals = plackett_luce_marginals(logits, 3).reshape(4, -1)
    np.testing.assert_allclose(np.diagonal(moments, axis1=1, axis2=2), marginals, rtol=1e-12)


def test_too_many_slates_are_refused() -> None:
    logits = np.zeros((1, 50))
    with pytest.raises(SlateError, match=r"50 items make 117,600 slates of 3, more than"):
        plackett_luce_moments(logits, 3)
    with pytest.raises(SlateError, match="more than the 100 that are enumerated"):
        plackett_luce_pseudo_inverse_weights(
            np.zeros((1, 8)), np.zeros((1, 8)), np.array([[0, 1, 2]]), most=100
        )


def test_logits_of_other_shapes_are_refused() -> None:
    with pytest.raises(DataError, match=r"\(2, 4\), \(2, 5\)"):
        plackett_luce_pseudo_inverse_weights(
            np.zeros((2, 4)), np.zeros((2, 5)), np.array([[0, 1], [1, 0]])
        )


def test_the_closed_form_equals_the_pseudo_inverse_for_independent_slots() -> None:
    rng = np.random.default_rng(2)
    logging, target = rng.dirichlet(np.ones(3), size=(2, 2))  # (K, A) each
    every = all_slates(3, 2, repeats=True)
    probs = (logging[0, every[:, 0]] * logging[1, every[:, 1]])[None]
    weights = pseudo_inverse_weights(slate_moments(probs, every, 3), target[None], every).weights
    slot_weights = np.stack([(target / logging)[slot, every[:, slot]] for slot in (0, 1)], axis=1)
    np.testing.assert_allclose(factorised_weights(slot_weights), weights, atol=1e-12)


def test_any_two_policies_are_asked_for_every_slate() -> None:
    every = all_slates(4, 2)
    observations = {"context": np.zeros((len(every), 1))}
    random = RandomPolicy(4, 2)
    same = policy_pseudo_inverse_weights(random, random, observations, every, 4)
    np.testing.assert_allclose(same.weights, 1.0, rtol=1e-10)
    weights = policy_pseudo_inverse_weights(random, ItemOnTop(), observations, every, 4).weights
    effects = np.random.default_rng(6).normal(size=(2, 4))
    rewards = effects[0, every[:, 0]] + effects[1, every[:, 1]]
    truth = rewards[every[:, 0] == 3].mean()
    assert (weights * rewards).mean() == pytest.approx(truth, rel=1e-10)


class ItemOnTop(RandomPolicy):
    """Item 3 on top, any other below."""

    def __init__(self) -> None:
        super().__init__(n_choices=4, slate_size=2)

    def log_probs(self, observations: Observations, slates: Ints) -> Floats:
        on_top = np.where(slates[:, 0] == 3, 0.0, -np.inf)
        return np.stack([on_top, np.full(len(slates), -np.log(3))], axis=1)


def test_blocks_of_rows_do_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(3)
    logging, target = rng.normal(size=(2, 7, 4))
    slates = np.array([rng.permutation(4)[:2] for _ in range(7)])
    whole = plackett_luce_pseudo_inverse_weights(logging, target, slates)
    monkeypatch.setattr("rlrec.evaluation.offline.pseudo_inverse._BLOCK", 130)
    blocks = plackett_luce_pseudo_inverse_weights(logging, target, slates)
    np.testing.assert_allclose(blocks.weights, whole.weights, rtol=1e-9)
    assert len(whole.unidentified) == 7 and whole.unidentified.max() < 1e-9


def test_pseudo_inverse_reaches_slates_that_were_never_logged() -> None:
    """Four slates of two items a slot; logging never shows (1, 1), the target always does."""
    every = all_slates(2, 2, repeats=True)
    logging = np.array([[1 / 3, 1 / 3, 1 / 3, 0.0]])  # (0, 0), (0, 1), (1, 0), (1, 1)
    target = np.array([[0.0, 0.0, 0.0, 1.0]])
    weights = pseudo_inverse_weights(
        slate_moments(logging, every, 2), slot_marginals(target, every, 2), every
    ).weights
    effects = np.array([[0.3, 1.1], [-0.4, 2.0]])
    rewards = effects[0, every[:, 0]] + effects[1, every[:, 1]]
    assert (logging[0] * weights * rewards).sum() == pytest.approx(rewards[3], rel=1e-10)
    assert weights.min() < 0


def test_target_mass_that_is_never_logged_is_stated_and_missing_from_the_mean_weight() -> None:
    """The target shows item 2 in slot 0 with chance 0.4; logging shows it in slot 1 only."""
    every = all_slates(3, 2, repeats=True)
    logging = np.array([[0.5, 0.5, 0.0], [0.2, 0.3, 0.5]])
    target = np.array([[0.3, 0.3, 0.4], [0.6, 0.2, 0.2]])
    probs = (logging[0, every[:, 0]] * logging[1, every[:, 1]])[None]
    found = pseudo_inverse_weights(slate_moments(probs, every, 3), target[None], every)
    # the nearest identified target has 0.76 in each slot: 0.08 more on either item of slot 0
    assert (probs[0] * found.weights).sum() == pytest.approx(0.76, rel=1e-10)
    np.testing.assert_allclose(found.unidentified, (0.4 + 2 * 0.08 + 3 * 0.08) / 4, rtol=1e-10)


def test_items_always_shown_together_are_stated_as_not_told_apart() -> None:
    """Logging shows (0, 0) or (1, 1), so what each slot adds to the reward cannot be known."""
    every = all_slates(2, 2, repeats=True)
    logging, target = np.array([[0.5, 0.0, 0.0, 0.5]]), np.array([[0.0, 1.0, 0.0, 0.0]])
    moments = slate_moments(logging, every, 2)
    found = pseudo_inverse_weights(moments, slot_marginals(target, every, 2), every)
    assert (logging[0] * found.weights).sum() == pytest.approx(1.0)
    np.testing.assert_allclose(found.unidentified, 0.5, rtol=1e-10)
