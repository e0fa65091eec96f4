"""Ours in theirs: the wrappers of Gymnasium, and agents of stable-baselines3."""

from collections.abc import Callable
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces, wrappers
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from gymnasium.wrappers import vector
from stable_baselines3 import A2C, PPO
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import DummyVecEnv, VecMonitor, VecNormalize

import rlrec
from rlrec.envs import SlateVectorEnv, make_simulator
from rlrec.envs.adapters import AdaptedUsers, adapt_gymnasium
from rlrec.envs.sb3 import SlateVecEnv
from rlrec.envs.wrappers import AbnormalUsers, MissingFeatures
from rlrec.errors import ConfigError
from rlrec.simulation import simulator_of

ENV_ID = "rlrec/InterestEvolution-v0"
SMALL: dict[str, Any] = {"n_items": 12, "slate_size": 2, "max_steps": 6, "history_length": 4}

SINGLE: dict[str, Callable[[Any], Any]] = {
    "RecordEpisodeStatistics": wrappers.RecordEpisodeStatistics,
    "TimeLimit": lambda env: wrappers.TimeLimit(env, 4),
    "OrderEnforcing": wrappers.OrderEnforcing,
    "PassiveEnvChecker": wrappers.PassiveEnvChecker,
    "FlattenObservation": wrappers.FlattenObservation,
    "FilterObservation": lambda env: wrappers.FilterObservation(env, ["topic_counts"]),
    "TimeAwareObservation": lambda env: wrappers.TimeAwareObservation(wrappers.TimeLimit(env, 5)),
    "NormalizeObservation": lambda env: wrappers.NormalizeObservation(
        wrappers.FlattenObservation(env)
    ),
    "FrameStackObservation": lambda env: wrappers.FrameStackObservation(env, 3),
    "NormalizeReward": wrappers.NormalizeReward,
    "ClipReward": lambda env: wrappers.ClipReward(env, 0.0, 1.0),
    "TransformReward": lambda env: wrappers.TransformReward(env, lambda reward: -float(reward)),
    "Autoreset": wrappers.Autoreset,
}

VECTOR: dict[str, Callable[[Any], Any]] = {
    "RecordEpisodeStatistics": vector.RecordEpisodeStatistics,
    "FlattenObservation": vector.FlattenObservation,
    "NormalizeObservation": lambda env: vector.NormalizeObservation(vector.FlattenObservation(env)),
    "NormalizeReward": vector.NormalizeReward,
    "ClipReward": lambda env: vector.ClipReward(env, 0.0, 1.0),
    "TransformReward": lambda env: vector.TransformReward(env, lambda rewards: -rewards),
    "FilterObservation": lambda env: vector.FilterObservation(env, ["topic_counts", "last_slate"]),
    "DictInfoToList": vector.DictInfoToList,
}


@pytest.mark.parametrize("name", SINGLE)
def test_wrappers_of_gymnasium_take_one_user(name: str) -> None:
    env = SINGLE[name](gym.make(ENV_ID, **SMALL))
    env.action_space.seed(0)
    observation, _ = env.reset(seed=0)
    n_ended = 0
    for _ in range(20):
        assert env.observation_space.contains(observation)
        observation, reward, terminated, truncated, _ = env.step(env.action_space.sample())
        assert np.isfinite(reward)
        if terminated or truncated:
            n_ended += 1
            if name != "Autoreset":
                observation, _ = env.reset()
    assert n_ended >= 2
    assert simulator_of(env).n_choices == 12


OF_OBSERVATIONS = ("FlattenObservation", "NormalizeObservation", "FilterObservation")


@pytest.mark.parametrize("name", VECTOR)
@pytest.mark.parametrize("mode", [AutoresetMode.SAME_STEP, AutoresetMode.NEXT_STEP], ids=str)
def test_vector_wrappers_of_gymnasium_take_many_users(name: str, mode: AutoresetMode) -> None:
    if name in OF_OBSERVATIONS and mode is AutoresetMode.SAME_STEP:
        pytest.skip("Gymnasium's own wrappers of observations refuse this mode")
    env = VECTOR[name](gym.make_vec(ENV_ID, num_envs=5, autoreset_mode=mode, **SMALL))
    env.action_space.seed(0)
    observations, _ = env.reset(seed=0)
    for _ in range(14):
        assert env.observation_space.contains(observations)
        observations, rewards, _, truncated, info = env.step(env.action_space.sample())
        assert rewards.shape == (5,) and np.isfinite(rewards).all()
        if name == "RecordEpisodeStatistics" and truncated.any():
            np.testing.assert_array_equal(info["episode"]["l"], 6)
    assert simulator_of(env).n_users == 5


def test_in_mode_next_step_a_visit_begins_with_the_step_after_the_last() -> None:
    ours = gym.make_vec(ENV_ID, num_envs=3, autoreset_mode="NextStep", **SMALL)
    theirs = SyncVectorEnv([lambda: gym.make(ENV_ID, **SMALL)] * 3)
    assert theirs.metadata["autoreset_mode"] is ours.metadata["autoreset_mode"]
    seen: Any = ours.reset(seed=0)[0]
    user_ids = ours.reset(seed=0)[1]["user_id"]
    theirs.reset(seed=0)
    ours.action_space.seed(0)
    for number in range(1, 15):
        slates = ours.action_space.sample()
        seen, rewards, terminated, truncated, info = ours.step(slates)
        expected = theirs.step(slates)
        # User 0 of a seed is the same in both, in the first visit.
        if number <= 6:
            for key, array in expected[0].items():
                np.testing.assert_array_equal(seen[key][0], array[0])
            assert rewards[0] == expected[1][0]
        np.testing.assert_array_equal(truncated, expected[3])
        assert truncated.all() == (number in (6, 13)) and not terminated.any()
        if number in (7, 14):
            assert not rewards.any() and not seen["last_slate"].any()
            assert not info["_response"].any() and (info["user_id"] != user_ids).all()
        else:
            np.testing.assert_array_equal(seen["last_slate"], slates + 1)
            assert info["_response"].all()


def test_in_mode_next_step_users_wait_one_by_one() -> None:
    ours = gym.make_vec(ENV_ID, num_envs=40, autoreset_mode=AutoresetMode.NEXT_STEP, n_items=12)
    ours.action_space.seed(0)
    ours.reset(seed=0)
    waiting = np.zeros(40, bool)
    n_begun = 0
    for _ in range(150):
        slates = ours.action_space.sample()
        seen, rewards, terminated, truncated, info = ours.step(slates)
        np.testing.assert_array_equal(info["_response"], ~waiting)
        np.testing.assert_array_equal(seen["last_slate"][~waiting], slates[~waiting] + 1)
        assert not seen["last_slate"][waiting].any() and not rewards[waiting].any()
        assert not (terminated | truncated)[waiting].any()
        n_begun += waiting.sum()
        waiting = terminated | truncated
    assert n_begun > 0 and waiting.sum() < 40


def test_another_mode_is_refused() -> None:
    for mode in (AutoresetMode.DISABLED, "never"):
        with pytest.raises(ConfigError, match="autoreset_mode must be one of"):
            SlateVectorEnv(make_simulator(ENV_ID, 2), autoreset_mode=mode)


def test_a_wrapper_of_gymnasium_changes_rewards_and_nothing_else() -> None:
    plain = gym.make_vec(ENV_ID, num_envs=5, **SMALL)
    negative = vector.TransformReward(gym.make_vec(ENV_ID, num_envs=5, **SMALL), lambda r: -r)
    plain.reset(seed=0)
    negative.reset(seed=0)
    plain.action_space.seed(0)
    for _ in range(10):
        slates = plain.action_space.sample()
        expected, rewards, *_ = plain.step(slates)
        seen, changed, *_ = negative.step(slates)
        np.testing.assert_array_equal(changed, -rewards)
        for key, array in expected.items():
            np.testing.assert_array_equal(seen[key], array)


def adapted(n_users: int) -> AdaptedUsers:
    return adapt_gymnasium(
        lambda: gym.make(ENV_ID, **SMALL), n_users, channels=("click", "watch_time")
    )


def odd(n_users: int) -> Any:
    users = make_simulator(ENV_ID, n_users, tastes_observed=True, **SMALL)
    return MissingFeatures(AbnormalUsers(users, 0.3), 0.2)


AGENTS: dict[str, Callable[[], Any]] = {
    "users": lambda: rlrec.make_users(ENV_ID, 4, **SMALL),
    "monitored": lambda: VecMonitor(rlrec.make_users(ENV_ID, 4, **SMALL)),
    "normalised": lambda: VecNormalize(rlrec.make_users(ENV_ID, 4, **SMALL)),
    "single users": lambda: DummyVecEnv([lambda: Monitor(gym.make(ENV_ID, **SMALL))] * 2),
    "adapted": lambda: SlateVecEnv(adapted(4)),
    "wrapped": lambda: VecMonitor(SlateVecEnv(odd(4))),
}


@pytest.mark.parametrize("make", AGENTS.values(), ids=AGENTS.keys())
@pytest.mark.parametrize("agent", [PPO, A2C])
def test_agents_of_stable_baselines3_learn(agent: Any, make: Callable[[], Any]) -> None:
    settings: dict[str, Any] = {"batch_size": 16} if agent is PPO else {}
    learner = agent("MultiInputPolicy", make(), n_steps=16, seed=0, device="cpu", **settings)
    before = [p.detach().clone() for p in learner.policy.parameters()]
    learner.learn(200)
    assert learner.num_timesteps >= 200
    after = list(learner.policy.parameters())
    assert any((one != other).any() for one, other in zip(before, after, strict=True))


@pytest.mark.parametrize("make", [adapted, odd], ids=["adapted", "wrapped"])
def test_gymnasiums_wrappers_take_adapted_and_wrapped_users(make: Any) -> None:
    env = vector.NormalizeReward(vector.RecordEpisodeStatistics(SlateVectorEnv(make(3))))
    assert isinstance(env.single_observation_space, spaces.Dict)
    env.action_space.seed(0)
    env.reset(seed=0)
    lengths = []
    for _ in range(13):
        info = env.step(env.action_space.sample())[4]
        if "episode" in info:
            lengths += info["episode"]["l"][info["_episode"]].tolist()
    assert len(lengths) >= 6 and max(lengths) == 6
