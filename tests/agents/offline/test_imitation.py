"""SlateBC and SlateIQL: imitation of a log, all of it, the best, or by what it brought."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from rlrec.agents import PlanningReference, SlateBC, SlateBCConfig, SlateIQL, SlateIQLConfig
from rlrec.agents.log_and_live import LogAndLiveAgent
from rlrec.agents.log_and_live_config import LogAndLiveConfig
from rlrec.agents.offline.slate_bc import mean_of_slots
from rlrec.agents.offline.slate_iql import expectile_loss
from rlrec.data import InteractionLog
from rlrec.envs import UserSimulator, make_simulator
from rlrec.envs.sb3 import SlateVecEnv
from rlrec.errors import ConfigError
from rlrec.evaluation import rollout
from rlrec.policy import SlatePolicy, with_random_slates
from tests.agents.offline.small_agents import chance_of_the_liked, make, tiny

MakeUsers = Callable[..., UserSimulator]


def test_repeated_items_of_a_log_are_blank_slots() -> None:
    log_probs = torch.tensor([[-1.0, -torch.inf, -2.0]], requires_grad=True)
    mean = mean_of_slots(log_probs)
    assert mean.item() == -1.5
    (gradient,) = torch.autograd.grad(mean.sum(), log_probs)
    assert gradient.tolist() == [[0.5, 0.0, 0.5]]


def test_cloning_refuses_to_learn_by_interaction(make_users: MakeUsers) -> None:
    with pytest.raises(ConfigError, match="nothing to learn by interaction"):
        make(SlateBC, make_users()).learn(10)


def test_cloning_the_best_visits_draws_on_no_others(
    make_users: MakeUsers, log: InteractionLog
) -> None:
    transitions = make(SlateBC, make_users(), discount=1.0).transitions_of(log, 1.0)
    rng = np.random.default_rng(0)
    every = transitions.sample_returns(3_000, rng)
    best = transitions.sample_returns(3_000, rng, share=0.1)
    firsts = best.observations["topic_counts"].sum(dim=1) == 0  # a visit's return is seen there
    assert firsts.any()
    columns = log.columns(["step", "reward"])
    visits = np.add.reduceat(columns["reward"], np.flatnonzero(columns["step"] == 0))
    assert best.returns[firsts].min() >= np.quantile(visits, 0.8)
    assert every.returns.max() >= best.returns.max()


def test_cloning_finds_the_logging_policy(tastes_log: InteractionLog) -> None:
    chances = chance_of_the_liked(tiny(SlateBC).pretrain(tastes_log, 400))
    # 4,000 rows, 2,000 a taste: a standard error of 0.011, and the fit is loose
    assert np.abs(chances - 0.5).max() < 0.08


def test_cloning_the_best_visits_leans_to_what_is_liked(tastes_log: InteractionLog) -> None:
    chances = chance_of_the_liked(tiny(SlateBC, cloned_share=0.1).pretrain(tastes_log, 400))
    assert chances.min() > 0.6


def test_cloning_shows_what_the_log_shows(
    make_users: MakeUsers, biased_log: InteractionLog
) -> None:
    agent = make(SlateBC, make_users(), item_size=12, learning_rate=1e-2)
    agent.pretrain(biased_log, 400)
    shown = agent.act(make_users(400).reset(5), np.random.default_rng(0)).slates
    # The log: 0.92; random slates: 0.25. Items are told apart by few features, so it falls short.
    assert np.isin(shown, (3, 4, 5)).mean() > 0.65


def test_the_expectile_of_draws_is_where_its_loss_is_least() -> None:
    draws = torch.randn(20_000, generator=torch.Generator().manual_seed(0)).double()
    grid = torch.linspace(-1.0, 1.5, 251).double()
    for expectile in (0.3, 0.5, 0.9):
        best = grid[torch.stack([expectile_loss(draws - v, expectile) for v in grid]).argmin()]
        above, below = (draws - best).clamp(min=0).mean(), (best - draws).clamp(min=0).mean()
        # by definition: expectile * E(x - v)+ = (1 - expectile) * E(v - x)+
        assert abs(expectile * above - (1 - expectile) * below) < 0.01


@pytest.mark.slow
@pytest.mark.parametrize("random_share", [1.0, 0.3])
def test_iql_improves_on_a_random_log_and_keeps_what_a_good_one_shows(random_share: float) -> None:
    """Of the log's slates all are random, or 7 in 10 were planned; tastes are hidden."""
    users = make_simulator(
        "rlrec/InterestEvolution-v0", 500, n_items=200, slate_size=3, history_length=10
    )
    logger = with_random_slates(PlanningReference(1.0), users, random_share)
    log = InteractionLog.record(logger, users, 20_000, seed=11)
    settings: dict[str, Any] = {"hidden": 64, "item_size": 16, "batch_size": 128}
    configs: dict[type[LogAndLiveAgent], LogAndLiveConfig] = {
        SlateBC: SlateBCConfig(**settings),
        SlateIQL: SlateIQLConfig(**settings, value_scale=30.0, n_critics=1),
    }
    agents: dict[str, SlatePolicy] = {
        kind.__name__: kind(SlateVecEnv(users, 0), config, seed=0).pretrain(log, 800)
        for kind, config in configs.items()
    }
    results = rollout(agents, users, 500, seed=777)
    cloned, improved = results.mean_return("SlateBC"), results.mean_return("SlateIQL")
    if random_share == 1.0:
        assert improved.low > cloned.high  # 95 % intervals over 500 users
    else:  # 5 % below at most, within 3 standard errors of that difference
        error = (improved.standard_error**2 + (0.95 * cloned.standard_error) ** 2) ** 0.5
        assert improved.value > 0.95 * cloned.value - 3 * error
