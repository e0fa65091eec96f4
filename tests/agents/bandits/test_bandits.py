"""LinUCB and ThompsonSampling: the contract of a policy, what teaches them, and known answers."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from rlrec.agents import (
    LinUCB,
    LinUCBConfig,
    RandomPolicy,
    ThompsonSampling,
    ThompsonSamplingConfig,
)
from rlrec.agents.bandits.slate_bandit import SlateBandit
from rlrec.data import InteractionLog
from rlrec.envs import UserSimulator
from rlrec.envs.sb3 import SlateVecEnv
from rlrec.errors import ConfigError
from rlrec.policy import SlatePolicy
from rlrec.simulation import Simulator
from rlrec.testing import POLICY_CHECKS
from tests.agents.test_known_answers import LIKED, MINUTES, N_STEPS, mean_return, two_tastes

MakeUsers = Callable[..., UserSimulator]
UCB: dict[str, Any] = {"agent": LinUCB}
LINEAR: dict[str, Any] = {"agent": ThompsonSampling, "n_draws": 8}
LOGISTIC: dict[str, Any] = {**LINEAR, "rewards": "logistic"}
KINDS = [UCB, LINEAR, LOGISTIC, {**UCB, "disjoint": True}, {**LOGISTIC, "disjoint": True}]
CONFIGS = {LinUCB: LinUCBConfig, ThompsonSampling: ThompsonSamplingConfig}
BOTH = {"user": np.eye(2, dtype=np.float32), "last_response": np.zeros((2, 1, 2), np.float32)}


def name_of(kind: dict[str, Any]) -> str:
    words = [kind["agent"].__name__, kind.get("rewards", ""), "disjoint" * ("disjoint" in kind)]
    return " ".join(filter(None, words))


def make(users: UserSimulator, kind: dict[str, Any], seed: int = 0, **config: Any) -> SlateBandit:
    settings = {**kind, **config}
    agent_class = settings.pop("agent")
    agent: SlateBandit = agent_class(
        SlateVecEnv(users, seed), CONFIGS[agent_class](**settings), seed=seed
    )
    return agent


@pytest.mark.parametrize("kind", KINDS, ids=name_of)
@pytest.mark.parametrize("exploration", [0.0, 0.2])
@pytest.mark.parametrize("check", POLICY_CHECKS, ids=lambda check: check.__name__)
def test_policy_contract(
    check: Callable[[SlatePolicy, Simulator], None],
    exploration: float,
    kind: dict[str, Any],
    make_users: MakeUsers,
) -> None:
    users = make_users(20, n_items=7)
    check(make(users, kind, exploration=exploration).learn(200), users.with_users(20))


@pytest.mark.parametrize("kind", [UCB, LOGISTIC], ids=name_of)
@pytest.mark.parametrize("check", POLICY_CHECKS, ids=lambda check: check.__name__)
def test_policy_contract_with_fresh_documents(
    check: Callable[[SlatePolicy, Simulator], None], kind: dict[str, Any], make_users: MakeUsers
) -> None:
    users = make_users(20, fresh=True)
    check(make(users, kind).learn(200), users.with_users(20))


@pytest.mark.parametrize("kind", KINDS, ids=name_of)
def test_same_seed_same_agent(
    kind: dict[str, Any], make_users: MakeUsers, log: InteractionLog
) -> None:
    first, second = (
        make(make_users(16), kind, seed=3, forgetting=0.99).pretrain(log, 10).learn(160)
        for _ in range(2)
    )
    ours, others = first.policy.state_dict(), second.policy.state_dict()
    assert all(torch.equal(ours[key], others[key]) for key in ours)
    assert first.num_timesteps == 160 and first._n_updates == 10


@pytest.mark.parametrize("kind", KINDS, ids=name_of)
def test_scores_and_spreads_are_those_of_the_rows_it_learns_from(
    kind: dict[str, Any], make_users: MakeUsers
) -> None:
    users = make_users(10)
    policy = make(users, kind).learn(100).policy
    observations = {k: torch.as_tensor(v) for k, v in users.reset(3).items()}
    crossed = policy.features(observations)
    slates = torch.arange(12).expand(10, -1)
    models, rows = policy.rows(crossed, slates)
    expected = (rows * policy.posterior.mean[models]).sum(dim=1).view(10, 12)
    torch.testing.assert_close(policy.expected(crossed), expected)
    inverse = torch.linalg.inv(policy.posterior.precision)[models]
    squares = torch.einsum("nd,nde,ne->n", rows, inverse, rows)
    torch.testing.assert_close(policy.spreads(crossed), squares.sqrt().view(10, 12))


@pytest.mark.parametrize("kind", KINDS, ids=name_of)
def test_a_random_log_teaches_what_each_of_two_tastes_likes(kind: dict[str, Any]) -> None:
    problem, n_users = two_tastes(), 2_000
    log = InteractionLog.record(RandomPolicy(2, 1), UserSimulator(problem, 50), 2_000, seed=1)
    agent = make(UserSimulator(problem, 50), kind, exploration=0.0).pretrain(log, 20)
    assert agent.predict(BOTH)[0].tolist() == [[0], [1]]
    taken = 1.0 / (1.0 + np.exp(-LIKED))
    spread = MINUTES * np.sqrt(N_STEPS * taken * (1 - taken) / n_users)
    # 5 standard errors of the mean over 2,000 users
    assert abs(mean_return(agent, problem, n_users).value - N_STEPS * MINUTES * taken) < 5 * spread


@pytest.mark.parametrize("kind", KINDS, ids=name_of)
def test_interaction_teaches_what_each_of_two_tastes_likes(kind: dict[str, Any]) -> None:
    agent = make(UserSimulator(two_tastes(), 20), kind).learn(2_000)
    assert agent.predict(BOTH)[0].tolist() == [[0], [1]]
    assert (agent.log_probs(BOTH, np.array([[0], [1]])) == 0).all()  # it has made up its mind


def test_what_was_learned_is_the_chance_of_taking() -> None:
    problem, n = two_tastes(), 4_000
    log = InteractionLog.record(RandomPolicy(2, 1), UserSimulator(problem, 50), n, seed=1)
    agent = make(UserSimulator(problem, 50), LOGISTIC).pretrain(log, 20)
    crossed = agent.policy.features({k: torch.as_tensor(v) for k, v in BOTH.items()})
    scores = agent.policy.expected(crossed).numpy()
    # about 1,000 slates a cell: a standard error of 1 / sqrt(1000 * .88 * .12) = 0.1
    assert np.abs(scores - LIKED * (2 * np.eye(2) - 1)).max() < 0.5


def test_slates_below_the_first_response_teach_nothing_in_a_cascade(
    make_users: MakeUsers,
) -> None:
    responses = torch.tensor([[0.0, 1.0, 0.0], [0.0, 0.0, 0.0], [1.0, 0.0, 1.0]])
    examined = make(make_users(16), UCB, examination="cascade")._examined(responses)
    assert examined.tolist() == [[1, 1, 0], [1, 1, 1], [1, 0, 0]]


@pytest.mark.parametrize("kind", [{**UCB, "disjoint": True}, {**LOGISTIC, "disjoint": True}])
def test_by_position_items_are_not_blamed_for_where_they_stood(
    kind: dict[str, Any], make_users: MakeUsers
) -> None:
    n, attractions = 6_000, np.linspace(0.1, 0.8, 12)
    users, rng = make_users(n), np.random.default_rng(0)
    observations = {k: torch.as_tensor(v) for k, v in users.reset(0).items()}
    # Good items mostly stand at the bottom, where half as many look at them as one above.
    slates = np.argsort(attractions + 0.5 * rng.random((n, 12)), axis=1)[:, [0, 5, 11]]
    clicks = rng.random((n, 3)) < attractions[slates] * 0.5 ** np.arange(3)
    found = {}
    for examination in ("all", "position"):
        agent = make(make_users(16), kind, examination=examination, examination_decay=0.5)
        for part in np.array_split(np.arange(n), 5):
            seen = {key: values[part] for key, values in observations.items()}
            agent._see(seen, torch.as_tensor(slates[part]), torch.as_tensor(clicks[part]).float())
        scores = agent.policy.expected(agent.policy.features(observations)).mean(dim=0).numpy()
        found[examination] = 1 / (1 + np.exp(-scores)) if "rewards" in kind else scores
    often = np.bincount(slates.ravel(), minlength=12) > 500
    errors = {key: np.abs(rates - attractions)[often].max() for key, rates in found.items()}
    # 500 looks at a quarter: a standard error of .5 / sqrt(500) / .25 ** .5 = 0.045 or less
    assert errors["position"] < 0.15 < 0.3 < errors["all"]


def test_forgetting_follows_users_who_change_their_mind() -> None:
    users = UserSimulator(two_tastes(), 200)
    seen = {key: torch.as_tensor(np.repeat(array, 100, axis=0)) for key, array in BOTH.items()}
    slates = torch.arange(2).repeat(100)[:, None]
    rates = {}
    for forgetting in (0.8, 1.0):
        agent = make(users, UCB, forgetting=forgetting)
        for update in range(40):
            liked = (slates[:, 0] == torch.arange(2).repeat_interleave(100)) == (update < 25)
            agent._see(seen, slates, liked[:, None].float())
        rates[forgetting] = agent.predict(BOTH)[0].tolist()
    assert rates == {0.8: [[1], [0]], 1.0: [[0], [1]]}


def test_models_of_items_that_never_come_back_are_refused(make_users: MakeUsers) -> None:
    with pytest.raises(ConfigError, match="disjoint models need items that come back"):
        make(make_users(16, fresh=True), UCB, disjoint=True)


def test_models_that_take_too_much_are_refused(make_users: MakeUsers) -> None:
    with pytest.raises(ConfigError, match="lower item_size, or set disjoint"):
        make(make_users(2, n_items=60_000), UCB, disjoint=True)


@pytest.mark.parametrize(
    ("config", "settings", "message"),
    [
        (LinUCBConfig, {"width": 0.0}, "width of LinUCB must be above 0, got 0.0"),
        (LinUCBConfig, {"examination": "none"}, "examination of LinUCB must be one of"),
        (LinUCBConfig, {"forgetting": 0.0}, "forgetting of LinUCB must lie in"),
        (ThompsonSamplingConfig, {"rewards": "x"}, "rewards of ThompsonSampling must be one of"),
        (ThompsonSamplingConfig, {"n_draws": 0}, "n_draws of ThompsonSampling must be a whole"),
        (ThompsonSamplingConfig, {"noise": -1}, "noise of ThompsonSampling must be above 0"),
    ],
)
def test_wrong_settings_are_refused(config: Any, settings: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        config(**settings)
