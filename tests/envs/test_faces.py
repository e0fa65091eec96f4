"""One user in Gymnasium, many in a vector environment, many under stable-baselines3."""

import re
from collections.abc import Callable
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from gymnasium.wrappers.vector import RecordEpisodeStatistics
from stable_baselines3 import PPO
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import DummyVecEnv, VecMonitor

import rlrec.envs
from rlrec.envs import (
    SlateEnv,
    SlateVectorEnv,
    describe_environments,
    make_simulator,
    make_users,
)
from rlrec.errors import ConfigError
from rlrec.simulation import simulator_of

ENV_ID = "rlrec/InterestEvolution-v0"
ENV_IDS = [entry.env_id for entry in describe_environments()]
SMALL: dict[str, Any] = {"n_items": 20, "slate_size": 2}


@pytest.mark.parametrize("env_id", ENV_IDS)
def test_gymnasium_makes_one_user(env_id: str) -> None:
    env = gym.make(env_id)
    assert isinstance(env.unwrapped, SlateEnv)
    observation, info = env.reset(seed=0)
    assert env.observation_space.contains(observation) and "user_id" in info
    observation, reward, terminated, truncated, info = env.step(env.action_space.sample())
    assert env.observation_space.contains(observation)
    assert isinstance(reward, float) and not terminated and not truncated
    assert set(info) == {"response", "blank_slots", "user_id"}


def test_gymnasium_passes_arguments_on() -> None:
    env = gym.make(ENV_ID, **SMALL)
    assert simulator_of(env.unwrapped).n_choices == 20
    assert env.action_space == gym.spaces.MultiDiscrete([20, 20])


def test_the_time_limit_of_gymnasium_truncates() -> None:
    env = gym.make(ENV_ID, max_episode_steps=3)
    env.reset(seed=0)
    ends = [env.step(env.action_space.sample())[2:4] for _ in range(3)]
    assert ends == [(False, False), (False, False), (False, True)]


def test_resetting_in_mid_visit_brings_the_next_user() -> None:
    env = gym.make(ENV_ID, **SMALL)
    _, first = env.reset(seed=0)
    env.step(np.array([0, 1]))
    observation, second = env.reset()
    assert second["user_id"] != first["user_id"]
    assert not observation["last_slate"].any()


def test_a_user_without_a_seed_differs_from_run_to_run() -> None:
    seen = [gym.make(ENV_ID).reset()[0]["user"] for _ in range(2)]
    assert (seen[0] != seen[1]).any()


@pytest.mark.parametrize("env_id", ENV_IDS)
def test_gymnasium_makes_the_native_vector_environment(env_id: str) -> None:
    env = gym.make_vec(env_id, num_envs=5)
    assert isinstance(env, SlateVectorEnv)
    assert env.metadata["autoreset_mode"] is AutoresetMode.SAME_STEP
    observations, _ = env.reset(seed=0)
    assert env.observation_space.contains(observations)
    observations, rewards, *_ = env.step(env.action_space.sample())
    assert env.observation_space.contains(observations) and rewards.shape == (5,)


def test_the_vector_environment_tells_of_episode_ends_as_gymnasium_does() -> None:
    """User 0 of a seed is the same in both, and the limit ends episodes in both."""
    sync = SyncVectorEnv(
        [lambda: gym.make(ENV_ID, max_steps=4, **SMALL)], autoreset_mode=AutoresetMode.SAME_STEP
    )
    ours = gym.make_vec(ENV_ID, num_envs=3, max_steps=4, **SMALL)
    sync.reset(seed=5)
    ours.reset(seed=5)
    n_ended = 0
    for _ in range(9):
        actions = ours.action_space.sample()
        expected, told = sync.step(actions[:1])[4], ours.step(actions)[4]
        assert ("final_obs" in expected) == ("final_obs" in told)
        if "final_obs" not in expected:
            assert {*expected} == {*told}
            assert_same(expected, told)
            continue
        n_ended += 1
        for key in ("final_obs", "_final_obs", "final_info", "_final_info"):
            assert_same(expected[key], told[key])
    assert n_ended == 2


def assert_same(expected: Any, told: Any) -> None:
    """Compare Gymnasium's `info` of one environment with that of user 0 of several."""
    if isinstance(expected, dict):
        assert expected.keys() == told.keys()
        for key, value in expected.items():
            assert_same(value, told[key])
    elif expected.dtype == object:
        assert told.dtype == object and told.shape == (3,)
        for key, value in expected[0].items():
            assert told[0][key].dtype == value.dtype
            np.testing.assert_array_equal(told[0][key], value)
    else:
        assert told.dtype == expected.dtype and told.shape == (3, *expected.shape[1:])
        np.testing.assert_array_equal(told[:1], expected)


def test_users_who_go_on_have_no_last_observation() -> None:
    env = gym.make_vec(ENV_ID, num_envs=8, **SMALL)
    env.reset(seed=0)
    env.action_space.seed(0)
    while True:
        _, _, terminated, truncated, info = env.step(env.action_space.sample())
        ended = terminated | truncated
        if ended.any():
            break
    assert not ended.all()
    assert [last is not None for last in info["final_obs"]] == ended.tolist()
    np.testing.assert_array_equal(info["_final_info"], ended)
    assert not info["final_info"]["user_id"][~ended].any()


@pytest.mark.parametrize("seeds", [[4, 5, 6], [4], (4, 4, 4), [None, None, None]])
def test_a_list_of_seeds_is_refused(seeds: Any) -> None:
    env = gym.make_vec(ENV_ID, num_envs=3)
    with pytest.raises(ConfigError, match=f"one whole number, got {re.escape(repr(seeds))}: under"):
        env.reset(seed=seeds)


def test_a_mask_begins_the_next_visit_of_some_users_only() -> None:
    env: Any = gym.make_vec(ENV_ID, num_envs=3, **SMALL)
    env.reset(seed=0)
    env.step(np.tile([0, 1], (3, 1)))
    before = env.simulator.episode_ids
    mask = np.array([False, True, False])
    observations, info = env.reset(options={"reset_mask": mask})
    assert (env.simulator.episode_ids != before).tolist() == mask.tolist()
    assert observations["last_slate"].any(axis=1).tolist() == (~mask).tolist()
    np.testing.assert_array_equal(info["_user_id"], mask)
    np.testing.assert_array_equal(info["user_id"][mask], env.simulator.user_ids[mask])


@pytest.mark.parametrize(
    ("mask", "seed", "words"),
    [
        (np.ones(2, bool), None, r"shape \(3,\), got bool of shape \(2,\)"),
        (np.ones(3), None, "got float64 of shape"),
        ([True, False, True], None, r"got \[True, False, True\]"),
        (np.zeros(3, bool), None, "at least one user"),
        (np.array([True, False, False]), 3, "no seed"),
    ],
)
def test_a_mask_that_does_not_fit_is_refused(mask: Any, seed: int | None, words: str) -> None:
    env = gym.make_vec(ENV_ID, num_envs=3)
    env.reset(seed=0)
    with pytest.raises(ConfigError, match=words):
        env.reset(seed=seed, options={"reset_mask": mask})


def test_a_mask_needs_users_who_have_begun() -> None:
    env = gym.make_vec(ENV_ID, num_envs=3)
    with pytest.raises(ConfigError, match="earlier reset"):
        env.reset(options={"reset_mask": np.array([True, False, False])})


@pytest.mark.parametrize("n_steps", [0, 2])
def test_one_user_after_a_restored_snapshot_is_the_one_restored(n_steps: int) -> None:
    """The visit that the simulator had begun before `restore` is not shown after it."""
    env = SlateEnv(make_simulator(ENV_ID, 1, max_steps=3, **SMALL))
    env.reset(seed=0)
    slate = np.array([0, 1])
    for _ in range(3 + n_steps):  # the first visit ends, the second has gone on for a while
        ended = env.step(slate)[3]
        if ended:
            env.reset()
    moment = env.simulator.snapshot()
    while not env.step(slate)[3]:
        pass
    env.simulator.restore(moment)
    seen, info = env.reset()
    for key, array in env.simulator.observe().items():
        np.testing.assert_array_equal(seen[key], array[0])
    assert info["user_id"] == env.simulator.user_ids[0] == 2


def test_gymnasium_records_episode_statistics() -> None:
    env = RecordEpisodeStatistics(gym.make_vec(ENV_ID, num_envs=8, **SMALL))
    env.reset(seed=0)
    rng = np.random.default_rng(0)
    returns, lengths = np.zeros(8), np.zeros(8, np.int64)
    n_ended = 0
    for _ in range(150):
        _, rewards, terminated, truncated, info = env.step(rng.integers(20, size=(8, 2)))
        returns += rewards
        lengths += 1
        ended = terminated | truncated
        if ended.any():
            np.testing.assert_array_equal(info["_episode"], ended)
            np.testing.assert_allclose(info["episode"]["r"][ended], returns[ended])
            np.testing.assert_array_equal(info["episode"]["l"][ended], lengths[ended])
        returns[ended], lengths[ended] = 0.0, 0
        n_ended += int(ended.sum())
    assert n_ended >= 8


def test_sb3_is_told_how_an_episode_ended() -> None:
    env = make_users(ENV_ID, 6, seed=1, max_steps=80, **SMALL)
    env.reset()
    rng = np.random.default_rng(0)
    told = []
    for _ in range(160):
        _, _, dones, infos = env.step(rng.integers(20, size=(6, 2)))
        told += [infos[user] for user in np.flatnonzero(dones)]
    assert {info["TimeLimit.truncated"] for info in told} == {True, False}
    for info in told:
        assert info["terminal_observation"]["topic_counts"].sum() == info["episode"]["l"]
        assert info["TimeLimit.truncated"] <= (info["episode"]["l"] == 80)


def test_users_of_sb3_who_go_on_share_one_empty_info() -> None:
    env = make_users(ENV_ID, 4)
    env.reset()
    infos = env.step(np.zeros((4, 3), np.int64))[3]
    assert isinstance(infos, list) and infos == [{}] * 4


def test_the_monitor_of_sb3_agrees_with_the_episode_info() -> None:
    env = VecMonitor(make_users(ENV_ID, 8, **SMALL), info_keywords=("TimeLimit.truncated",))
    env.reset()
    rng = np.random.default_rng(0)
    returns = np.zeros(8)
    n_ended = 0
    for _ in range(150):
        _, rewards, dones, infos = env.step(rng.integers(20, size=(8, 2)))
        returns += rewards
        for user in np.flatnonzero(dones):
            assert infos[user]["episode"]["r"] == pytest.approx(returns[user], rel=1e-6)
            n_ended += 1
        returns[dones] = 0.0
    assert n_ended >= 8


def test_seeding_sb3_users_counts_at_the_next_reset_once() -> None:
    env: Any = make_users(ENV_ID, 3, seed=0)
    first = env.reset()["user"]
    later = env.reset()["user"]
    env.seed(0)
    np.testing.assert_array_equal(env.reset()["user"], first)
    np.testing.assert_array_equal(env.reset()["user"], later)
    assert (first != later).all()


def test_attributes_and_methods_of_sb3_users_answer_for_all() -> None:
    env = make_users(ENV_ID, 3)
    env.reset()
    assert env.get_attr("num_envs", indices=[0, 2]) == [3, 3]
    assert env.env_is_wrapped(gym.Wrapper) == [False] * 3
    env.set_attr("label", "users")
    assert env.get_attr("label") == ["users"] * 3
    env.close()


@pytest.mark.parametrize(("indices", "n_asked"), [(None, 3), (1, 1), ([0, 2], 2)])
def test_sb3_users_give_one_answer_for_each_user_asked_for(indices: Any, n_asked: int) -> None:
    env = make_users(ENV_ID, 3)
    env.reset()
    states = env.env_method("latent_state", indices=indices)
    assert len(states) == n_asked and states[0]["budget"].shape == (3,)
    assert env.get_attr("n_choices", indices) == [env.simulator.n_choices] * n_asked
    assert env.env_is_wrapped(gym.Wrapper, indices) == [False] * n_asked


def test_sb3_users_are_asked_before_their_simulator() -> None:
    env: Any = make_users(ENV_ID, 3, seed=0)
    first = env.reset()["user"]
    env.env_method("seed", 0)  # a method of the environment alone
    (again,) = env.env_method("reset", indices=0)  # of both: the simulator's needs a seed
    np.testing.assert_array_equal(again["user"], first)
    with pytest.raises(AttributeError, match="'SlateVecEnv' object has no attribute 'nothing'"):
        env.env_method("nothing")


def test_an_attribute_of_the_simulator_is_set_there() -> None:
    env = make_users(ENV_ID, 3)
    env.set_attr("env_id", "mine")
    assert env.simulator.env_id == "mine" and env.get_attr("env_id", 0) == ["mine"]


def test_sb3_learns_and_evaluates_on_the_users() -> None:
    env = make_users(ENV_ID, 4, max_steps=5, **SMALL)
    agent = PPO("MultiInputPolicy", env, n_steps=8, batch_size=16, n_epochs=1, seed=0)
    agent.learn(64)
    mean: Any
    mean, _ = evaluate_policy(agent, env, n_eval_episodes=4, warn=False)
    assert 0 <= mean <= 20


def single_user() -> gym.Env[Any, Any]:
    return gym.make(ENV_ID, max_episode_steps=7)


@pytest.mark.parametrize(
    "make",
    [
        lambda: gym.make_vec(ENV_ID, num_envs=2),
        lambda: RecordEpisodeStatistics(gym.make_vec(ENV_ID, num_envs=2)),
        lambda: make_users(ENV_ID, 2),
        lambda: VecMonitor(make_users(ENV_ID, 2)),
        single_user,
        lambda: DummyVecEnv([single_user]),
        lambda: DummyVecEnv([lambda: Monitor(single_user())]),
        lambda: SyncVectorEnv([single_user]),
    ],
)
def test_the_faces_lead_to_their_simulator(make: Callable[[], Any]) -> None:
    users = make()
    users.reset()
    simulator = simulator_of(users)
    assert isinstance(simulator, rlrec.envs.UserSimulator)
    assert (simulator.latent_state()["budget"] > 0).all()  # it is the one that was reset


def test_a_vector_of_several_environments_has_no_one_simulator() -> None:
    with pytest.raises(TypeError, match=r"DummyVecEnv of 2 environments; rlrec\.make_users"):
        simulator_of(DummyVecEnv([single_user, single_user]))


@pytest.mark.parametrize("users", ["users", gym.Env()])
def test_what_has_no_simulator_is_refused(users: Any) -> None:
    with pytest.raises(TypeError, match=f"got {type(users).__name__}"):
        simulator_of(users)
