"""Gymnasium environments of other packages as simulators of users."""

import random
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces
from numpy.typing import NDArray

from rlrec.agents import SlateQ, SlateQConfig
from rlrec.arrays import Ints
from rlrec.baselines import EASE
from rlrec.data import InteractionLog
from rlrec.data.catalogue import Catalogue
from rlrec.envs import SlateEnv, SlateVectorEnv
from rlrec.envs.adapters import AdaptedUsers, adapt_gymnasium
from rlrec.envs.adapters.adapted import plain_catalogue
from rlrec.envs.sb3 import SlateVecEnv
from rlrec.errors import (
    ConfigError,
    ModelFileError,
    TruthError,
    UnknownNameError,
    UserModelError,
)
from rlrec.evaluation import rollout
from rlrec.policy import RandomPolicy
from rlrec.simulation import SteppedSimulator, simulator_of
from rlrec.testing import ENVIRONMENT_CHECKS

N_ITEMS, SLATE, N_TOPICS = 12, 3, 4
Observation = dict[str, Any]


class Boring(gym.Env[Observation, NDArray[np.int64]]):
    """Slates of items with topics; clicks on liked topics bore. Like Sardine's environments."""

    def __init__(self, length: int = 8, stays: float = 0.95) -> None:
        self.observation_space = spaces.Dict(
            {
                "slate": spaces.MultiDiscrete([N_ITEMS] * SLATE),
                "clicks": spaces.MultiBinary(SLATE),
                "hist": spaces.Box(0.0, 1.0, (N_TOPICS,), np.float32),
            }
        )
        self.action_space = spaces.MultiDiscrete([N_ITEMS] * SLATE)
        self.length, self.stays = length, stays
        self.topics = np.random.permutation(np.arange(N_ITEMS) % N_TOPICS)  # the global generator

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        super().reset(seed=seed)
        self.taste = self.np_random.random(N_TOPICS)
        self.counts = np.zeros(N_TOPICS)
        self.t = 0
        return self._observe(np.zeros(SLATE, np.int64), np.zeros(SLATE, np.int8)), {}

    def step(
        self, action: NDArray[np.int64]
    ) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        topics = self.topics[action]
        p = self.taste[topics] / (1.0 + self.counts[topics])
        clicks = (self.np_random.random(SLATE) < p).astype(np.int8)
        np.add.at(self.counts, topics[clicks > 0], 1.0)
        self.t += 1
        left = bool(self.np_random.random() > self.stays)
        info = {"clicks": clicks, "slate": action}
        return (
            self._observe(action, clicks),
            float(clicks.sum()),
            left,
            self.t >= self.length and not left,
            info,
        )

    def _observe(self, slate: NDArray[Any], clicks: NDArray[Any]) -> Observation:
        hist = np.clip(self.counts / 5, 0, 1).astype(np.float32)
        return {"slate": slate, "clicks": clicks, "hist": hist}


class OneItem(gym.Env[NDArray[np.float32], np.int64]):
    """One item at a time, whose reward says how much it was liked; draws from global generators."""

    def __init__(self, n_items: int = 6, start: int = 0) -> None:
        self.observation_space = spaces.Box(-1.0, 1.0, (2, 2), np.float32)
        self.action_space = spaces.Discrete(n_items, start=start)
        self.n_items, self.start = n_items, start

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.float32], dict[str, Any]]:
        self.liked = random.randrange(self.n_items)
        self.t = 0
        return np.zeros((2, 2), np.float32), {}

    def step(
        self, action: np.int64
    ) -> tuple[NDArray[np.float32], float, bool, bool, dict[str, Any]]:
        assert self.action_space.contains(action)
        is_liked = int(action) - self.start == self.liked and np.random.random() < 0.9
        self.t += 1
        return np.full((2, 2), self.t / 10, np.float32), float(is_liked), self.t == 5, False, {}


def users(n_users: int = 5, first_user: int = 0, **arguments: Any) -> AdaptedUsers:
    return adapt_gymnasium(Boring, n_users, first_user, **arguments)


MAKERS: dict[str, Any] = {
    "slates": lambda n, first: adapt_gymnasium(lambda: Boring(10**6, stays=0.7), n, first),
    "slates with a limit": lambda n, first: adapt_gymnasium(
        lambda: Boring(10**6, stays=0.9), n, first, max_steps=4
    ),
    "single items": lambda n, first: adapt_gymnasium(OneItem, n, first),
}


@pytest.mark.parametrize("case", MAKERS)
@pytest.mark.parametrize("check", ENVIRONMENT_CHECKS, ids=lambda check: check.__name__)
def test_adapted_environments_keep_the_contract(check: Any, case: str) -> None:
    if check.__name__ == "check_repeats_are_blank" and case == "slates":
        pytest.skip("a foreign environment may respond to repeats: see the next test")
    check(MAKERS[case])


def test_repeats_are_counted_and_never_responded_to() -> None:
    simulator = users(50)
    simulator.reset(0)
    for _ in range(5):
        step = simulator.step(np.tile([3, 3, 5], (50, 1)))
        assert (step.blank_slots == 1).all() and not step.responses[:, 1].any()


def test_the_simulator_shows_what_the_environment_shows() -> None:
    simulator = users(1)
    inner = simulator.world.make_copy()._env  # type: ignore[attr-defined]
    seen = simulator.reset(3)
    copied = simulator._copies[0]._env  # type: ignore[attr-defined]
    inner.reset(seed=0)
    inner.np_random = np.random.default_rng()
    inner.np_random.bit_generator.state = copied.np_random.bit_generator.state
    inner.taste = copied.taste.copy()
    rng = np.random.default_rng(0)
    np.testing.assert_array_equal(inner.topics, copied.topics)
    for _ in range(9):
        slate = rng.permutation(N_ITEMS)[:SLATE]
        expected, reward, terminated, truncated, _ = inner.step(slate)
        step = simulator.step(slate[None])
        seen = step.final_observations if step.finished.size else step.observations
        np.testing.assert_array_equal(seen["context"][0], expected["hist"])
        np.testing.assert_array_equal(seen["last_slate"][0], slate + 1)
        np.testing.assert_array_equal(seen["last_response"][0, :, 0], expected["clicks"])
        assert (step.rewards[0], step.terminated[0]) == (reward, terminated)
        assert step.truncated[0] == truncated
        if step.finished.size:
            return
    raise AssertionError("the visit must end within its limit")


def test_one_of_ours_seen_through_gymnasium_keeps_its_observations() -> None:
    name = "rlrec/InterestEvolution-v0"
    arguments: dict[str, Any] = {"n_items": 20, "slate_size": 2, "max_steps": 9}
    catalogue = simulator_of(gym.make(name, **arguments)).catalogue
    adapted = adapt_gymnasium(
        lambda: gym.make(name, **arguments),
        3,
        channels=("click", "watch_time"),
        catalogue=catalogue,
        takes_one=True,
    )
    adapted.reset(0)
    for number in range(20):
        step = adapted.step(np.tile([number % 20, (number + 7) % 20], (3, 1)))
        inner = [simulator_of(c._env) for c in adapted._copies]  # type: ignore[attr-defined]
        for user in set(range(3)) - set(step.finished.tolist()):
            theirs: Any = inner[user].observe()  # type: ignore[attr-defined]
            for key, array in theirs.items():
                np.testing.assert_array_equal(step.observations[key][user], array[0])


def test_keys_go_where_they_are_told() -> None:
    assert users().observation_spaces["context"].shape == (N_TOPICS,)
    assert users(rest="user").observation_spaces["user"].shape == (N_TOPICS,)
    assert users(keys={"hist": "user"}).observation_spaces["user"].high == 1.0
    told = users(keys={"hist": "user", "clicks": "user"})
    assert told.observation_spaces["user"].shape == (N_TOPICS + SLATE,)
    assert not {"user", "context"} & set(users(rest="drop").observation_spaces)


def test_an_observation_without_keys_is_flattened() -> None:
    simulator = adapt_gymnasium(OneItem, 2)
    assert simulator.observation_spaces["context"].shape == (4,)
    simulator.reset(0)
    seen = simulator.step(np.zeros((2, 1), np.int64)).observations["context"]
    np.testing.assert_allclose(seen, 0.1)


def test_a_single_item_is_said_in_the_numbers_of_the_environment() -> None:
    simulator = adapt_gymnasium(lambda: OneItem(4, start=10), 60)
    simulator.reset(0)
    assert (simulator.slate_size, simulator.n_choices) == (1, 4)
    liked = np.array([copied._env.liked for copied in simulator._copies])  # type: ignore[attr-defined]
    step = simulator.step(liked[:, None])
    np.testing.assert_array_equal(step.responses[:, 0, 0], step.rewards)
    # Liked items are taken with probability 0.9: 60 users, 4 standard errors are 0.155.
    assert step.rewards.mean() == pytest.approx(0.9, abs=0.155)


def test_global_generators_give_each_user_chance_of_his_own() -> None:
    simulator = adapt_gymnasium(OneItem, 40)
    simulator.reset(0)
    liked = {copied._env.liked for copied in simulator._copies}  # type: ignore[attr-defined]
    assert liked == set(range(6))


def test_responses_may_be_read_by_a_function_of_ones_own() -> None:
    def twice(observation: Any, reward: float, info: dict[str, Any]) -> Any:
        return np.stack([info["clicks"], 2 * info["clicks"]], axis=1)

    simulator = users(30, responses=twice, channels=("click", "double"))
    simulator.reset(0)
    step = simulator.step(np.tile([0, 1, 2], (30, 1)))
    np.testing.assert_array_equal(step.responses[:, :, 1], 2 * step.responses[:, :, 0])
    assert step.responses.any()


class Silent(Boring):
    """Tells nothing of what came back."""

    def __init__(self) -> None:
        super().__init__()
        self.observation_space = spaces.Dict({"hist": self.observation_space["hist"]})  # type: ignore[index]

    def step(self, action: Any) -> Any:
        seen, reward, terminated, truncated, _ = super().step(action)
        return {"hist": seen["hist"]}, reward, terminated, truncated, {}


@pytest.mark.parametrize(
    ("make", "arguments", "error", "words"),
    [
        (Boring, {"keys": {"histt": "user"}}, UnknownNameError, "Did you mean 'hist'"),
        (Boring, {"keys": {"hist": "users"}}, UnknownNameError, "Did you mean 'user'"),
        (Boring, {"rest": "history"}, ConfigError, "rest must be"),
        (Boring, {"channels": ("click", "time")}, ConfigError, "shape \\(3, 2\\)"),
        (Boring, {"max_steps": 0}, ConfigError, "max_steps"),
        (Silent, {}, ConfigError, "no responses found"),
        (lambda: gym.make("CartPole-v1"), {"max_steps": 3}, None, ""),
        (lambda: gym.make("Pendulum-v1"), {}, ConfigError, "MultiDiscrete"),
    ],
)
def test_what_cannot_be_read_is_refused(make: Any, arguments: Any, error: Any, words: str) -> None:
    if error is None:
        assert adapt_gymnasium(make, 2, **arguments).env_id == "CartPole-v1"
        return
    with pytest.raises(error, match=words):
        adapt_gymnasium(make, 2, **arguments)


class Wrong(Boring):
    """Goes wrong in one way, after `good` steps."""

    def __init__(self, what: str, good: int = 0) -> None:
        super().__init__()
        self.what, self.good = what, good

    def step(self, action: Any) -> Any:
        seen, reward, terminated, truncated, info = super().step(action)
        self.good -= 1
        if self.good >= 0:
            return seen, reward, terminated, truncated, info
        if self.what == "four values":
            return seen, reward, terminated, info
        parts = {"NaN seen": ("hist", np.full(N_TOPICS, np.nan)), "longer": ("hist", np.zeros(7))}
        seen.update([parts[self.what]] if self.what in parts else [])
        told = {"NaN response": [np.nan, 0, 0], "words": ["a", "b", "c"]}
        info["clicks"] = told.get(self.what, info["clicks"])
        rewards = {"NaN": np.nan, "None": None, "two": np.ones(2), "word": "1"}
        return seen, rewards.get(self.what, reward), terminated, truncated, info


WRONG = [
    ("NaN seen", "observation 'context' of Wrong must be finite"),
    ("longer", r"'context'.*declares, \(4,\), got \(7,\)"),
    ("NaN response", "response of Wrong must be finite"),
    ("words", "responses must be numbers"),
    ("NaN", "reward of Wrong must be finite, got nan"),
    ("None", "reward of Wrong must be one number a step, got None"),
    ("two", "one number a step"),
    ("word", "one number a step, got '1'"),
    ("four values", r"`step` of Wrong must return \(.*info\), as in Gymnasium, got 4 values"),
]


@pytest.mark.parametrize(("what", "words"), WRONG)
def test_what_is_wrong_from_the_first_step_on_is_told_at_once(what: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        adapt_gymnasium(lambda: Wrong(what), 2)


@pytest.mark.parametrize(("what", "words"), WRONG)
def test_what_goes_wrong_later_is_told_then(what: str, words: str) -> None:
    simulator = adapt_gymnasium(lambda: Wrong(what, good=2), 2)
    simulator.reset(0)
    slates: Ints = np.tile([0, 1, 2], (2, 1))
    simulator.step(slates)
    simulator.step(slates)
    with pytest.raises(ConfigError, match=words):
        simulator.step(slates)


def test_every_user_needs_an_environment_of_its_own() -> None:
    shared = Boring()
    with pytest.raises(ConfigError, match="a new Boring for each user"):
        adapt_gymnasium(lambda: shared, 2).reset(0)


def test_the_catalogue_must_have_all_items() -> None:
    with pytest.raises(ConfigError, match="each of the 12 choices of Boring, got 5"):
        users(catalogue=plain_catalogue(5))


@pytest.mark.parametrize("channels", [(), "click"])
def test_channels_must_be_names(channels: Any) -> None:
    with pytest.raises(UserModelError, match="channels of the environment must be names"):
        users(channels=channels)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        ("CartPole-v1", r"lambda: gym.make\('CartPole-v1'\)`, got 'CartPole-v1'"),
        (Boring(), "function that makes one environment"),
        (lambda: 3, "gymnasium.Env, got int"),
    ],
)
def test_an_environment_is_given_as_a_function(make: Any, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        adapt_gymnasium(make, 2)


def test_closing_closes_every_copy_and_reset_makes_new_ones() -> None:
    closed = []

    class Closing(Boring):
        def close(self) -> None:
            closed.append(self)

    simulator = adapt_gymnasium(Closing, 3)
    first = simulator.reset(0)
    closed.clear()
    simulator.close()
    assert len(closed) == 3 and len({id(env) for env in closed}) == 3
    with pytest.raises(RuntimeError, match="reset"):
        simulator.observe()
    np.testing.assert_array_equal(simulator.reset(0)["context"], first["context"])


class WithCandidates(Boring):
    """Offers four of the items at a time."""

    def __init__(self) -> None:
        super().__init__()
        self.observation_space = spaces.Dict(
            {"offer": spaces.MultiDiscrete([N_ITEMS] * 4), "clicks": spaces.MultiBinary(SLATE)}
        )
        self.action_space = spaces.MultiDiscrete([4] * SLATE)

    def step(self, action: Any) -> Any:
        return super().step(self.offer[action])

    def _observe(self, slate: Any, clicks: Any) -> Any:
        self.offer = self.np_random.permutation(N_ITEMS)[:4]
        return {"offer": self.offer, "clicks": clicks}


def test_candidates_are_items_of_the_catalogue_given() -> None:
    with pytest.raises(ConfigError, match="give `catalogue`"):
        adapt_gymnasium(WithCandidates, 3, keys={"offer": "candidates"})
    catalogue = Catalogue(
        item_ids=np.arange(N_ITEMS),
        topics=np.arange(N_ITEMS) % 2,
        features=np.zeros((N_ITEMS, 0), np.float32),
        topic_names=("even", "odd"),
    )
    simulator = adapt_gymnasium(
        WithCandidates, 3, keys={"offer": "candidates"}, catalogue=catalogue
    )
    offered = simulator.reset(0)["candidates"]
    assert offered.dtype == np.int64 and offered.shape == (3, 4)
    step = simulator.step(np.tile([2, 0, 1], (3, 1)))
    np.testing.assert_array_equal(step.observations["last_slate"], offered[:, [2, 0, 1]] + 1)


def test_an_adapted_environment_is_logged_rolled_out_and_learned() -> None:
    simulator = users(20)
    log = InteractionLog.record(RandomPolicy(N_ITEMS, SLATE), simulator, 400, seed=1)
    assert log.metadata.env_id == "Boring" and log.n_rows == 400
    ease = EASE().fit(log, simulator.catalogue)
    results = rollout({"EASE": ease, "random": RandomPolicy(N_ITEMS, SLATE)}, simulator, 30, seed=5)
    assert results.policies["EASE"].returns.shape == (30,)
    env = SlateVecEnv(simulator)
    config = SlateQConfig(hidden=16, item_size=4, batch_size=32, learning_starts=50)
    agent = SlateQ(env, config, seed=0).pretrain(log, n_updates=5)
    agent.learn(200)
    assert agent.num_timesteps >= 200
    assert rollout({"SlateQ": agent}, env, 10, seed=5).policies["SlateQ"].returns.shape == (10,)
    with pytest.raises(ModelFileError, match="rlrec itself"):
        agent.save_checkpoint(None)  # type: ignore[arg-type]


def test_all_faces_take_an_adapted_environment() -> None:
    assert isinstance(users(), SteppedSimulator)
    for face in (SlateEnv(users(1)), SlateVectorEnv(users(3)), SlateVecEnv(users(3))):
        assert isinstance(simulator_of(face), AdaptedUsers)


def test_the_truth_of_a_foreign_environment_is_not_known() -> None:
    simulator = users(2)
    simulator.reset(0)
    slates: Ints = np.tile([0, 1, 2], (2, 1))
    assert not simulator.states("choice_probabilities")
    for ask in (simulator.choice_probabilities, simulator.expected_reward):
        with pytest.raises(TruthError, match="another package"):
            ask(slates)
    with pytest.raises(TruthError):
        simulator.latent_state()


def test_a_snapshot_of_what_cannot_be_copied_is_refused() -> None:
    simulator = users(2)
    simulator.reset(0)
    simulator._copies[0]._env.stream = open(__file__)  # type: ignore[attr-defined]  # noqa: SIM115
    with pytest.raises(ConfigError, match="deepcopy"):
        simulator.snapshot()
    simulator._copies[0]._env.stream.close()  # type: ignore[attr-defined]


def test_sardine_itself_is_adapted() -> None:
    """Needs `pip install sardine-rec`."""
    pytest.importorskip("sardine")
    simulator = adapt_gymnasium(
        lambda: gym.make("sardine/SlateTopK-Bored-v0", disable_env_checker=True), 60
    )
    assert (simulator.slate_size, simulator.n_choices) == (10, 1000)
    results = rollout({"random": RandomPolicy(1000, 10)}, simulator, 60, seed=0)
    # Published: random slates earn 43.5; a visit's spread is about 23, so 5 standard errors are 15.
    returns = results.policies["random"].returns
    assert (results.policies["random"].lengths == 100).all()
    assert returns.mean() == pytest.approx(43.5, abs=5 * returns.std() / np.sqrt(60))
