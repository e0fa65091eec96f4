"""The exact slate in torch, against brute force."""

from itertools import combinations, pairwise
from typing import NamedTuple

import numpy as np
import pytest
import torch
from torch import Tensor

from rlrec.agents.slate_q.slate_value import (
    Search,
    best_slates,
    blank_repeats,
    greedy_slates,
    slate_value,
    top_slates,
)

N_ROWS, N_ITEMS, SLATE_SIZE = 200, 9, 3
ENOUGH = 12  # rounds; three to six are usual


class Instances(NamedTuple):
    weights: Tensor  # (B, N)
    values: Tensor  # (B, N)
    null_weight: Tensor  # (B,)
    null_value: Tensor  # (B,)


def random_instances(seed: int, low: float = -1.0, n_rows: int = N_ROWS) -> Instances:
    rng = np.random.default_rng(seed)
    return Instances(
        torch.from_numpy(rng.exponential(size=(n_rows, N_ITEMS))),
        torch.from_numpy(rng.uniform(low, 1.0, size=(n_rows, N_ITEMS))),
        torch.from_numpy(rng.exponential(size=n_rows)),
        torch.from_numpy(rng.uniform(low, 1.0, size=n_rows)),
    )


def brute_force(instances: Instances, slate_size: int = SLATE_SIZE) -> Tensor:
    """Return the highest value of any slate, (B,)."""
    slates = np.array(list(combinations(range(N_ITEMS), slate_size)))
    n_rows = len(instances.weights)
    each = [slate_value(torch.from_numpy(slate).expand(n_rows, -1), *instances) for slate in slates]
    return torch.stack(each).amax(dim=0)


def test_the_value_of_a_slate_is_the_expectation_over_what_is_taken() -> None:
    one_row = Instances(*(torch.tensor(x) for x in ([[1.0, 2, 3]], [[10.0, 20, 30]], [4.0], [5.0])))
    value = slate_value(torch.tensor([[0, 2]]), *one_row)
    assert value.item() == pytest.approx((1 * 10 + 3 * 30 + 4 * 5) / (1 + 3 + 4))


@pytest.mark.parametrize("low", [-1.0, 0.0, 0.5])
def test_with_enough_rounds_the_slate_is_as_good_as_any(low: float) -> None:
    instances = random_instances(3, low)
    slates, _ = best_slates(*instances, SLATE_SIZE, ENOUGH)
    torch.testing.assert_close(slate_value(slates, *instances), brute_force(instances))


@pytest.mark.parametrize("rounds", [1, 2, 3, 4])
def test_no_number_of_rounds_promises_more_than_the_best_slate_has(rounds: int) -> None:
    instances = random_instances(4)
    _, values = best_slates(*instances, SLATE_SIZE, rounds)
    assert (values <= brute_force(instances) + 1e-12).all()


def test_the_value_reported_is_that_of_the_slate() -> None:
    instances = random_instances(5)
    for rounds in (1, 2, 5):
        slates, values = best_slates(*instances, SLATE_SIZE, rounds)
        torch.testing.assert_close(values, slate_value(slates, *instances))


def test_more_rounds_are_never_worse() -> None:
    instances = random_instances(6)
    values = [best_slates(*instances, SLATE_SIZE, rounds)[1] for rounds in range(1, 6)]
    for fewer, more in pairwise(values):
        assert (more >= fewer - 1e-12).all()
    assert (values[1] > values[0] + 1e-6).any()  # one round alone is not exact


def test_slates_name_each_item_once() -> None:
    slates, _ = best_slates(*random_instances(7), SLATE_SIZE, 3)
    assert (slates.sort(dim=1).values.diff(dim=1) > 0).all()
    assert slates.shape == (N_ROWS, SLATE_SIZE)


def test_a_slate_of_everything_has_one_value() -> None:
    instances = random_instances(8, n_rows=20)
    slates, values = best_slates(*instances, N_ITEMS, 1)
    assert (slates.sort(dim=1).values == torch.arange(N_ITEMS)).all()
    torch.testing.assert_close(values, brute_force(instances, N_ITEMS))


def test_the_scale_of_the_weights_does_not_matter() -> None:
    instances = random_instances(9)
    scaled = instances._replace(
        weights=instances.weights * 1e4, null_weight=instances.null_weight * 1e4
    )
    one, other = (best_slates(*each, SLATE_SIZE, ENOUGH)[0] for each in (instances, scaled))
    assert (one == other).all()


def test_where_nothing_is_worth_most_the_items_least_taken_are_shown() -> None:
    instances = Instances(
        torch.tensor([[5.0, 1.0, 3.0, 2.0]]),
        torch.full((1, 4), 0.0),
        torch.tensor([1.0]),
        torch.tensor([1.0]),
    )
    slates, _ = best_slates(*instances, 2, ENOUGH)
    assert sorted(slates[0].tolist()) == [1, 3]


def test_a_slot_that_repeats_an_item_is_blank_from_its_second_place_on() -> None:
    slates = torch.tensor([[4, 7, 4, 4], [1, 2, 3, 2], [5, 6, 7, 8]])
    blank = torch.isneginf(blank_repeats(torch.zeros(3, 4), slates))
    assert blank.tolist() == [
        [False, False, True, True],
        [False, False, False, True],
        [False, False, False, False],
    ]


def test_scores_of_slots_that_repeat_nothing_are_kept() -> None:
    scores = torch.tensor([[0.5, -2.0, 3.0]])
    kept = blank_repeats(scores, torch.tensor([[9, 9, 1]]))
    assert kept[0, 0] == 0.5 and kept[0, 2] == 3.0


def drawn(seed: int, n_rows: int, n_items: int, low: float, null_weight: float) -> Instances:
    """Return instances of log-normal weights, values from `low` to 1, and nothing worth 0."""
    rng = np.random.default_rng(seed)
    return Instances(
        torch.from_numpy(np.exp(rng.normal(size=(n_rows, n_items)))),
        torch.from_numpy(rng.uniform(low, 1.0, size=(n_rows, n_items))),
        torch.full((n_rows,), null_weight, dtype=torch.float64),
        torch.zeros(n_rows, dtype=torch.float64),
    )


def best_of_all(instances: Instances, slate_size: int) -> Tensor:
    slates = torch.tensor(list(combinations(range(instances.weights.shape[1]), slate_size)))
    weights, values = instances.weights[:, slates], instances.values[:, slates]
    nothing = instances.null_weight * instances.null_value
    mass = weights.sum(dim=2) + instances.null_weight[:, None]
    return (((weights * values).sum(dim=2) + nothing[:, None]) / mass).amax(dim=1)


@pytest.mark.parametrize("null_weight", [0.0, 0.05, 1.0, 10.0])
@pytest.mark.parametrize(("n_items", "slate_size"), [(12, 4), (7, 7), (5, 1), (10, 6)])
@pytest.mark.parametrize("low", [-1.0, 0.0])
def test_the_exact_search_equals_brute_force(
    low: float, n_items: int, slate_size: int, null_weight: float
) -> None:
    instances = drawn(11, 250, n_items, low, null_weight)  # 8,000 over all parameters
    slates, values = best_slates(*instances, slate_size, ENOUGH)
    torch.testing.assert_close(values, best_of_all(instances, slate_size))
    torch.testing.assert_close(slate_value(slates, *instances), values)


def test_the_exact_search_equals_brute_force_where_many_items_are_alike() -> None:
    instances = drawn(12, 250, 9, -1.0, 1.0)
    tied = instances._replace(weights=instances.weights.ceil(), values=instances.values.round())
    values = best_slates(*tied, 4, ENOUGH)[1]
    torch.testing.assert_close(values, best_of_all(tied, 4))


# Mean share of the best value that each search reaches, of 400 instances of 12 items in slates of
# 4, read off once: the rule that looks at each item alone loses most where nothing is seldom taken.
@pytest.mark.parametrize(
    ("low", "null_weight", "top_mean", "greedy_mean"),
    [
        (0.0, 1.0, 0.80, 0.998),
        (0.5, 1.0, 0.91, 0.998),
        (0.0, 0.05, 0.73, 1.0),
        (0.0, 10.0, 0.94, 0.999),
    ],
)
def test_greedy_slates_are_nearly_best_and_the_top_by_weight_and_value_far_below(
    low: float, null_weight: float, top_mean: float, greedy_mean: float
) -> None:
    instances = drawn(13, 400, 12, low, null_weight)
    best = best_of_all(instances, 4)
    shares = [search(*instances, 4, 1)[1] / best for search in (top_slates, greedy_slates)]
    assert all((share <= 1.0 + 1e-12).all() for share in shares)
    # standard errors are at most .008 and .0005; the spread of weights moves the first by .02
    assert abs(shares[0].mean().item() - top_mean) < 0.04
    assert abs(shares[1].mean().item() - greedy_mean) < 0.003
    assert shares[1].min() < 1.0 - 1e-6  # greedy is not exact


@pytest.mark.parametrize("search", [greedy_slates, top_slates])
def test_every_search_names_each_item_once_and_reports_the_value_of_its_slate(
    search: Search,
) -> None:
    instances = random_instances(14)
    slates, values = search(*instances, SLATE_SIZE, 1)
    assert (slates.sort(dim=1).values.diff(dim=1) > 0).all()
    torch.testing.assert_close(values, slate_value(slates, *instances))


def test_greedy_begins_with_the_item_that_is_best_alone() -> None:
    instances = random_instances(15)
    first = greedy_slates(*instances, SLATE_SIZE, 1)[0][:, :1]
    alone = torch.stack(
        [slate_value(torch.full((N_ROWS, 1), item), *instances) for item in range(N_ITEMS)], dim=1
    )
    assert (first[:, 0] == alone.argmax(dim=1)).all()
