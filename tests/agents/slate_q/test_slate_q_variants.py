"""The published variants of SlateQ, and its known mistakes, against values written down."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import torch

from rlrec.agents import RandomPolicy, ScoredChoice, SlateQ, SlateQConfig, TellsChoice
from rlrec.agents.networks import TensorDict
from rlrec.agents.slate_value import greedy_slates, top_slates
from rlrec.arrays import Floats
from rlrec.data import InteractionLog
from rlrec.envs import UserSimulator
from rlrec.envs.blocks.choice import LogitChoice
from rlrec.envs.sb3 import SlateVecEnv
from tests.agents.test_known_answers import (
    BASE_SCORES,
    DISCOUNT,
    LIFT,
    MAX_STEPS,
    MINUTES,
    MOOD_CONFIG,
    MOVES,
    N_MOODS,
    SLATE_SIZE,
    SLATES,
    TOLERANCE,
    Exact,
    every_mood,
    exact_values,
    mood_agent,
    moods,
)


@cache
def mood_log() -> InteractionLog:
    users = UserSimulator(moods(MAX_STEPS), 200)
    return InteractionLog.record(RandomPolicy(3, SLATE_SIZE), users, 20_000, seed=1)


def values_of_random_slates() -> Exact:
    """Return values where slates go on being random, by iteration."""
    mood = np.arange(N_MOODS)
    weights = np.exp(BASE_SCORES + LIFT * mood[:, None])
    after = np.minimum(mood[:, None] + MOVES, N_MOODS - 1)
    worth = np.zeros(N_MOODS)
    for _ in range(500):
        items = MINUTES + DISCOUNT * np.where(after < 0, 0.0, worth[np.maximum(after, 0)])
        nothing = DISCOUNT * worth
        gained = (weights * items)[:, SLATES].sum(axis=2) + nothing[:, None]
        slates = gained / (weights[:, SLATES].sum(axis=2) + 1.0)
        worth = slates.mean(axis=1)
    return Exact(items, nothing, slates)


def learned(agent: SlateQ) -> tuple[Floats, Floats]:
    """Return the values of items and of nothing, in units of return."""
    with torch.no_grad():
        values = agent.policy.target(every_mood())
        nothing = agent.policy.null_value(values)
    scale = agent.config.value_scale
    return scale * values.of_all().double().numpy(), scale * nothing.double().numpy()


def misses(agent: SlateQ, expected: Exact) -> float:
    items, nothing = learned(agent)
    return float(
        max(np.abs(items - expected.items).max(), np.abs(nothing - expected.nothing).max())
    )


@pytest.mark.parametrize("way", ["log", "interaction"])
def test_sarsa_learns_the_values_of_the_slates_that_were_shown(way: str) -> None:
    agent = mood_agent(replace(MOOD_CONFIG, target="sarsa"))
    agent = agent.pretrain(mood_log(), 1000) if way == "log" else agent.learn(12_000)
    assert misses(agent, values_of_random_slates()) < TOLERANCE


def test_the_tolerance_tells_random_slates_from_the_best() -> None:
    assert np.abs(values_of_random_slates().items - exact_values().items).max() > 5 * TOLERANCE


def test_repeating_the_published_mistakes_ends_at_their_fixed_point() -> None:
    config = replace(MOOD_CONFIG, compat="recsim", warmup_share=0.0)
    agent = mood_agent(config).pretrain(mood_log(), 1000)
    expected = exact_values(wrong_state=True, fixed_nothing=True)
    items, nothing = learned(agent)
    assert np.abs(items - expected.items).max() < TOLERANCE
    assert not nothing.any()
    assert np.abs(expected.items - exact_values().items).max() > 5 * TOLERANCE


def test_the_published_code_shows_slates_in_the_order_of_their_numbers() -> None:
    agent = mood_agent(replace(MOOD_CONFIG, compat="recsim", warmup_share=0.0))
    _shake(agent)
    slates = agent.policy(every_mood())
    assert (slates.diff(dim=1) > 0).all()


@pytest.mark.parametrize(("name", "search"), [("greedy", greedy_slates), ("top_k", top_slates)])
def test_slates_are_searched_as_asked_when_acting_and_in_targets(name: str, search) -> None:  # type: ignore[no-untyped-def]
    acting = mood_agent(replace(MOOD_CONFIG, optimiser=name))
    training = mood_agent(replace(MOOD_CONFIG, target_optimiser=name))
    for agent in (acting, training):
        _shake(agent)
    policy = acting.policy
    with torch.no_grad():
        values, weights = policy.target(every_mood()), policy.weights(every_mood())
    args = (weights.items, values.of_all(), weights.nothing, values.nothing, SLATE_SIZE, 9)
    slates, worth = search(*args)
    assert (acting.policy(every_mood()) == slates).all()
    batch = training.remember(mood_log()).sample(64, np.random.default_rng(0), 1)
    mood = batch.next_observations["user"].argmax(dim=1)
    torch.testing.assert_close(
        training._targets(batch), batch.rewards + batch.next_discounts * 8.0 * worth[mood]
    )


def _shake(agent: SlateQ) -> None:
    """Make items differ by much, so that searches differ too."""
    source, policy = torch.Generator().manual_seed(3), agent.policy
    with torch.no_grad():
        for net in (policy.target, policy.choice):
            for parameter in net.parameters():
                parameter.add_(torch.randn(parameter.shape, generator=source))


def true_scores(observations: TensorDict) -> torch.Tensor:
    base = torch.from_numpy(BASE_SCORES).to(observations["user"])
    return base + LIFT * observations["user"].argmax(dim=1, keepdim=True)


def test_with_known_choice_the_values_are_exact_and_no_choice_is_fitted() -> None:
    users = SlateVecEnv(UserSimulator(moods(MAX_STEPS), 50))
    told = TellsChoice(users, ScoredChoice(true_scores, LogitChoice()))
    agent = SlateQ(told, replace(MOOD_CONFIG, choice="known"), seed=0).pretrain(mood_log(), 1000)
    assert misses(agent, exact_values()) < TOLERANCE
    assert not any(name.startswith("choice") for name in agent.policy.state_dict())
    assert agent.learn(500).num_timesteps == 500


@pytest.mark.parametrize(
    "config",
    [{"target": "sarsa"}, {"compat": "recsim"}, {"optimiser": "greedy"}, {"clicks": "several"}],
    ids=str,
)
def test_every_variant_trains_to_the_same_bits_from_the_same_seed(config: dict[str, str]) -> None:
    settings = SlateQConfig(hidden=8, item_size=4, batch_size=32, learning_starts=100, **config)  # type: ignore[arg-type]

    def trained(seed: int) -> dict[str, torch.Tensor]:
        users = SlateVecEnv(UserSimulator(moods(MAX_STEPS), 50))
        agent = SlateQ(users, settings, seed=seed).pretrain(mood_log(), 20).learn(400)
        state: dict[str, torch.Tensor] = agent.policy.state_dict()
        return state

    one, again, other = trained(1), trained(1), trained(2)
    assert all(torch.equal(one[key], again[key]) for key in one)
    assert not torch.equal(one["values.query.0.weight"], other["values.query.0.weight"])
