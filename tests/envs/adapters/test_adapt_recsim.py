"""Environments in the manner of RecSim as simulators of users."""

import sys
from collections import OrderedDict
from typing import Any, NamedTuple

import numpy as np
import pytest
from gymnasium import spaces

from rlrec.agents import SlateQ, SlateQConfig
from rlrec.data import InteractionLog
from rlrec.envs.adapters import AdaptedUsers, adapt_recsim
from rlrec.envs.sb3 import SlateVecEnv
from rlrec.errors import ConfigError
from rlrec.evaluation import rollout
from rlrec.policy import RandomPolicy
from rlrec.testing import ENVIRONMENT_CHECKS

N_TOPICS = 4


class Pick(NamedTuple):
    """A response of RecSim's, to one document."""

    clicked: bool
    minutes: float
    quality: float

    def observed(self) -> dict[str, Any]:
        return {
            "quality": np.array(self.quality),
            "click": int(self.clicked),
            "watch_time": np.array(self.minutes),
        }


class Documents:
    """Documents and a user with a budget, in the older interface; like RecSim's environments.

    Users and documents come from samplers of their own, seeded when made; choices from numpy's
    global generator.
    """

    n_candidates, slate_size = 5, 2

    def __init__(self, seed: int) -> None:
        self.rng = np.random.RandomState(seed)
        self.n_made = 0
        self.action_space = spaces.MultiDiscrete([self.n_candidates] * self.slate_size)

    def reset(self) -> dict[str, Any]:
        self.interests = self.rng.uniform(-1, 1, N_TOPICS)
        self.budget = 5.0
        self._offer()
        return self._observe(None)

    def step(self, slate: Any) -> tuple[dict[str, Any], float, bool, dict[str, Any]]:
        assert len(slate) <= self.slate_size
        shown = [list(self.documents.values())[position] for position in slate]
        weights = np.array([1.0 + self.interests @ document for document in shown] + [1.0])
        chosen = np.random.choice(len(weights), p=weights / weights.sum())
        picks = [Pick(k == chosen, 4.0 * (k == chosen), -0.5) for k in range(len(shown))]
        self.budget -= 1.0
        self._offer()
        observation = self._observe(tuple(pick.observed() for pick in picks))
        reward = sum(pick.minutes for pick in picks)
        return observation, reward, self.budget <= 0, {"env": self}

    def _offer(self) -> None:
        topics = self.rng.randint(N_TOPICS, size=self.n_candidates)
        names = [str(self.n_made + k) for k in range(self.n_candidates)]
        self.documents = OrderedDict(zip(names, np.eye(N_TOPICS)[topics], strict=True))
        self.n_made += self.n_candidates

    def _observe(self, response: Any) -> dict[str, Any]:
        return {"user": self.interests.copy(), "doc": self.documents, "response": response}


class LimitedDocuments(Documents):
    """The same, ended by a wrapper's time limit, which the older interface tells in `info`."""

    def step(self, slate: Any) -> tuple[dict[str, Any], float, bool, dict[str, Any]]:
        observation, reward, done, info = super().step(slate)
        if self.budget <= 2.0:
            return observation, reward, True, {**info, "TimeLimit.truncated": not done}
        return observation, reward, done, info


def users(n_users: int = 5, first_user: int = 0, **arguments: Any) -> AdaptedUsers:
    return adapt_recsim(Documents, n_users, first_user, **arguments)


@pytest.mark.parametrize("check", ENVIRONMENT_CHECKS, ids=lambda check: check.__name__)
def test_environments_like_recsims_keep_the_contract(check: Any) -> None:
    check(lambda n_users, first_user: users(n_users, first_user, takes_one=True))


def test_documents_users_and_responses_become_ours() -> None:
    simulator = users(30)
    assert simulator.response_channels == ("click", "quality", "watch_time")
    assert (simulator.slate_size, simulator.n_choices, simulator.catalogue) == (2, 5, None)
    observations = simulator.reset(0)
    assert observations["user"].shape == (30, N_TOPICS)
    assert (observations["candidate_features"].sum(axis=2) == 1).all()
    step = simulator.step(np.tile([4, 2], (30, 1)))
    clicks, quality, minutes = np.moveaxis(step.responses, 2, 0)
    assert clicks.any() and (minutes == 4 * clicks).all() and (quality == -0.5).all()
    np.testing.assert_array_equal(step.rewards, minutes.sum(axis=1))
    np.testing.assert_array_equal(step.observations["last_slate"], np.tile([5, 3], (30, 1)))


def test_channels_may_be_chosen() -> None:
    assert users(channels=("click", "watch_time")).response_channels == ("click", "watch_time")
    with pytest.raises(ConfigError, match="got \\('stars',\\)"):
        users(channels=("stars",))


def test_an_episode_that_is_done_has_terminated_unless_a_wrapper_ended_it() -> None:
    for make, length, is_terminated in ((Documents, 5, True), (LimitedDocuments, 3, False)):
        simulator = adapt_recsim(make, 4)
        simulator.reset(0)
        steps = [simulator.step(np.tile([0, 1], (4, 1))) for _ in range(length)]
        assert not any(step.finished.size for step in steps[:-1])
        assert (steps[-1].terminated == is_terminated).all()
        assert (steps[-1].truncated != is_terminated).all()


def test_a_repeated_document_is_not_shown() -> None:
    simulator = users(200)
    simulator.reset(0)
    step = simulator.step(np.tile([3, 3], (200, 1)))
    assert (step.blank_slots == 1).all() and not step.responses[:, 1].any()
    assert step.responses[:, 0, 0].any()


class WithoutClicks(Documents):
    """Tells minutes only, like an environment in which everything is consumed."""

    def _observe(self, response: Any) -> dict[str, Any]:
        told = None if response is None else tuple({"minutes": 4.0} for _ in response)
        return {**super()._observe(None), "user": np.zeros(0), "response": told}


def test_without_a_click_the_first_channel_must_be_named() -> None:
    with pytest.raises(ConfigError, match="Give `channels`"):
        adapt_recsim(WithoutClicks, 2)
    simulator = adapt_recsim(WithoutClicks, 2, channels=("minutes",))
    assert "user" not in simulator.observation_spaces


def test_an_environment_of_another_kind_is_refused() -> None:
    class NoDocuments(Documents):
        def _observe(self, response: Any) -> dict[str, Any]:
            return {"user": self.interests, "response": response}

    with pytest.raises(ConfigError, match="missing are \\['doc'\\]"):
        adapt_recsim(NoDocuments, 2)


def test_it_is_logged_rolled_out_and_learned() -> None:
    simulator = users(20, takes_one=True)
    log = InteractionLog.record(RandomPolicy(5, 2), simulator, 300, seed=1)
    config = SlateQConfig(hidden=16, item_size=4, batch_size=32, learning_starts=50)
    agent = SlateQ(SlateVecEnv(simulator), config, seed=0).pretrain(log, n_updates=5).learn(100)
    results = rollout({"SlateQ": agent, "random": RandomPolicy(5, 2)}, simulator, 20, seed=5)
    assert (results.policies["SlateQ"].lengths == 5).all()


def test_recsim_itself_is_adapted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Needs `pip install recsim`, which brings TensorFlow."""
    pytest.importorskip("recsim")
    gin = pytest.importorskip("gin")

    # What recsim imports of it needs tf.estimator, which TensorFlow has no longer.
    monkeypatch.setitem(sys.modules, "gin.tf", gin)
    worlds = pytest.importorskip("recsim.environments.interest_evolution")

    def make(seed: int) -> Any:
        settings = {
            "num_candidates": 10,
            "slate_size": 2,
            "resample_documents": True,
            "seed": seed,
        }
        return worlds.create_environment(settings)

    simulator = adapt_recsim(make, 60, takes_one=True)
    assert simulator.response_channels[0] == "click"
    results = rollout({"random": RandomPolicy(10, 2)}, simulator, 60, seed=0)
    # Measured on 4000 episodes of RecSim 0.2.4: 154.25 minutes, standard error 0.18.
    returns = results.policies["random"].returns
    assert returns.mean() == pytest.approx(154.25, abs=5 * returns.std() / np.sqrt(60))
