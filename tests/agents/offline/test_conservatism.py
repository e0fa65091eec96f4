"""SlateCQL and SlateBCQ: what the log does not show is valued less, or not shown."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from rlrec.agents import SlateBCQ, SlateCQL
from rlrec.data import InteractionLog
from rlrec.envs import UserSimulator
from tests.agents.offline.small_agents import make, mood_agent
from tests.agents.test_known_answers import SLATES, every_mood, exact_values

MakeUsers = Callable[..., UserSimulator]


def test_without_conservatism_values_are_the_exact_ones(mood_log: InteractionLog) -> None:
    agent = mood_agent(SlateCQL, conservatism=0.0).pretrain(mood_log, 1_500)
    with torch.no_grad():
        values = agent.policy.target(every_mood())
        pairs = [values.of(torch.tensor(pair).expand(5, -1)) for pair in SLATES]
    # Three items, three pairs: sums over slots can be the value of any of them.
    learned = 8.0 * torch.stack(pairs, dim=1).numpy()
    assert np.abs(learned - exact_values().slates).max() < 1.0


def test_values_of_slates_not_shown_are_held_down(
    make_users: MakeUsers, biased_log: InteractionLog
) -> None:
    """The excess over the slates shown falls with its weight, and calibration softens it."""
    log, excess = biased_log, {}
    kinds: dict[str, dict[str, Any]] = {
        "none": {"conservatism": 0.0},
        "some": {"conservatism": 1.0},
        "calibrated": {"conservatism": 1.0, "calibrated": True},
    }
    for name, config in kinds.items():
        agent = make(SlateCQL, make_users(), value_scale=4.0, learning_rate=1e-2, **config)
        agent.pretrain(log, 300)
        batch = agent.transitions_of(log, 0.95).sample(2_000, np.random.default_rng(0), 1)
        assert isinstance(agent, SlateCQL)
        with torch.no_grad():
            values = agent.policy.values(batch.observations)
            excess[name] = float(agent._excess(values, batch.slates, None))
    assert excess["some"] < 0.9 * excess["none"]
    assert excess["some"] < excess["calibrated"] < excess["none"]


@pytest.mark.parametrize("calibrated", [False, True])
def test_the_excess_is_that_of_all_slates_with_one_slot_changed(
    calibrated: bool, make_users: MakeUsers
) -> None:
    agent = make(SlateCQL, make_users(4))
    assert isinstance(agent, SlateCQL)
    seen = {key: torch.from_numpy(array) for key, array in make_users(4).reset(0).items()}
    slates = torch.tensor([[0, 1, 2], [5, 3, 9], [11, 0, 4], [2, 7, 6]])
    with torch.no_grad():
        values = agent.policy.values(seen)
        floor = values.of(slates) + torch.tensor([0.1, -5.0, 0.3, 0.0]) if calibrated else None
        found = float(agent._excess(values, slates, floor))
        expected = []
        for slot in range(3):
            changed = []
            for item in range(12):
                others = slates.clone()
                others[:, slot] = item
                again = (others == item).sum(dim=1) > 1
                worth = values.of(others)
                worth = worth if floor is None else torch.maximum(worth, floor)
                changed.append(worth.masked_fill(again, -torch.inf))
            expected.append(torch.stack(changed).logsumexp(dim=0) - values.of(slates))
    assert found == pytest.approx(float(torch.stack(expected).mean()), abs=1e-5)


def test_some_items_stand_for_all(make_users: MakeUsers) -> None:
    """400 draws of 40 of 100 items: the mean excess is near the exact one."""
    exact, sampled = (make(SlateCQL, make_users(8, n_items=100), n_pushed=n) for n in (100, 40))
    assert isinstance(exact, SlateCQL) and isinstance(sampled, SlateCQL)
    seen = {k: torch.from_numpy(a) for k, a in make_users(8, n_items=100).reset(0).items()}
    slates = torch.arange(24).view(8, 3)
    with torch.no_grad():
        values = exact.policy.values(seen)
        truth = float(exact._excess(values, slates, None))
        draws = np.array([float(sampled._excess(values, slates, None)) for _ in range(400)])
    assert draws.std() > 0
    # 5 standard errors, and the small bias of a logarithm of a mean
    assert abs(draws.mean() - truth) < 5 * draws.std() / 20 + draws.var()


def test_only_items_that_the_log_shows_are_allowed(make_users: MakeUsers) -> None:
    agent = make(SlateBCQ, make_users(6), threshold=0.3)
    seen = {key: torch.from_numpy(array) for key, array in make_users(6).reset(0).items()}
    with torch.no_grad():
        agent.policy.imitator.item_bias.weight.mul_(200.0)
        logits = agent.policy.imitator(seen).of_all()
    allowed = agent.policy.allowed(seen)
    third = logits.topk(3, dim=1).values[:, -1:]
    assert torch.equal(allowed, logits > third + np.log(0.3))
    assert ((allowed.sum(dim=1) >= 3) & (allowed.sum(dim=1) < 12)).all()
    observations = {key: array.numpy() for key, array in seen.items()}
    for seed in range(20):
        slates = agent.act(observations, np.random.default_rng(seed)).slates
        assert allowed.gather(1, torch.as_tensor(slates)).all()
