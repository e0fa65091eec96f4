import itertools
import math

import numpy as np
import pytest

from rlrec.arrays import Floats, Ints
from rlrec.errors import SlateError
from rlrec.slates import (
    best_slates,
    given_prefix,
    plackett_luce_log_probs,
    repeated_slots,
    sample_plackett_luce,
    slate_values,
    top_slates,
    uniform_slates,
)


def test_top_slates_are_sorted_and_break_ties_by_lower_index() -> None:
    scores = np.array([[1.0, 3.0, 2.0, 3.0], [0.0, 0.0, 0.0, 0.0], [-np.inf, 5.0, -np.inf, 4.0]])
    assert top_slates(scores, 3).tolist() == [[1, 3, 2], [0, 1, 2], [1, 3, 0]]


def test_top_slates_equal_a_stable_sort_of_coarse_scores() -> None:
    scores = np.random.default_rng(0).integers(6, size=(500, 12)).astype(float)
    for slate_size in (1, 4, 12):
        expected = np.argsort(-scores, axis=1, kind="stable")[:, :slate_size]
        np.testing.assert_array_equal(top_slates(scores, slate_size), expected)


@pytest.mark.parametrize("slate_size", [0, 4])
def test_a_slate_larger_than_the_choice_is_refused(slate_size: int) -> None:
    with pytest.raises(SlateError, match=rf"1\.\.3.*got {slate_size}"):
        top_slates(np.zeros((1, 3)), slate_size)
    with pytest.raises(SlateError, match=rf"1\.\.3.*got {slate_size}"):
        uniform_slates(1, 3, slate_size, np.random.default_rng(0))


def test_repeated_slots_marks_all_but_the_first_place_of_an_item() -> None:
    slates = np.array([[1, 2, 1, 1], [0, 1, 2, 3]])
    assert repeated_slots(slates).tolist() == [[False, False, True, True], [False] * 4]


def ordered_slates(n_items: int, slate_size: int) -> Ints:
    return np.array(list(itertools.permutations(range(n_items), slate_size)))


@pytest.mark.parametrize("slate_size", [1, 2, 3, 5])
@pytest.mark.parametrize("scale", [1.0, 30.0, 700.0])
def test_plackett_luce_probabilities_of_all_slates_sum_to_one(
    slate_size: int, scale: float
) -> None:
    logits = scale * np.random.default_rng(1).uniform(-1, 1, size=5)
    slates = ordered_slates(5, slate_size)
    log_probs = plackett_luce_log_probs(np.tile(logits, (len(slates), 1)), slates)
    assert np.isfinite(log_probs).all()
    assert np.exp(log_probs.sum(axis=1)).sum() == pytest.approx(1.0, abs=1e-12)


def test_plackett_luce_log_probs_equal_the_softmax_over_what_is_left() -> None:
    logits = np.random.default_rng(2).normal(size=(50, 6))
    slates = uniform_slates(50, 6, 4, np.random.default_rng(3))
    for row, slate in enumerate(slates):
        left = np.exp(logits[row])
        for k, item in enumerate(slate):
            expected = math.log(left[item] / left.sum())
            assert plackett_luce_log_probs(logits, slates)[row, k] == pytest.approx(expected)
            left[item] = 0.0


def test_plackett_luce_stays_right_when_logits_are_extreme() -> None:
    logits = np.array([[700.0, -700.0, 0.0, -np.inf]])
    in_order = plackett_luce_log_probs(logits, np.array([[0, 2, 1]]))
    np.testing.assert_allclose(in_order, [[0.0, 0.0, 0.0]], atol=1e-300)
    upside_down = plackett_luce_log_probs(logits, np.array([[1, 2, 0]]))
    np.testing.assert_allclose(upside_down, [[-1400.0, -700.0, 0.0]])


def test_plackett_luce_stays_right_below_a_dominating_item() -> None:
    logits = np.array([[500.0, 1.0, 2.0, 3.0]])
    log_probs = plackett_luce_log_probs(logits, np.array([[0, 3, 2, 1]]))
    rest = np.log(np.exp([1.0, 2.0, 3.0]).sum())
    np.testing.assert_allclose(
        log_probs, [[0.0, 3.0 - rest, -np.log1p(np.exp(-1.0)), 0.0]], rtol=1e-12
    )


def test_plackett_luce_gives_no_chance_to_barred_and_repeated_items() -> None:
    logits = np.array([[0.0, 0.0, -np.inf, -np.inf]] * 3)
    log_probs = plackett_luce_log_probs(logits, np.array([[2, 0], [0, 0], [0, 2]]))
    half = -math.log(2.0)
    assert np.isneginf(log_probs[[0, 1, 2], [0, 1, 1]]).all()
    np.testing.assert_allclose(log_probs[[1, 2], 0], half)


def test_plackett_luce_slates_come_as_often_as_their_probability() -> None:
    n = 50_000
    logits = np.array([0.5, -0.5, 1.5, -np.inf, 0.0])
    draw = sample_plackett_luce(np.tile(logits, (n, 1)), 2, np.random.default_rng(4))
    for slate in ordered_slates(5, 2):
        p = math.exp(plackett_luce_log_probs(logits[None], slate[None]).sum())
        share = (draw.slates == slate).all(axis=1).mean()
        # 5 standard errors for each of 20 slates: a right sampler fails at one seed in 80,000
        assert abs(share - p) <= 5 * math.sqrt(p * (1 - p) / n)


def test_sampled_slates_carry_their_own_log_probs() -> None:
    logits = np.random.default_rng(5).normal(size=(20, 30))
    draw = sample_plackett_luce(logits, 10, np.random.default_rng(6))
    assert not repeated_slots(draw.slates).any()
    np.testing.assert_array_equal(draw.log_probs, plackett_luce_log_probs(logits, draw.slates))


@pytest.mark.parametrize(("n_items", "slate_size"), [(4, 2), (12, 2)])  # by sorting, by rejection
def test_uniform_slates_are_all_equally_frequent(n_items: int, slate_size: int) -> None:
    n = 60_000
    slates = uniform_slates(n, n_items, slate_size, np.random.default_rng(7))
    p = 1 / math.perm(n_items, slate_size)
    for slate in ordered_slates(n_items, slate_size):
        share = (slates == slate).all(axis=1).mean()
        # 5 standard errors for each of at most 132 slates: fails at one seed in 10,000
        assert abs(share - p) < 5 * math.sqrt(p * (1 - p) / n)


def highest_value(
    weights: Floats, values: Floats, null_weight: Floats, null_value: Floats, slate_size: int
) -> Floats:
    """Try every slate."""
    sets = np.array(list(itertools.combinations(range(weights.shape[1]), slate_size)))
    gained = (weights * values)[:, sets].sum(axis=2) + (null_weight * null_value)[:, None]
    reached = gained / (weights[:, sets].sum(axis=2) + null_weight[:, None])
    best: Floats = reached.max(axis=1)
    return best


@pytest.mark.parametrize("values_are", ["signed", "positive", "negative", "tied"])
@pytest.mark.parametrize("slate_size", [1, 3, 5, 7])
@pytest.mark.parametrize("with_null", [True, False])
def test_best_slates_reach_the_value_of_the_best_of_all_slates(
    values_are: str, slate_size: int, with_null: bool
) -> None:
    n, n_items = 1_000, 7
    rng = np.random.default_rng(8)
    weights = np.exp(2 * rng.normal(size=(n, n_items)))
    values = rng.normal(size=(n, n_items))
    if values_are == "tied":
        weights, values = np.ceil(weights / 4), np.round(values)
    if values_are in ("positive", "negative"):
        values = np.abs(values) * (1 if values_are == "positive" else -1)
    null_weight = np.exp(rng.normal(size=n)) if with_null else np.zeros(n)
    null_value = rng.normal(size=n)
    arguments = (weights, values, null_weight, null_value)
    slates = best_slates(*arguments, slate_size)
    assert not repeated_slots(slates).any()
    reached = slate_values(slates, *arguments)
    np.testing.assert_allclose(reached, highest_value(*arguments, slate_size), rtol=1e-10)


@pytest.mark.parametrize("start", [-100.0, 0.0, 100.0])
def test_best_slates_are_exact_from_any_start(start: float) -> None:
    rng = np.random.default_rng(10)
    arguments = (rng.random((300, 7)), rng.normal(size=(300, 7)), rng.random(300), np.zeros(300))
    slates = best_slates(*arguments, 3, start=np.full(300, start))
    np.testing.assert_allclose(slate_values(slates, *arguments), highest_value(*arguments, 3))


def test_best_slates_take_zero_weights_where_the_rest_lowers_the_value() -> None:
    weights, values = np.array([[1.0, 0.0, 2.0, 0.0]]), np.array([[-1.0, 9.0, -3.0, 9.0]])
    slates = best_slates(weights, values, np.ones(1), np.zeros(1), 2)
    assert sorted(slates[0].tolist()) == [1, 3]


@pytest.mark.parametrize("scale", [1e-9, 1e9])
def test_best_slates_do_not_change_with_the_scale_of_weights_or_values(scale: float) -> None:
    rng = np.random.default_rng(9)
    weights, values = rng.random((200, 8)), rng.normal(size=(200, 8))
    null_weight, null_value = rng.random(200), rng.normal(size=200)
    plain = best_slates(weights, values, null_weight, null_value, 3)
    by_weight = best_slates(scale * weights, values, scale * null_weight, null_value, 3)
    by_value = best_slates(weights, scale * values, null_weight, scale * null_value, 3)
    np.testing.assert_array_equal(by_weight, plain)
    np.testing.assert_array_equal(by_value, plain)


def test_a_slate_without_any_weight_is_worth_the_value_of_nothing() -> None:
    value = slate_values(
        np.array([[0, 1]]), np.zeros((1, 2)), np.ones((1, 2)), np.zeros(1), np.array([0.5])
    )
    assert value.tolist() == [0.5]


def test_a_joint_probability_is_split_into_that_of_each_position() -> None:
    with np.errstate(divide="ignore"):
        joint = np.log(np.array([[0.5, 0.2, 0.2], [0.3, 0.0, 0.0], [0.0, 0.0, 0.0]]))
    expected = [[0.5, 0.4, 1.0], [0.3, 0.0, 0.0], [0.0, 0.0, 0.0]]
    np.testing.assert_allclose(np.exp(given_prefix(joint)), expected)


def test_rounding_never_lifts_a_probability_given_the_prefix_above_one() -> None:
    assert given_prefix(np.array([[-0.3, np.nextafter(-0.3, 0.0)]])).tolist() == [[-0.3, 0.0]]
