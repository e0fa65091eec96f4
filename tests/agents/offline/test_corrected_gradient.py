"""The corrected gradient is that of the stated aim, by enumeration of all that can be logged."""

from itertools import permutations

import pytest
import torch
from torch import Tensor

from rlrec.agents.offline.corrected_gradient import Correction, corrected_loss
from rlrec.agents.plackett_luce import PlackettLuce

# How often the logging policy shows each of five items, in 20 slates: the log of all it can do.
SHOWN = torch.tensor([0] * 8 + [1] * 5 + [2] * 4 + [3] * 2 + [4])
MU = torch.bincount(SHOWN).double() / len(SHOWN)
WORTH = torch.tensor([1.0, -2.0, 0.5, 3.0, 7.0], dtype=torch.double)


def logits(n: int = 5) -> Tensor:
    source = torch.Generator().manual_seed(n)
    return torch.randn(n, generator=source, dtype=torch.double).requires_grad_()


def gradient(loss: Tensor, at: Tensor) -> Tensor:
    return torch.autograd.grad(loss, at, retain_graph=True)[0]


@pytest.mark.parametrize("slots", [1, 2, 5])
def test_it_is_the_gradient_of_being_among_the_draws(slots: int) -> None:
    z = logits()
    logs = z.log_softmax(0)
    correction = Correction(slots=slots)
    counts = torch.ones(len(SHOWN), dtype=torch.double)
    loss = corrected_loss(logs[SHOWN], MU.log()[SHOWN], WORTH[SHOWN], counts, correction)
    aim = (WORTH * (1 - (1 - logs.exp()) ** slots)).sum()
    torch.testing.assert_close(-gradient(loss, z), gradient(aim, z), atol=1e-9, rtol=1e-9)


def test_it_is_the_gradient_of_the_mean_over_all_slates_logged_by_another_policy() -> None:
    slates = torch.tensor(list(permutations(range(4), 2)))
    worth = torch.linspace(-1.0, 2.0, len(slates), dtype=torch.double)
    z = logits(4)
    other = torch.tensor([0.5, 0.0, -0.5, 1.0], dtype=torch.double)

    def joint(scores: Tensor) -> Tensor:
        return PlackettLuce(scores.expand(len(slates), -1), 2).log_probs(slates).sum(dim=1)

    logs, logging_logs = joint(z), joint(other)
    # One row for each slate, counted as often as the logging policy shows it.
    often = logging_logs.exp() * len(slates)
    counts = torch.ones_like(often)
    loss = corrected_loss(logs, logging_logs, often * worth, counts, Correction())
    aim = (logs.exp() * worth).sum()
    torch.testing.assert_close(-gradient(loss, z), gradient(aim, z), atol=1e-9, rtol=1e-9)


def test_without_a_logging_policy_all_weights_are_one() -> None:
    z = logits()
    logs = z.log_softmax(0)
    counts = torch.ones(5, dtype=torch.double)
    often = logs.exp().detach() * 5
    loss = corrected_loss(logs, None, often * WORTH, counts, Correction())
    aim = (logs.exp() * WORTH).sum()
    torch.testing.assert_close(-gradient(loss, z), gradient(aim, z), atol=1e-9, rtol=1e-9)


def test_weights_are_capped_and_normalised() -> None:
    logs = torch.tensor([0.5, 0.25, 0.125], dtype=torch.double).log()
    logging_logs = torch.tensor([0.05, 0.25, 0.25], dtype=torch.double).log()  # ratios 10, 1, 0.5
    gains = torch.tensor([1.0, 10.0, 100.0], dtype=torch.double)
    counts = torch.ones(3, dtype=torch.double)
    capped = corrected_loss(logs, logging_logs, gains, counts, Correction(cap=2.5))
    torch.testing.assert_close(capped, -(torch.tensor([2.5, 10.0, 50.0]) * logs).mean())
    normalised = corrected_loss(logs, logging_logs, gains, counts, Correction(1, 2.5, True))
    torch.testing.assert_close(normalised, capped * 3 / 4.0)
    first = torch.tensor([1.0, 0.0, 0.0], dtype=torch.double)
    alone = corrected_loss(logs, logging_logs, gains, first, Correction(cap=2.5))
    torch.testing.assert_close(alone, -2.5 * logs[0])


def test_no_gradient_reaches_the_logging_policy() -> None:
    z, other = logits(), logits(5)
    loss = corrected_loss(
        z.log_softmax(0), other.log_softmax(0), WORTH, torch.ones(5), Correction(slots=3)
    )
    assert torch.autograd.grad(loss, other, allow_unused=True)[0] is None
