"""TopKReinforce: the contract of a policy, what it learns from, and worlds of known optimum."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from rlrec.agents import RandomPolicy, TopKReinforce, TopKReinforceConfig
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
    every_mood,
    mean_return,
    moods,
    two_tastes,
)

MakeUsers = Callable[..., UserSimulator]
SMALL: dict[str, Any] = {"hidden": 16, "item_size": 4, "n_transitions": 128, "batch_size": 64}


def make(users: UserSimulator, seed: int = 0, **config: Any) -> TopKReinforce:
    """Return a small agent, with noise in its networks so that it tells items apart."""
    settings = TopKReinforceConfig(**{**SMALL, **config})
    agent = TopKReinforce(SlateVecEnv(users, seed), settings, seed=seed, device="cpu")
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


@pytest.mark.parametrize("fresh", [False, True], ids=["catalogue", "fresh documents"])
@pytest.mark.parametrize("head", ["items", "slate"])
@pytest.mark.parametrize("baseline", ["value", "mean", "none"])
@pytest.mark.parametrize("learns_from", ["shown", "responded"])
def test_updates_of_every_kind_stay_finite(
    fresh: bool,
    head: str,
    baseline: str,
    learns_from: str,
    make_users: MakeUsers,
    log: InteractionLog,
    fresh_log: InteractionLog,
) -> None:
    agent = make(make_users(fresh=fresh), head=head, baseline=baseline, learns_from=learns_from)
    before = [parameter.detach().clone() for parameter in agent.policy.actor.parameters()]
    agent.pretrain(fresh_log if fresh else log, 10).learn(128)
    assert all(torch.isfinite(parameter).all() for parameter in agent.policy.parameters())
    assert not all(map(torch.equal, before, agent.policy.actor.parameters()))
    assert (agent.n_pretraining_updates, agent.num_timesteps) == (10, 128)


def test_the_model_of_who_logged_leaves_the_actor_alone(
    make_users: MakeUsers, log: InteractionLog
) -> None:
    agent = make(make_users(), warmup_share=1.0)
    actor = [parameter.detach().clone() for parameter in agent.policy.actor.parameters()]
    head = [parameter.detach().clone() for parameter in agent.policy.logging_head.parameters()]
    agent.pretrain(log, 5)
    assert all(map(torch.equal, actor, agent.policy.actor.parameters()))
    assert not all(map(torch.equal, head, agent.policy.logging_head.parameters()))


class Favours:
    """Shows one item of two, the first with probability `chance`; states it."""

    def __init__(self, chance: float) -> None:
        self.chances = np.array([chance, 1.0 - chance])

    def act(self, observations: Any, rng: np.random.Generator, deterministic: bool = False) -> Any:
        from rlrec.slates import SlateDraw

        slates = (rng.random((len(observations["user"]), 1)) >= self.chances[0]).astype(np.int64)
        return SlateDraw(slates, self.log_probs(observations, slates))

    def log_probs(self, observations: Any, slates: Any) -> Any:
        return np.log(self.chances[slates])


def one_at_a_time(**config: Any) -> TopKReinforce:
    settings = {"learning_rate": 3e-3, "discount": 0.5, **config}
    return make(UserSimulator(two_tastes(), 64), **settings)


def test_the_model_of_who_logged_finds_the_probabilities() -> None:
    log = InteractionLog.record(Favours(0.8), UserSimulator(two_tastes(), 200), 4_000, seed=1)
    agent = one_at_a_time(propensities="fitted", warmup_share=1.0, learning_rate=1e-2)
    agent.pretrain(log, 300)
    with torch.no_grad():
        fitted = agent.policy.logging_distribution(BOTH_TENSORS).logits.softmax(dim=1)[:, 0]
    # Each taste is shown about 2,000 slates: a standard error of 0.009.
    assert (fitted - 0.8).abs().max() < 0.05


def test_propensities_come_from_the_log_where_it_has_them(
    make_users: MakeUsers, log: InteractionLog
) -> None:
    users = make_users()
    assert log.has("log_propensity") and not log.has("propensity_marginal")
    assert make(users)._logged_log_probs(log) is None  # slots have no marginal ones in this log
    assert make(users, head="slate", propensities="fitted")._logged_log_probs(log) is None
    whole = make(users, head="slate")._logged_log_probs(log)
    assert whole is not None
    np.testing.assert_allclose(whole, -np.log(12 * 11 * 10), atol=1e-6)
    marginal = np.full((len(log), 3), 3 / 12)
    stated = InteractionLog.from_columns(
        {**log.columns(), "propensity_marginal": marginal}, log.metadata
    )
    by_item = make(users)._logged_log_probs(stated)
    assert by_item is not None and by_item.shape == (len(log), 3)
    np.testing.assert_allclose(by_item, -np.log(12))


BOTH = {"user": np.eye(2, dtype=np.float32), "last_response": np.zeros((2, 1, 2), np.float32)}
BOTH_TENSORS = {key: torch.from_numpy(array) for key, array in BOTH.items()}
TAKEN = 1.0 / (1.0 + np.exp(-LIKED))  # against nothing, whose score is 0
OPTIMUM = N_STEPS * MINUTES * TAKEN


def assert_optimal(agent: Any) -> None:
    """Check what is shown to both tastes, and what it earns from 2,000 users."""
    assert agent.predict(BOTH, deterministic=True)[0].tolist() == [[0], [1]]
    problem, n_users = two_tastes(), 2_000
    error = MINUTES * np.sqrt(N_STEPS * TAKEN * (1 - TAKEN) / n_users)
    assert abs(mean_return(agent, problem, n_users).value - OPTIMUM) < 5 * error


@pytest.mark.parametrize("head", ["items", "slate"])
@pytest.mark.parametrize("propensities", ["log", "fitted"])
def test_a_lopsided_log_shows_what_each_of_two_tastes_likes(head: str, propensities: str) -> None:
    log = InteractionLog.record(Favours(0.9), UserSimulator(two_tastes(), 200), 4_000, seed=1)
    agent = one_at_a_time(head=head, propensities=propensities)
    assert_optimal(agent.pretrain(log, 500))
    chances = np.exp(agent.log_probs(BOTH, np.array([[0], [1]])))
    assert chances.min() > 0.8


def test_interaction_shows_what_each_of_two_tastes_likes() -> None:
    agent = one_at_a_time(learning_rate=1e-2, n_transitions=640).learn(64_000)
    assert_optimal(agent)


def test_praise_for_responses_alone_prefers_what_tempts() -> None:
    """What tempts is taken most often and spoils the mood, which in all costs more."""
    users = UserSimulator(moods(15), 200)
    log = InteractionLog.record(RandomPolicy(3, 2), users, 20_000, seed=1)
    shown: dict[str, list[bool]] = {}
    for learns_from, baseline in (("shown", "value"), ("responded", "none")):
        agent = make(
            UserSimulator(moods(15), 16),
            learns_from=learns_from,
            baseline=baseline,
            discount=0.9,
            learning_rate=5e-3,
            batch_size=256,
        ).pretrain(log, 600)
        observed = {key: values.numpy() for key, values in every_mood().items()}
        slates, _ = agent.predict(observed, deterministic=True)
        shown[learns_from] = (slates == 0).any(axis=1)[1:3].tolist()
    assert shown == {"shown": [False] * 2, "responded": [True] * 2}


def test_a_visit_cut_off_goes_on_with_the_value_and_one_that_ended_does_not() -> None:
    problem = moods(5)
    log = InteractionLog.record(RandomPolicy(3, 2), UserSimulator(problem, 50), 500, seed=1)
    agent = make(UserSimulator(problem, 16), warmup_share=1.0, discount=0.9)
    logged = agent._remember(log)
    rng = np.random.default_rng(0)
    batch = logged.sample(1_000, rng, n_steps=len(log))
    assert 0 < (batch.next_discounts > 0).float().mean() < 1
    agent._value_loss = lambda values, returns: returns.sum()  # type: ignore[method-assign]
    with torch.no_grad():
        totals = agent.logged_loss(batch, is_warmup=True)
        following = agent.policy.predict_values(batch.next_observations)
        fitted = agent._likelihood(
            agent.policy.logging_distribution(batch.observations), batch.slates
        )
    expected = (batch.rewards + batch.next_discounts * following).sum() - fitted.mean()
    torch.testing.assert_close(totals, expected)


def test_a_log_of_other_items_is_refused(make_users: MakeUsers, log: InteractionLog) -> None:
    with pytest.raises(CatalogueMismatchError):
        make(make_users(catalogue_seed=5)).pretrain(log, 1)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"cap": 0.0}, "cap of TopKReinforce must be above 0, got 0.0"),
        ({"head": "other"}, "head of TopKReinforce must be one of"),
        ({"baseline": "other"}, "baseline of TopKReinforce must be one of"),
        ({"discount": 2.0}, "discount of TopKReinforce must lie in 0..1"),
        ({"batch_size": 0}, "batch_size of TopKReinforce must be a whole number of 1 or more"),
    ],
)
def test_wrong_settings_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        TopKReinforceConfig(**settings)
