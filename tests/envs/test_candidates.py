"""Candidates: the same for all, each user's own, or those of the day; through every face."""

from collections.abc import Iterator
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

import rlrec
from rlrec.agents import SlateQ, SlateQConfig
from rlrec.arrays import Floats, Ints
from rlrec.baselines import EASE
from rlrec.data import Catalogue, InteractionLog, rebuild_observations
from rlrec.envs import (
    CalendarItems,
    EnvironmentEntry,
    FixedCandidates,
    MyopicOracle,
    UserCandidates,
    UserSimulator,
    make_simulator,
    register,
    registration,
)
from rlrec.envs.blocks import Calendar, Click, FactorTaste, LogitChoice, State
from rlrec.envs.items import ItemQuality, Items
from rlrec.envs.sb3 import SlateVecEnv
from rlrec.envs.simulator import Problem
from rlrec.envs.users import Users
from rlrec.errors import ConfigError, UserModelError
from rlrec.evaluation import rollout
from rlrec.policy import RandomPolicy, SlatePolicy
from rlrec.testing import ENVIRONMENT_CHECKS

N_ITEMS, N_TOPICS, M, K = 30, 3, 8, 2
ENV_ID = "tests/UserCandidates-v0"
VECTORS = np.random.default_rng(5).normal(size=(N_ITEMS, N_TOPICS))
CATALOGUE = Catalogue(
    item_ids=np.arange(N_ITEMS),
    topics=np.arange(N_ITEMS) % N_TOPICS,
    features=VECTORS.astype(np.float32),
    topic_names=("a", "b", "c"),
)
QUALITY = ItemQuality(np.linspace(0.0, 1.0, N_ITEMS))


def liked(state: State, users: Ints) -> Ints:
    """Retrieve the M items that each user likes best."""
    scores: Floats = (state["tastes"][users][:, None, :] * VECTORS).sum(axis=-1)
    return np.argsort(-scores, axis=1, kind="stable")[:, :M]


def liked_first_topic(state: State, users: Ints) -> Any:
    """Let through all items that a user likes at all, or all items where these are few."""
    scores: Floats = (state["tastes"][users][:, None, :] * VECTORS).sum(axis=-1)
    mask = scores > 0
    return mask | (mask.sum(axis=1, keepdims=True) < M)


def simulator(items: Items, n_users: int = 5, first_user: int = 0) -> UserSimulator:
    users = Users(
        items=items,
        taste=FactorTaste(VECTORS, sd=1.5, influence=0.2),
        choice=LogitChoice(),
        response=Click(),
        slate_size=K,
    )
    problem = Problem(
        users=users,
        slate_size=K,
        env_id=ENV_ID,
        catalogue=CATALOGUE,
        max_steps=6,
        arguments={"max_steps": 6},
    )
    return UserSimulator(problem, n_users, first_user)


def users_with_their_own(n_users: int, first_user: int = 0) -> UserSimulator:
    return simulator(UserCandidates(CATALOGUE, QUALITY, M, liked), n_users, first_user)


def users_behind_a_mask(n_users: int, first_user: int = 0) -> UserSimulator:
    return simulator(UserCandidates(CATALOGUE, QUALITY, M, liked_first_topic), n_users, first_user)


def users_of_a_part(n_users: int, first_user: int = 0) -> UserSimulator:
    return simulator(FixedCandidates(CATALOGUE, QUALITY, np.arange(1, 30, 3)), n_users, first_user)


@pytest.fixture
def env_id() -> Iterator[str]:
    register(
        EnvironmentEntry(
            env_id=ENV_ID, factory=users_with_their_own, title="", floor="", reference=""
        )
    )
    yield ENV_ID
    del registration._ENTRIES[ENV_ID], gym.registry[ENV_ID]


@pytest.mark.parametrize(
    "make", [users_with_their_own, users_behind_a_mask, users_of_a_part], ids=lambda m: m.__name__
)
@pytest.mark.parametrize("check", ENVIRONMENT_CHECKS, ids=lambda check: check.__name__)
def test_environments_with_candidates_keep_the_contract(check: Any, make: Any) -> None:
    check(make)


def test_candidates_are_those_retrieved_for_the_user_at_this_moment() -> None:
    users = users_with_their_own(50)
    seen = [users.reset(3)["candidates"]]
    for _ in range(9):  # over the end of a visit
        truth = liked(users.latent_state(), np.arange(50))
        np.testing.assert_array_equal(seen[-1], truth)
        seen.append(users.step(np.tile([0, 1], (50, 1))).observations["candidates"])
    assert (seen[0][0] != seen[0][1]).any()  # users differ
    assert (seen[0] != seen[5]).any()  # and move


def test_a_retrieval_may_read_what_blocks_keep_from_the_first_step_on() -> None:
    calendar = Calendar.standing(N_ITEMS, 40, 6)
    seen: list[Ints] = []

    def of_the_moment(state: State, users: Ints) -> Ints:
        seen.append(state["moment"][users].copy())
        return (state["moment"][users, None] + np.arange(M)) % N_ITEMS

    users = Users(
        items=UserCandidates(CATALOGUE, QUALITY, M, of_the_moment),
        taste=FactorTaste(VECTORS),
        choice=LogitChoice(),
        response=Click(),
        slate_size=K,
        blocks=(calendar,),
    )
    made = UserSimulator(Problem(users=users, slate_size=K, catalogue=CATALOGUE), 4)
    first = made.reset(0)["candidates"]
    second = made.step(np.tile([0, 1], (4, 1))).observations["candidates"]
    np.testing.assert_array_equal(seen[1], seen[0] + 1)
    np.testing.assert_array_equal(second, (first + 1) % N_ITEMS)


def test_an_offer_that_takes_no_chance_is_drawn_after_every_step_too() -> None:
    class Counted(FixedCandidates):
        def draw(self, state: State, users: Ints, draws: Floats) -> None:
            drawn.append(draws.shape)

    drawn: list[tuple[int, ...]] = []
    users = simulator(Counted(CATALOGUE, QUALITY, np.arange(M)), 3)
    users.reset(0)
    for _ in range(6):  # the visit ends with the sixth
        users.step(np.tile([0, 1], (3, 1)))
    assert drawn == [(3, 0)] * 8


def test_slates_hold_positions_and_the_history_items() -> None:
    users = users_with_their_own(200)
    observations = users.reset(0)
    slates = np.tile([3, 6], (200, 1))
    step = users.step(slates)
    shown = np.take_along_axis(observations["candidates"], slates, axis=1)
    np.testing.assert_array_equal(step.observations["last_slate"], shown + 1)
    took = step.responses[:, :, 0] > 0
    newest = step.observations["history_items"][:, -1]
    np.testing.assert_array_equal(newest[took.any(axis=1)], shown[took] + 1)


def test_quality_and_offer_follow_the_candidates() -> None:
    items = UserCandidates(CATALOGUE, QUALITY, M, liked)
    state: State = {"tastes": np.random.default_rng(0).normal(size=(4, N_TOPICS))}
    items.draw(state, np.arange(4), np.zeros((4, 1)))
    offer = items.offer(state)
    np.testing.assert_array_equal(offer.items, state["candidates"])
    np.testing.assert_array_equal(offer.topics, CATALOGUE.topics[state["candidates"]])
    np.testing.assert_allclose(items.offer_quality(state), QUALITY.values[state["candidates"]])
    np.testing.assert_allclose(items.quality(state, np.array([2]), np.array([29])), [1.0])


def test_a_mask_gives_every_item_it_lets_through_the_same_chance() -> None:
    n, allowed = 10_000, np.arange(4, 24)
    mask = np.zeros(N_ITEMS, bool)
    mask[allowed] = True
    items = UserCandidates(CATALOGUE, QUALITY, M, lambda state, users: np.tile(mask, (n, 1)))
    state: State = {}
    items.draw(state, np.arange(n), np.random.default_rng(2).random((n, 1)))
    shares = np.bincount(state["candidates"].ravel(), minlength=N_ITEMS) / n
    assert not shares[~mask].any()
    p = M / allowed.size  # 5 standard errors for each of 20 items
    assert np.abs(shares[mask] - p).max() < 5 * np.sqrt(p * (1 - p) / n)
    assert (np.diff(np.sort(state["candidates"], axis=1), axis=1) > 0).all()


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (np.zeros((5, M - 1), int), rf"items of shape \(5, {M}\) .* got shape \(5, {M - 1}\)"),
        (np.zeros((5, M + 1), bool), rf"mask of shape \(5, {N_ITEMS}\)"),
        (np.zeros((5, N_ITEMS), bool), f"let {M} items through, got 0 for user 0"),
        (np.tile(np.arange(M) / 2, (5, 1)), "whole numbers or a mask, got float64"),
        (np.tile(np.arange(M) + 25, (5, 1)), r"items in 0\.\.29, got 30 for user 0"),
        (np.tile(np.arange(M) // 2, (5, 1)), "different items, got 0 twice for user 0"),
    ],
)
def test_a_wrong_retrieval_is_refused(found: Any, words: str) -> None:
    users = simulator(UserCandidates(CATALOGUE, QUALITY, M, lambda state, rows: found))
    with pytest.raises(UserModelError, match=words):
        users.reset(0)


@pytest.mark.parametrize(
    ("candidates", "words"),
    [
        ([1, 1], "different whole numbers"),
        ([[1, 2]], "in one row"),
        ([0.5], "whole numbers"),
        ([29, 30], r"must lie in 0\.\.29, got 29\.\.30"),
        (np.zeros(0, int), "n_candidates"),
    ],
)
def test_wrong_fixed_candidates_are_refused(candidates: Any, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        FixedCandidates(CATALOGUE, QUALITY, candidates)


def test_more_candidates_than_items_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"n_candidates must be a whole number in 1\.\.30"):
        UserCandidates(CATALOGUE, QUALITY, 31, liked)


def test_calendar_items_need_their_calendar_and_its_shapes() -> None:
    calendar = Calendar.standing(N_ITEMS, 20, 6)
    with pytest.raises(ConfigError, match="need its calendar among their blocks"):
        simulator(CalendarItems(CATALOGUE, QUALITY, calendar)).reset(0)
    with pytest.raises(ConfigError, match="catalogue's 30 items, got one of 29"):
        CalendarItems(CATALOGUE, QUALITY, Calendar.standing(29, 20, 6))
    with pytest.raises(ConfigError, match=r"features must have shape \(20, 30, 'F'\)"):
        CalendarItems(CATALOGUE, QUALITY, calendar, np.zeros((30, 20, 1), np.float32))


def test_gymnasium_makes_one_and_many_users_with_candidates(env_id: str) -> None:
    one, many = gym.make(env_id), gym.make_vec(env_id, num_envs=4)
    alone, _ = one.reset(seed=8)
    together, _ = many.reset(seed=8)
    for _ in range(8):
        assert one.observation_space.contains(alone) and many.observation_space.contains(together)
        np.testing.assert_array_equal(alone["candidates"], together["candidates"][0])
        alone, _, _, truncated, _ = one.step(np.array([0, 1]))
        together = many.step(np.tile([0, 1], (4, 1)))[0]
        if truncated:
            alone, _ = one.reset()


def test_stable_baselines_learns_among_candidates(env_id: str) -> None:
    from stable_baselines3 import PPO

    users = rlrec.make_users(env_id, n_users=8)
    agent = PPO("MultiInputPolicy", users, n_steps=4, batch_size=16, n_epochs=1, seed=0)
    agent.learn(64)
    slates, _ = agent.predict(users.reset())  # type: ignore[arg-type]
    assert slates.shape == (8, K) and slates.max() < M


@pytest.mark.parametrize("offer", ["own", "calendar"])
def test_everything_from_log_to_agent_takes_candidates(offer: str) -> None:
    users = (
        users_with_their_own(40)
        if offer == "own"
        else make_simulator("rlrec/DriftingTastes-v0", 40, n_items=60, n_candidates=M, slate_size=K)
    )
    log = InteractionLog.record(RandomPolicy(M, K), users, 1200, seed=1)
    rebuilt = rebuild_observations(log, users.catalogue, users.problem.history_shape)
    assert rebuilt.keys() == users.observation_spaces.keys()
    baseline = EASE().fit(log, users.catalogue)
    agent = SlateQ(SlateVecEnv(users), SlateQConfig(hidden=16, item_size=4, batch_size=32), seed=0)
    agent.pretrain(log, 20)
    agent.learn(200)
    policies: dict[str, SlatePolicy] = {
        "baseline": baseline,
        "softened": baseline.softened(1.0),
        "agent": agent,
        "oracle": MyopicOracle(),
    }
    results = rollout(policies, users, n_users=30, seed=2)
    for name in policies:
        played = results.policies[name]
        assert np.isfinite(played.returns).all()
        assert played.items_shown is not None and np.count_nonzero(played.items_shown) > M


def test_a_baseline_ranks_the_candidates_of_each_user() -> None:
    users = users_with_their_own(40)
    log = InteractionLog.record(RandomPolicy(M, K), users, 1200, seed=1)
    baseline, observations = EASE().fit(log, users.catalogue), users.reset(4)
    slates = baseline.act(observations, np.random.default_rng(0)).slates
    fame = baseline.popularity[observations["candidates"]]  # without a history: popularity
    np.testing.assert_array_equal(slates[:, 0], fame.argmax(axis=1))
