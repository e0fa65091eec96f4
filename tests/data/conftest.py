"""A tiny simulator, so that recording can be tested without any environment."""

from collections.abc import Callable
from typing import Any, Self

import numpy as np
import pytest
from numpy.typing import NDArray

from rlrec.arrays import Floats, Floats32, Ints, Observations
from rlrec.data.catalogue import Catalogue
from rlrec.data.history import History, HistoryShape
from rlrec.simulation import SimulatorStep, Space

N_ITEMS, N_TOPICS, SLATE_SIZE, LONGEST = 6, 3, 2, 5


class CoinUsers:
    """Users who respond to each slot at random and leave at random.

    Args:
        n_users: B.
        offer: "catalogue" (all six items), "candidates" (four of them) or "fresh" (four new ones).
        n_persons: Positions take turns to serve so many persons; None for a user an episode.
        first_user: Number of the first user.
    """

    env_id = "tests/CoinUsers-v0"
    slate_size = SLATE_SIZE
    response_channels = ("click", "minutes")

    def __init__(
        self,
        n_users: int,
        offer: str = "catalogue",
        n_persons: int | None = None,
        first_user: int = 0,
    ) -> None:
        self.n_users, self.offer, self.n_persons, self.first_user = (
            n_users,
            offer,
            n_persons,
            first_user,
        )
        self.n_choices = N_ITEMS if offer == "catalogue" else 4
        self.catalogue = None if offer == "fresh" else _catalogue()
        self.history_shape = HistoryShape(
            slate_size=SLATE_SIZE, n_channels=2, n_topics=N_TOPICS, length=3
        )
        self.observation_spaces = {
            key: Space(array.shape[1:], np.float32, 0.0, 1.0)
            for key, array in self.reset(0).items()
        }
        del self._history  # users are not reset yet

    @property
    def arguments(self) -> dict[str, Any]:
        return {"offer": self.offer}

    @property
    def user_ids(self) -> Ints:
        return self.episode_ids if self.n_persons is None else self.episode_ids % self.n_persons

    @property
    def episode_ids(self) -> Ints:
        return 1000 * (self.first_user + np.arange(self.n_users)) + self._episodes

    def with_users(self, n_users: int, first_user: int = 0) -> Self:
        return type(self)(n_users, self.offer, self.n_persons, first_user)

    def reset(self, seed: int) -> Observations:
        self._seed, self._tick = seed, 0
        self._history = History(self.n_users, self.history_shape)
        self._episodes = np.zeros(self.n_users, np.int64)
        self._steps = np.zeros(self.n_users, np.int64)
        self._draw_offer()
        return self._observe()

    def step(self, slates: Ints) -> SimulatorStep:
        draws = self._draws(purpose=1)
        clicks = draws[:, :2] < 0.4
        responses = np.stack([clicks, clicks * (1 + slates)], axis=2).astype(np.float32)
        self._history.record(self._items(slates), responses, self._topics(slates))
        self._tick += 1
        self._steps += 1
        terminated = draws[:, 2] < 0.2
        truncated = (self._steps >= LONGEST) & ~terminated
        self._draw_offer()
        last = self._observe()
        finished = np.flatnonzero(terminated | truncated)
        final = {key: array[finished] for key, array in last.items()}
        self._episodes[finished] += 1
        self._steps[finished] = 0
        self._history.clear(finished)
        rewards = responses[:, :, 1].sum(axis=1).astype(np.float64)
        return SimulatorStep(
            self._observe(),
            responses,
            rewards,
            terminated,
            truncated,
            finished,
            final,
            np.zeros(self.n_users, np.int64),
        )

    def snapshot(self) -> object:
        raise NotImplementedError

    def restore(self, snapshot: Any) -> Observations:
        raise NotImplementedError

    def choice_probabilities(self, slates: Ints) -> Floats:
        raise NotImplementedError

    def expected_reward(self, slates: Ints) -> Floats:
        raise NotImplementedError

    def latent_state(self) -> dict[str, NDArray[Any]]:
        raise NotImplementedError

    def _draws(self, purpose: int) -> Floats:
        users = range(self.first_user, self.first_user + self.n_users)
        keys = [(self._seed, user, self._tick, purpose) for user in users]
        return np.stack([np.random.default_rng(key).random(N_ITEMS) for key in keys])

    def _draw_offer(self) -> None:
        draws = self._draws(purpose=2)
        self._candidates = np.argsort(draws, axis=1)[:, :4]
        topics = (draws[:, :4] * N_TOPICS).astype(int)
        self._features: Floats32 = np.eye(N_TOPICS, dtype=np.float32)[topics]

    def _topics(self, slates: Ints) -> Ints:
        if self.offer == "fresh":
            topics: Ints = np.argmax(self._features, axis=2)
            return np.take_along_axis(topics, slates, axis=1)
        return _catalogue().topics[self._items(slates)]

    def _items(self, slates: Ints) -> Ints:
        if self.offer == "candidates":
            return np.take_along_axis(self._candidates, slates, axis=1)
        return slates

    def _observe(self) -> dict[str, NDArray[Any]]:
        observations = self._history.observe()
        observations["context"] = self._steps[:, None].astype(np.float32)
        if self.offer == "candidates":
            observations["candidates"] = self._candidates.copy()
        if self.offer == "fresh":
            observations["candidate_features"] = self._features.copy()
        return observations


def _catalogue() -> Catalogue:
    topics = np.arange(N_ITEMS) % N_TOPICS
    return Catalogue(
        item_ids=np.arange(N_ITEMS) + 100,
        topics=topics,
        features=np.eye(N_TOPICS, dtype=np.float32)[topics],
        topic_names=("news", "sport", "music"),
    )


@pytest.fixture
def coin_users() -> Callable[..., CoinUsers]:
    return CoinUsers


@pytest.fixture
def catalogue() -> Catalogue:
    return _catalogue()
