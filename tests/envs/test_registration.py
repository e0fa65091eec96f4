"""Environments by name, and what is said to wrong names and arguments."""

import json
from functools import partial
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from rlrec.envs import describe_environments, make_simulator, make_users
from rlrec.errors import ConfigError, UnknownNameError

ENV_ID = "rlrec/InterestEvolution-v0"


def test_every_environment_is_described() -> None:
    entries = {entry.env_id: entry for entry in describe_environments()}
    assert ENV_ID in entries and list(entries) == sorted(entries)
    for entry in entries.values():
        assert entry.title and entry.floor and entry.reference
        assert entry.factory.__doc__ is not None
        for heading in ("Observation:", "Action:", "Reward:", "Episode end:", "Version history:"):
            assert heading in entry.factory.__doc__


def test_the_arguments_of_an_environment_are_told_with_their_defaults() -> None:
    entry = next(entry for entry in describe_environments() if entry.env_id == ENV_ID)
    assert entry.arguments["n_items"] is None
    assert entry.arguments["history_length"] == 20
    assert "n_users" not in entry.arguments


def test_every_environment_is_known_to_gymnasium() -> None:
    assert {entry.env_id for entry in describe_environments()} <= set(gym.registry)


@pytest.mark.parametrize("make", [gym.make, partial(gym.make_vec, num_envs=2)])
def test_the_spec_of_an_environment_goes_through_json(make: Any) -> None:
    spec = make(ENV_ID, n_items=20, slate_size=2).spec
    again = gym.envs.registration.EnvSpec.from_json(spec.to_json())
    assert make(again).unwrapped.simulator.arguments["n_items"] == 20


def test_an_unknown_environment_gives_the_nearest_name() -> None:
    with pytest.raises(UnknownNameError, match=f"Did you mean '{ENV_ID}'"):
        make_simulator("rlrec/InterestEvolutoin-v0", 2)


def test_an_unknown_argument_gives_the_nearest_name() -> None:
    with pytest.raises(UnknownNameError, match=r"no argument 'n_item'\. Did you mean 'n_items'"):
        make_simulator(ENV_ID, 2, n_item=100)


def test_an_argument_like_no_other_gives_all_names() -> None:
    with pytest.raises(UnknownNameError, match=r"Known: .*'catalogue_seed'"):
        make_simulator(ENV_ID, 2, zzz=1)


def test_sb3_users_refuse_unknown_arguments_too() -> None:
    with pytest.raises(UnknownNameError, match="'slate_size'"):
        make_users(ENV_ID, 2, slatesize=2)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"n_items": 0}, "n_items must be a whole number of 1 or more, got 0"),
        ({"n_items": 2.5}, "n_items must be a whole number of 1 or more, got 2.5"),
        ({"n_items": "60"}, "n_items must be a whole number of 1 or more, got '60'"),
        ({"n_items": True}, "n_items must be a whole number of 1 or more, got True"),
        ({"n_candidates": -1}, "n_candidates must be a whole number of 1 or more, got -1"),
        ({"slate_size": 0}, r"slate_size must be a whole number in 1\.\.10, got 0"),
        ({"slate_size": 11}, r"slate_size must be a whole number in 1\.\.10, got 11"),
        ({"n_items": 5, "slate_size": 6}, r"slate_size must be a whole number in 1\.\.5, got 6"),
        ({"history_length": 0}, "history_length must be a whole number of 1 or more, got 0"),
        ({"max_steps": 0}, "max_steps must be a whole number of 1 or more, got 0"),
        ({"max_steps": 1.5}, "max_steps must be a whole number of 1 or more, got 1.5"),
        ({"catalogue_seed": -1}, "catalogue_seed must be a whole number of 0 or more, got -1"),
    ],
)
def test_arguments_out_of_range_are_refused(arguments: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        make_simulator(ENV_ID, 2, **arguments)


@pytest.mark.parametrize("n_users", [0, -3, 1.5, "2"])
def test_a_wrong_number_of_users_is_refused(n_users: Any) -> None:
    with pytest.raises(ConfigError, match=f"n_users must be .*, got {n_users!r}"):
        make_simulator(ENV_ID, n_users)


def test_a_negative_first_user_is_refused() -> None:
    with pytest.raises(ConfigError, match="first_user must be a whole number of 0 or more, got -1"):
        make_simulator(ENV_ID, 2, -1)


@pytest.mark.parametrize("seed", [-1, 0.5, None])
def test_a_wrong_seed_is_refused(seed: Any) -> None:
    with pytest.raises(ConfigError, match=f"seed must be a whole number of 0 or more, got {seed}"):
        make_simulator(ENV_ID, 2).reset(seed)


def test_gymnasium_passes_errors_on() -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'n_items'"):
        gym.make(ENV_ID, n_item=100)


@pytest.mark.parametrize(
    ("env_id", "arguments"),
    [
        ("rlrec/InterestEvolution-v0", {"n_items": np.int64(30), "nothing_score": np.float32(1)}),
        (
            "rlrec/DriftingTastes-v0",
            {"drift_sd": np.float32(0.5), "conformity": (np.float64(0), 1)},
        ),
        ("rlrec/ComposedUsers-v0", {"blocks": {"satiation": {"strength": np.float32(0.5)}}}),
    ],
)
def test_numbers_of_numpy_are_written_as_plain_numbers(
    env_id: str, arguments: dict[str, Any]
) -> None:
    made = make_simulator(env_id, 2, **arguments)
    again = make_simulator(env_id, 2, **json.loads(json.dumps(made.arguments)))
    assert again.arguments == made.arguments
