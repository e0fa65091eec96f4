"""The transformer reads what came before, and nothing else."""

import torch

from rlrec.agents.sequence.causal_transformer import CausalTransformer


def make() -> CausalTransformer:
    torch.manual_seed(0)
    return CausalTransformer(8, n_layers=2, n_heads=2, dropout=0.0)


def test_no_token_reads_a_later_one() -> None:
    net, tokens = make(), torch.randn(3, 5, 8)
    is_there = torch.ones(3, 5, dtype=torch.bool)
    before = net(tokens, is_there)
    changed = tokens.clone()
    changed[:, 3] = -tokens[:, 3]
    after = net(changed, is_there)
    torch.testing.assert_close(before[:, :3], after[:, :3])
    assert ((before - after)[:, 3:].abs().amax(dim=2) > 1e-3).all()


def test_padding_is_read_by_no_other_token() -> None:
    net, tokens = make(), torch.randn(3, 5, 8)
    is_there = torch.tensor([False, False, True, True, True]).expand(3, -1)
    before = net(tokens, is_there)
    changed = tokens.clone()
    changed[:, :2] = -tokens[:, :2]
    after = net(changed, is_there)
    torch.testing.assert_close(before[:, 2:], after[:, 2:])
    torch.testing.assert_close(before[:, 2:], net(tokens[:, 2:], is_there[:, 2:]))
    assert torch.isfinite(before).all()
