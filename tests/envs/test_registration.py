"""Environments by name, and what is said to wrong names and arguments."""

import json
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from rlrec.data import InteractionLog
from rlrec.envs import (
    EnvironmentEntry,
    UserSimulator,
    describe_environments,
    make_simulator,
    make_users,
    register,
    registration,
)
from rlrec.envs.presets import interest_evolution
from rlrec.errors import ConfigError, UnknownNameError
from rlrec.policy import RandomPolicy

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
        (
            ENV_ID,
            {"n_items": np.int64(30), "slate_size": np.uint8(3), "nothing_score": np.array(1)},
        ),
        ("rlrec/DriftingTastes-v0", {"drift_sd": np.array([0.1, 0.3]), "lifetime": np.float32(60)}),
        ("rlrec/DriftingTastes-v0", {"conformity": (np.float64(0), 1)}),
        ("rlrec/TopicBoredom-v0", {"slope": np.float32(3), "two_way": np.bool_(True)}),
        ("rlrec/UserReturn-v0", {"patience": {"tiring": {"uniform": np.array([1.0, 2.0])}}}),
        ("rlrec/ComposedUsers-v0", {"blocks": {"satiation": {"strength": np.float16(0.5)}}}),
    ],
)
def test_numbers_of_numpy_are_arguments_like_others(
    env_id: str, arguments: dict[str, Any], tmp_path: Path
) -> None:
    made = make_simulator(env_id, 2, **arguments)
    again = make_simulator(env_id, 2, **json.loads(json.dumps(made.arguments)))
    assert again.arguments == made.arguments
    random = RandomPolicy(made.n_choices, made.slate_size)
    log = InteractionLog.record(random, made, n_steps=4, path=tmp_path / "log")
    assert log.metadata.env_arguments == made.arguments


def test_presets_called_as_functions_write_numbers_of_numpy_as_plain_ones_too() -> None:
    made = interest_evolution(2, n_items=np.int64(50), nothing_score=np.float32(0.5))  # type: ignore[arg-type]
    assert json.loads(json.dumps(made.arguments))["nothing_score"] == 0.5
    assert type(made.arguments["n_items"]) is int


def test_arguments_that_cannot_stand_in_json_are_refused() -> None:
    problem = make_simulator(ENV_ID, 2).problem
    for value in (object(), float("nan")):
        with pytest.raises(ConfigError, match=r"must be ready for JSON.*'rate' is"):
            replace(problem, arguments={"rate": value})


def faulty(n_users: int, first_user: int = 0, *, rate: float) -> UserSimulator:
    raise TypeError("a mistake of the author")


@pytest.fixture
def faulty_id() -> Iterator[str]:
    register(entry_of("test/Faulty-v0"))
    yield "test/Faulty-v0"
    del registration._ENTRIES["test/Faulty-v0"], gym.registry["test/Faulty-v0"]


def entry_of(env_id: str) -> EnvironmentEntry:
    return EnvironmentEntry(env_id=env_id, factory=faulty, title="t", floor="0", reference="1")


def test_what_goes_wrong_inside_an_environment_is_not_taken_for_a_wrong_argument(
    faulty_id: str,
) -> None:
    with pytest.raises(TypeError, match=r"^a mistake of the author$"):
        make_simulator(faulty_id, 2, rate=0.5)


def test_an_argument_without_a_default_is_asked_for(faulty_id: str) -> None:
    with pytest.raises(ConfigError, match=r"cannot be made from {}: missing .*'rate'"):
        make_simulator(faulty_id, 2)


@pytest.mark.parametrize("env_id", [None, ["a"], 3])
def test_an_environment_is_asked_for_by_name(env_id: Any) -> None:
    with pytest.raises(ConfigError, match="env_id must be a name such as"):
        make_simulator(env_id, 2)


def test_gymnasium_makes_one_user_or_num_envs() -> None:
    with pytest.raises(ConfigError, match=r"n_users cannot be set here: gym.make makes one user"):
        gym.make(ENV_ID, n_users=3)
    with pytest.raises(ConfigError, match=r"n_users cannot be set here: say num_envs"):
        gym.make_vec(ENV_ID, num_envs=2, n_users=3)


@pytest.mark.parametrize(("name", "most"), [("n_users", 10**8), ("first_user", 2**42)])
def test_too_many_users_are_refused(name: str, most: int) -> None:
    with pytest.raises(ConfigError, match=f"{name} must be at most {most}, got {10**20}"):
        make_simulator(ENV_ID, **{"n_users": 1, name: 10**20})


@pytest.mark.parametrize("seed", [None, -1, True, "x"])
def test_users_for_sb3_refuse_a_wrong_seed_at_once(seed: Any) -> None:
    with pytest.raises(ConfigError, match="seed must be a whole number of 0 or more"):
        make_users(ENV_ID, 2, seed=seed)


def test_a_name_that_is_taken_is_not_registered_again_unless_asked_for(faulty_id: str) -> None:
    other = replace(entry_of(faulty_id), title="another")
    with pytest.raises(ConfigError, match=r"is called 'test/Faulty-v0' already: .*replace=True"):
        register(other)
    assert other not in describe_environments()
    register(other, replace=True)
    assert other in describe_environments()


def test_names_of_other_packages_are_taken_too() -> None:
    with pytest.raises(ConfigError, match="is called 'CartPole-v1' already"):
        register(entry_of("CartPole-v1"))
    assert gym.make("CartPole-v1").spec is not None


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ("x", "register takes an EnvironmentEntry, got 'x'"),
        (entry_of("no name"), "Gymnasium does not take the name 'no name'"),
    ],
)
def test_what_cannot_be_registered_is_refused(entry: Any, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        register(entry)
    assert entry not in describe_environments()


def test_what_an_argument_may_be_called_is_told() -> None:
    entries = {entry.env_id: entry for entry in describe_environments()}
    assert "TopK-Bored" in entries["rlrec/TopicBoredom-v0"].choices["preset"]
    assert "exponential" in entries[ENV_ID].choices["cascade_form"]
    assert "satiation" in entries["rlrec/ComposedUsers-v0"].choices["blocks"]
    for entry in entries.values():
        for name, known in entry.choices.items():
            assert name in entry.arguments
            assert f"{name}:" in str(entry.factory.__doc__)
            for choice in known:
                assert f'"{choice}"' in str(entry.factory.__doc__), (entry.env_id, choice)
