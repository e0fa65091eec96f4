"""Wrong arguments of every environment: they work, or one of our errors names the argument."""

import json
from typing import Any

import numpy as np
import pytest

from rlrec.envs import UserSimulator, describe_environments, make_simulator
from rlrec.envs.menus import BLOCKS, CHOICES, LEAVINGS, RESPONSES, TASTES
from rlrec.errors import ConfigError, RlrecError

DRIFTING, COMPOSED = "rlrec/DriftingTastes-v0", "rlrec/ComposedUsers-v0"
EVOLUTION, BOREDOM = "rlrec/InterestEvolution-v0", "rlrec/TopicBoredom-v0"
SMALL: dict[str, dict[str, Any]] = {
    DRIFTING: {"n_items": 30, "n_candidates": 8, "lifetime": 9.0, "max_steps": 5},
    BOREDOM: {"n_items": 30},
    "rlrec/UserReturn-v0": {"n_items": 30},
    COMPOSED: {"n_items": 30},
}
ARGUMENTS = [(entry.env_id, name) for entry in describe_environments() for name in entry.arguments]
NAN, INF = float("nan"), float("inf")
ODD: list[Any] = [
    *(None, True, False, "x", "", b"x", 1j, object(), NAN, INF, -INF),
    *(-1, -1.0, 0, 0.0, 1e-320, 3, 3.5, 1e6, 1e9, 1e308, 10**18, 10**30, -(10**30)),
    *([], [1], (0.5,), (0.5, 0.5), (-1, 2), (NAN, 0.5), (True, True), ("a", "b"), [[1, 2], [3]]),
    *({}, {"a": 1}, {"name": "x"}, {3: 1}, {"uniform": [0, 1]}, {"uniform": ["a", 1]}),
    *(np.array([0.1, 0.3]), np.array([["a"]]), np.array(None, dtype=object)),
]
OF_NUMPY: list[Any] = [
    *(np.int64(3), np.uint8(2), np.float32(0.5), np.float64(2), np.float16(1), np.bool_(True)),
    *(np.array(3), np.array([0.1, 0.3]), np.longdouble(0.5)),
]
CALLED_OTHERWISE = {
    "blocks": "block",
    "minimum_score": "nothing_score must be above minimum",
    "topic_qualities": "topic_shares must be one for each",
    "type_shares": "a row for each of 1 user types",
}


def lived_through(simulator: UserSimulator) -> UserSimulator:
    """Return the simulator after a few steps in which all that is told was finite."""
    simulator.reset(0)
    slates = np.tile(np.arange(simulator.slate_size), (2, 1))
    for _ in range(4):
        step = simulator.step(slates)
        for key, values in {**step.observations, "rewards": step.rewards}.items():
            assert np.isfinite(values).all(), key
        assert np.isfinite(simulator.choice_probabilities(slates)).all()
    return simulator


def outcome(env_id: str, name: str, value: Any) -> str | None:
    """Return what is said to a value of an argument, None where it works."""
    try:
        made = make_simulator(env_id, 2, **{**SMALL.get(env_id, {}), "slate_size": 2, name: value})
        lived_through(made)
    except RlrecError as error:
        return str(error)
    json.dumps(made.arguments, allow_nan=False)
    return None


@pytest.mark.parametrize(("env_id", "name"), ARGUMENTS)
def test_an_odd_value_works_or_the_error_names_the_argument(env_id: str, name: str) -> None:
    for value in ODD:
        said = outcome(env_id, name, value)
        named = said is None or name in said or CALLED_OTHERWISE.get(name, name) in said
        assert named, f"{name}={value!r}: {said}"
        assert said is None or "truth value of an array" not in said
        assert said is None or "could not convert" not in said


@pytest.mark.parametrize(("env_id", "name"), ARGUMENTS)
def test_a_value_of_numpy_is_treated_as_the_number_it_is(env_id: str, name: str) -> None:
    for value in OF_NUMPY:
        plain = value.tolist() if value.dtype != np.longdouble else float(value)
        assert outcome(env_id, name, value) == outcome(env_id, name, plain)


@pytest.mark.parametrize(("env_id", "name"), ARGUMENTS)
def test_booleans_are_no_numbers_and_numbers_and_words_no_booleans(env_id: str, name: str) -> None:
    default = made_by_default(env_id)[name]
    wrong: list[Any] = []
    if isinstance(default, bool):
        wrong = [0, 1, "false", "true", 1.0]
    elif isinstance(default, int | float):
        wrong = [True, False, "1", NAN, INF, 1j]
    for value in wrong:
        said = outcome(env_id, name, value)
        assert said is not None and repr(value) in said, (name, value, said)


def made_by_default(env_id: str) -> dict[str, Any]:
    return make_simulator(env_id, 1, **SMALL.get(env_id, {})).arguments


@pytest.mark.parametrize(
    ("env_id", "name"),
    [
        (EVOLUTION, "attention_prob"),
        (EVOLUTION, "score_scaling"),
        (EVOLUTION, "minimum_score"),
        (EVOLUTION, "n_candidates"),
        (EVOLUTION, "resample_documents"),
        (DRIFTING, "examination_decay"),
        (BOREDOM, "published_influence"),
    ],
)
def test_arguments_that_are_not_in_use_are_checked_too(env_id: str, name: str) -> None:
    unused: dict[str, Any] = {"choice": "logit", "n_items": 30} if env_id == EVOLUTION else {}
    for value in ("x", NAN):
        with pytest.raises(RlrecError, match=f"^{name} must .*got {value!r}"):
            make_simulator(env_id, 2, **{**unused, name: value})


@pytest.mark.parametrize("arguments", [{"lifetime": 1e6}, {"lifetime": None, "max_steps": 2**30}])
def test_a_calendar_that_memory_cannot_hold_is_refused(arguments: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=r"a calendar must have at most .*lifetime or max_steps"):
        make_simulator(DRIFTING, 2, **arguments)


def test_a_catalogue_that_memory_cannot_hold_is_refused() -> None:
    with pytest.raises(ConfigError, match="n_items times n_topics must be at most"):
        make_simulator(COMPOSED, 2, n_items=10**7, n_topics=10**4)


NEEDS: dict[str, dict[str, Any]] = {
    "watch_time": {"leaving": "time_budget"},
    "engagement": {"blocks": {"sensitisation": {}}, "quality": {"uniform": [0, 1]}},
    "patience": {"blocks": {"satisfaction": {}}},
    "influence": {"taste": "unit_vectors"},
    "mere_exposure": {"taste": "unit_vectors"},
    "biased_assimilation": {"taste": "unit_vectors"},
    "boredom": {"taste": "unit_vectors"},
    "sameness": {"choice": "position_based"},
}
MENUS = {"taste": TASTES, "choice": CHOICES, "response": RESPONSES, "leaving": LEAVINGS}
PARAMETERS = [
    (kind, name, parameter)
    for kind, menu in {**MENUS, "blocks": BLOCKS}.items()
    for name, part in menu.items()
    for parameter in part.parameters
]
OF_PRIORS: list[Any] = [
    *({"uniform": [1, 0]}, {"uniform": [NAN, 1]}, {"uniform": 3}, {"unifrom": [0, 1]}),
    *({"normal": [0, -1]}, {"normal": [0, INF]}, {"log_normal": [1, 1e6]}, {"fixed": INF}),
    {"log_normal": [1, 5]},
]


@pytest.mark.parametrize(("kind", "part", "parameter"), PARAMETERS)
def test_an_odd_parameter_of_a_part_works_or_the_error_names_it(
    kind: str, part: str, parameter: str
) -> None:
    needs = NEEDS.get(part, {})
    for value in [*ODD, *OF_NUMPY, *OF_PRIORS]:
        chosen: dict[str, Any] = {parameter: value}
        if kind == "blocks":
            arguments = {**needs, "blocks": {part: chosen}}
        else:
            arguments = {**needs, kind: {"name": part, **chosen}}
        try:
            made = make_simulator(COMPOSED, 2, n_items=30, slate_size=2, **arguments)
            lived_through(made)
            json.dumps(made.arguments, allow_nan=False)
        except RlrecError as error:
            assert parameter in str(error), f"{parameter}={value!r}: {error}"
