"""User return: what is seen and stated, and that clicking well is not keeping users."""

import json
import math
from typing import Any, NamedTuple

import numpy as np
import pytest

from rlrec.arrays import Floats, Ints, Observations
from rlrec.envs import MyopicOracle, UserSimulator, make_simulator
from rlrec.errors import ConfigError, UnknownNameError
from rlrec.policy import RandomPolicy
from rlrec.slates import SlateDraw, top_slates

ENV_ID = "rlrec/UserReturn-v0"


class Lives(NamedTuple):
    """First episodes of many users; arrays have shape (n_users,)."""

    returns: Floats
    lengths: Floats
    visits: Floats
    churned: Floats


class LowClickbait:
    """Shows the items of the topics most clicked, of little clickbait; sees only what is open."""

    def __init__(self, topics: Ints, clickbait: Floats, slate_size: int) -> None:
        self._topics = topics
        self._clickbait = clickbait
        self._slate_size = slate_size

    def act(
        self, observations: Observations, rng: np.random.Generator, deterministic: bool = False
    ) -> SlateDraw:
        clicks = observations["topic_counts"][:, :-1] + 1.0
        liked = np.log(clicks / clicks.sum(axis=1, keepdims=True))
        scores = liked[:, self._topics] - 3.0 * self._clickbait
        slates = top_slates(scores.astype(np.float64), self._slate_size)
        return SlateDraw(slates, np.zeros(slates.shape))


def low_clickbait(simulator: UserSimulator) -> LowClickbait:
    assert simulator.catalogue is not None
    clickbait = simulator.catalogue.features[:, -1].astype(np.float64)
    return LowClickbait(simulator.catalogue.topics, clickbait, simulator.slate_size)


def lives(policy: Any, simulator: UserSimulator, seed: int = 5) -> Lives:
    observations = simulator.reset(seed)
    bound = policy.bind(simulator) if hasattr(policy, "bind") else policy
    rng = np.random.default_rng(seed)
    totals, running = np.zeros((4, simulator.n_users)), np.ones(simulator.n_users, bool)
    while running.any():
        visit = simulator.latent_state()["visit"]
        step = simulator.step(bound.act(observations, rng).slates)
        totals[:2] += np.where(running, [step.rewards, np.ones(len(visit))], 0.0)
        totals[2][running] = visit[running]
        totals[3] += running & step.terminated
        running &= ~(step.terminated | step.truncated)
        observations = step.observations
    return Lives(*totals)


@pytest.fixture(scope="module")
def policies() -> dict[str, Any]:
    simulator = make_simulator(ENV_ID, 1)
    return {
        "random": RandomPolicy(simulator.n_choices, simulator.slate_size),
        "myopic": MyopicOracle(),
        "low clickbait": low_clickbait(simulator),
        "reference": simulator.planning_reference(300, 0),
    }


@pytest.fixture(scope="module")
def outcomes(policies: dict[str, Any]) -> dict[str, Lives]:
    """Return the first episodes of the same 1,000 users with each policy."""
    return {name: lives(policy, make_simulator(ENV_ID, 1000)) for name, policy in policies.items()}


def difference_in_errors(one: Floats, other: Floats) -> float:
    """Return by how many standard errors of the paired difference `one` is above `other`."""
    difference = one - other
    return float(difference.mean() / (difference.std(ddof=1) / math.sqrt(difference.size)))


@pytest.mark.slow
def test_random_slates_give_visits_of_several_steps_and_several_visits(
    outcomes: dict[str, Lives],
) -> None:
    chance = outcomes["random"]
    assert 6 < chance.lengths.sum() / chance.visits.sum() < 12
    assert 5 < chance.visits.mean() < 10
    assert chance.churned.mean() > 0.9


@pytest.mark.slow
def test_seeking_clicks_scores_below_30_percent_and_avoiding_clickbait_well_above(
    outcomes: dict[str, Lives],
) -> None:
    floor, top = outcomes["random"].returns.mean(), outcomes["reference"].returns.mean()
    scores = {
        name: (life.returns.mean() - floor) / (top - floor) for name, life in outcomes.items()
    }
    # One standard error of a score of 1,000 users is about 0.03.
    assert scores["myopic"] < 0.1
    assert 0.2 < scores["low clickbait"] < 0.6


@pytest.mark.slow
@pytest.mark.parametrize("name", ["random", "myopic", "low clickbait"])
def test_the_reference_beats_all_others_by_far(outcomes: dict[str, Lives], name: str) -> None:
    planned = outcomes["reference"].returns
    assert difference_in_errors(planned, outcomes[name].returns) > 15


def test_seeking_clicks_gets_more_clicks_at_first_and_loses_users_sooner() -> None:
    simulator = make_simulator(ENV_ID, 400, max_steps=80)
    myopic, careful = lives(MyopicOracle(), simulator), lives(low_clickbait(simulator), simulator)
    # The same 400 users: 5 standard errors of the difference.
    assert difference_in_errors(careful.lengths, myopic.lengths) > 5
    rates = [life.returns.sum() / life.lengths.sum() for life in (myopic, careful)]
    assert rates[0] > 1.2 * rates[1]


def test_users_satisfied_by_nature_come_back_sooner_and_stay_longer() -> None:
    policy = RandomPolicy(200, 5)
    low, high = (
        lives(
            policy,
            make_simulator(ENV_ID, 400, satisfaction={"sensitivity": 0.0, "set_point": set_point}),
        )
        for set_point in (-2.0, 2.0)
    )
    # The same 400 users: 5 standard errors of the difference.
    assert difference_in_errors(high.lengths, low.lengths) > 5
    assert difference_in_errors(high.visits, low.visits) > 5


def test_the_hidden_state_is_told_on_request_only() -> None:
    simulator = make_simulator(ENV_ID, 20)
    observations = simulator.reset(1)
    assert set(observations) == {
        "context",
        "history_items",
        "history_responses",
        "last_slate",
        "last_response",
        "topic_counts",
    }
    state = simulator.latent_state()
    assert {"satisfaction", "fatigue", "visit", "gap_hours"} <= state.keys()
    hidden = {"satisfaction", "fatigue", "mood", "tastes", "sensitivity", "base_gap_hours"}
    open_state = simulator.problem.users.open_state  # type: ignore[attr-defined]
    assert not hidden & set(open_state)


def test_context_tells_the_true_visit_step_and_gap() -> None:
    simulator = make_simulator(ENV_ID, 200)
    simulator.reset(2)
    rng = np.random.default_rng(0)
    for _ in range(30):
        context = simulator.step(rng.integers(200, size=(200, 5))).observations["context"]
        state = simulator.latent_state()
        told = np.column_stack([np.log1p(state["gap_hours"]), state["visit_steps"], state["visit"]])
        np.testing.assert_array_equal(context[:, -3:], told.astype(np.float32))
    assert state["visit"].max() > 2 and (state["gap_hours"] > 0).any()


def test_clickbait_and_topic_are_open_and_quality_falls_with_clickbait() -> None:
    simulator = make_simulator(ENV_ID, 1, n_items=2000)
    simulator.reset(0)
    assert simulator.catalogue is not None
    features = simulator.catalogue.features
    np.testing.assert_array_equal(features[:, :-1].argmax(axis=1), simulator.catalogue.topics)
    clickbait, quality = features[:, -1], simulator.outlook().quality[0]
    rest = quality - (1.0 - 2.0 * clickbait)
    # 2,000 items: 5 standard errors of the mean and of the deviation
    assert abs(rest.mean()) < 5 * 0.2 / math.sqrt(2000)
    assert abs(rest.std() - 0.2) < 5 * 0.2 / math.sqrt(4000)
    assert clickbait.min() >= 0 and clickbait.max() <= 1


def test_arguments_are_json_and_make_the_same_users_again() -> None:
    simulator = make_simulator(
        ENV_ID,
        10,
        satisfaction={"sensitivity": {"uniform": [0.1, 0.5]}, "memory": 0.8},
        patience={"base": None},
        returning={"tolerance_hours": None, "distribution": "weibull"},
        context={"device_shares": [0.2, 0.3, 0.5]},
        reward_weights=[1, 0, 2, -1],
    )
    arguments = json.loads(json.dumps(simulator.arguments, allow_nan=False))
    again = make_simulator(ENV_ID, 10, **arguments)
    assert again.arguments == simulator.arguments
    assert again.card() == simulator.card()
    for users in (simulator, again):
        users.reset(3)
    slates = np.random.default_rng(0).integers(200, size=(40, 10, 5))
    for shown in slates:
        np.testing.assert_array_equal(simulator.step(shown).rewards, again.step(shown).rewards)
    for name, array in simulator.latent_state().items():
        np.testing.assert_array_equal(again.latent_state()[name], array)


def test_with_everything_off_nobody_moves_or_leaves() -> None:
    simulator = make_simulator(
        ENV_ID,
        30,
        satisfaction={"sensitivity": 0.0, "set_point": 0.0},
        patience={"base": None},
        returning={"tolerance_hours": None},
        context={"hour_strength": 0.0, "device_strength": 0.0},
        clickbait_appeal=0.0,
        max_steps=50,
    )
    life = lives(RandomPolicy(200, 5), simulator)
    np.testing.assert_array_equal(life.lengths, 50)
    np.testing.assert_array_equal(life.visits, 1)
    scores = simulator.outlook().scores
    assert simulator.catalogue is not None
    np.testing.assert_array_equal(
        scores, simulator.latent_state()["tastes"][:, simulator.catalogue.topics]
    )


def test_the_card_lists_every_parameter_of_the_blocks() -> None:
    simulator = make_simulator(ENV_ID, 1)
    text = " ".join(f"{line.name} {line.value}" for line in simulator.card())
    for block in ("satisfaction", "patience", "returning", "context"):
        for parameter in simulator.arguments[block]:
            assert parameter in text
    assert {line.status for line in simulator.card()} == {"assumed"}


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"n_topics": 0}, ConfigError, "n_topics"),
        ({"clickbait_appeal": -1.0}, ConfigError, "clickbait_appeal"),
        ({"quality_sd": float("nan")}, ConfigError, "quality_sd"),
        ({"interest_drift": 2.0}, ConfigError, "interest_drift must lie"),
        ({"choice": "logistic"}, UnknownNameError, "logit"),
        ({"reward_weights": [1.0]}, ConfigError, "four finite numbers"),
        ({"satisfaction": {"memry": 0.5}}, UnknownNameError, "memory"),
        ({"satisfaction": {"memory": 2}}, ConfigError, "memory"),
        ({"patience": 3}, ConfigError, "patience"),
        ({"patience": {"step_cost": None}}, ConfigError, "step_cost"),
        ({"returning": {"distribution": "normal"}}, UnknownNameError, "log-normal"),
        ({"returning": {"base_gap_hours": {"cauchy": 1}}}, UnknownNameError, "cauchy"),
        ({"context": {"device_stay": 7}}, ConfigError, "device_stay"),
    ],
)
def test_wrong_arguments_are_refused(
    arguments: dict[str, Any], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        make_simulator(ENV_ID, 1, **arguments)
