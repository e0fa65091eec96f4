"""Policies, models and arrays in one form."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from gymnasium import spaces

from rlrec.arrays import Observations
from rlrec.data import InteractionLog
from rlrec.envs import make_simulator, make_users
from rlrec.errors import ConfigError, DataError, PropensityError
from rlrec.evaluation.offline.evaluate import evaluate_offline
from rlrec.evaluation.offline.policy_probabilities import (
    PredictingPolicy,
    TargetProbabilities,
    as_judged,
    target_log_probs,
)
from rlrec.evaluation.offline.user_blocks import Observer
from rlrec.policy import RandomPolicy

USERS: dict[str, Any] = {"n_items": 6, "slate_size": 2}


@pytest.fixture(scope="module")
def actor() -> Any:
    from stable_baselines3 import PPO

    users = make_users("rlrec/TopicBoredom-v0", 4, 0, **USERS)
    return PPO("MultiInputPolicy", users, n_steps=8, batch_size=8, seed=0, device="cpu")


@pytest.fixture(scope="module")
def log() -> InteractionLog:
    users = make_simulator("rlrec/TopicBoredom-v0", 50, **USERS)
    return InteractionLog.record(RandomPolicy(6, 2), users, 200, seed=1)


def test_the_slots_of_an_actor_sum_to_one(actor: Any, log: InteractionLog) -> None:
    users = make_simulator("rlrec/TopicBoredom-v0", 1, **USERS)
    policy = PredictingPolicy(actor)
    observations = Observer(log, users=users).observations(log)
    total = np.zeros((200, 2))
    for item in range(6):
        total += np.exp(policy.log_probs(observations, np.full((200, 2), item)))
    np.testing.assert_allclose(total, 1.0, rtol=1e-5)  # torch counts in float32


def test_an_actor_draws_what_it_states(actor: Any, log: InteractionLog) -> None:
    users = make_simulator("rlrec/TopicBoredom-v0", 1, **USERS)
    policy = PredictingPolicy(actor)
    first = {
        key: values[:1] for key, values in Observer(log, users=users).observations(log).items()
    }
    many = {key: np.repeat(values, 20_000, axis=0) for key, values in first.items()}
    draw = policy.act(many, np.random.default_rng(0))
    for slot in range(2):
        shares = np.bincount(draw.slates[:, slot], minlength=6) / 20_000
        stated = np.exp(policy.log_probs(first, np.full((1, 2), 0))[0, slot])
        # 20,000 draws, 5 standard errors
        assert abs(shares[0] - stated) < 5 * np.sqrt(stated * (1 - stated) / 20_000)
    np.testing.assert_allclose(draw.log_probs[:5], policy.log_probs(many, draw.slates)[:5])


def test_an_actor_is_judged_as_it_is(actor: Any, log: InteractionLog) -> None:
    users = make_simulator("rlrec/TopicBoredom-v0", 1, **USERS)
    results = evaluate_offline(actor, log, estimators=["pdis"], users=users)
    assert results["policy", "pdis"].diagnostics.mean_weight > 0


def test_a_model_that_only_predicts_is_certain() -> None:
    model = SimpleNamespace(
        action_space=spaces.MultiDiscrete([6, 6]),
        observation_space=spaces.Dict({"context": spaces.Box(0, 1, (1,))}),
        policy=object(),
        predict=lambda seen, deterministic: (np.tile([3, 1], (len(seen["context"]), 1)), None),
    )
    policy = as_judged(model, "model", None)
    assert isinstance(policy, PredictingPolicy)
    observations: Observations = {"context": np.zeros((2, 1)), "other": np.zeros((2, 1))}
    log_probs = policy.log_probs(observations, np.array([[3, 1], [3, 2]]))
    assert log_probs.tolist() == [[0.0, 0.0], [0.0, -np.inf]]
    assert policy.act(observations, np.random.default_rng(0)).slates.tolist() == [[3, 1], [3, 1]]
    with pytest.raises(ConfigError, match=r"observes \['context'\], which the log does not give"):
        policy.log_probs({"user": np.zeros((2, 1))}, np.array([[3, 1], [3, 2]]))


def test_a_model_with_other_actions_is_refused() -> None:
    with pytest.raises(ConfigError, match="MultiDiscrete or Discrete"):
        PredictingPolicy(SimpleNamespace(action_space=spaces.Box(0, 1, (3,))))


def test_probabilities_of_choices_must_fit() -> None:
    with pytest.raises(PropensityError, match=r"row 1 sums to 0\.9"):
        TargetProbabilities(np.array([0.5, 0.5]), np.array([[0.5, 0.5], [0.5, 0.4]]))
    with pytest.raises(DataError, match="choice 2, but there are probabilities of 2"):
        TargetProbabilities.of_all_choices(np.full((1, 2), 0.5), np.array([[2]]))


def test_log_probs_of_a_policy_are_checked() -> None:
    class Wrong:
        def __init__(self, values: Any) -> None:
            self.values = values

        def act(self, *_: Any) -> Any:
            raise NotImplementedError

        def log_probs(self, *_: Any) -> Any:
            return self.values

    slates = np.array([[0, 1], [1, 0]])
    with pytest.raises(DataError, match="must have the shape of the slates"):
        target_log_probs(Wrong(np.zeros(2)), {}, slates)
    with pytest.raises(PropensityError, match=r"row 1 of its batch, position 0 is 0\.5"):
        target_log_probs(Wrong(np.array([[0, 0], [0.5, 0]])), {}, slates)
