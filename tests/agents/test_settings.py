"""Settings of agents are refused by one kind of error, which names the setting."""

from dataclasses import fields
from typing import Any

import numpy as np
import pytest

from rlrec.agents.menu import agent_class, agent_names
from rlrec.errors import ConfigError

CONFIGS = [agent_class(name).config_class for name in agent_names()]


@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: config.__name__)
def test_every_number_and_word_has_a_rule(config: Any) -> None:
    """A setting without one would take anything."""
    ruled = {name for rule in config.rules for name in rule.names.split()} | set(config.choices)
    for field in fields(config):
        if isinstance(field.default, (bool, tuple)):
            continue
        assert field.name in ruled, f"{field.name} of {config.__name__} has no rule"
    assert ruled <= {field.name for field in fields(config)}


@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: config.__name__)
@pytest.mark.parametrize("value", [np.nan, "3", None, True, -2.5])
def test_what_no_number_may_be_is_refused(config: Any, value: Any) -> None:
    agent = config.__name__.removesuffix("Config")
    for rule in config.rules:
        for name in rule.names.split():
            if value == -2.5 and name == "target_entropy":  # may be anything finite
                continue
            with pytest.raises(ConfigError, match=f"^{name} of {agent} must "):
                config(**{name: value})


@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: config.__name__)
def test_words_that_are_no_choice_are_refused(config: Any) -> None:
    agent = config.__name__.removesuffix("Config")
    for name in config.choices:
        with pytest.raises(ConfigError, match=f"^{name} of {agent} must be one of .*, got 'no'"):
            config(**{name: "no"})


@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: config.__name__)
def test_what_is_on_or_off_is_true_or_false(config: Any) -> None:
    for field in fields(config):
        if isinstance(field.default, bool):
            with pytest.raises(ConfigError, match=f"^{field.name} of .* must be True or False"):
                config(**{field.name: "no"})


@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: config.__name__)
def test_a_whole_number_is_no_fraction_even_where_it_equals_one(config: Any) -> None:
    for rule in config.rules:
        if "whole number" in rule.words:
            for name in rule.names.split():
                with pytest.raises(ConfigError, match=f"^{name} of .* must be a whole number"):
                    config(**{name: 16.0})
