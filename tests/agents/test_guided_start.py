"""A guide plays the first steps of each visit, ever fewer of them."""

from typing import Any

import numpy as np
import pytest
from gymnasium import spaces
from stable_baselines3 import SAC

import rlrec
from rlrec.agents import (
    GuidedStart,
    GuidedStartConfig,
    SlatePPO,
    SlatePPOConfig,
    SlateQ,
    SlateQConfig,
)
from rlrec.arrays import Floats, Ints, Observations
from rlrec.envs import UserSimulator
from rlrec.envs.sb3 import SlateVecEnv
from rlrec.errors import ConfigError
from rlrec.slates import SlateDraw
from tests.agents.test_known_answers import MINUTES, N_STEPS, mean_return, two_tastes

N_USERS = 20


class Fixed:
    """Shows one item always, and notes whom it served."""

    def __init__(self, likes: bool) -> None:
        self.likes = likes
        self.n_served: list[int] = []

    def act(
        self, observations: Observations, rng: np.random.Generator, deterministic: bool = False
    ) -> SlateDraw:
        liked = observations["user"].argmax(axis=1)[:, None]
        self.n_served.append(len(liked))
        return SlateDraw(liked if self.likes else 1 - liked, np.zeros(liked.shape))

    def log_probs(self, observations: Observations, slates: Ints) -> Floats:
        return np.zeros(slates.shape)


def agent(exploration: float = 0.0, **settings: Any) -> SlateQ:
    config = SlateQConfig(
        hidden=16,
        item_size=4,
        batch_size=64,
        value_scale=8.0,
        target_rate=0.02,
        discount=0.9,
        exploration_start=exploration,
        exploration_end=exploration,
        **settings,
    )
    return SlateQ(SlateVecEnv(UserSimulator(two_tastes(), N_USERS)), config, seed=0)


def test_the_guide_plays_the_first_steps_of_every_visit_and_the_agent_the_rest() -> None:
    guide, learner = Fixed(likes=False), agent(learning_starts=10_000)
    config = GuidedStartConfig(n_steps=3, n_stages=1, n_visits=10_000)
    learner.learn(N_USERS * 3 * N_STEPS, GuidedStart(guide, config))
    # A visit is of exactly N_STEPS steps, so all users begin theirs at the same time.
    assert guide.n_served == [N_USERS] * 9
    buffer: Any = learner.replay_buffer
    disliked = 1 - buffer.observations["user"][: 3 * N_STEPS].argmax(axis=2)
    is_guides = np.arange(3 * N_STEPS) % N_STEPS < 3
    shown = buffer.actions[: 3 * N_STEPS, :, 0]
    np.testing.assert_array_equal(shown[is_guides], disliked[is_guides])
    own = learner._best(
        {key: array[5] for key, array in buffer.observations.items()}
    )  # it has not learned yet: its slates never change
    np.testing.assert_array_equal(shown[5], own[:, 0])
    assert (own[:, 0] != disliked[5]).any()


def test_the_stored_slates_are_those_that_were_shown() -> None:
    learner = agent(learning_starts=10_000)
    learner.learn(
        N_USERS * N_STEPS, GuidedStart(Fixed(True), GuidedStartConfig(n_steps=100, n_visits=1000))
    )
    buffer: Any = learner.replay_buffer
    taken = buffer.rewards[:N_STEPS].mean()
    # 200 slates of what is liked, taken with probability .88: 5 standard errors
    expected = MINUTES / (1 + np.exp(-2.0))
    assert abs(taken - expected) < 5 * MINUTES * np.sqrt(0.88 * 0.12 / (N_USERS * N_STEPS))


def test_the_guide_steps_back_stage_by_stage_while_the_return_holds() -> None:
    start = GuidedStart(
        Fixed(True), GuidedStartConfig(n_steps=8, n_stages=4, n_visits=5, tolerance=0.1)
    )
    played = []
    for mean in (30.0, 28.0, 25.0, 26.0, 40.0, 10.0):
        start._judge(np.full(5, mean))
        played.append(start.n_guided)
    assert played == [6, 4, 4, 2, 0, 0]
    assert start.goal is not None and start.goal.value == 40.0


def test_a_return_that_only_varies_by_chance_does_not_keep_the_guide() -> None:
    """Ten stages, 50 visits each, of standard deviation 35 around 100: a window varies by 5."""
    rng = np.random.default_rng(0)
    windows = []
    for _ in range(50):
        start, n = GuidedStart(Fixed(True)), 0
        while start.n_guided:
            start._judge(rng.normal(100.0, 35.0, 50))
            n += 1
        windows.append(n)
    assert np.median(windows) < 20 and max(windows) < 60


def test_a_guide_that_is_left_at_the_end_is_told(caplog: pytest.LogCaptureFixture) -> None:
    agent().learn(N_USERS, GuidedStart(Fixed(True)))
    assert "the guide still plays the first 40 steps as training ends" in caplog.text


def test_returns_below_zero_hold_too() -> None:
    start = GuidedStart(Fixed(True), GuidedStartConfig(n_steps=8, n_stages=4, tolerance=0.1))
    played = []
    for mean in (-30.0, -32.0, -36.0):
        start._judge(np.full(5, mean))
        played.append(start.n_guided)
    assert played == [6, 4, 4]


def test_guided_by_what_is_liked_the_agent_ends_alone_and_at_the_optimum() -> None:
    learner = agent(exploration=0.1, learning_starts=500, buffer_size=5000)
    start = GuidedStart(
        Fixed(True), GuidedStartConfig(n_steps=8, n_stages=4, n_visits=60, tolerance=0.1)
    )
    learner.learn(6000, start)
    assert start.n_guided == 0
    both = {"user": np.eye(2, dtype=np.float32), "last_response": np.zeros((2, 1, 2), np.float32)}
    assert learner.predict(both)[0].tolist() == [[0], [1]]
    optimum = N_STEPS * MINUTES / (1 + np.exp(-2.0))
    spread = MINUTES * np.sqrt(N_STEPS * 0.88 * 0.12 / 2000)
    assert abs(mean_return(learner, two_tastes(), 2000).value - optimum) < 5 * spread


def test_afterwards_the_agent_is_as_it_was() -> None:
    learner, guide = agent(), Fixed(True)
    learner.learn(N_USERS * 5, GuidedStart(guide))
    n_calls = len(guide.n_served)
    learner.learn(N_USERS * 5)
    assert n_calls == 5 and len(guide.n_served) == n_calls
    assert "_sample_action" not in vars(learner)


def test_the_same_seed_guides_to_the_same_bits() -> None:
    states = []
    for _ in range(2):
        learner = agent(learning_starts=100)
        states.append(learner.learn(600, GuidedStart(Fixed(True))).policy.state_dict())
    assert all((states[0][key] == states[1][key]).all() for key in states[0])


def test_on_policy_agents_are_refused() -> None:
    users = rlrec.make_users("rlrec/InterestEvolution-v0", N_USERS)
    ppo = SlatePPO(users, SlatePPOConfig(n_transitions=200), seed=0)
    with pytest.raises(ConfigError, match="SlatePPO, which would take the guide's slates for"):
        ppo.learn(200, GuidedStart(Fixed(True)))


def test_agents_of_continuous_actions_are_refused() -> None:
    sac: Any = SAC("MlpPolicy", "Pendulum-v1", learning_starts=10)
    assert isinstance(sac.action_space, spaces.Box)
    with pytest.raises(ConfigError, match="agents that show slates, got actions Box"):
        sac.learn(20, GuidedStart(Fixed(True)))


@pytest.mark.parametrize(
    ("setting", "value"),
    [("n_steps", 0), ("n_stages", 1.5), ("n_visits", -3), ("tolerance", -0.1)],
)
def test_settings_out_of_range_are_refused(setting: str, value: Any) -> None:
    with pytest.raises(ConfigError, match=f"{setting} of GuidedStart must be"):
        GuidedStartConfig(**{setting: value})
