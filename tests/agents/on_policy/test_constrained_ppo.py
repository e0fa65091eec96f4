"""ConstrainedPPO: costs, limits and multipliers, and a world whose best mixture is known."""

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from rlrec.agents import (
    ConstrainedPPO,
    ConstrainedPPOConfig,
    Limit,
    SlatePPO,
    SlatePPOConfig,
)
from rlrec.agents.on_policy.limits import COSTS, CostMeter, Shown
from rlrec.agents.on_policy.visit_costs import VisitCosts
from rlrec.arrays import Floats, Ints
from rlrec.envs import UserSimulator
from rlrec.envs.blocks.leaving import TimeBudget
from rlrec.envs.blocks.state import Consumed, State
from rlrec.envs.blocks.state import Shown as Offered
from rlrec.envs.sb3 import SlateVecEnv
from rlrec.envs.simulator import Problem
from rlrec.errors import ConfigError, ModelFileError, UnknownNameError
from rlrec.evaluation import rollout
from rlrec.policy import SlatePolicy
from rlrec.simulation import Simulator
from rlrec.testing import POLICY_CHECKS
from tests.agents.test_known_answers import MINUTES, N_STEPS, world

MakeUsers = Callable[..., UserSimulator]
SMALL: dict[str, Any] = {"hidden": 16, "item_size": 4, "n_transitions": 128, "batch_size": 64}
VARIED = Limit(cost="n_topics", at_least=2.5)
PLAIN = Limit(cost="feature_mean", feature=0, at_most=0.1)


def make(users: UserSimulator, *limits: Limit, seed: int = 0, **config: Any) -> ConstrainedPPO:
    settings = ConstrainedPPOConfig(**{**SMALL, "limits": limits or (VARIED, PLAIN), **config})
    return ConstrainedPPO(SlateVecEnv(users, seed), settings, seed=seed)


@pytest.mark.parametrize("fresh", [False, True], ids=["catalogue", "fresh documents"])
@pytest.mark.parametrize("check", POLICY_CHECKS, ids=lambda check: check.__name__)
def test_policy_contract(
    check: Callable[[SlatePolicy, Simulator], None], fresh: bool, make_users: MakeUsers
) -> None:
    users = make_users(20, fresh, **({} if fresh else {"n_items": 7}))
    check(make(users, PLAIN).learn(128), users.with_users(20))


def test_costs_are_counted_over_the_items_shown(make_users: MakeUsers) -> None:
    users = make_users(50)
    catalogue = users.catalogue
    assert catalogue is not None
    topics, slates = catalogue.topics, np.array([[0, 1, 2], [5, 4, 9], [11, 3, 7]])
    limits = (
        VARIED,
        PLAIN,
        Limit(cost="topic_share", topics=(int(topics[0]), int(topics[4])), at_most=0.2),
    )
    found = CostMeter(limits, COSTS, catalogue, 0)({}, torch.from_numpy(slates), torch.zeros(3, 3))
    for row, slate in enumerate(slates):
        assert found[row, 0] == len(set(topics[slate].tolist()))
        assert found[row, 1] == pytest.approx(catalogue.features[slate, 0].mean(), abs=1e-6)
        named = np.isin(topics[slate], [topics[0], topics[4]]).mean()
        assert found[row, 2] == pytest.approx(named, abs=1e-6)


def test_costs_of_fresh_documents_are_read_from_what_is_observed(make_users: MakeUsers) -> None:
    users = make_users(3, fresh=True)
    seen = {key: torch.as_tensor(array) for key, array in users.reset(0).items()}
    meter = CostMeter((Limit(cost="feature_mean", feature=2, at_most=0.5),), COSTS, None, 20)
    found = meter(seen, torch.tensor([[0, 3], [1, 2], [5, 0]]), torch.zeros(3, 2))
    features = seen["candidate_features"][:, :, 2]
    expected = [
        (features[0, [0, 3]]).mean(),
        features[1, [1, 2]].mean(),
        features[2, [5, 0]].mean(),
    ]
    torch.testing.assert_close(found[:, 0], torch.stack(expected))


def test_costs_to_come_end_with_a_visit_but_not_at_a_time_limit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    value, discount, bound = 3.0, 0.9, 0.3
    for steps, worth in ((4, value), (None, 0.0)):
        users = SlateVecEnv(UserSimulator(tempting(max_steps=steps), 8), 0)
        limit = Limit(cost="topic_share", topics=(0,), at_most=bound)
        config = ConstrainedPPOConfig(
            **{**SMALL, "limits": (limit,), "discount": discount, "trace": 1.0, "n_epochs": 1}
        )
        agent = ConstrainedPPO(users, config, seed=0)
        with torch.no_grad():
            agent.cost_critic.value.bias.fill_(value)  # whatever the state
        kept: list[torch.Tensor] = []
        monkeypatch.setattr(
            agent, "_learn_costs", lambda _, returns, kept=kept: kept.append(returns)
        )
        agent.learn(128)
        buffer = agent.rollout_buffer
        costs = (buffer.actions[:, :, 0] == 0) - bound
        assert buffer.episode_starts[1:].any()
        following = np.where(agent._last_episode_starts, worth, value)
        for step in reversed(range(16)):
            expected = costs[step] + discount * following
            found = kept[0].numpy().reshape(16, 8)[step]
            np.testing.assert_allclose(found, expected, atol=1e-4)
            following = np.where(buffer.episode_starts[step] == 1, worth, expected)


def test_costs_of_visits_are_whole_however_long_rounds_are() -> None:
    rng = np.random.default_rng(0)
    costs, begins = rng.random((40, 3, 2)), rng.random((41, 3)) < 0.2
    begins[0] = True
    expected = []
    for user in range(3):
        starts = np.flatnonzero(begins[:, user])
        for first, last in pairwise(starts):
            expected.append(costs[first:last, user].sum(axis=0))
    visits = VisitCosts(3, 2)
    rounds = [visits.ended(costs[at : at + 5], begins[at : at + 6]) for at in range(0, 40, 5)]
    found = np.concatenate(rounds)
    np.testing.assert_allclose(np.sort(found, axis=0), np.sort(np.stack(expected), axis=0))


def test_the_multiplier_of_a_limit_a_visit_moves_only_when_visits_end() -> None:
    """Visits of ten steps, rounds of four: the second and the fourth round end none."""
    limit = Limit(cost="topic_share", topics=(0,), at_most=CEILING * N_STEPS, per="visit")
    config = ConstrainedPPOConfig(
        **{**LEARNS, "n_transitions": 200, "learning_rate": 1e-9}, limits=(limit,)
    )
    agent = ConstrainedPPO(SlateVecEnv(UserSimulator(tempting(), 50)), config, seed=0)
    excess, multipliers = [], []
    agent.learn(200)
    for _ in range(9):
        agent.learn(200, reset_num_timesteps=False)
        excess.append(agent.excess[0])
        multipliers.append(agent.multipliers[0])
    # Both items are equally likely throughout: 5 of 10 steps, where 3 are allowed.
    ended = [excess[1], excess[4], excess[6]]
    assert np.abs(np.array(ended) - 2.0).max() < 4 * np.sqrt(10 * 0.25 / 50)
    assert excess[2] == excess[1] and multipliers[2] == multipliers[1]


def test_a_saved_agent_goes_on_with_its_limits(tmp_path: Path, make_users: MakeUsers) -> None:
    users = make_users(16)
    agent = make(users).learn(256)
    agent.save(tmp_path / "agent")
    loaded = ConstrainedPPO.load(tmp_path / "agent", SlateVecEnv(make_users(16), 0))
    observations = users.reset(9)
    one, other = (a.act(observations, np.random.default_rng(1)) for a in (agent, loaded))
    np.testing.assert_array_equal(one.slates, other.slates)
    assert loaded.config == agent.config and loaded.multipliers == agent.multipliers
    for ours, theirs in zip(
        agent.cost_critic.parameters(), loaded.cost_critic.parameters(), strict=True
    ):
        assert torch.equal(ours, theirs)
    with pytest.raises(ModelFileError, match="holds a ConstrainedPPO, not a SlatePPO"):
        SlatePPO.load(tmp_path / "agent", SlateVecEnv(make_users(16), 0))


def test_a_subclass_may_limit_costs_of_its_own(make_users: MakeUsers) -> None:
    class Quiet(ConstrainedPPO):
        """Limits how often users respond."""

        @staticmethod
        def responded(limit: Limit, shown: Shown) -> torch.Tensor:
            return (shown.responses > 0).any(dim=1).float()

        costs = {**COSTS, "responded": responded}  # noqa: RUF012

    limit = Limit(cost="responded", at_most=0.0)
    config = ConstrainedPPOConfig(**{**SMALL, "limits": (limit,)})
    agent = Quiet(SlateVecEnv(make_users(16), 0), config, seed=0).learn(128)
    rewarded = (agent.rollout_buffer.rewards > 0).mean()
    assert agent.excess[0] == pytest.approx(rewarded) and rewarded > 0


@pytest.mark.parametrize(
    ("limit", "error", "message"),
    [
        ({"cost": "n_topic", "at_least": 2}, UnknownNameError, "Did you mean 'n_topics'"),
        ({"cost": "feature_mean", "at_most": 2}, ConfigError, "must be one of the 20 columns"),
        ({"cost": "topic_share", "at_most": 0.2}, ConfigError, "topics of a limit on topic_share"),
        ({"cost": "n_topics"}, ConfigError, "must have one finite bound"),
        ({"cost": "n_topics", "at_least": 2, "at_most": 3}, ConfigError, "one finite bound"),
        ({"cost": "n_topics", "at_least": 2, "per": "year"}, ConfigError, "per of a limit must be"),
    ],
)
def test_wrong_limits_are_refused(
    limit: dict[str, Any], error: type[Exception], message: str, make_users: MakeUsers
) -> None:
    with pytest.raises(error, match=message):
        make(make_users(4), Limit(**limit))


def test_what_cannot_be_limited_is_refused(make_users: MakeUsers) -> None:
    with pytest.raises(ConfigError, match="needs items with topics"):
        make(make_users(4, fresh=True), VARIED)
    with pytest.raises(ConfigError, match="needs one limit or more"):
        ConstrainedPPO(SlateVecEnv(make_users(4), 0))
    with pytest.raises(ConfigError, match="proportional of ConstrainedPPO must be 0 or more"):
        ConstrainedPPOConfig(proportional=-1.0)


# Two items, one shown: everybody takes the first more often, but it may be shown only so often.
TEMPTING, CEILING = 2.0, 0.3
NOBODY = {"user": np.zeros((1, 1), np.float32), "last_response": np.zeros((1, 1, 2), np.float32)}


class Tempted:
    """Users who are all alike and like the first item better."""

    n_initial_draws, n_step_draws, n_observed = 0, 0, 1

    def start(self, state: State, users: Ints, draws: Floats) -> None:
        state.setdefault("nothing", np.zeros(len(users)))

    def scores(self, state: State, shown: Offered) -> Floats:
        items = np.arange(2)[None] if shown.items is None else shown.items
        return np.where(items == 0, TEMPTING, 0.0) + state["nothing"][:, None]

    def consume(self, state: State, consumed: Consumed, draws: Floats) -> None:
        pass

    def observe(self, state: State, users: Ints | slice) -> NDArray[np.float32]:
        return state["nothing"][users, None].astype(np.float32)


def tempting(max_steps: int | None = None) -> Problem:
    budget = TimeBudget(initial=N_STEPS * MINUTES, item_length=MINUTES, idle_cost=MINUTES)
    return world(Tempted(), budget, n_items=2, slate_size=1, max_steps=max_steps)


LEARNS: dict[str, Any] = {
    **SMALL,
    "n_transitions": 1_000,
    "batch_size": 250,
    "learning_rate": 5e-3,
    "entropy": 0.01,
    "discount": 0.9,
}


@pytest.mark.parametrize(
    "limit",
    [
        Limit(cost="topic_share", topics=(0,), at_most=CEILING),
        Limit(cost="feature_mean", feature=1, at_least=(1 - CEILING) * N_STEPS, per="visit"),
    ],
    ids=["ceiling a step", "floor a visit"],
)
def test_it_finds_the_best_mixture_within_a_limit(limit: Limit) -> None:
    problem = tempting()
    config = ConstrainedPPOConfig(**LEARNS, limits=(limit,), multiplier_rate=0.5, proportional=4.0)
    agent = ConstrainedPPO(SlateVecEnv(UserSimulator(problem, 50)), config, seed=0).learn(20_000)
    shares, returns = [], []
    for number in range(8):
        agent.learn(1_000, reset_num_timesteps=False)
        shares.append(float(np.exp(agent.log_probs(NOBODY, np.array([[0]]))[0, 0])))
        users = UserSimulator(problem, 250)
        drawn = rollout({"agent": agent}, users, 250, seed=number, deterministic=False)
        returns.append(drawn.mean_return("agent").value)
    # Each round counts 1,000 slates, a standard error of .015; multipliers swing around the rest.
    assert abs(np.mean(shares) - CEILING) < 0.06
    gains = MINUTES / (1.0 + np.exp(-np.array([TEMPTING, 0.0])))
    optimum = N_STEPS * (CEILING * gains[0] + (1 - CEILING) * gains[1])
    # .06 of the share is 0.9 of the return; 2,000 visits, a standard error of 0.14
    assert np.mean(returns) == pytest.approx(optimum, abs=0.9 + 3 * 0.14)


def test_without_a_limit_the_tempting_item_is_all_there_is() -> None:
    users = SlateVecEnv(UserSimulator(tempting(), 50))
    agent = SlatePPO(users, SlatePPOConfig(**LEARNS), seed=0).learn(10_000)
    assert np.exp(agent.log_probs(NOBODY, np.array([[0]]))[0, 0]) > 0.85
