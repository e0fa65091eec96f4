"""Users whom two functions describe."""

from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from rlrec.agents import SlateQ, SlateQConfig
from rlrec.baselines import EASE
from rlrec.data import InteractionLog
from rlrec.data.catalogue import Catalogue
from rlrec.envs import SlateEnv, SlateVectorEnv, UserSimulator
from rlrec.envs.adapters import users_from_function
from rlrec.envs.blocks.state import Outcome
from rlrec.envs.documents import TopicDocuments
from rlrec.envs.items import FreshDocuments
from rlrec.envs.sb3 import SlateVecEnv
from rlrec.errors import ConfigError, UnknownNameError, UserModelError
from rlrec.evaluation import rollout
from rlrec.policy import RandomPolicy
from rlrec.slates import repeated_slots
from rlrec.testing import ENVIRONMENT_CHECKS

N_ITEMS, SLATE = 10, 3


def start(n_users: int, draws: Any) -> dict[str, Any]:
    """Give each user a favourite among the items, and patience."""
    return {"favourite": (draws[:, 0] * N_ITEMS).astype(np.int64), "patience": 3 + 2 * draws[:, 1:]}


def p_click(state: Any, slates: Any) -> Any:
    """Return P(click) of each slot: favourites and their neighbours attract."""
    distance = np.abs(slates - state["favourite"][:, None])
    return np.where(repeated_slots(slates), 0.0, 0.8 / (1.0 + distance))


def respond(state: Any, slates: Any, draws: Any) -> Outcome:
    """Click on each slot for itself; without a click patience falls."""
    clicks = (draws < p_click(state, slates)).astype(np.float32)
    state["patience"] -= 1.0 - 0.5 * clicks.any(axis=1, keepdims=True)
    seconds = 10.0 * clicks
    rewards = clicks.sum(axis=-1) - 0.25
    return Outcome(np.stack([clicks, seconds], axis=2), rewards, state["patience"][:, 0] <= 0)


def probabilities(state: Any, slates: Any) -> Any:
    p = p_click(state, slates)
    return np.column_stack([p, np.prod(1 - p, axis=-1)])


def users(n_users: int = 20, first_user: int = 0, **changed: Any) -> UserSimulator:
    arguments: dict[str, Any] = {
        "items": N_ITEMS,
        "slate_size": SLATE,
        "channels": ("click", "seconds"),
        "n_initial_draws": 2,
        "choice_probabilities": probabilities,
        "expected_reward": lambda state, slates: p_click(state, slates).sum(axis=-1) - 0.25,
    }
    return users_from_function(respond, start, n_users, first_user, **{**arguments, **changed})


def clicks(state: Any, slates: Any, draws: Any) -> Any:
    return draws < p_click(state, slates)


CASES: dict[str, dict[str, Any]] = {
    "items": {},
    "open patience": {"observed": {"user": "patience", "context": "favourite"}},
    "documents": {"items": FreshDocuments(N_ITEMS, TopicDocuments([0.0, 1.0], 0.1))},
    "limit": {"max_steps": 3},
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("check", ENVIRONMENT_CHECKS, ids=lambda check: check.__name__)
def test_users_of_functions_keep_the_contract(check: Any, case: str) -> None:
    check(lambda n_users, first_user: users(n_users, first_user, **CASES[case]))


def test_clicks_alone_are_enough() -> None:
    simulator = users_from_function(
        clicks, start, 50, items=N_ITEMS, slate_size=SLATE, n_initial_draws=2, max_steps=4
    )
    simulator.reset(0)
    for number in range(4):
        step = simulator.step(np.tile([2, 2, 5], (50, 1)))
        np.testing.assert_array_equal(step.rewards, step.responses[:, :, 0].sum(axis=1))
        assert not step.responses[:, 1].any() and not step.terminated.any()
        assert step.truncated.all() == (number == 3)
    assert simulator.arguments == {"max_steps": 4}


def test_agents_see_the_state_they_are_shown() -> None:
    simulator = users(observed={"user": "patience"})
    seen = simulator.reset(0)["user"]
    np.testing.assert_allclose(seen, simulator.latent_state()["patience"], rtol=1e-6)
    assert simulator.open_state == ("patience",)


def test_items_may_be_a_catalogue_with_topics() -> None:
    catalogue = Catalogue(
        item_ids=np.arange(N_ITEMS),
        topics=np.arange(N_ITEMS) % 2,
        features=np.zeros((N_ITEMS, 0), np.float32),
        topic_names=("even", "odd"),
    )
    assert users(items=catalogue).observation_spaces["topic_counts"].shape == (3,)


@pytest.mark.parametrize(
    ("changed", "error", "words"),
    [
        ({"items": 0}, ConfigError, "items"),
        ({"n_step_draws": -1}, ConfigError, "n_step_draws"),
        ({"slate_size": 11}, ConfigError, "slate_size"),
        ({"observed": {"user": "patienc"}}, UnknownNameError, "Did you mean 'patience'"),
        ({"observed": {"taste": "patience"}}, UnknownNameError, "'user' or 'context'"),
    ],
)
def test_wrong_arguments_are_refused(changed: Any, error: Any, words: str) -> None:
    with pytest.raises(error, match=words):
        users(**changed)


def test_a_function_that_returns_something_else_is_told_what_it_must_return() -> None:
    with pytest.raises(UserModelError, match="a row for each of 1 users"):
        users_from_function(
            clicks, lambda n, draws: {"x": np.zeros(3)}, 5, items=9, slate_size=2
        ).reset(0)
    simulator = users(channels=("click",))
    simulator.reset(0)
    with pytest.raises(UserModelError, match=r"shape \(20, 3, 1\)"):
        simulator.step(np.tile([0, 1, 2], (20, 1)))


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"channels": ()}, "channels of users_from_function must be names"),
        ({"channels": "click"}, "got 'click'"),
        ({"expected_reward": 0.5}, "a truth must be a function"),
    ],
)
def test_channels_are_names_and_truths_functions(changed: Any, words: str) -> None:
    with pytest.raises(UserModelError, match=words):
        users(**changed)


def told(answer: Any) -> None:
    """Let five users of two slots return an answer."""
    made = users_from_function(
        lambda state, slates, draws: answer,
        lambda n, draws: {"x": np.zeros(n)},
        5,
        items=9,
        slate_size=2,
    )
    made.reset(0)
    made.step(np.tile([0, 1], (5, 1)))


CLICKS = np.zeros((5, 2, 1), np.float32)
NOT_BOOL: Any = np.zeros(5)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ((CLICKS, np.zeros(5), np.zeros(5, bool)), "or an Outcome.*got a plain tuple of 3"),
        (Outcome(CLICKS, np.zeros(5), NOT_BOOL), "has_left of bool, got float64"),
        (Outcome(CLICKS, np.full(5, np.nan), np.zeros(5, bool)), "finite rewards, got nan"),
        (np.full((5, 2), np.nan), "finite rewards, got nan"),
        (np.full((5, 2), 1e300), "finite rewards, got inf"),
        (np.full((5, 2), "a"), "responses as numbers"),
        (None, "responses as numbers|shape"),
    ],
)
def test_what_respond_returns_is_checked(answer: Any, words: str) -> None:
    with pytest.raises(UserModelError, match=words):
        told(answer)


@pytest.mark.parametrize("begun", [None, [np.zeros(1)]])
def test_start_must_return_a_dict(begun: Any) -> None:
    with pytest.raises(UserModelError, match="`start` must return a dict of arrays"):
        users_from_function(clicks, lambda n, draws: begun, 5, items=9, slate_size=2)


@pytest.mark.parametrize("functions", [(None, start), (respond, None)])
def test_both_functions_must_be_given(functions: Any) -> None:
    with pytest.raises(UserModelError, match="must be a function, got None"):
        users_from_function(functions[0], functions[1], 5, items=9, slate_size=2)


def test_a_truth_must_have_its_shape() -> None:
    simulator = users(5, choice_probabilities=lambda state, slates: np.zeros((len(slates), 3)))
    simulator.reset(0)
    with pytest.raises(UserModelError, match=r"of shape \(5, 4\), got \(5, 3\)"):
        simulator.choice_probabilities(np.tile([0, 1, 2], (5, 1)))


def test_they_are_logged_rolled_out_and_learned_with_all_faces() -> None:
    simulator = users(30)
    log = InteractionLog.record(RandomPolicy(N_ITEMS, SLATE), simulator, 500, seed=1)
    ease = EASE().fit(log, simulator.catalogue)
    results = rollout({"EASE": ease, "random": RandomPolicy(N_ITEMS, SLATE)}, simulator, 30, seed=5)
    assert (results.policies["random"].lengths >= 3).all()
    config = SlateQConfig(hidden=16, item_size=4, batch_size=32, learning_starts=50)
    agent = SlateQ(SlateVecEnv(simulator), config, seed=0).pretrain(log, n_updates=5).learn(120)
    assert agent.num_timesteps >= 120
    single: gym.Env[Any, Any] = SlateEnv(users(1))
    assert single.reset(seed=0)[0]["last_slate"].shape == (SLATE,)
    assert SlateVectorEnv(users(4)).reset(seed=0)[0]["last_slate"].shape == (4, SLATE)
