import itertools
import math

import numpy as np
import pytest

from rlrec.errors import DataError, SlateError
from rlrec.evaluation.offline.slate_probabilities import (
    all_slates,
    plackett_luce_marginals,
    plackett_luce_slate_probs,
    policy_slate_probs,
    slate_indices,
    slot_marginals,
)
from rlrec.policy import RandomPolicy


def test_all_slates_are_the_permutations_or_all_combinations() -> None:
    assert all_slates(4, 2).tolist() == [list(s) for s in itertools.permutations(range(4), 2)]
    repeated = [list(s) for s in itertools.product(range(3), repeat=2)]
    assert all_slates(3, 2, repeats=True).tolist() == repeated


def test_too_many_slates_are_refused_before_they_are_made() -> None:
    with pytest.raises(SlateError, match=r"1000 items make 990,034,950,024,000 slates of 5"):
        all_slates(1000, 5)
    with pytest.raises(SlateError, match="no slate of 3 can be made of 2 items"):
        all_slates(2, 3)
    assert len(all_slates(30, 3, most=24_360)) == 24_360


def test_slates_are_found_in_a_list_in_any_order() -> None:
    every = all_slates(5, 3)
    every = every[np.random.default_rng(0).permutation(len(every))]
    wanted = np.array([[4, 0, 2], [0, 1, 2], [4, 0, 2]])
    assert every[slate_indices(wanted, every)].tolist() == wanted.tolist()
    with pytest.raises(DataError, match=r"slate \[1, 1, 2\] of row 1"):
        slate_indices(np.array([[0, 1, 2], [1, 1, 2]]), every)


def test_slate_probabilities_sum_to_one_and_follow_the_draw() -> None:
    logits = np.array([[0.0, 1.0, -1.0], [0.0, -np.inf, 0.0]])
    slates = all_slates(3, 2)
    probs = plackett_luce_slate_probs(logits, slates)
    np.testing.assert_allclose(probs.sum(axis=1), 1.0, atol=1e-14)
    e = math.e
    first = slates.tolist().index([1, 0])
    assert probs[0, first] == pytest.approx(e / (1 + e + 1 / e) * 1 / (1 + 1 / e))
    assert probs[1, first] == 0.0


def test_a_policy_states_the_probability_of_every_slate() -> None:
    slates = all_slates(4, 2)
    observations = {"context": np.zeros((3, 1))}
    probs = policy_slate_probs(RandomPolicy(4, 2), observations, slates)
    np.testing.assert_allclose(probs, np.full((3, 12), 1 / 12))


@pytest.mark.parametrize("method", ["subsets", "integral"])
@pytest.mark.parametrize("scale", [0.0, 1.0, 10.0])
@pytest.mark.parametrize(("n_items", "slate_size"), [(1, 1), (2, 2), (5, 3), (6, 6), (7, 1)])
def test_marginals_equal_sums_over_all_slates(
    method: str, scale: float, n_items: int, slate_size: int
) -> None:
    logits = scale * np.random.default_rng(3).normal(size=(4, n_items))
    slates = all_slates(n_items, slate_size)
    expected = slot_marginals(plackett_luce_slate_probs(logits, slates), slates, n_items)
    found = plackett_luce_marginals(logits, slate_size, method)
    np.testing.assert_allclose(found, expected, rtol=1e-11)


@pytest.mark.parametrize(
    ("n_items", "slate_size", "scale"), [(16, 5, 1.0), (12, 8, 3.0), (10, 4, 100.0), (13, 13, 1.0)]
)
def test_integrals_agree_with_sums_over_subsets(
    n_items: int, slate_size: int, scale: float
) -> None:
    logits = scale * np.random.default_rng(4).normal(size=(3, n_items))
    exact = plackett_luce_marginals(logits, slate_size, "subsets")
    np.testing.assert_allclose(
        plackett_luce_marginals(logits, slate_size, "integral"), exact, rtol=1e-11, atol=1e-290
    )


@pytest.mark.parametrize(("n_items", "slate_size"), [(500, 10), (60, 20), (2000, 2)])
def test_slots_of_many_items_sum_to_one(n_items: int, slate_size: int) -> None:
    logits = 2 * np.random.default_rng(5).normal(size=(2, n_items))
    marginals = plackett_luce_marginals(logits, slate_size)
    np.testing.assert_allclose(marginals.sum(axis=2), 1.0, atol=1e-12)


def test_equal_logits_share_every_slot_equally_and_barred_items_get_nothing() -> None:
    logits = np.zeros((1, 40))
    logits[0, 7] = -np.inf
    marginals = plackett_luce_marginals(logits, 6, "integral")
    assert (marginals[:, :, 7] == 0).all()
    np.testing.assert_allclose(np.delete(marginals, 7, axis=2), 1 / 39, rtol=1e-12)


@pytest.mark.parametrize("method", ["subsets", "integral"])
def test_marginals_do_not_depend_on_the_rows_beside(method: str) -> None:
    logits = np.random.default_rng(6).normal(size=(5, 8)) * np.array([[1], [20], [3], [0], [9]])
    together = plackett_luce_marginals(logits, 4, method)
    alone = [plackett_luce_marginals(row[None], 4, method)[0] for row in logits]
    np.testing.assert_allclose(together, alone, rtol=1e-11)


def test_logits_that_cannot_fill_a_slate_are_refused() -> None:
    with pytest.raises(SlateError, match="row 1 has 1"):
        plackett_luce_marginals(np.array([[0.0, 0.0], [0.0, -np.inf]]), 2)
    with pytest.raises(SlateError, match="row 0, item 1 is not"):
        plackett_luce_marginals(np.array([[0.0, np.nan]]), 1)
    with pytest.raises(SlateError, match="'guess'"):
        plackett_luce_marginals(np.zeros((1, 2)), 1, "guess")
