"""Policies that read the truth are exact where everything can be enumerated."""

import itertools
from typing import Any

import numpy as np
import pytest

from rlrec.arrays import Floats
from rlrec.envs import MyopicOracle, PlanningReference, UserSimulator, make_simulator
from rlrec.envs.blocks.leaving import TimeBudget
from rlrec.envs.users import Users
from rlrec.errors import ConfigError

ENV_ID = "rlrec/InterestEvolution-v0"


@pytest.fixture(
    params=[
        {"n_items": 7, "slate_size": 3},
        {"n_candidates": 7, "slate_size": 2},
        {"n_candidates": 6, "slate_size": 2, "resample_documents": False, "choice": "logit"},
        {"n_items": 6, "slate_size": 3, "choice": "cascade", "score_scaling": 0.3},
        {
            "n_candidates": 6,
            "slate_size": 3,
            "choice": "cascade",
            "cascade_form": "proportional",
            "score_scaling": 0.4,
        },
    ]
)
def users(request: pytest.FixtureRequest) -> UserSimulator:
    simulator = make_simulator(ENV_ID, 40, **request.param)
    observations = simulator.reset(6)
    rng = np.random.default_rng(0)
    for _ in range(60):  # by now budgets differ, some are nearly used up
        size = (40, simulator.slate_size)
        observations = simulator.step(rng.integers(simulator.n_choices, size=size)).observations
    assert observations
    return simulator


def slates_of(simulator: UserSimulator) -> list[tuple[int, ...]]:
    # In every order: to who looks from the top down it makes a difference.
    return list(itertools.permutations(range(simulator.n_choices), simulator.slate_size))


def best_of_all(simulator: UserSimulator, value: Any) -> Floats:
    """Return the largest value (B,) over all slates."""
    tiled = (np.tile(np.array(slate), (simulator.n_users, 1)) for slate in slates_of(simulator))
    return np.asarray(np.max([value(slates) for slates in tiled], axis=0))


def act(policy: Any, simulator: UserSimulator) -> Any:
    return policy.bind(simulator).act({}, np.random.default_rng(0))


def planned_value(simulator: UserSimulator, price: float) -> Any:
    """Return a function from slates to reward less the price of time, from the choice truth."""
    state, items = simulator.latent_state(), simulator.problem.users.items
    users = simulator.problem.users
    assert isinstance(users, Users)
    budget = users.leaving
    assert isinstance(budget, TimeBudget)
    quality = np.broadcast_to(items.offer_quality(state), (40, simulator.n_choices))
    item_values = np.minimum(state["budget"], 4.0)[:, None] - price * budget.cost(quality)

    def value(slates: Any) -> Floats:
        p = simulator.choice_probabilities(slates)
        gained = (p[:, :-1] * np.take_along_axis(item_values, slates, axis=1)).sum(axis=1)
        return np.asarray(gained - p[:, -1] * price * 0.5)

    return value


def test_the_myopic_oracle_has_the_highest_expected_reward(users: UserSimulator) -> None:
    slates = act(MyopicOracle(), users).slates
    best = best_of_all(users, users.expected_reward)
    np.testing.assert_allclose(users.expected_reward(slates), best, rtol=1e-12)


ALIKE: dict[str, Any] = {"sameness": {"penalty": 5.0, "too_many": 2}}


@pytest.mark.parametrize(
    ("env_id", "arguments"),
    [
        (
            "rlrec/TopicBoredom-v0",
            {
                **{"n_items": 9, "slate_size": 4, "n_topics": 3, "diversity_penalty": penalty},
                **{"slope": 10.0, "offset": 0.5, "decay": 0.9, "two_way": two_way},
            },
        )
        for penalty in (1.1, 10.0)
        for two_way in (False, True)
    ]
    + [
        (
            "rlrec/ComposedUsers-v0",
            {
                "n_items": 7,
                "n_topics": n_topics,
                "slate_size": 3,
                "choice": choice,
                "blocks": ALIKE,
            },
        )
        for choice in ("position_based", "cascade", "dependent_click")
        for n_topics in (2, 3)  # with two topics every slate is too much of the same
    ],
    ids=str,
)
def test_the_myopic_oracle_knows_what_too_much_of_the_same_costs(
    env_id: str, arguments: dict[str, Any]
) -> None:
    users = make_simulator(env_id, 40, catalogue_seed=1, **arguments)
    users.reset(3)
    for _ in range(2):
        slates = act(MyopicOracle(), users).slates
        best = best_of_all(users, users.expected_reward)
        np.testing.assert_allclose(users.expected_reward(slates), best, rtol=1e-12)
        users.step(slates)


PLACES: dict[str, Any] = {"n_items": 6, "slate_size": 2}
THREE: dict[str, Any] = {"n_items": 6, "slate_size": 3}
SAME: dict[str, Any] = {"name": "channels", "reward_weights": [-2.0, 0.0, 0.0, 0.0]}
MIXED: dict[str, Any] = {"name": "channels", "reward_weights": [1.0, 0.5, 2.0, -3.0]}


@pytest.mark.parametrize(
    ("env_id", "arguments"),
    [
        *(
            ("rlrec/UserReturn-v0", {**PLACES, "choice": choice, "reward_weights": weights})
            for choice in ("logit", "cascade", "position_based")
            for weights in ((-1.0, 0.0, 0.0, 0.0), (1.0, 0.5, 1.0, -3.0), (0.0, 0.0, 0.0, 0.0))
        ),
        *(
            ("rlrec/ComposedUsers-v0", {**THREE, "choice": choice, "response": response})
            for response in ("click", SAME, MIXED)
            for choice in (
                "proportional",
                "first",
                "dependent_click",
                {"name": "dependent_click", "after_passing": 0.5},
                "dynamic_bayesian",
            )
        ),
    ],
    ids=str,
)
def test_the_myopic_oracle_is_exact_whatever_rewards_are_worth(
    env_id: str, arguments: dict[str, Any]
) -> None:
    users = make_simulator(env_id, 20, **arguments)
    users.reset(2)
    for _ in range(2):
        slates = act(MyopicOracle(), users).slates
        best = best_of_all(users, users.expected_reward)
        np.testing.assert_allclose(users.expected_reward(slates), best, rtol=1e-12)
        users.step(slates)


@pytest.mark.parametrize("price", [0.0, 0.5, 1.4, 10.0])
def test_the_planning_reference_has_the_highest_value_at_its_price(
    users: UserSimulator, price: float
) -> None:
    value = planned_value(users, price)
    slates = act(PlanningReference(price), users).slates
    np.testing.assert_allclose(value(slates), best_of_all(users, value), rtol=1e-9)


def test_at_price_zero_planning_earns_what_myopia_does(users: UserSimulator) -> None:
    planned = users.expected_reward(act(PlanningReference(0.0), users).slates)
    myopic = users.expected_reward(act(MyopicOracle(), users).slates)
    np.testing.assert_allclose(planned, myopic, rtol=1e-12)


def test_an_oracle_is_certain_of_its_slate(users: UserSimulator) -> None:
    policy = MyopicOracle().bind(users)
    draw = policy.act({}, np.random.default_rng(0))
    np.testing.assert_array_equal(draw.log_probs, 0.0)
    np.testing.assert_array_equal(policy.log_probs({}, draw.slates), 0.0)
    other = draw.slates.copy()
    other[5, 0] = next(i for i in range(users.n_choices) if i not in draw.slates[5])
    assert np.isneginf(policy.log_probs({}, other)[5].sum())


def test_slates_do_not_depend_on_where_the_search_began(users: UserSimulator) -> None:
    fresh, used = PlanningReference(1.4).bind(users), PlanningReference(1.4).bind(users)
    slates = np.zeros((40, users.slate_size), np.int64) + np.arange(users.slate_size)
    moment = users.snapshot()
    for _ in range(10):
        used.act({}, np.random.default_rng(0))
        users.step(slates)
    users.restore(moment)
    value = planned_value(users, 1.4)
    one, other = (policy.act({}, np.random.default_rng(0)).slates for policy in (fresh, used))
    np.testing.assert_allclose(value(one), value(other), rtol=1e-12)


def test_binding_makes_a_copy() -> None:
    policy = PlanningReference(1.0)
    users = make_simulator(ENV_ID, 3)
    users.reset(0)
    assert policy.bind(users) is not policy
    with pytest.raises(RuntimeError, match="call bind"):
        policy.act({}, np.random.default_rng(0))


def test_only_simulators_of_rlrec_tell_the_truth() -> None:
    with pytest.raises(TypeError, match="got str"):
        MyopicOracle().bind("users")  # type: ignore[arg-type]


@pytest.mark.parametrize("price", [-0.1, np.nan])
def test_negative_prices_are_refused(price: float) -> None:
    with pytest.raises(ConfigError, match="price must be 0 or more"):
        PlanningReference(price)


def test_the_fitted_price_is_its_own_return_a_minute() -> None:
    users = make_simulator(ENV_ID, 2)
    fitted = PlanningReference.fit(users, n_users=400, seed=3)
    # The fixed point of the rule is 1.40 (280.3 of 200 minutes); 400 users leave 1 % of error.
    assert fitted.price == pytest.approx(1.40, rel=0.03)
