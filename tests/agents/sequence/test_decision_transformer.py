"""DecisionTransformer: the contract of a policy, what prompts do, and a world of known optimum."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from rlrec.agents import DecisionTransformer, DecisionTransformerConfig, RandomPolicy
from rlrec.data import InteractionLog
from rlrec.envs import UserSimulator
from rlrec.envs.sb3 import SlateVecEnv
from rlrec.errors import CatalogueMismatchError, ConfigError
from rlrec.policy import SlatePolicy
from rlrec.simulation import Simulator
from rlrec.testing import POLICY_CHECKS
from tests.agents.test_known_answers import (
    LIKED,
    MINUTES,
    N_STEPS,
    mean_return,
    moods,
    two_tastes,
)

MakeUsers = Callable[..., UserSimulator]
SMALL: dict[str, Any] = {
    "width": 16,
    "n_layers": 2,
    "n_heads": 2,
    "item_size": 4,
    "learning_starts": 32,
    "buffer_size": 3_200,
}


def make(users: UserSimulator, seed: int = 0, **config: Any) -> DecisionTransformer:
    """Return a small agent, with noise in its networks so that it tells items apart."""
    settings = DecisionTransformerConfig(**{**SMALL, **config})
    agent = DecisionTransformer(SlateVecEnv(users, seed), settings, seed=seed, device="cpu")
    source = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in agent.policy.parameters():
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=source))
    return agent


@pytest.mark.parametrize("prompted", [False, True], ids=["agent", "prompted"])
@pytest.mark.parametrize("fresh", [False, True], ids=["catalogue", "fresh documents"])
@pytest.mark.parametrize("check", POLICY_CHECKS, ids=lambda check: check.__name__)
def test_policy_contract(
    check: Callable[[SlatePolicy, Simulator], None],
    fresh: bool,
    prompted: bool,
    make_users: MakeUsers,
) -> None:
    arguments: dict[str, int] = {} if fresh else {"n_items": 7}
    users = make_users(20, fresh, **arguments)
    agent = make(users)
    check(agent.prompted(0.3) if prompted else agent, users.with_users(20))


def test_an_untrained_agent_shows_random_slates(make_users: MakeUsers) -> None:
    users = make_users(6)
    settings = DecisionTransformerConfig(**SMALL)
    agent = DecisionTransformer(SlateVecEnv(users, 0), settings, seed=0, device="cpu")
    observations = users.reset(0)
    draw = agent.act(observations, np.random.default_rng(0))
    uniform = RandomPolicy(12, 3).log_probs(observations, draw.slates)
    np.testing.assert_allclose(draw.log_probs, uniform, atol=1e-6)


def test_the_history_is_read_in_its_order(make_users: MakeUsers) -> None:
    users = make_users(4)
    agent = make(users)
    observations = users.reset(0)
    observations["history_items"][:] = [0, 0, 3, 7, 5]
    slates = np.tile([0, 1, 2], (4, 1))
    before = agent.log_probs(observations, slates)
    turned = {**observations, "history_items": np.tile([0, 0, 3, 5, 7], (4, 1))}
    assert np.abs(agent.log_probs(turned, slates) - before).min() > 1e-5


def test_only_the_newest_items_are_tokens_of_their_own(make_users: MakeUsers) -> None:
    users = make_users(4)
    policy = make(users, context_length=2).policy
    observations = users.reset(0)
    read = []
    for history in ([0, 0, 3, 7, 5], [9, 9, 9, 7, 5], [9, 9, 9, 7, 0]):
        observations["history_items"][:] = history
        obs = _tensors(observations)
        read.append(policy._known(obs, policy.items(obs)))
    (first, _), (second, is_there), (_, lacks) = read
    torch.testing.assert_close(first[:, :2], second[:, :2])  # the state reads the others
    assert first.shape[1] == 3 and is_there.all()
    assert lacks[0].tolist() == [True, False, True]


def _tensors(observations: Any) -> dict[str, torch.Tensor]:
    return {key: torch.from_numpy(array) for key, array in observations.items()}


def test_quantiles_do_not_depend_on_what_is_wanted(make_users: MakeUsers) -> None:
    users = make_users(4)
    policy = make(users).policy
    policy.set_training_mode(False)
    obs = _tensors(users.reset(0))
    low, high = (policy.read(obs, torch.full((4,), rank)) for rank in (0.1, 0.9))
    torch.testing.assert_close(low.quantiles, high.quantiles)
    torch.testing.assert_close(low.quantiles, policy.return_quantiles(obs))
    assert (low.slates.logits - high.slates.logits).abs().max() > 1e-5


@pytest.mark.parametrize("fresh", [False, True], ids=["catalogue", "fresh documents"])
def test_it_learns_from_a_log_and_goes_on_by_interaction(
    fresh: bool, make_users: MakeUsers, log: InteractionLog, fresh_log: InteractionLog
) -> None:
    agent = make(make_users(fresh=fresh)).pretrain(fresh_log if fresh else log, 10)
    before = [parameter.detach().clone() for parameter in agent.policy.parameters()]
    agent.learn(320)
    assert all(torch.isfinite(parameter).all() for parameter in agent.policy.parameters())
    assert not all(map(torch.equal, before, agent.policy.parameters()))
    assert agent.n_pretraining_updates == 10 and agent._n_updates > 0


def test_same_seed_same_agent_whatever_else_draws(
    make_users: MakeUsers, log: InteractionLog
) -> None:
    first, second = make(make_users(), seed=3), make(make_users(), seed=3)
    for agent in (first, second):
        agent.pretrain(log, 10)
        torch.rand(7)
        agent.learn(320)
    for one, other in zip(first.policy.parameters(), second.policy.parameters(), strict=True):
        assert torch.equal(one, other)


def test_a_visit_cut_off_goes_on_with_the_median_and_one_that_ended_does_not() -> None:
    problem = moods(5)
    log = InteractionLog.record(RandomPolicy(3, 2), UserSimulator(problem, 50), 500, seed=1)
    agent = make(UserSimulator(problem, 16), discount=0.9)
    logged = agent.transitions_of(log, agent.gamma)
    batch = logged.sample(1_000, np.random.default_rng(0), n_steps=len(log))
    ended = batch.next_discounts == 0
    assert ended.any() and not ended.all()
    agent.policy.set_training_mode(False)
    returns = agent._returns(batch)
    assert torch.equal(returns[ended], batch.rewards[ended])
    with torch.no_grad():
        quantiles = agent.policy.return_quantiles(batch.next_observations)
    torch.testing.assert_close(
        returns - batch.rewards, batch.next_discounts * quantiles.median(dim=1).values
    )


BOTH = {"user": np.eye(2, dtype=np.float32), "last_response": np.zeros((2, 1, 2), np.float32)}
TAKEN = 1.0 / (1.0 + np.exp(-LIKED))  # against nothing, whose score is 0
OPTIMUM = N_STEPS * MINUTES * TAKEN


def one_at_a_time(**config: Any) -> DecisionTransformer:
    settings = {"learning_rate": 5e-3, "discount": 0.3, **config}
    return make(UserSimulator(two_tastes(), 64), **settings)


def assert_optimal(agent: Any) -> None:
    """Check what is shown to both tastes, and what it earns from 2,000 users."""
    slates = agent.act(BOTH, np.random.default_rng(0), deterministic=True).slates
    assert slates.tolist() == [[0], [1]]
    problem, n_users = two_tastes(), 2_000
    error = MINUTES * np.sqrt(N_STEPS * TAKEN * (1 - TAKEN) / n_users)
    assert abs(mean_return(agent, problem, n_users).value - OPTIMUM) < 5 * error


def test_a_random_log_shows_what_each_of_two_tastes_likes_and_what_not() -> None:
    log = InteractionLog.record(RandomPolicy(2, 1), UserSimulator(two_tastes(), 200), 4_000, seed=1)
    agent = one_at_a_time().pretrain(log, 400)
    assert_optimal(agent)
    assert agent.predict(BOTH, deterministic=True)[0].tolist() == [[0], [1]]
    rng = np.random.default_rng(0)
    worst = agent.prompted(0.1).act(BOTH, rng, deterministic=True).slates
    assert worst.tolist() == [[1], [0]]
    # A return of high rank is one of an item taken: by Bayes, with chance TAKEN the one liked.
    chances = np.exp(agent.log_probs(BOTH, np.array([[0], [1]])))
    assert np.abs(chances - TAKEN).max() < 0.1


def test_interaction_shows_what_each_of_two_tastes_likes() -> None:
    agent = one_at_a_time(updates_per_transition=1 / 32, n_steps=10).learn(12_800)
    assert_optimal(agent)


def test_a_saved_agent_is_loaded_to_the_bit(
    tmp_path: Path, make_users: MakeUsers, log: InteractionLog
) -> None:
    users = make_users(16)
    agent = make(users).pretrain(log, 5)
    agent.save(tmp_path / "agent")
    loaded = DecisionTransformer.load(
        tmp_path / "agent", SlateVecEnv(make_users(16), 0), device="cpu"
    )
    observations = users.reset(9)
    slates = agent.act(observations, np.random.default_rng(1)).slates
    np.testing.assert_array_equal(slates, loaded.act(observations, np.random.default_rng(1)).slates)
    np.testing.assert_array_equal(
        agent.log_probs(observations, slates), loaded.log_probs(observations, slates)
    )
    assert (loaded.n_pretraining_updates, loaded.config) == (5, agent.config)


def test_a_log_of_other_items_is_refused(make_users: MakeUsers, log: InteractionLog) -> None:
    with pytest.raises(CatalogueMismatchError):
        make(make_users(catalogue_seed=5)).pretrain(log, 1)


def test_a_prompt_beyond_what_was_seen_is_refused(make_users: MakeUsers) -> None:
    with pytest.raises(ConfigError, match=r"quantile of DecisionTransformer must lie in 0\.05"):
        make(make_users()).prompted(1.0)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"quantile": 0.99}, "quantile of DecisionTransformer must lie in 0.05..0.95, got 0.99"),
        ({"dropout": 1.0}, "dropout of DecisionTransformer must lie in"),
        ({"width": 10, "n_heads": 3}, "width of DecisionTransformer must be a multiple of n_heads"),
        ({"n_layers": 0}, "n_layers of DecisionTransformer must be a whole number of 1 or more"),
    ],
)
def test_wrong_settings_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        DecisionTransformerConfig(**settings)
