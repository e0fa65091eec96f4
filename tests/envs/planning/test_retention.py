"""Planning for users who come back, against brute force where everything can be enumerated."""

import itertools
import math
from typing import Any, NamedTuple

import numpy as np
import pytest
from scipy.interpolate import RegularGridInterpolator
from scipy.special import expit

from rlrec.arrays import Floats
from rlrec.data.catalogue import Catalogue
from rlrec.envs import make_simulator
from rlrec.envs.blocks import (
    ClickChannels,
    DayAndDevice,
    InterestDrift,
    ItemAppeal,
    LogitChoice,
    Patience,
    Returning,
    Satisfaction,
    TopicTaste,
    Visits,
)
from rlrec.envs.blocks.priors import Fixed, standard_normals
from rlrec.envs.items import CatalogueItems, ItemQuality
from rlrec.envs.planning import MyopicOracle, RetentionReference
from rlrec.envs.simulator import Problem, UserSimulator
from rlrec.envs.users import Users

QUALITY = np.array([-1.0, -0.3, 0.4, 0.7, 1.0])
APPEAL = np.array([2.0, 1.0, 0.4, 0.0, -0.5])
N_STEPS = 30
MEMORY, SENSITIVITY, RECOVERY = 0.8, 0.6, 24.0
BASE, RELIEF, STEP, IDLE, POOR = -2.5, 1.5, 0.2, 0.3, 0.3
GAP, PULL, SPREAD, TOLERANCE = 60.0, 2.5, 0.8, 60.0


def equal_users(n_users: int) -> UserSimulator:
    """Return users who are all the same, with five items and slates of two."""
    n_items = len(QUALITY)
    catalogue = Catalogue(
        np.arange(n_items),
        np.zeros(n_items, np.int64),
        np.zeros((n_items, 0), np.float32),
        ("all",),
    )
    items = CatalogueItems(catalogue, ItemQuality(QUALITY))
    visits = Visits(
        Satisfaction(
            sensitivity=SENSITIVITY,
            set_point=0.0,
            memory=MEMORY,
            noise=0.0,
            recovery_hours=RECOVERY,
        ),
        Patience(
            base=BASE, relief=RELIEF, step_cost=STEP, idle_cost=IDLE, poor_cost=POOR, tiring=1.0
        ),
        Returning(base_gap_hours=GAP, pull=PULL, spread=SPREAD, tolerance_hours=TOLERANCE),
        DayAndDevice(n_topics=1),
    )
    users = Users(
        items=items,
        taste=TopicTaste(1, InterestDrift(rate=0.0), Fixed(0.0)),
        choice=LogitChoice(1.0),
        response=ClickChannels(items),
        slate_size=2,
        blocks=[ItemAppeal(APPEAL)],
        leaving=visits,
    )
    problem = Problem(users=users, slate_size=2, catalogue=catalogue, max_steps=N_STEPS)
    return UserSimulator(problem, n_users)


def best_possible_return() -> float:
    """Return the value of the best policy, by value iteration over all slates on a fine grid."""
    moods, fatigue = np.linspace(-3.2, 3.2, 65), np.linspace(0.0, 7.0, 36)
    mood, tired = (grid[..., None] for grid in np.meshgrid(moods, fatigue, indexing="ij"))
    quality = np.append(QUALITY, 0.0)
    idle = np.arange(len(quality)) == len(QUALITY)
    then = MEMORY * mood + SENSITIVITY * quality  # (moods, fatigue, outcomes)
    tired = tired + STEP + IDLE * idle + POOR * np.maximum(-quality, 0.0)
    ends = expit(BASE + tired - RELIEF * expit(then))
    quantiles = standard_normals((np.arange(40) + 0.5) / 40)
    gaps = (GAP * np.exp(-PULL * expit(then)))[..., None] * np.exp(SPREAD * quantiles)
    back, mood_back = np.exp(-gaps / TOLERANCE), then[..., None] * np.exp(-gaps / RECOVERY)
    places = np.stack([then.clip(-3.2, 3.2), tired.clip(0.0, 7.0)], axis=-1)
    weights = np.exp(APPEAL)
    value = np.zeros((len(moods), len(fatigue)))
    for _ in range(N_STEPS):
        on = RegularGridInterpolator((moods, fatigue), value)(places)
        again = (back * np.interp(mood_back, moods, value[:, 0])).mean(axis=-1)
        ahead = (1.0 - ends) * on + ends * again
        options = []
        for slate in itertools.combinations(range(len(QUALITY)), 2):
            shown = list(slate)
            total = weights[shown].sum() + math.e
            gained = (weights[shown] * (1.0 + ahead[..., shown])).sum(axis=-1)
            options.append((gained + math.e * ahead[..., -1]) / total)
        value = np.max(options, axis=0)
    return float(np.interp(0.0, moods, value[:, 0]))


class Lives(NamedTuple):
    """First episodes; arrays have shape (n_users,)."""

    returns: Floats

    @property
    def error(self) -> float:
        return float(self.returns.std(ddof=1) / math.sqrt(self.returns.size))


def lives(policy: Any, simulator: UserSimulator, seed: int = 2) -> Lives:
    observations = simulator.reset(seed)
    bound, rng = policy.bind(simulator), np.random.default_rng(seed)
    returns, running = np.zeros(simulator.n_users), np.ones(simulator.n_users, bool)
    while running.any():
        step = simulator.step(bound.act(observations, rng).slates)
        returns += np.where(running, step.rewards, 0.0)
        running &= ~(step.terminated | step.truncated)
    return Lives(returns)


@pytest.fixture(scope="module")
def best() -> float:
    return best_possible_return()


def test_the_reference_reaches_the_best_possible_return(best: float) -> None:
    simulator = equal_users(10_000)
    planned = lives(RetentionReference.fit(simulator, 50), simulator)
    # 4 standard errors of 10,000 users, and 0.5 % for the coarser grid it plans on.
    assert abs(planned.returns.mean() - best) < 4 * planned.error + 0.005 * best
    assert 4 * planned.error < 0.03 * best


def test_what_the_reference_thinks_a_user_is_worth_is_what_it_is(best: float) -> None:
    values = RetentionReference.fit(equal_users(1), 1).values
    start = values.grid.corners(np.zeros(1), np.zeros(1))
    thought = (values.table[N_STEPS][start.places] * start.weights).sum()
    # It plans with a few kinds of slates only, so somewhat less.
    assert 0.97 * best < thought < 1.005 * best


def test_myopia_falls_short_of_the_best_possible_return(best: float) -> None:
    myopic = lives(MyopicOracle(), equal_users(10_000))
    assert myopic.returns.mean() + 5 * myopic.error < 0.9 * best


@pytest.mark.parametrize("factor", [0.0, 0.3, 3.0])
def test_no_other_weight_of_the_future_earns_more(factor: float) -> None:
    users = make_simulator("rlrec/UserReturn-v0", 500, max_steps=100)
    reference = RetentionReference.fit(users, 100)
    values = reference.values
    other = RetentionReference(values._replace(table=factor * values.table))
    # The same 500 users: 3 standard errors of the difference.
    difference = lives(other, users).returns - lives(reference, users).returns
    assert difference.mean() < 3 * difference.std() / math.sqrt(difference.size)


def test_without_a_time_limit_it_plans_far_ahead() -> None:
    users = make_simulator("rlrec/UserReturn-v0", 300, max_steps=None, n_items=40, slate_size=2)
    limited = make_simulator("rlrec/UserReturn-v0", 300, max_steps=60, n_items=40, slate_size=2)
    free, bound = RetentionReference.fit(users, 50), RetentionReference.fit(limited, 50)
    assert free.values.table.shape[0] == 1
    assert (free.values.table[0] >= bound.values.table[60] - 1e-9).all()
    assert lives(free, users).returns.mean() > lives(bound, limited).returns.mean()


def test_worth_grows_with_satisfaction_and_the_steps_left_and_falls_with_fatigue() -> None:
    values = RetentionReference.fit(make_simulator("rlrec/UserReturn-v0", 1, max_steps=50), 50)
    table = values.values.table.reshape(51, len(values.values.grid.moods), -1)
    assert (np.diff(table, axis=0) >= -1e-9).all()
    assert (np.diff(table[50], axis=0) >= -1e-9).all()
    assert (np.diff(table[50], axis=1) <= 1e-9).all()


@pytest.mark.parametrize("choice", ["cascade", "position_based"])
def test_where_slates_are_scanned_it_beats_myopia(choice: str) -> None:
    users = make_simulator("rlrec/UserReturn-v0", 400, max_steps=100, choice=choice)
    planned = lives(RetentionReference.fit(users, 100), users)
    myopic = lives(MyopicOracle(), users)
    difference = planned.returns - myopic.returns
    # The same 400 users: 5 standard errors of the difference.
    assert difference.mean() > 5 * difference.std() / math.sqrt(difference.size)


@pytest.mark.parametrize("choice", ["logit", "cascade"])
def test_where_the_future_is_worth_nothing_it_shows_the_best_of_all_slates(choice: str) -> None:
    weights = (1.0, 0.5, 1.0, -3.0)  # items are worth more, or less than nothing, by their quality
    users = make_simulator(
        "rlrec/UserReturn-v0", 30, n_items=6, slate_size=3, choice=choice, reward_weights=weights
    )
    values = RetentionReference.fit(users, 5).values
    careless = RetentionReference(values._replace(table=0.0 * values.table)).bind(users)
    observations = users.reset(4)
    slates = careless.act(observations, np.random.default_rng(0)).slates
    every = itertools.permutations(range(6), 3)
    best = np.max([users.expected_reward(np.tile(slate, (30, 1))) for slate in every], axis=0)
    np.testing.assert_allclose(users.expected_reward(slates), best, rtol=1e-9)


@pytest.mark.parametrize("set_point", [-30.0, 0.0, 25.0, 30.0])
def test_moods_of_the_grid_rise_evenly_also_where_moods_are_bounded(set_point: float) -> None:
    users = make_simulator(
        "rlrec/UserReturn-v0", 2, n_items=20, max_steps=3, satisfaction={"set_point": set_point}
    )
    moods = RetentionReference.fit(users, 2).values.grid.moods
    np.testing.assert_allclose(np.diff(moods), (moods[-1] - moods[0]) / (len(moods) - 1))
    assert -30.0 <= moods[0] <= set_point <= moods[-1] <= 30.0
    assert moods[-1] - moods[0] >= 2.0


def test_users_who_do_not_come_back_are_refused() -> None:
    with pytest.raises(TypeError, match="leave by TimeBudget"):
        RetentionReference.fit(make_simulator("rlrec/InterestEvolution-v0", 2, n_items=20))
