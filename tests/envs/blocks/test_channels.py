"""Channels after a click: their probabilities, rewards, and what is expected of them."""

import math
from typing import Any

import numpy as np
import pytest
from scipy.special import expit

from rlrec.data.catalogue import Catalogue
from rlrec.envs.blocks import ChannelLogit, ClickChannels, Consumed, ItemAppeal, Shown
from rlrec.envs.items import CatalogueItems, ItemQuality
from rlrec.errors import ConfigError

QUALITY = np.array([-1.0, 0.0, 1.0])


def items() -> CatalogueItems:
    catalogue = Catalogue(
        np.arange(3), np.zeros(3, np.int64), np.zeros((3, 0), np.float32), ("all",)
    )
    return CatalogueItems(catalogue, ItemQuality(QUALITY))


def clicks(chosen: int, n: int) -> Consumed:
    nothing = np.zeros(n, np.int64)
    return Consumed(np.arange(n), nothing, nothing + chosen, nothing, np.full(n, QUALITY[chosen]))


@pytest.mark.parametrize("chosen", [0, 1, 2])
def test_channels_follow_a_click_as_often_as_stated(chosen: int) -> None:
    n = 40_000
    response = ClickChannels(items())
    draws = np.random.default_rng(chosen).random((n, response.n_draws))
    shares = response.respond({}, clicks(chosen, n), draws).channels.mean(axis=0)
    stated = response.probabilities(QUALITY[[chosen]])[0]
    assert shares[0] == stated[0] == 1.0
    # 5 standard errors of n = 40,000 clicks
    assert (np.abs(shares - stated)[1:] < 5 * np.sqrt(stated * (1 - stated) / n)[1:]).all()


def test_the_stated_probabilities_are_logistic_in_the_quality() -> None:
    response = ClickChannels(items(), hide=ChannelLogit(-1.0, -3.0))
    stated = response.probabilities(QUALITY)
    np.testing.assert_allclose(stated[:, 1], expit(2.0 * QUALITY))
    np.testing.assert_allclose(stated[:, 2], expit(-2.5 + 2.0 * QUALITY))
    np.testing.assert_allclose(stated[:, 3], expit(-1.0 - 3.0 * QUALITY))


def test_the_mean_reward_is_the_expected_one() -> None:
    n = 40_000
    response = ClickChannels(items(), (1.0, 0.5, 3.0, -8.0))
    draws = np.random.default_rng(7).random((n, 3))
    rewards = response.respond({}, clicks(1, n), draws).rewards
    expected = response.expected({}, Shown(np.array([[1, 2]]), np.array([[0, 0]])))
    whole = response.expected({}, Shown(None, np.array([[0, 0, 0]])))
    np.testing.assert_allclose(expected[0], whole[0, [1, 2]])
    # 5 standard errors of n = 40,000 clicks
    assert abs(rewards.mean() - expected[0, 0]) < 5 * rewards.std() / math.sqrt(n)


def test_by_default_clicks_alone_count() -> None:
    response = ClickChannels(items())
    draws = np.random.default_rng(0).random((100, 3))
    np.testing.assert_array_equal(response.respond({}, clicks(0, 100), draws).rewards, 1.0)
    np.testing.assert_array_equal(
        response.expected({}, Shown(None, np.zeros((1, 3), np.int64))), [[1.0]]
    )


@pytest.mark.parametrize(
    ("weights", "words"),
    [
        ((1.0, 0.0), "reward_weights must be four finite numbers"),
        ((1.0, 0.0, float("nan"), 0.0), r"reward_weights\[2\] must be finite, got nan"),
        ("x", "reward_weights must be a list of numbers, got 'x'"),
    ],
)
def test_wrong_weights_are_refused(weights: Any, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        ClickChannels(items(), weights)


def test_channels_without_finite_logits_are_refused() -> None:
    with pytest.raises(ConfigError, match="finite"):
        ChannelLogit(float("inf"))


def test_appeal_adds_to_the_score_of_each_item() -> None:
    appeal = ItemAppeal(np.array([0.5, 0.0, -1.0]))
    slate = Shown(np.array([[2, 0]]), np.zeros((1, 2), np.int64))
    np.testing.assert_array_equal(appeal.adjust({}, slate, np.ones((1, 2))), [[0.0, 1.5]])
    whole = Shown(None, np.zeros((1, 3), np.int64))
    np.testing.assert_array_equal(appeal.adjust({}, whole, np.zeros((2, 3))), [[0.5, 0, -1]] * 2)
    with pytest.raises(ConfigError, match="finite"):
        ItemAppeal(np.array([np.nan]))
