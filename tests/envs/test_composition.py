"""Parts from a configuration: defaults written out, priors, and what is said to wrong ones."""

from typing import Any

import pytest

from rlrec.envs.blocks import CascadeChoice, LogitChoice, Satiation
from rlrec.envs.blocks.priors import Fixed, LogNormal, Normal, Uniform
from rlrec.envs.composition import build, build_part, read_prior
from rlrec.envs.menus import BLOCKS, CHOICES, LEAVINGS
from rlrec.errors import ConfigError, UnknownNameError

TOPICS = {"n_topics": 3}


def test_a_name_alone_takes_all_defaults() -> None:
    built = build("choice", "logit", CHOICES)
    assert isinstance(built.part, LogitChoice)
    assert built.settings == {"name": "logit", "nothing_score": 0.0, "temperature": 1.0}


def test_parameters_reach_the_part_and_its_parts() -> None:
    spec = {"name": "cascade", "attention": 0.5, "attraction": {"name": "logistic", "slope": 3}}
    choice = build("choice", spec, CHOICES).part
    assert isinstance(choice, CascadeChoice) and choice.attention == 0.5
    assert choice.attraction.slope == 3.0  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", CHOICES)
def test_the_settings_of_every_choice_make_it_again(name: str) -> None:
    settings = build("choice", name, CHOICES).settings
    assert build("choice", settings, CHOICES).settings == settings


def test_the_settings_of_a_block_make_it_again() -> None:
    settings = build_part("satiation", {}, BLOCKS["satiation"], TOPICS).settings
    assert build_part("satiation", settings, BLOCKS["satiation"], TOPICS).settings == settings
    assert "n_topics" not in settings


def test_the_only_part_of_a_menu_need_not_be_named() -> None:
    menu = {"satiation": BLOCKS["satiation"]}
    built = build("effect", {"memory": 0.5}, menu, TOPICS)
    assert built.settings["name"] == "satiation" and built.settings["memory"] == 0.5


def test_null_may_be_written_where_a_part_takes_it() -> None:
    assert build("leaving", {"name": "patience", "base": None}, LEAVINGS).part.base is None
    with pytest.raises(
        ConfigError, match="relief of leaving 'patience' must be a number, got None"
    ):
        build("leaving", {"name": "patience", "relief": None}, LEAVINGS)


def test_the_environment_sets_what_is_given_and_a_configuration_may_not() -> None:
    assert build_part("satiation", {}, BLOCKS["satiation"], TOPICS).part.n_topics == 3
    with pytest.raises(UnknownNameError, match="no parameter 'n_topics'"):
        build_part("satiation", {"n_topics": 4}, BLOCKS["satiation"], TOPICS)


def test_priors_may_be_written_for_parameters_that_take_them() -> None:
    settings = {"strength": {"uniform": [0, 1]}, "memory": 0.5}
    built = build_part("satiation", settings, BLOCKS["satiation"], TOPICS)
    assert isinstance(built.part, Satiation)
    assert built.part.strength == Uniform(0.0, 1.0) and built.part.memory == Fixed(0.5)
    assert built.settings["strength"] == {"uniform": [0, 1]}
    assert "strength uniform(0, 1), memory 0.5" in built.described


@pytest.mark.parametrize(
    ("written", "prior"),
    [
        (2, Fixed(2.0)),
        ({"fixed": 0.5}, Fixed(0.5)),
        ({"uniform": [0, 1]}, Uniform(0.0, 1.0)),
        ({"normal": [0, 2.5]}, Normal(0.0, 2.5)),
        ({"log_normal": (1, 0.5)}, LogNormal(1.0, 0.5)),
    ],
)
def test_priors_are_read_as_written(written: Any, prior: Any) -> None:
    assert read_prior("rate", written) == prior


@pytest.mark.parametrize(
    ("written", "error", "words"),
    [
        ({"unifrom": [0, 1]}, UnknownNameError, "no prior is called 'unifrom'.*'uniform'"),
        ({"uniform": [0]}, ConfigError, r"rate: 'uniform' takes \['low', 'high'\], all numbers"),
        ({"uniform": [0, "1"]}, ConfigError, "'uniform' takes .*, got .0, '1'."),
        ({"uniform": [2, 1]}, ConfigError, "rate: low must be finite and at most high"),
        ({"uniform": [0, 1], "normal": [0, 1]}, ConfigError, "rate must be a number or a prior"),
        ("high", ConfigError, "rate must be a number or a prior .*, got 'high'"),
        (True, ConfigError, "rate must be a number or a prior .*, got True"),
        (None, ConfigError, "rate must be a number or a prior .*, got None"),
    ],
)
def test_wrong_priors_are_refused(written: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        read_prior("rate", written)


@pytest.mark.parametrize(
    ("spec", "error", "words"),
    [
        ("cascad", UnknownNameError, r"no choice is called 'cascad'\. Did you mean 'cascade'"),
        ("zzz", UnknownNameError, "no choice is called 'zzz'. Known: .*'logit'"),
        ({"name": "logit", "temprature": 2}, UnknownNameError, "Did you mean 'temperature'"),
        ({"temperature": 2}, ConfigError, "choice must be a name, or a mapping"),
        (3, ConfigError, "choice must be a name, or a mapping .*, got 3"),
        ({"name": "logit", "temperature": 0}, ConfigError, "choice 'logit': temperature must be"),
        ({"name": "logit", "temperature": "1"}, ConfigError, "temperature of choice 'logit' must"),
        ({"name": "logit", "temperature": True}, ConfigError, "must be a number, got True"),
        (
            {"name": "position_based", "two_way": 1},
            ConfigError,
            "two_way of choice 'position_based' must be true or false, got 1",
        ),
        (
            {"name": "cascade", "attraction": "logistc"},
            UnknownNameError,
            "no attraction is called 'logistc'. Did you mean 'logistic'",
        ),
        (
            {"name": "cascade", "attraction": {"name": "logistic", "slope": -1}},
            ConfigError,
            "attraction 'logistic': slope of attraction must be above 0",
        ),
    ],
)
def test_wrong_parts_are_refused(spec: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        build("choice", spec, CHOICES)


@pytest.mark.parametrize("settings", [3, [1.0], "strong", True])
def test_parameters_must_be_a_mapping(settings: Any) -> None:
    with pytest.raises(ConfigError, match="block 'satiation' must be a mapping of parameters"):
        build_part("block 'satiation'", settings, BLOCKS["satiation"], TOPICS)
