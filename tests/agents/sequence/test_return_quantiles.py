"""Quantiles of the return: what the loss finds, and the ranks that follow from them."""

import numpy as np
import torch

from rlrec.agents.sequence.return_quantiles import HIGHEST, LOWEST, ReturnQuantiles


def test_the_loss_finds_the_quantiles_of_each_state() -> None:
    torch.manual_seed(0)
    net = ReturnQuantiles(2, scale=10.0)
    optimizer = torch.optim.Adam(net.parameters(), lr=0.05)
    states = torch.eye(2).repeat(1000, 1)
    # Normal returns of mean 20 and deviation 5, or of mean -10 and deviation 1.
    drawn = torch.from_numpy(np.random.default_rng(0).normal(size=2000)).float()
    returns = states @ torch.tensor([20.0, -10.0]) + drawn * (states @ torch.tensor([5.0, 1.0]))
    for _ in range(600):
        loss = net.loss(net(states), returns)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    found = net(torch.eye(2)).detach().numpy()
    for state in (0, 1):
        expected = np.quantile(returns[state::2].numpy(), net.levels.numpy())
        spread = (5.0, 1.0)[state]
        assert np.abs(found[state] - expected).max() < 0.3 * spread


def test_quantiles_rise_whatever_the_parameters() -> None:
    torch.manual_seed(1)
    net = ReturnQuantiles(4, scale=1.0)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.mul_(20.0)
    assert (net(torch.randn(50, 4)).diff(dim=1) >= 0).all()


def test_ranks_are_the_levels_of_quantiles_and_stay_within_what_was_seen() -> None:
    net = ReturnQuantiles(1, scale=1.0)
    quantiles = torch.linspace(0.0, 18.0, 19)[None].expand(5, -1)
    returns = torch.tensor([0.0, 9.0, 4.5, -100.0, 100.0])
    expected = torch.tensor([LOWEST, 0.5, 0.275, LOWEST, HIGHEST])
    torch.testing.assert_close(net.ranks(quantiles, returns), expected)
    torch.testing.assert_close(net.middle(quantiles), torch.full((5,), 9.0))
