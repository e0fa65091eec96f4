"""Planning with boredom: slates that are sound, prices that matter, users it refuses."""

from typing import Any

import numpy as np
import pytest

from rlrec.arrays import Ints
from rlrec.envs import MyopicOracle, UserSimulator, make_simulator
from rlrec.envs.planning import BoredomPlanner, CappedTopics
from rlrec.errors import ConfigError

ENV_ID = "rlrec/TopicBoredom-v0"


def act(policy: Any, simulator: UserSimulator) -> Ints:
    slates: Ints = policy.bind(simulator).act({}, np.random.default_rng(0)).slates
    return slates


def played(policy: Any, n_users: int = 50, n_played: int = 8, **arguments: Any) -> UserSimulator:
    """Return a simulator in which a policy has played some steps."""
    simulator = make_simulator(ENV_ID, n_users, **arguments)
    simulator.reset(3)
    bound = policy.bind(simulator)
    for _ in range(n_played):
        simulator.step(bound.act({}, np.random.default_rng(0)).slates)
    return simulator


@pytest.mark.parametrize("policy", [BoredomPlanner(), CappedTopics()])
@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"preset": "Rerank-Bored"},
        {"preset": "SingleItem-BoredInf"},
        {"n_items": 12, "two_way": True, "decay": 0.0},
    ],
    ids=str,
)
def test_slates_have_no_repeats(policy: Any, arguments: dict[str, Any]) -> None:
    simulator = played(policy, n_played=4, **arguments)
    slates = np.sort(act(policy, simulator), axis=1)
    assert (slates[:, 1:] != slates[:, :-1]).all()
    assert slates.min() >= 0 and slates.max() < simulator.n_choices


@pytest.mark.parametrize("counted", ["last_10", "window"])
def test_who_is_served_at_most_four_items_of_a_topic_is_never_bored(counted: str) -> None:
    simulator = make_simulator(ENV_ID, 50, counted=counted)
    simulator.reset(0)
    capped = CappedTopics(4).bind(simulator)
    for _ in range(40):
        simulator.step(capped.act({}, np.random.default_rng(0)).slates)
        assert not simulator.latent_state()["spoiled_until"].any()


def test_without_price_and_crowding_planning_is_myopia() -> None:
    simulator = played(BoredomPlanner(0.0, 0.0))
    planned = simulator.expected_reward(act(BoredomPlanner(0.0, 0.0), simulator))
    myopic = simulator.expected_reward(act(MyopicOracle(), simulator))
    np.testing.assert_allclose(planned, myopic, rtol=1e-12)


@pytest.mark.parametrize("penalty", [1.1, 10.0])
def test_without_price_planning_knows_what_too_much_of_the_same_costs(penalty: float) -> None:
    arguments: dict[str, Any] = {"n_items": 60, "n_topics": 4, "diversity_penalty": penalty}
    simulator = played(BoredomPlanner(0.0, 0.0), **arguments, slope=10.0)
    planned = simulator.expected_reward(act(BoredomPlanner(0.0, 0.0), simulator))
    myopic = simulator.expected_reward(act(MyopicOracle(), simulator))
    np.testing.assert_allclose(planned, myopic, rtol=1e-12)


def test_in_the_last_step_boredom_has_no_price() -> None:
    for arguments in ({"n_steps": 9}, {"max_steps": 9}):
        simulator = played(BoredomPlanner(), n_played=8, **arguments)
        last = simulator.expected_reward(act(BoredomPlanner(10.0, 0.0), simulator))
        myopic = simulator.expected_reward(act(MyopicOracle(), simulator))
        np.testing.assert_allclose(last, myopic, rtol=1e-12)


def test_planning_depends_on_the_moment_alone() -> None:
    simulator = played(BoredomPlanner())
    one = act(BoredomPlanner(), simulator)
    np.testing.assert_array_equal(one, act(BoredomPlanner(), simulator))
    bound = BoredomPlanner().bind(simulator)
    np.testing.assert_array_equal(bound._slates(np.array([3, 17])), one[[3, 17]])


def test_fitting_finds_that_boredom_has_a_price_and_leaves_the_users_alone() -> None:
    simulator = played(BoredomPlanner(), n_users=5)
    before = simulator.latent_state()
    fitted = BoredomPlanner.fit(simulator, n_users=100, seed=1)
    assert fitted.price > 0
    for key, array in simulator.latent_state().items():
        np.testing.assert_array_equal(array, before[key])


def test_where_nobody_is_ever_bored_the_reference_is_myopic() -> None:
    simulator = make_simulator(ENV_ID, 5, preset="SingleItem-Static")
    fitted = simulator.planning_reference(n_users=10)
    assert isinstance(fitted, BoredomPlanner)
    assert (fitted.price, fitted.crowding) == (0.0, 0.0)


def test_other_users_are_refused() -> None:
    for env_id in ("rlrec/InterestEvolution-v0", "rlrec/DriftingTastes-v0"):
        simulator = make_simulator(env_id, 2)
        simulator.reset(0)
        for policy in (BoredomPlanner(), CappedTopics()):
            with pytest.raises(TypeError, match="topics are filled for users with"):
                act(policy, simulator)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: BoredomPlanner(price=-1.0), "price must be 0 or more and finite, got -1.0"),
        (lambda: BoredomPlanner(crowding=np.nan), "crowding must be 0 or more"),
        (lambda: CappedTopics(-1), "cap must be a whole number of 0 or more"),
    ],
)
def test_wrong_settings_are_refused(make: Any, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        make()
