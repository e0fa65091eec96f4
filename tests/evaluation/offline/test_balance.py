"""Propensities that do not fit what was shown are found; those that do are let pass."""

import numpy as np
import pytest

from rlrec.arrays import Floats, Ints
from rlrec.data import InteractionLog, LogMetadata
from rlrec.evaluation.offline import balance, evaluate_offline
from rlrec.evaluation.offline.balance import row_sums

N_ROWS, N_ITEMS = 4_000, 8


def propensity_doubt(
    choices: Ints,
    propensities: Floats,
    n_items: int,
    observed: Floats | None = None,
    users: Ints | None = None,
) -> str:
    """Return the doubt about a log of slates of one, by default of one row a user."""
    users = np.arange(len(choices)) if users is None else users
    given = propensities[:, None]
    sums = row_sums(users, choices[:, None], given, np.log(propensities), n_items, observed)
    return balance.propensity_doubt(sums)


def drawn(seed: int, n_rows: int = N_ROWS) -> tuple[Ints, Floats, Floats]:
    """Return choices, their propensities, and the context (n, 3) that they depend on."""
    rng = np.random.default_rng(seed)
    context = rng.standard_normal((n_rows, 3))
    scores = rng.standard_normal(N_ITEMS) + context @ rng.standard_normal((3, N_ITEMS)) * 0.5
    chances = np.exp(scores)
    chances /= chances.sum(axis=1, keepdims=True)
    choices = (np.cumsum(chances, axis=1) < rng.random((n_rows, 1))).sum(axis=1)
    choices = np.minimum(choices, N_ITEMS - 1)
    return choices, chances[np.arange(n_rows), choices], context


@pytest.mark.parametrize("seed", range(40))
def test_right_propensities_are_let_pass(seed: int) -> None:
    choices, propensities, context = drawn(seed)
    assert propensity_doubt(choices, propensities, N_ITEMS, context) == ""


def test_right_propensities_of_rare_choices_are_let_pass() -> None:
    rng = np.random.default_rng(1)
    for n_rows in (50, 500, 5_000):
        chances = np.exp(4 * rng.standard_normal(200))
        chances /= chances.sum()
        choices = rng.choice(200, p=chances, size=n_rows)
        assert propensity_doubt(choices, chances[choices], 200) == ""


def test_propensities_of_other_rows_are_found() -> None:
    choices, propensities, context = drawn(0)
    shifted = np.roll(propensities, 1)
    assert "times as often as they say" in propensity_doubt(choices, shifted, N_ITEMS, context)


def test_propensities_of_other_items_are_found() -> None:
    rng = np.random.default_rng(2)
    chances = np.array([0.3, 0.2, 0.2, 0.1, 0.1, 0.05, 0.03, 0.02])
    choices = rng.choice(N_ITEMS, p=chances, size=N_ROWS)
    wrong = np.roll(chances, 1)[choices]
    assert "do not fit the log" in propensity_doubt(choices, wrong, N_ITEMS)


def test_propensities_that_are_off_in_one_context_only_are_found() -> None:
    rng = np.random.default_rng(3)
    context = rng.standard_normal((N_ROWS, 3))
    chances = np.linspace(0.05, 0.2, N_ITEMS)
    choices = rng.choice(N_ITEMS, p=chances, size=N_ROWS)
    propensities = chances[choices]
    is_high = context[:, 1] > np.median(context[:, 1])
    wrong = np.where(is_high, np.minimum(propensities * 1.4, 1.0), propensities * 0.7)
    told = propensity_doubt(choices, wrong, N_ITEMS, context)
    assert "too low by a factor of 1.4" in told and "column 1 is low" in told


def test_an_estimate_from_wrong_propensities_is_not_supported() -> None:
    choices, propensities, context = drawn(5)
    rng = np.random.default_rng(5)
    clicks = (rng.random(N_ROWS) < 0.1 + 0.05 * choices).astype(np.float64)
    words = []
    for stated in (propensities, np.roll(propensities, 1)):
        log = InteractionLog.from_columns(
            {
                "user_id": np.arange(N_ROWS),
                "episode_id": np.arange(N_ROWS),
                "step": np.zeros(N_ROWS, np.int64),
                "context": context.astype(np.float32),
                "slate": choices[:, None],
                "response.click": clicks[:, None].astype(np.float32),
                "reward": clicks,
                "terminated": np.ones(N_ROWS, bool),
                "truncated": np.zeros(N_ROWS, bool),
                "log_propensity": np.log(stated),
            },
            LogMetadata(slate_size=1, response_channels=("click",)),
        )
        uniform = np.full((N_ROWS, N_ITEMS), 1 / N_ITEMS)
        (estimate,) = evaluate_offline(uniform, log, estimators="ips").estimates
        words.append(estimate.verdict)
    assert words[0].word == "supported"
    assert words[1].word == "unsupported" and "do not fit the log" in words[1].reason


def test_users_who_keep_what_they_were_given_are_let_pass() -> None:
    users = np.repeat(np.arange(60), 50)
    for seed in range(30):
        kept = np.random.default_rng(seed).integers(3, size=60)[users]
        assert propensity_doubt(kept, np.full(3_000, 1 / 3), 3, users=users) == ""


@pytest.mark.parametrize(("n", "chance"), [(60, 0.85), (100, 0.94), (110, 0.94)])
def test_small_logs_of_one_dominant_item_are_let_pass(n: int, chance: float) -> None:
    for seed in range(500):
        choices = (np.random.default_rng(seed).random(n) > chance).astype(np.int64)
        stated = np.where(choices == 0, chance, 1 - chance)
        assert propensity_doubt(choices, stated, 2) == ""


def test_a_constant_that_is_wrong_is_found() -> None:
    always = np.zeros(1_000, np.int64)
    assert "times as often as they say" in propensity_doubt(always, np.full(1_000, 0.1), 10)
    assert propensity_doubt(always, np.full(1_000, 0.5), 2)


def slates_by(weights: Floats, n: int, seed: int) -> Ints:
    noise = np.random.default_rng(seed).gumbel(size=(n, len(weights)))
    return np.argsort(-(np.log(weights) + noise), axis=1)[:, :2]


def test_joint_propensities_of_slates_are_checked_too() -> None:
    n = 4_000
    weights, users = np.array([0.55, 0.25, 0.15, 0.05]), np.arange(n)
    slates = slates_by(weights, n, 0)
    first = weights[slates[:, 0]]
    right = np.log(first * weights[slates[:, 1]] / (1 - first))
    assert balance.propensity_doubt(row_sums(users, slates, None, right, 4)) == ""
    wrong = np.full(n, -np.log(12.0))
    assert balance.propensity_doubt(row_sums(users, slates, None, wrong, 4))


def test_lower_slots_are_checked_too() -> None:
    n, rng = 4_000, np.random.default_rng(1)
    weights = np.array([0.55, 0.25, 0.15, 0.05])
    first = rng.integers(4, size=n)
    noise = np.log(weights) + rng.gumbel(size=(n, 4))
    noise[np.arange(n), first] = -np.inf
    slates = np.stack([first, noise.argmax(axis=1)], axis=1)
    right = np.stack([np.full(n, 0.25), weights[slates[:, 1]] / (1 - weights[first])], axis=1)
    wrong = np.stack([np.full(n, 0.25), np.full(n, 1 / 3)], axis=1)
    users = np.arange(n)
    for given, is_wrong in ((right, False), (wrong, True)):
        sums = row_sums(users, slates, given, np.log(given).sum(axis=1), 4)
        told = balance.propensity_doubt(sums)
        assert ("in slot 1" in told) == is_wrong and bool(told) == is_wrong
