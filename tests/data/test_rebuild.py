"""Observations made again from a log equal those the environment gave."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from rlrec.arrays import Observations
from rlrec.data import Catalogue, HistoryShape, InteractionLog, LogMetadata, rebuild_observations
from rlrec.errors import CatalogueMismatchError, ConfigError
from rlrec.policy import RandomPolicy
from rlrec.slates import SlateDraw

Maker = Callable[..., Any]
Seen = dict[tuple[int, int], dict[str, NDArray[Any]]]


class WatchedPolicy(RandomPolicy):
    """Keeps what it was given, by episode and step."""

    def __init__(self, n_choices: int, slate_size: int) -> None:
        super().__init__(n_choices, slate_size)
        self.seen: Seen = {}

    def bind(self, simulator: Any) -> "WatchedPolicy":
        self.simulator = simulator
        return self

    def act(
        self, observations: Observations, rng: np.random.Generator, deterministic: bool = False
    ) -> SlateDraw:
        for row, episode in enumerate(self.simulator.episode_ids.tolist()):
            step = int(observations["context"][row, 0])
            self.seen[episode, step] = {key: array[row] for key, array in observations.items()}
        return super().act(observations, rng, deterministic)


@pytest.mark.parametrize("offer", ["catalogue", "candidates", "fresh"])
def test_every_rebuilt_observation_equals_the_one_given(coin_users: Maker, offer: str) -> None:
    users = coin_users(9, offer)
    policy = WatchedPolicy(users.n_choices, 2)
    log = InteractionLog.record(policy, users, 400, seed=4)
    rebuilt = rebuild_observations(log, users.catalogue, users.history_shape)
    assert rebuilt.keys() == users.observation_spaces.keys()
    rows = zip(log.column("episode_id").tolist(), log.column("step").tolist(), strict=True)
    for row, place in enumerate(rows):
        for key, given in policy.seen[place].items():
            assert rebuilt[key].dtype == given.dtype
            np.testing.assert_array_equal(rebuilt[key][row], given, err_msg=key)
    assert (rebuilt["topic_counts"].sum(axis=1) > 0).mean() > 0.5


def test_only_declared_keys_are_rebuilt(coin_users: Maker) -> None:
    users = coin_users(4)
    log = InteractionLog.record(RandomPolicy(6, 2), users, 40)
    shape = replace(users.history_shape, keys=("last_slate",))
    rebuilt = rebuild_observations(log, None, shape)
    assert rebuilt.keys() == {"context", "last_slate"}
    assert rebuilt["last_slate"].shape == (40, 2)


def test_episodes_of_different_length_do_not_mix() -> None:
    ends = np.array([False, False, True, True, False, True])
    log = InteractionLog.from_columns(
        {
            "user_id": ["a", "a", "a", "b", "c", "c"],
            "episode_id": [0, 0, 0, 0, 0, 0],
            "step": [0, 1, 2, 0, 0, 1],
            "slate": np.array([[4], [3], [2], [1], [0], [5]]),
            "response.click": np.ones((6, 1)),
            "reward": np.ones(6),
            "terminated": ends,
            "truncated": np.zeros(6, bool),
        },
        LogMetadata(slate_size=1, response_channels=("click",)),
    )
    shape = HistoryShape(keys=("history_items",), slate_size=1, n_channels=1, n_topics=1, length=2)
    items = rebuild_observations(log, None, shape)["history_items"]
    np.testing.assert_array_equal(items, [[0, 0], [0, 5], [5, 4], [0, 0], [0, 0], [0, 1]])


def test_topics_need_a_catalogue(coin_users: Maker) -> None:
    users = coin_users(4)
    log = InteractionLog.record(RandomPolicy(6, 2), users, 40)
    with pytest.raises(CatalogueMismatchError, match="give its catalogue"):
        rebuild_observations(log, None, users.history_shape)


def test_a_catalogue_that_is_too_small_is_refused(coin_users: Maker, catalogue: Catalogue) -> None:
    users = coin_users(4)
    log = InteractionLog.record(RandomPolicy(6, 2), users, 40)
    small = replace(
        catalogue,
        item_ids=catalogue.item_ids[:2],
        topics=catalogue.topics[:2],
        features=catalogue.features[:2],
    )
    with pytest.raises(CatalogueMismatchError, match="has 2 items"):
        rebuild_observations(log, small, users.history_shape)


def test_a_shape_for_other_slates_is_refused(coin_users: Maker) -> None:
    users = coin_users(4)
    log = InteractionLog.record(RandomPolicy(6, 2), users, 40)
    with pytest.raises(ConfigError, match="slates of 2 and 2 response channels"):
        rebuild_observations(log, users.catalogue, replace(users.history_shape, slate_size=3))
