"""One block of a timm ViT, run so that only what is read of it is computed.

Attention is fused: no matrix of it is ever held.
"""

from typing import cast

import torch
from timm.layers.attention import Attention
from timm.models.vision_transformer import Block
from torch import Tensor
from torch.nn import functional


def split_over(block: Block, *, heads: int) -> None:
    """Let a block split its width over another number of heads (paper, B.2: k above h)."""
    attention = cast(Attention, block.attn)
    attention.num_heads = heads
    attention.head_dim = attention.attn_dim // heads
    attention.scale = attention.head_dim**-0.5


def keep_visible(tokens: Tensor, visible: Tensor) -> tuple[Tensor, Tensor]:
    """Return [CLS] and the patches that are visible, and which of them are.

    Images show different numbers of patches: all get as many as the one that shows most, of which
    the first are theirs. That number is read by the host, which waits for the device: shapes are
    the host's, and the only bound known without asking is no help, since a mask above the mean of
    its attention may show all patches but one. A fixed number would hide what a mask shows.

    Args:
        tokens: (M, N+1, D).
        visible: (M, N) bool.

    Returns:
        (M, 1+n, D), and (M, 1+n) bool.
    """
    counts_M = visible.sum(dim=1)
    most = int(counts_M.max())
    order_Mn = visible.to(torch.uint8).argsort(dim=1, descending=True, stable=True)[:, :most]
    kept = tokens[:, 1:].gather(1, order_Mn[:, :, None].expand(-1, -1, tokens.shape[2]))
    places = torch.arange(most + 1, device=tokens.device)
    return torch.cat([tokens[:, :1], kept], dim=1), places <= counts_M[:, None]


def run_block(
    block: Block,
    tokens: Tensor,
    scales: Tensor | None = None,
    *,
    rows: int | None = None,
    shown: Tensor | None = None,
) -> tuple[Tensor, Tensor, Tensor]:
    """Return a block's first `rows` tokens (None: all), their queries, and the keys of all tokens.

    It is timm's pre-norm block, in which a token is read by others through its key and value only:
    leaving out rows of the result changes no other row.

    Args:
        block: of the backbone.
        tokens: (M, N+1, D).
        scales: (2, M), what each image's attention and MLP are multiplied by; None: by 1.
        rows: how many tokens the result has.
        shown: (M, N+1) bool, tokens that are attended to; None: all.
    """
    attention = cast(Attention, block.attn)
    query, key, value = _project(attention, block.norm1(tokens), rows=rows)
    among = None if shown is None else shown[:, None, None]
    mixed = functional.scaled_dot_product_attention(query, key, value, attn_mask=among)
    mixed = attention.proj(mixed.transpose(1, 2).flatten(2))
    tokens = tokens[:, :rows] + _scaled(mixed, scales, path=0)
    tokens = tokens + _scaled(block.mlp(block.norm2(tokens)), scales, path=1)
    return tokens, query, key


def _project(
    attention: Attention, normed: Tensor, *, rows: int | None
) -> tuple[Tensor, Tensor, Tensor]:
    """Return the queries of the first `rows` tokens, keys and values of all, (M, H, ., D/H)."""

    def split(joined: Tensor, parts: int) -> tuple[Tensor, ...]:
        per_head = joined.view(*joined.shape[:2], parts, attention.num_heads, attention.head_dim)
        return per_head.permute(2, 0, 3, 1, 4).unbind(0)

    if rows is None:
        query, key, value = split(attention.qkv(normed), 3)
        return query, key, value
    width = attention.attn_dim
    weights = torch.split(attention.qkv.weight, [width, 2 * width])
    biases = torch.split(attention.qkv.bias, [width, 2 * width])
    (query,) = split(functional.linear(normed[:, :rows], weights[0], biases[0]), 1)
    key, value = split(functional.linear(normed, weights[1], biases[1]), 2)
    return query, key, value


def _scaled(added: Tensor, scales: Tensor | None, *, path: int) -> Tensor:
    return added if scales is None else added * scales[path, :, None, None].to(added.dtype)
