"""Agents of continuous or single actions serve users of slates."""

from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from stable_baselines3 import DDPG, DQN, PPO
from stable_baselines3.common.env_checker import check_env
from stable_baselines3.common.vec_env import VecEnv

import rlrec
from rlrec.envs import SlateEnv, SlateVectorEnv, make_simulator
from rlrec.envs.wrappers import (
    ActingEnv,
    ActingVectorEnv,
    NearestItems,
    Preselected,
    SingleItem,
    TopScores,
    with_actions,
)
from rlrec.errors import ConfigError, SlateError
from rlrec.simulation import simulator_of

ENV_ID = "rlrec/InterestEvolution-v0"
SMALL: dict[str, Any] = {"n_items": 12, "slate_size": 3, "max_steps": 10}


def users(n_users: int = 4, **arguments: Any) -> Any:
    return make_simulator(ENV_ID, n_users, **(arguments or SMALL))


def wrong(value: Any) -> Any:
    """Return a value of a type that is not allowed where it goes."""
    return value


def vectors(n_items: int = 12, size: int = 2) -> Any:
    return np.random.default_rng(0).standard_normal((n_items, size))


@pytest.mark.parametrize("distance", ["dot", "l2"])
def test_a_proto_action_shows_the_nearest_items(distance: str) -> None:
    items = vectors()
    actions = NearestItems(users(), items, distance=distance)
    assert actions.space.shape == (2,) and not actions.reads_offer
    protos = np.random.default_rng(1).uniform(-1, 1, (5, 2))
    for proto, slate in zip(protos, actions.slates(protos, {}), strict=True):
        nearness = items @ proto if distance == "dot" else -((items - proto) ** 2).sum(axis=1)
        np.testing.assert_array_equal(slate, np.argsort(-nearness)[:3])


def test_one_vector_a_slot_shows_its_nearest_item_that_is_not_above_it() -> None:
    items = vectors()
    actions = NearestItems(users(), items, distance="l2", per_slot=True, bound=3.0)
    protos = items[[4, 4, 0]]
    slate = actions.slates(protos[None], {})[0]
    others = np.argsort(((items - items[4]) ** 2).sum(axis=1))
    assert slate.tolist() == [4, others[1], 0]


def test_items_are_found_by_the_features_of_the_catalogue_where_no_vectors_are_given() -> None:
    simulator = users()
    actions = NearestItems(simulator)
    topics = simulator.catalogue.topics
    topic = np.bincount(topics).argmax()
    slate = actions.slates(np.eye(20)[[topic]], {})[0]
    n_of_topic = min(3, int((topics == topic).sum()))
    assert (topics[slate[:n_of_topic]] == topic).all()


def test_fresh_documents_are_found_by_their_features() -> None:
    simulator = users(6, n_candidates=8, slate_size=2)
    actions = NearestItems(simulator)
    assert actions.reads_offer
    observations = simulator.reset(0)
    wanted = observations["candidate_features"][:, 5].astype(np.float64)
    slates = actions.slates(wanted, observations)
    shown = np.take_along_axis(observations["candidate_features"], slates[:, :1, None], axis=1)
    np.testing.assert_array_equal(shown[:, 0], wanted)


def test_candidates_are_found_by_the_vectors_of_their_items() -> None:
    simulator = Preselected(users(), None, 5)
    items = vectors()
    actions = NearestItems(simulator, items)
    observations = simulator.reset(0)
    protos = np.random.default_rng(1).uniform(-1, 1, (4, 2))
    slates = actions.slates(protos, observations)
    for proto, slate, offered in zip(protos, slates, observations["candidates"], strict=True):
        np.testing.assert_array_equal(slate, np.argsort(-(items[offered] @ proto))[:3])


def test_scores_show_the_best_items() -> None:
    scores = np.random.default_rng(0).uniform(-1, 1, (4, 12))
    slates = TopScores(users()).slates(scores, {})
    np.testing.assert_array_equal(slates, np.argsort(-scores, axis=1)[:, :3])


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda: NearestItems(users(), vectors(11)), ConfigError, "N = 12"),
        (lambda: NearestItems(users(), distance="cosine"), ConfigError, "cosine"),
        (lambda: NearestItems(users(), bound=0.0), ConfigError, "bound"),
        (lambda: NearestItems(users(2, n_candidates=9), vectors()), ConfigError, "no `vectors`"),
        (lambda: TopScores(users(), bound=-1.0), ConfigError, "bound"),
        (lambda: NearestItems(users(), bound=wrong("a")), ConfigError, "bound.*got 'a'"),
        (lambda: NearestItems(users(), wrong([["a"]])), ConfigError, "vectors must be numbers"),
        (lambda: TopScores(users(), bound=True), ConfigError, "bound.*got True"),
        (lambda: TopScores(wrong(SlateEnv(users(1)))), ConfigError, "pass users.simulator"),
        (lambda: with_actions("x", TopScores(users())), ConfigError, "takes a face.*got str"),
        (lambda: with_actions(SlateEnv(users(1)), wrong("x")), ConfigError, "actions must say"),
        (lambda: SingleItem(users()), ConfigError, "slates of 3"),
        (lambda: TopScores(users()).slates(np.zeros((4, 11)), {}), SlateError, "\\(12,\\)"),
        (lambda: TopScores(users()).slates(np.full((4, 12), np.nan), {}), SlateError, "finite"),
    ],
)
def test_what_does_not_fit_is_refused(make: Any, error: Any, words: str) -> None:
    with pytest.raises(error, match=words):
        make()


def test_each_face_shows_what_the_simulator_would() -> None:
    items, plain = vectors(), users(1)
    single = with_actions(gym.make(ENV_ID, **SMALL), NearestItems(users(), items))
    vector = with_actions(gym.make_vec(ENV_ID, num_envs=1, **SMALL), NearestItems(users(), items))
    sb3 = with_actions(rlrec.make_users(ENV_ID, 1, seed=3, **SMALL), NearestItems(users(), items))
    assert isinstance(single, ActingEnv) and isinstance(vector, ActingVectorEnv)
    assert isinstance(sb3, VecEnv) and simulator_of(sb3).n_choices == 12
    plain.reset(3)
    single.reset(seed=3)
    vector.reset(seed=3)
    sb3.reset()
    for number in range(12):
        proto = np.random.default_rng(number).uniform(-1, 1, (1, 2)).astype(np.float32)
        assert vector.action_space.contains(proto) and single.action_space.contains(proto[0])
        expected = plain.step(NearestItems(users(), items).slates(proto, {}))
        seen, rewards, *_ = vector.step(proto)
        np.testing.assert_array_equal(seen["last_slate"], expected.observations["last_slate"])
        assert rewards[0] == expected.rewards[0] == single.step(proto[0])[1] == sb3.step(proto)[1]
        if expected.finished.size:
            single.reset()


def test_agents_of_other_kinds_learn_from_slate_users() -> None:
    continuous = with_actions(rlrec.make_users(ENV_ID, 4, **SMALL), NearestItems(users()))
    agent = DDPG("MultiInputPolicy", continuous, learning_starts=20, batch_size=8, buffer_size=200)
    assert agent.learn(60).num_timesteps >= 60
    fresh = rlrec.make_users(ENV_ID, 4)
    documents = with_actions(fresh, NearestItems(simulator_of(fresh), per_slot=True))
    assert PPO("MultiInputPolicy", documents, n_steps=16, batch_size=16).learn(64).num_timesteps
    world: dict[str, Any] = {**SMALL, "slate_size": 1}
    one = with_actions(gym.make(ENV_ID, **world), SingleItem(users(1, **world)))
    assert one.action_space == gym.spaces.Discrete(12)
    q_learner = DQN("MultiInputPolicy", one, learning_starts=20, buffer_size=200, batch_size=8)
    assert q_learner.learn(60).num_timesteps == 60


@pytest.mark.filterwarnings("ignore:.*unconventional shape:UserWarning")
def test_an_environment_of_other_actions_passes_the_checks_of_stable_baselines3() -> None:
    check_env(with_actions(SlateEnv(users(1)), TopScores(users())), skip_render_check=True)


def test_vectors_of_other_actions_keep_the_masks_of_the_vector_environment() -> None:
    env = with_actions(SlateVectorEnv(users(5)), TopScores(users()))
    env.reset(seed=0)
    for _ in range(10):
        info = env.step(env.action_space.sample())[4]
    assert info["_final_obs"].all()
