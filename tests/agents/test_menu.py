"""Agents are found by name, and loaded from folders that say which they are."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rlrec.agents import SlatePPO, SlatePPOConfig
from rlrec.agents.menu import agent_class, agent_names, agent_settings, load_agent
from rlrec.agents.slate_agent import SlateAgent
from rlrec.envs.sb3 import SlateVecEnv
from rlrec.errors import ConfigError, UnknownNameError

MakeUsers = Callable[..., Any]


def test_every_name_is_that_of_an_agent() -> None:
    assert {"SlateQ", "SlatePPO"} <= set(agent_names())
    for name in agent_names():
        assert issubclass(agent_class(name), SlateAgent) and agent_class(name).__name__ == name


def test_unknown_names_and_settings_are_refused_with_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'SlateQ'"):
        agent_class("SlatQ")
    with pytest.raises(ConfigError, match="SlatePPO has no setting 'clp'"):
        agent_settings("SlatePPO", {"clp": 1.0})
    assert agent_settings("SlatePPO", {"clip": 0.1}) == SlatePPOConfig(clip=0.1)


def test_a_folder_says_which_agent_it_holds(
    make_agent: Callable[..., Any], make_users: MakeUsers, tmp_path: Path
) -> None:
    users = make_users(16)
    on_policy = SlatePPO(SlateVecEnv(users, 0), SlatePPOConfig(hidden=8, item_size=4), seed=0)
    for agent in (make_agent(users), on_policy):
        agent.save(tmp_path / "agent")
        loaded = load_agent(tmp_path / "agent", SlateVecEnv(users, 0))
        assert type(loaded) is type(agent)
        seen = users.reset(1)
        np.testing.assert_array_equal(
            loaded.predict(seen, deterministic=True)[0], agent.predict(seen, deterministic=True)[0]
        )
