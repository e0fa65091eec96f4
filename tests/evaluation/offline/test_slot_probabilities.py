"""Probabilities of items at slots, against enumeration of all slates."""

import numpy as np
import pytest

from rlrec.arrays import Floats, Ints, Observations
from rlrec.errors import ConfigError
from rlrec.evaluation.offline.slate_probabilities import (
    all_slates,
    at_slates,
    plackett_luce_marginals,
    policy_slate_probs,
    slot_marginals,
)
from rlrec.evaluation.offline.slot_probabilities import SlotDraws, slot_probabilities
from rlrec.policy import DrawingPolicy, MixturePolicy, RandomPolicy, SlatePolicy
from rlrec.slates import SlateDraw, plackett_luce_log_probs, sample_plackett_luce

A, K = 6, 3
DRAWN = SlotDraws(most_slates=0)


class Softmax:
    """Plackett-Luce slates by observed logits."""

    def act(
        self, observations: Observations, rng: np.random.Generator, deterministic: bool = False
    ) -> SlateDraw:
        return sample_plackett_luce(observations["logits"], K, rng)

    def log_probs(self, observations: Observations, slates: Ints) -> Floats:
        return plackett_luce_log_probs(observations["logits"], slates)


def rows(n: int, seed: int = 0, spread: float = 1.5) -> tuple[Observations, Ints]:
    """Return observed logits and slates drawn by `Softmax`."""
    rng = np.random.default_rng(seed)
    observations = {"logits": rng.normal(size=(n, A)) * spread}
    return observations, Softmax().act(observations, rng).slates


def enumerated(policy: SlatePolicy, observations: Observations, slates: Ints) -> Floats:
    every = all_slates(A, K)
    probs = policy_slate_probs(policy, observations, every)
    return at_slates(slot_marginals(probs, every, A), slates)


@pytest.mark.parametrize(
    "policy",
    [
        RandomPolicy(A, K),
        MixturePolicy([Softmax(), RandomPolicy(A, K)], [0.7, 0.3]),
        DrawingPolicy(Softmax()),
    ],
    ids=["random", "mixture", "drawing"],
)
def test_few_slates_are_enumerated(policy: SlatePolicy) -> None:
    observations, slates = rows(40)
    found = slot_probabilities(policy, observations, slates, A)
    expected = enumerated(policy, observations, slates)
    np.testing.assert_allclose(found.probs, expected, rtol=1e-9)
    assert not found.variances.any()


def test_random_slates_need_no_draws_however_many_there_are() -> None:
    slates = np.array([[5, 900, 77]])
    found = slot_probabilities(RandomPolicy(1000, 3), {"user": np.zeros((1, 1))}, slates, 1000)
    np.testing.assert_allclose(found.probs, 1e-3)


@pytest.mark.parametrize("spread", [0.5, 1.5, 4.0])
def test_drawn_probabilities_are_unbiased(spread: float) -> None:
    observations, slates = rows(4000, seed=1, spread=spread)
    found = slot_probabilities(Softmax(), observations, slates, A, DRAWN)
    expected = at_slates(plackett_luce_marginals(observations["logits"], K), slates)
    # a row whose draws all met the logged others may be off by q^M (1 - q), at most 1 / (e M)
    excused = 1 / (np.e * DRAWN.n_draws) if spread > 2 else 0.0
    for slot in range(1, K):
        errors = (found.probs - expected)[:, slot]
        # n = 4,000, 5 standard errors: one failure in a million seeds
        assert abs(errors.mean()) < 5 * errors.std() / np.sqrt(len(errors)) + excused
    np.testing.assert_allclose(found.probs[:, 0], expected[:, 0], rtol=1e-9)


def test_the_stated_variance_is_that_of_the_errors() -> None:
    observations, slates = rows(4000, seed=2)
    found = slot_probabilities(Softmax(), observations, slates, A, DRAWN)
    expected = at_slates(plackett_luce_marginals(observations["logits"], K), slates)
    squares = (found.probs - expected)[:, 1:] ** 2
    stated = found.variances[:, 1:]
    # n = 4,000 rows: the ratio of the means has a standard error of about 4 %
    assert abs(squares.mean() / stated.mean() - 1) < 0.2
    assert 0 < found.relative_variance < 0.1


def test_averaging_conditional_probabilities_beats_counting() -> None:
    observations, slates = rows(2000, seed=3)
    found = slot_probabilities(Softmax(), observations, slates, A, DRAWN)
    expected = at_slates(plackett_luce_marginals(observations["logits"], K), slates)
    ours = ((found.probs - expected)[:, 2] ** 2).mean()
    counting = (expected * (1 - expected))[:, 2].mean() / DRAWN.n_draws
    assert ours < counting / 50


def test_no_shown_item_has_probability_zero_and_none_lies_below_its_prefix() -> None:
    observations, slates = rows(3000, seed=4, spread=6.0)
    found = slot_probabilities(
        Softmax(), observations, slates, A, SlotDraws(n_draws=2, most_slates=0)
    )
    prefix = np.exp(Softmax().log_probs(observations, slates)).cumprod(axis=1)
    assert (found.probs >= prefix * (1 - 1e-12)).all()
    assert (found.probs > 0).all() and (found.probs <= 1).all()


def test_one_policy_twice_has_ratios_of_exactly_one() -> None:
    observations, slates = rows(50, seed=5)
    once, again = (
        slot_probabilities(Softmax(), observations, slates, A, DRAWN).probs for _ in range(2)
    )
    np.testing.assert_array_equal(once, again)


def test_dividing_by_an_estimate_makes_weights_little_too_large() -> None:
    observations, slates = rows(10_000, seed=6)
    found = slot_probabilities(Softmax(), observations, slates, A, DRAWN)
    expected = at_slates(plackett_luce_marginals(observations["logits"], K), slates)
    excess = (expected / found.probs - 1)[:, 1:]
    noise = 5 * excess.std() / np.sqrt(excess.size)  # n = 20,000 slots, 5 standard errors
    assert abs(excess.mean()) < 2 * found.relative_variance + noise < 0.003
    # items that nearly always stand higher up would otherwise have estimates near 0
    assert excess.max() < 0.5


@pytest.mark.parametrize("arguments", [{"n_draws": 1}, {"most_slates": -1}])
def test_bad_settings_are_refused(arguments: dict[str, int]) -> None:
    with pytest.raises(ConfigError, match="2 or more"):
        SlotDraws(**arguments)
