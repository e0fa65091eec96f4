"""Trained agents by name, for configurations and saved folders."""

from dataclasses import fields
from pathlib import Path
from typing import Any

import rlrec.agents
from rlrec.agents.slate_agent import SlateAgent
from rlrec.baselines.model_folder import read_model
from rlrec.errors import ConfigError, UnknownNameError, nearest_hint

AgentClass = type[Any]
"""A `SlateAgent` mixed into an algorithm of stable-baselines3."""


def agent_names() -> tuple[str, ...]:
    """Return the names of all agents, sorted."""
    public = (getattr(rlrec.agents, name) for name in rlrec.agents.__all__)
    return tuple(
        sorted(
            found.__name__
            for found in public
            if isinstance(found, type) and issubclass(found, SlateAgent)
        )
    )


def agent_class(name: str) -> AgentClass:
    """Return the agent of a name.

    Raises:
        UnknownNameError: There is none.
    """
    if name not in agent_names():
        hint = nearest_hint(name, agent_names())
        raise UnknownNameError(f"there is no agent {name!r}.{hint} Agents: {agent_names()}")
    found: AgentClass = getattr(rlrec.agents, name)
    return found


def agent_settings(name: str, settings: dict[str, Any]) -> Any:
    """Return the settings of an agent, checked.

    Args:
        name: Of the agent.
        settings: Those that differ from the defaults.

    Raises:
        UnknownNameError: There is no such agent.
        ConfigError: A setting is not known, or out of range.
    """
    config_class = agent_class(name).config_class
    known = [field.name for field in fields(config_class)]
    for setting in settings:
        if setting not in known:
            hint = nearest_hint(setting, known)
            raise ConfigError(f"agent.settings: {name} has no setting {setting!r}.{hint}")
    try:
        return config_class(**settings)
    except TypeError as error:
        raise ConfigError(f"agent.settings: {error}") from None


def load_agent(path: str | Path, env: Any) -> Any:
    """Return the agent saved in a folder, whichever it is.

    Args:
        path: The folder.
        env: Users like those it was made for.

    Raises:
        ModelFileError: The files are missing, damaged, foreign or of another version, or `env`
            offers or observes something else.
        UnknownNameError: This release does not know the agent.
    """
    return agent_class(read_model(path, "agent").model).load(path, env)
