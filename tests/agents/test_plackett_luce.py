"""Plackett-Luce slates in torch against enumeration, with and without offsets by topic."""

import math
from itertools import permutations

import numpy as np
import pytest
import torch
from torch import Tensor

from rlrec.agents.plackett_luce import Groups, PlackettLuce
from rlrec.slates import plackett_luce_log_probs

TOPICS = np.array([0, 1, 0, 2, 1, 0])
N_ITEMS, SLATE_SIZE = len(TOPICS), 3
ALL = torch.tensor(list(permutations(range(N_ITEMS), SLATE_SIZE)))


def logits_and_offsets(seed: int = 0, scale: float = 2.0) -> tuple[Tensor, Tensor]:
    source = torch.Generator().manual_seed(seed)
    logits = torch.randn(1, N_ITEMS, generator=source, dtype=torch.double) * scale
    offsets = torch.randn(1, 3, SLATE_SIZE, generator=source, dtype=torch.double) * scale
    return logits.requires_grad_(), offsets.requires_grad_()


def of_all(logits: Tensor, offsets: Tensor) -> PlackettLuce:
    n = len(ALL)
    return PlackettLuce(logits.expand(n, -1), SLATE_SIZE, Groups(TOPICS), offsets.expand(n, -1, -1))


def literal(logits: Tensor, offsets: Tensor, slate: list[int]) -> tuple[Tensor, Tensor]:
    """Return log-probability and sum of slot entropies of a slate, drawn item by item."""
    total, entropy = logits.new_zeros(()), logits.new_zeros(())
    above: list[int] = []
    for item in slate:
        left = [each for each in range(N_ITEMS) if each not in above]
        counts = [sum(TOPICS[one] == TOPICS[each] for one in above) for each in left]
        weights = torch.stack(
            [logits[0, i] + offsets[0, TOPICS[i], m] for i, m in zip(left, counts, strict=True)]
        )
        logs = weights - weights.logsumexp(0)
        total = total + logs[left.index(item)]
        entropy = entropy - (logs.exp() * logs).sum()
        above.append(item)
    return total, entropy


@pytest.mark.parametrize("seed", range(5))
def test_probabilities_entropies_and_gradients_are_those_of_enumeration(seed: int) -> None:
    logits, offsets = logits_and_offsets(seed)
    log_probs, entropy = of_all(logits, offsets).log_probs_and_entropy(ALL)
    expected = [literal(logits, offsets, slate) for slate in ALL.tolist()]
    literal_logs = torch.stack([one for one, _ in expected])
    literal_entropy = torch.stack([one for _, one in expected])
    torch.testing.assert_close(log_probs.sum(dim=1), literal_logs)
    torch.testing.assert_close(entropy.sum(dim=1), literal_entropy)
    assert log_probs.sum(dim=1).exp().sum().item() == pytest.approx(1.0, abs=1e-12)
    for ours, theirs in ((log_probs, literal_logs), (entropy, literal_entropy)):
        weights = torch.linspace(-1, 1, len(ALL), dtype=torch.double)
        got = torch.autograd.grad(
            ((ours.sum(dim=1)) * weights).sum(), [logits, offsets], retain_graph=True
        )
        wanted = torch.autograd.grad((theirs * weights).sum(), [logits, offsets], retain_graph=True)
        torch.testing.assert_close(got, wanted)


def test_entropies_of_slots_average_to_the_entropy_of_the_distribution() -> None:
    logits, offsets = logits_and_offsets(1)
    log_probs, entropy = of_all(logits, offsets).log_probs_and_entropy(ALL)
    chances = log_probs.sum(dim=1).exp()
    whole = -(chances * log_probs.sum(dim=1)).sum()
    torch.testing.assert_close((chances * entropy.sum(dim=1)).sum(), whole)


def test_slates_are_drawn_as_often_as_they_should_be() -> None:
    logits, offsets = logits_and_offsets(2, scale=1.0)
    n = 100_000
    torch.manual_seed(0)
    drawn = PlackettLuce(
        logits.detach().expand(n, -1),
        SLATE_SIZE,
        Groups(TOPICS),
        offsets.detach().expand(n, -1, -1),
    ).sample()
    places = torch.tensor([N_ITEMS**2, N_ITEMS, 1])
    counts = torch.bincount((drawn * places).sum(dim=1), minlength=N_ITEMS**3)
    seen = counts[(ALL * places).sum(dim=1)].numpy() / n
    chances = of_all(logits, offsets).log_probs(ALL).sum(dim=1).exp().detach().numpy()
    assert seen.sum() == pytest.approx(1.0)  # nothing else is drawn, and no item twice
    errors = np.sqrt(chances * (1 - chances) / n)
    often = chances * n > 20  # where counts are about normal; 120 slates at most, 4.5 errors
    assert often.sum() > 60
    assert (np.abs(seen - chances) / errors)[often].max() < 4.5


def test_without_offsets_it_is_the_plackett_luce_of_numpy() -> None:
    logits = torch.randn(7, 20, dtype=torch.double)
    slates = logits.flip(1).topk(4, dim=1).indices
    expected = plackett_luce_log_probs(logits.numpy(), slates.numpy())
    np.testing.assert_allclose(PlackettLuce(logits, 4).log_probs(slates).numpy(), expected)


def test_peaked_logits_keep_exact_probabilities_and_finite_gradients() -> None:
    logits = torch.tensor([[0.0, 500.0, -500.0, 3.0]], requires_grad=True)
    log_probs, entropy = PlackettLuce(logits, 4).log_probs_and_entropy(torch.tensor([[1, 3, 0, 2]]))
    assert log_probs[0].tolist() == pytest.approx([0.0, -math.log1p(math.exp(-3.0)), 0.0, 0.0])
    (log_probs.sum() + entropy.sum()).backward()  # type: ignore[no-untyped-call]
    assert logits.grad is not None and torch.isfinite(logits.grad).all()


def test_the_mode_is_the_likeliest_item_in_each_slot() -> None:
    logits = torch.tensor([[3.0, 2.9, 2.8, 1.0, 0.5, 0.0]])
    groups = Groups(np.array([0, 0, 0, 1, 1, 2]))
    plain = PlackettLuce(logits, 3)
    assert plain.mode().tolist() == [[0, 1, 2]]
    one_each = torch.tensor([[[0.0, -9.0, -9.0]] * 3])
    assert PlackettLuce(logits, 3, groups, one_each).mode().tolist() == [[0, 3, 5]]


def test_a_group_that_is_used_up_is_passed_over() -> None:
    groups = Groups(np.array([0, 1, 1, 1]))
    wants_first = torch.tensor([[[50.0, 50.0, 50.0], [0.0, 0.0, 0.0]]])
    slates = PlackettLuce(torch.zeros(1, 4), 3, groups, wants_first)
    for drawn in (slates.sample(), slates.mode()):
        assert drawn[0, 0] == 0 and sorted(drawn[0].tolist()) == [0, *sorted(drawn[0, 1:].tolist())]
        assert len(set(drawn[0].tolist())) == 3


def test_first_item_has_the_probability_of_a_slate_of_one() -> None:
    source = torch.Generator().manual_seed(3)
    logits = torch.randn(2, 5, generator=source)
    groups = Groups(np.array([0, 1, 0, 1, 1]))
    offsets = torch.randn(2, 2, 3, generator=source)
    expected = PlackettLuce(logits, 1, groups, offsets[:, :, :1])
    each = [expected.log_probs(torch.full((2, 1), item)).exp()[:, 0] for item in range(5)]
    found = PlackettLuce(logits, 3, groups, offsets).first_probs()
    torch.testing.assert_close(found, torch.stack(each, dim=1))
