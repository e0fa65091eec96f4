"""What is responded to in a slate, and what slates are worth by that, against hand computation."""

import numpy as np
import pytest
import torch
from gymnasium import spaces
from torch import Tensor

from rlrec.agents.networks import ItemKnowledge, Scores
from rlrec.agents.offline.response_model import ResponseModel, SlateWorth
from rlrec.agents.replay import SlateBatch

N_ITEMS, SLATE_SIZE, N_USERS = 6, 3, 4
SPACE = spaces.Dict({"user": spaces.Box(-1.0, 1.0, (2,), np.float32)})
SLATES = torch.tensor([[0, 1, 2], [5, 3, 1], [4, 2, 0], [1, 1, 3]])
REPEATED = (3, 1)


def made(takes_one: bool) -> tuple[ResponseModel, dict[str, Tensor]]:
    torch.manual_seed(0)
    items = ItemKnowledge(features=np.eye(N_ITEMS, dtype=np.float32))
    model = ResponseModel(SPACE, N_ITEMS, SLATE_SIZE, items, 4, 8, takes_one)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    return model, {"user": torch.rand(N_USERS, 2)}


@pytest.mark.parametrize("takes_one", [True, False])
def test_chances_are_those_of_the_scores_and_none_for_an_item_shown_again(takes_one: bool) -> None:
    model, users = made(takes_one)
    scores = model.scorer(users)
    shown = scores.of_all().gather(1, SLATES)
    shown[REPEATED] = -torch.inf
    if takes_one:
        weights, nothing = shown.exp(), scores.nothing.exp()
        expected = weights / (weights.sum(dim=1) + nothing)[:, None]
    else:
        assert model.slots is not None
        expected = torch.sigmoid(shown) * torch.sigmoid(model.slots.logits)
    found = model.chances(model(users, SLATES))
    torch.testing.assert_close(found, expected)
    assert found[REPEATED] == 0


def test_chance_of_an_item_shown_is_the_same_among_all_on_offer() -> None:
    model, users = made(takes_one=True)
    attraction = model(users, SLATES)
    everywhere = model.chances_of_all(users, attraction).gather(1, SLATES)
    chances = model.chances(attraction)
    is_first = torch.ones_like(chances, dtype=torch.bool)
    is_first[REPEATED] = False
    torch.testing.assert_close(everywhere[is_first], chances[is_first])


@pytest.mark.parametrize("takes_one", [True, False])
def test_learns_the_chances_of_what_is_taken(takes_one: bool) -> None:
    """40,000 slates: the worst slot's chance is within 5 standard errors of the truth and .01."""
    rng = np.random.default_rng(1)
    model, _ = made(takes_one)
    n_rows = 40_000
    slates = torch.from_numpy(rng.permuted(np.tile(np.arange(N_ITEMS), (n_rows, 1)), axis=1)[:, :3])
    appeal = np.array([2.0, 1.0, 0.0, -0.5, -1.0, -2.0])[slates.numpy()]
    if takes_one:
        weights = np.hstack([np.exp(appeal), np.ones((n_rows, 1))])
        truth = weights / weights.sum(axis=1, keepdims=True)
        choices = (rng.random((n_rows, 1)) > truth.cumsum(axis=1)).sum(axis=1).clip(max=3)
        responses = np.eye(4, dtype=np.float32)[choices][:, :3]
    else:
        truth = 1 / (1 + np.exp(-appeal)) * np.array([0.9, 0.6, 0.3])
        responses = (rng.random(truth.shape) < truth).astype(np.float32)
        choices = np.zeros(n_rows, np.int64)
    users = {"user": torch.zeros(n_rows, 2)}
    empty = torch.zeros(n_rows)
    batch = SlateBatch(
        users,
        slates,
        torch.from_numpy(choices),
        torch.from_numpy(responses),
        empty,
        users,
        empty,
        slates,
    )
    optimiser = torch.optim.Adam(model.parameters(), lr=0.03)
    for _ in range(400):
        optimiser.zero_grad()
        model.loss(model(users, slates), batch).backward()  # type: ignore[no-untyped-call]
        optimiser.step()
    found = model.chances(model(users, slates)).detach().numpy()
    for item in range(N_ITEMS):
        for slot in range(SLATE_SIZE):
            here = slates[:, slot].numpy() == item
            expected = truth[:, :SLATE_SIZE][here, slot].mean()
            error = 5 * np.sqrt(expected * (1 - expected) / here.sum())
            assert abs(found[here, slot].mean() - expected) < error + 0.01


def test_worth_of_a_slate_is_the_mean_over_what_may_be_taken() -> None:
    gen = torch.Generator().manual_seed(2)
    query, items = torch.randn(1, 4, generator=gen), torch.randn(N_ITEMS, 4, generator=gen)
    bias, base = torch.randn(N_ITEMS, generator=gen), torch.randn(1, 1, generator=gen)
    scores = Scores(query, base, torch.tensor([0.7]), items, bias)
    values = (query @ items.T + bias + base)[0]
    slate, chances = torch.tensor([[2, 0, 4]]), torch.tensor([[0.2, 0.5, 0.1]])
    worth = SlateWorth.of(scores, slate)
    expected = 0.2 * values[2] + 0.5 * values[0] + 0.1 * values[4] + 0.2 * 0.7
    torch.testing.assert_close(worth.expected(chances)[0], expected)
    taken = torch.tensor([[False, True, False]])
    torch.testing.assert_close(worth.expected(taken)[0], values[0])
    torch.testing.assert_close(worth.expected(~taken & False)[0], torch.tensor(0.7))
