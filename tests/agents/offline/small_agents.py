"""Small agents that learn from logs first, for the tests of all of them."""

from typing import Any

import numpy as np
import torch

from rlrec.agents import SlateBC, SlateBCQ, SlateCQL, SlateIQL
from rlrec.agents.log_and_live import LogAndLiveAgent
from rlrec.envs import UserSimulator
from rlrec.envs.sb3 import SlateVecEnv
from tests.agents.test_known_answers import DISCOUNT, MAX_STEPS, moods, two_tastes

SMALL: dict[str, Any] = {
    "hidden": 16,
    "item_size": 4,
    "batch_size": 32,
    "buffer_size": 1600,
    "learning_starts": 100,
}
AGENTS: tuple[type[LogAndLiveAgent], ...] = (SlateBC, SlateBCQ, SlateCQL, SlateIQL)
LEARNERS = tuple(agent for agent in AGENTS if agent is not SlateBC)
TINY: dict[str, Any] = {
    "hidden": 16,
    "item_size": 4,
    "batch_size": 128,
    "discount": 0.9,
    "value_scale": 4.0,
    "learning_rate": 3e-3,
    "target_rate": 0.02,
}


def make(
    kind: type[LogAndLiveAgent], users: UserSimulator, seed: int = 0, **config: Any
) -> LogAndLiveAgent:
    """Return a small agent, with noise in its networks so that it tells items apart."""
    settings = kind.config_class(**{**SMALL, **config})
    agent = kind(SlateVecEnv(users, seed), settings, seed=seed)
    source = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in agent.policy.parameters():
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=source))
    return agent


def tiny(kind: type[LogAndLiveAgent], **config: Any) -> LogAndLiveAgent:
    users = SlateVecEnv(UserSimulator(two_tastes(), 50))
    return kind(users, kind.config_class(**{**TINY, **config}), seed=0)


def mood_agent(kind: type[LogAndLiveAgent], **config: Any) -> LogAndLiveAgent:
    settings = {
        "discount": DISCOUNT,
        "hidden": 32,
        "item_size": 8,
        "learning_rate": 3e-3,
        "batch_size": 128,
        "value_scale": 8.0,
        "target_rate": 0.05,
        **config,
    }
    users = SlateVecEnv(UserSimulator(moods(MAX_STEPS), 50))
    return kind(users, kind.config_class(**settings), seed=0)


def chance_of_the_liked(agent: LogAndLiveAgent) -> Any:
    """Return with what probability each of both tastes is shown what it likes."""
    both = {"user": np.eye(2, dtype=np.float32), "last_response": np.zeros((2, 1, 2), np.float32)}
    return np.exp(agent.log_probs(both, np.array([[0], [1]])))[:, 0]
