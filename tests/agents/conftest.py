"""Small users, small agents and small logs that the tests of agents share."""

from collections.abc import Callable
from typing import Any

import pytest
import torch

from rlrec.agents import RandomPolicy, SlateQ, SlateQConfig
from rlrec.data import InteractionLog
from rlrec.envs import UserSimulator, make_simulator
from rlrec.envs.sb3 import SlateVecEnv

ENV_ID = "rlrec/InterestEvolution-v0"
CATALOGUE_WORLD: dict[str, Any] = {"n_items": 12, "slate_size": 3, "history_length": 5}
FRESH_WORLD: dict[str, Any] = {"n_candidates": 6, "slate_size": 2}

MakeUsers = Callable[..., UserSimulator]
MakeAgent = Callable[..., SlateQ]


@pytest.fixture(scope="session")
def make_users() -> MakeUsers:
    """Return a maker of users: with a catalogue of 12 items, or fresh documents."""

    def make(n_users: int = 16, fresh: bool = False, **arguments: Any) -> UserSimulator:
        world = FRESH_WORLD if fresh else CATALOGUE_WORLD
        return make_simulator(ENV_ID, n_users, **{**world, **arguments})

    return make


@pytest.fixture(scope="session")
def make_agent(make_users: MakeUsers) -> MakeAgent:
    """Return a maker of agents of a few neurons, not trained; `config` changes settings."""

    def make(
        users: UserSimulator | None = None, seed: int = 0, fresh: bool = False, **config: Any
    ) -> SlateQ:
        settings: dict[str, Any] = {
            "hidden": 16,
            "item_size": 4,
            "batch_size": 32,
            "buffer_size": 1600,
            "learning_starts": 100,
            **config,
        }
        users = users or make_users(fresh=fresh)
        agent = SlateQ(SlateVecEnv(users, seed), SlateQConfig(**settings), seed=seed)
        return _shaken(agent, seed)

    return make


@pytest.fixture(scope="session")
def log(make_users: MakeUsers) -> InteractionLog:
    """Return a log of random slates from the catalogue."""
    return InteractionLog.record(RandomPolicy(12, 3), make_users(100), 3000, seed=1)


@pytest.fixture(scope="session")
def fresh_log(make_users: MakeUsers) -> InteractionLog:
    """Return a log of random slates of fresh documents."""
    return InteractionLog.record(RandomPolicy(6, 2), make_users(100, fresh=True), 3000, seed=1)


def _shaken(agent: SlateQ, seed: int) -> SlateQ:
    """Return the agent with noise in all parameters, so that it tells items apart untrained."""
    source, policy = torch.Generator().manual_seed(seed), agent.policy
    with torch.no_grad():
        for parameter in (*policy.values.parameters(), *policy.choice.parameters()):
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=source))
    policy.target.load_state_dict(policy.values.state_dict())
    return agent
