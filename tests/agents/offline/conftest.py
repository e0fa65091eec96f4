"""Logs that the tests of agents which learn from logs share."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from rlrec.agents import RandomPolicy
from rlrec.data import InteractionLog
from rlrec.envs import UserSimulator
from rlrec.slates import plackett_luce_log_probs, sample_plackett_luce
from tests.agents.test_known_answers import MAX_STEPS, SLATE_SIZE, moods, two_tastes

MakeUsers = Callable[..., UserSimulator]


@pytest.fixture(scope="session")
def tastes_log() -> InteractionLog:
    users = UserSimulator(two_tastes(), 100)
    return InteractionLog.record(RandomPolicy(2, 1), users, 4_000, seed=1)


@pytest.fixture(scope="session")
def mood_log() -> InteractionLog:
    users = UserSimulator(moods(MAX_STEPS), 200)
    return InteractionLog.record(RandomPolicy(3, SLATE_SIZE), users, 20_000, seed=1)


class Biased:
    """Mostly shows items 3, 4 and 5."""

    logits = np.where(np.isin(np.arange(12), (3, 4, 5)), 4.0, 0.0)

    def act(self, observations: Any, rng: np.random.Generator, deterministic: bool = False) -> Any:
        n = len(observations["last_slate"])
        return sample_plackett_luce(np.tile(self.logits, (n, 1)), 3, rng)

    def log_probs(self, observations: Any, slates: Any) -> Any:
        return plackett_luce_log_probs(np.tile(self.logits, (len(slates), 1)), slates)


@pytest.fixture(scope="session")
def biased_log(make_users: MakeUsers) -> InteractionLog:
    return InteractionLog.record(Biased(), make_users(100), 3_000, seed=1)
