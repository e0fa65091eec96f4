"""Planning long-term satisfaction: exact where all can be enumerated, and better than any rule."""

import itertools
import math
from typing import Any

import numpy as np
import pytest

from rlrec.arrays import Floats, Ints
from rlrec.envs import MyopicOracle, UserSimulator, make_simulator
from rlrec.envs.planning import ExposurePlanner, Oracle
from rlrec.policy import RandomPolicy
from rlrec.slates import top_slates

ENV_ID = "rlrec/LongTermSatisfaction-v0"


class Always(Oracle):
    """The most (sign 1) or the least clickbait (sign -1) on top, whatever the user's state."""

    def __init__(self, sign: float = 1.0) -> None:
        super().__init__()
        self.sign = sign

    def _choose(self, users: Ints) -> Ints:
        simulator = self._bound()
        scores = simulator.outlook(users).quality
        scores = np.broadcast_to(scores, (len(users), simulator.n_choices))
        return top_slates(self.sign * scores, simulator.slate_size)

    def _copy(self) -> "Always":
        return Always(self.sign)


def first_returns(policy: Any, n_users: int, seed: int, **arguments: Any) -> Floats:
    simulator = make_simulator(ENV_ID, n_users, **arguments)
    observations = simulator.reset(seed)
    bound = policy.bind(simulator) if hasattr(policy, "bind") else policy
    rng, returns = np.random.default_rng(seed), np.zeros(n_users)
    for _ in range(60):
        step = simulator.step(bound.act(observations, rng).slates)
        returns += step.rewards
        observations = step.observations
    assert step.terminated.all()
    return returns


def standard_error(values: Floats) -> float:
    return float(values.std(ddof=1) / math.sqrt(values.size))


def engagement(exposure: Any, score: Any, sensitivity: float) -> Any:
    """Return the published mean engagement."""
    satisfaction = 1.0 / (1.0 + np.exp(-sensitivity * exposure))
    return np.exp(satisfaction * (4.0 + score) + 0.5)


def best_return(exposure: float, scores: list[float], n_steps: int) -> float:
    """Return the largest return of all sequences of items, without noise."""
    best = -np.inf
    for sequence in itertools.product(scores, repeat=n_steps):
        n, total = exposure, 0.0
        for score in sequence:
            total += engagement(n, score, 0.5)
            n = 0.7 * n - 2.0 * (score - 0.5)
        best = max(best, total)
    return best


def test_values_are_those_of_the_best_of_all_sequences() -> None:
    users = make_simulator(ENV_ID, 30, n_items=4, sensitivity=0.5, noise=0.0, n_steps=5)
    users.reset(2)
    users.step(np.tile([1, 0], (30, 1)))
    values = ExposurePlanner.solve(users).bind(users).action_values(np.arange(30))
    assert users.catalogue is not None
    scores = users.problem.users.items.offer_quality({})[0].tolist()
    for user, exposure in enumerate(users.latent_state()["exposure"].tolist()):
        expected = [  # four steps are left
            engagement(exposure, score, 0.5)
            + best_return(0.7 * exposure - 2.0 * (score - 0.5), scores, 3)
            for score in scores
        ]
        np.testing.assert_allclose(values[user], expected, rtol=1e-4)


def test_values_of_fresh_documents_expect_the_best_of_the_next_offer() -> None:
    users = make_simulator(ENV_ID, 20, n_candidates=2, sensitivity=0.5, noise=0.4, n_steps=2)
    users.reset(1)
    state = users.latent_state()
    values = ExposurePlanner.solve(users).bind(users).action_values(np.arange(20))
    rng, n = np.random.default_rng(0), 40_000
    offers, noise = rng.random((n, 2)), 0.4 * rng.standard_normal(n)
    for user, slot in itertools.product(range(20), range(2)):
        exposure, score = state["exposure"][user], state["candidate_quality"][user, slot]
        then = 0.7 * exposure - 2.0 * (score - 0.5) + noise
        later = engagement(then[:, None], offers, 0.5).max(axis=1)
        expected = engagement(exposure, score, 0.5) + later.mean()
        # 5 standard errors of 40,000 offers, and 0.1 % for the grid
        error = later.std() / math.sqrt(n)
        assert abs(values[user, slot] - expected) < 5 * error + 1e-3 * expected


@pytest.mark.parametrize("arguments", [{}, {"n_items": 100}], ids=["fresh", "catalogue"])
def test_where_satisfaction_matters_no_rule_is_as_good_as_planning(arguments: Any) -> None:
    users = make_simulator(ENV_ID, 1, **arguments)
    policies = {
        "random": RandomPolicy(users.n_choices, 2),
        "clickbait": Always(1.0),
        "kale": Always(-1.0),
        "myopic": MyopicOracle(),
        "planned": users.planning_reference(),
    }
    returns = {
        name: first_returns(policy, 2000, seed=3, **arguments) for name, policy in policies.items()
    }
    np.testing.assert_array_equal(returns["myopic"], returns["clickbait"])
    for more, less in (("planned", "kale"), ("kale", "random"), ("random", "myopic")):
        margin = returns[more] - returns[less]  # of the same 2000 users
        assert margin.mean() > 4 * standard_error(margin), (more, less)


def test_with_the_published_sensitivity_myopia_is_optimal() -> None:
    planner = make_simulator(ENV_ID, 1, sensitivity=0.01).planning_reference()
    planned = first_returns(planner, 500, seed=3, sensitivity=0.01)
    myopic = first_returns(MyopicOracle(), 500, seed=3, sensitivity=0.01)
    np.testing.assert_array_equal(planned, myopic)


@pytest.mark.parametrize("arguments", [{"n_steps": 4}, {"max_steps": 4}])
def test_in_the_last_step_nothing_is_left_to_plan_for(arguments: Any) -> None:
    users = make_simulator(ENV_ID, 10, **arguments)
    users.reset(0)
    planner = ExposurePlanner.solve(users).bind(users)
    slates = np.tile([0, 1], (10, 1))
    later = []
    for _ in range(4):
        rewards = users.outlook().rewards
        later.append((planner.action_values(np.arange(10)) - rewards).min())
        users.step(slates)
    assert min(later[:3]) > 1.0
    assert later[3] == 0.0


def test_some_users_are_planned_for_as_all_are() -> None:
    users = make_simulator(ENV_ID, 10, n_items=30)
    users.reset(4)
    planner = ExposurePlanner.solve(users).bind(users)
    everyone = planner.action_values(np.arange(10))
    np.testing.assert_array_equal(planner.action_values(np.array([7, 2])), everyone[[7, 2]])


def test_users_of_other_blocks_are_refused() -> None:
    users = make_simulator("rlrec/InterestEvolution-v0", 1)
    with pytest.raises(TypeError, match="plans for users with Engagement"):
        ExposurePlanner.solve(users)


def test_a_finer_grid_changes_values_little() -> None:
    def values(n_grid: int) -> Floats:
        users: UserSimulator = make_simulator(ENV_ID, 20)
        users.reset(5)
        return ExposurePlanner.solve(users, n_grid).bind(users).action_values(np.arange(20))

    np.testing.assert_allclose(values(401), values(1601), rtol=1e-4)
