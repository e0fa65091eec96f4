"""A causal transformer: each token is read in the light of those before it."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class CausalTransformer(nn.Module):
    """Layers of attention and a feed-forward network, each behind a norm and added to its input.

    Args:
        width: Length of a token, a multiple of `n_heads`.
        n_layers: Layers.
        n_heads: Parts in which each layer attends.
        dropout: Chance that an element is dropped while training.
    """

    def __init__(self, width: int, n_layers: int, n_heads: int, dropout: float) -> None:
        super().__init__()
        self.layers = nn.ModuleList(_Layer(width, n_heads, dropout) for _ in range(n_layers))
        self.norm = nn.LayerNorm(width)

    def forward(self, tokens: Tensor, is_there: Tensor) -> Tensor:
        """Return what is read at each token.

        Args:
            tokens: Shape (B, T, width).
            is_there: Shape (B, T). False for padding, which is read by no other token.
        """
        n_tokens = tokens.shape[1]
        itself = torch.eye(n_tokens, dtype=torch.bool, device=tokens.device)
        before = torch.ones_like(itself).tril()
        # Padding reads itself: a row of attention over nothing would not be a number.
        reads = (before & is_there[:, None, :]) | itself
        for layer in self.layers:
            tokens = layer(tokens, reads[:, None])
        read: Tensor = self.norm(tokens)
        return read


class _Layer(nn.Module):
    def __init__(self, width: int, n_heads: int, dropout: float) -> None:
        super().__init__()
        self.attention_norm = nn.LayerNorm(width)
        self.attention = _Attention(width, n_heads)
        self.inner_norm = nn.LayerNorm(width)
        self.inner = nn.Sequential(
            nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width)
        )
        self.dropout = nn.Dropout(dropout)

    def forward(self, tokens: Tensor, reads: Tensor) -> Tensor:
        tokens = tokens + self.dropout(self.attention(self.attention_norm(tokens), reads))
        after: Tensor = tokens + self.dropout(self.inner(self.inner_norm(tokens)))
        return after


class _Attention(nn.Module):
    def __init__(self, width: int, n_heads: int) -> None:
        super().__init__()
        self.n_heads = n_heads
        self.queries = nn.Linear(width, width)
        self.keys = nn.Linear(width, width)
        self.values = nn.Linear(width, width)
        self.out = nn.Linear(width, width)

    def forward(self, tokens: Tensor, reads: Tensor) -> Tensor:
        queries, keys, values = (
            self._by_head(part(tokens)) for part in (self.queries, self.keys, self.values)
        )
        found = F.scaled_dot_product_attention(queries, keys, values, attn_mask=reads)
        together: Tensor = self.out(found.transpose(1, 2).flatten(2))
        return together

    def _by_head(self, tokens: Tensor) -> Tensor:
        n_rows, n_tokens, width = tokens.shape
        by_head = tokens.view(n_rows, n_tokens, self.n_heads, width // self.n_heads)
        return by_head.transpose(1, 2)
