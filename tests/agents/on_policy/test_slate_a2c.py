"""SlateA2C: the contract of a policy, what an update does, and saving."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from rlrec.agents import SlateA2C, SlateA2CConfig
from rlrec.data import InteractionLog
from rlrec.envs import UserSimulator
from rlrec.envs.sb3 import SlateVecEnv
from rlrec.errors import ConfigError
from rlrec.policy import SlatePolicy
from rlrec.simulation import Simulator
from rlrec.testing import POLICY_CHECKS
from tests.agents.test_known_answers import LIKED, MINUTES, N_STEPS, mean_return, two_tastes

MakeUsers = Callable[..., UserSimulator]
SMALL: dict[str, Any] = {"hidden": 16, "item_size": 4, "n_transitions": 64, "batch_size": 64}


def make(users: UserSimulator, seed: int = 0, **config: Any) -> SlateA2C:
    """Return a small agent, with noise in its networks so that it tells items apart."""
    agent = SlateA2C(SlateVecEnv(users, seed), SlateA2CConfig(**{**SMALL, **config}), seed=seed)
    source = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in agent.policy.parameters():
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=source))
    return agent


@pytest.mark.parametrize("fresh", [False, True], ids=["catalogue", "fresh documents"])
@pytest.mark.parametrize("check", POLICY_CHECKS, ids=lambda check: check.__name__)
def test_policy_contract(
    check: Callable[[SlatePolicy, Simulator], None], fresh: bool, make_users: MakeUsers
) -> None:
    arguments: dict[str, int] = {} if fresh else {"n_items": 7}
    users = make_users(20, fresh, **arguments)
    check(make(users), users.with_users(20))


def test_a_round_is_one_update_along_the_policy_gradient(make_users: MakeUsers) -> None:
    agent = make(make_users(16)).learn(192)
    assert agent._n_updates == 3  # 192 transitions in rounds of 64
    whole = agent.rollout_buffer.tensors()
    credits = agent._credits(whole)
    judged = agent.policy.judge(whole.observations, whole.slates)
    objective = agent._objective(judged, whole, credits).item()
    gains = credits.numpy() * judged.log_probs.detach().numpy()  # (64, 3)
    assert objective == pytest.approx(-gains.sum() / (64 * 3), abs=1e-5)


def test_it_finds_what_each_of_two_tastes_likes() -> None:
    problem, n_users = two_tastes(), 2_000
    config = SlateA2CConfig(**{**SMALL, "n_transitions": 250, "learning_rate": 1e-2})
    agent = SlateA2C(SlateVecEnv(UserSimulator(problem, 50)), config, seed=0).learn(6_000)
    both = {"user": np.eye(2, dtype=np.float32), "last_response": np.zeros((2, 1, 2), np.float32)}
    assert agent.predict(both, deterministic=True)[0].tolist() == [[0], [1]]
    assert np.exp(agent.log_probs(both, np.array([[0], [1]]))).min() > 0.9
    taken = 1.0 / (1.0 + np.exp(-LIKED))
    spread = MINUTES * np.sqrt(N_STEPS * taken * (1 - taken) / n_users)
    # 5 standard errors of the mean over 2,000 users
    assert abs(mean_return(agent, problem, n_users).value - N_STEPS * MINUTES * taken) < 5 * spread


def test_without_warm_values_pretraining_leaves_the_critic_alone(
    log: InteractionLog, make_users: MakeUsers
) -> None:
    for warm in (True, False):
        agent = make(make_users(16), warm_values=warm)
        before = [parameter.detach().clone() for parameter in agent.policy.critic.parameters()]
        agent.pretrain(log, 20)
        same = all(map(torch.equal, before, agent.policy.critic.parameters()))
        assert same is not warm


def test_wrong_settings_are_refused() -> None:
    with pytest.raises(ConfigError, match="discount of SlateA2C must lie in"):
        SlateA2CConfig(discount=1.5)
    with pytest.raises(ConfigError, match="credit of SlateA2C must be one of"):
        SlateA2CConfig(credit="other")  # type: ignore[arg-type]
