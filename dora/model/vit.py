"""A timm Vision Transformer whose last block also hands out its queries and keys.

Parameters carry timm's names, which are those of DINO's checkpoints. The position embedding is
resized here and not by timm: DINO's rule hands the interpolation a scale factor, timm's an output
size, and the two differ at every size but the native one.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal, cast, overload

import torch
from timm.models.vision_transformer import Block, VisionTransformer
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from dora.config import ModelConfig
from dora.errors import DoraError
from dora.model.block import keep_visible, run_block, split_over
from dora.model.stochastic_depth import PATHS

LAYER_NORM_EPSILON = 1e-6


@dataclass(frozen=True, kw_only=True)
class Tokens:
    """What the tracker and the evaluations read from a forward pass over M images.

    Attention is computed when asked for: fused attention never holds it. Patches and queries may be
    those of clips' first frames alone, then M/T in number.
    """

    cls: Tensor
    """(M, D): [CLS] after the final LayerNorm."""
    patches: Tensor
    """(M, N, D): patch tokens after the final LayerNorm, row by row."""
    query: Tensor
    """(M, H, N+1, D/H): queries of the last block, [CLS] first; with bias, not scaled."""
    key: Tensor
    """(M, H, N+1, D/H): keys of the last block, likewise; of all images."""
    grid: tuple[int, int]
    """Patches in height and width; N is their product."""

    @property
    def attention(self) -> Tensor:
        """Attention of the last block after the softmax, (M, H, N+1, N+1) float32."""
        return _attention(self.query, self.key, width=self.key.shape[-1])

    def cls_attention(self, *, scale: Literal["head", "width"] = "head") -> Tensor:
        """Return the [CLS] row over the patches, (M, H, N) float32; a row sums to less than 1.

        The softmax runs over all N+1 tokens, as published; the entry of [CLS] itself is dropped.

        Args:
            scale: divide by the root of a head's width, or of D as printed (Eq. 1).
        """
        heads, head_width = self.key.shape[1], self.key.shape[-1]
        width = head_width if scale == "head" else heads * head_width
        return _attention(self.query[:, :, :1], self.key, width=width)[:, :, 0, 1:]


def _attention(query: Tensor, key: Tensor, *, width: int) -> Tensor:
    with torch.autocast(query.device.type, enabled=False):
        scaled = query.float() * width**-0.5
        return torch.softmax(scaled @ key.float().transpose(-2, -1), dim=-1)


class Backbone(nn.Module):
    """ViT with a [CLS] token, exact GELU, LayerNorm eps 1e-6 and qkv bias; see `build_backbone`.

    It holds the parts of a timm `VisionTransformer` under the same names, without its head.
    """

    recompute = False
    """Whether blocks keep their inputs alone and are computed again for their gradients."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        vit = VisionTransformer(
            img_size=config.image_px,
            patch_size=config.patch_px,
            embed_dim=config.width,
            depth=config.depth,
            num_heads=config.heads,
            qkv_bias=True,
            class_token=True,
            num_classes=0,
            global_pool="token",
            dynamic_img_size=True,
            norm_layer=partial(nn.LayerNorm, eps=LAYER_NORM_EPSILON),
        )
        assert vit.cls_token is not None
        assert vit.pos_embed is not None
        self.cls_token = vit.cls_token
        self.pos_embed = vit.pos_embed
        self.patch_embed: nn.Module = vit.patch_embed
        self.blocks = nn.ModuleList(vit.blocks)
        self.norm: nn.Module = vit.norm
        nn.init.trunc_normal_(self.cls_token, std=0.02)  # DINO's; timm begins near 0
        split_over(self._last_block, heads=config.last_heads or config.heads)

    @property
    def _last_block(self) -> Block:
        return cast(Block, self.blocks[-1])

    @overload
    def forward(
        self,
        images: Tensor,
        *,
        want_tokens: Literal[True],
        frames: int = 1,
        kept_paths: Tensor | None = None,
        visible: Tensor | None = None,
    ) -> Tokens: ...
    @overload
    def forward(
        self,
        images: Tensor,
        *,
        want_tokens: Literal[False] = False,
        frames: int = 1,
        kept_paths: Tensor | None = None,
        visible: Tensor | None = None,
    ) -> Tensor: ...
    def forward(
        self,
        images: Tensor,
        *,
        want_tokens: bool = False,
        frames: int = 1,
        kept_paths: Tensor | None = None,
        visible: Tensor | None = None,
    ) -> Tokens | Tensor:
        """Return [CLS] after the final LayerNorm, (M, D), or all that `Tokens` holds.

        Without tokens the last block computes its [CLS] row alone: the rest would be discarded.

        Args:
            images: (M, 3, h, w), normalised; h and w are multiples of the patch side.
            want_tokens: whether patches, queries and keys are needed, as in the tracker.
            frames: T of clips whose frames follow each other: patches and queries are those of
                first frames, and of the others the last block computes the [CLS] row alone.
            kept_paths: (2 depth, M), what each image's residual paths are multiplied by, attention
                and MLP of the first block first (`draw_kept_paths`); None: by 1.
            visible: (M, N) bool, patches that are read; the others take no part in anything. None:
                all are.

        Raises:
            DoraError: the images do not divide into patches.
        """
        tokens, grid = self._embed(images)
        shown = None
        if visible is not None:
            tokens, shown = keep_visible(tokens, visible)
        scales: Sequence[Tensor | None] = [None] * len(self.blocks)
        if kept_paths is not None:
            scales = torch.split(kept_paths, PATHS)
        for block, scale in zip(self.blocks[:-1], scales, strict=False):
            tokens, _, _ = self._run(cast(Block, block), tokens, scale, shown=shown)
        if not want_tokens:
            tokens, _, _ = self._run(self._last_block, tokens, scales[-1], rows=1, shown=shown)
            normed: Tensor = self.norm(tokens[:, 0])
            return normed
        assert kept_paths is None or frames == 1, "a teacher's paths are all kept"
        assert visible is None, "a teacher reads all patches"
        return self._read_clips(tokens, scales[-1], frames=frames, grid=grid)

    def _run(
        self,
        block: Block,
        tokens: Tensor,
        scales: Tensor | None,
        *,
        rows: int | None = None,
        shown: Tensor | None = None,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return what `run_block` does, its inner activations kept or not."""
        if not (self.recompute and torch.is_grad_enabled()):
            return run_block(block, tokens, scales, rows=rows, shown=shown)
        run = partial(run_block, rows=rows, shown=shown)
        result: tuple[Tensor, Tensor, Tensor] = checkpoint(
            run, block, tokens, scales, use_reentrant=False, preserve_rng_state=False
        )
        return result  # nothing in a block draws: stochastic depth is in `scales`

    def _read_clips(
        self, tokens: Tensor, scales: Tensor | None, *, frames: int, grid: tuple[int, int]
    ) -> Tokens:
        """Run the last block: all rows of first frames, of the others [CLS] and keys."""
        clips_BTND = torch.unflatten(tokens, 0, (-1, frames))
        first, query, key = self._run(self._last_block, clips_BTND[:, 0], scales)
        first = self.norm(first)
        cls = first[:, 0]
        if frames > 1:
            rest = clips_BTND[:, 1:].flatten(0, 1)
            rest, _, rest_key = self._run(self._last_block, rest, scales, rows=1)
            rest_BTD = torch.unflatten(self.norm(rest[:, 0]), 0, (-1, frames - 1))
            cls = torch.cat([cls[:, None], rest_BTD], dim=1).flatten(0, 1)
            rest_key = torch.unflatten(rest_key, 0, (-1, frames - 1))
            key = torch.cat([key[:, None], rest_key], dim=1).flatten(0, 1)
        return Tokens(cls=cls, patches=first[:, 1:], query=query, key=key, grid=grid)

    def intermediate_cls(self, images: Tensor, n_last: int) -> Tensor:
        """Return [CLS] after each of the last blocks and the final LayerNorm, (n_last, M, D).

        Args:
            images: as in `forward`.
            n_last: number of blocks, at most the depth; linear probing uses 4 (ViT-S) or 1.
        """
        return self.intermediate_tokens(images, n_last)[0][:, :, 0]

    def intermediate_tokens(self, images: Tensor, n_last: int) -> tuple[Tensor, tuple[int, int]]:
        """Return tokens after each of the last blocks and the final LayerNorm, and the grid.

        The tokens are (n_last, M, N+1, D), [CLS] first; the grid is patches in height and width.

        Args:
            images: as in `forward`.
            n_last: number of blocks, at most the depth.
        """
        assert 1 <= n_last <= len(self.blocks), f"{n_last} of {len(self.blocks)} blocks"
        tokens, grid = self._embed(images)
        kept = []
        for index, block in enumerate(self.blocks):
            tokens, _, _ = run_block(cast(Block, block), tokens)
            if index >= len(self.blocks) - n_last:
                kept.append(self.norm(tokens))
        return torch.stack(kept), grid

    def _embed(self, images: Tensor) -> tuple[Tensor, tuple[int, int]]:
        """Return tokens with their positions, (M, N+1, D), and the grid of patches."""
        patch_px = self.config.patch_px
        if images.shape[-2] % patch_px or images.shape[-1] % patch_px:
            raise DoraError(
                f"images of {images.shape[-2]}x{images.shape[-1]} px (height x width) do not "
                f"divide into patches of {patch_px} px",
                remedy=f"resize or crop them to multiples of {patch_px}",
            )
        grid_MhwD: Tensor = self.patch_embed(images)
        grid = (grid_MhwD.shape[1], grid_MhwD.shape[2])
        patches = grid_MhwD.flatten(1, 2)
        cls = self.cls_token.expand(len(patches), -1, -1).to(patches.dtype)
        tokens = torch.cat([cls, patches], dim=1)
        return tokens + resize_position_embedding(self.pos_embed, grid), grid


def build_backbone(config: ModelConfig) -> Backbone:
    """Return a ViT with random weights, drawn as DINO draws them, in training mode."""
    return Backbone(config)


def resize_position_embedding(embedding: Tensor, grid: tuple[int, int]) -> Tensor:
    """Return the position embedding of a grid of patches, (1, N+1, D), by DINO's rule.

    Bicubic with the scale factor (patches + 0.1) / side of the native grid. Native is a grid that
    is square and has as many patches as the embedding.

    Args:
        embedding: (1, side^2 + 1, D), [CLS] first.
        grid: patches in height and width.
    """
    native = embedding.shape[1] - 1
    if grid[0] == grid[1] and grid[0] * grid[1] == native:
        return embedding
    side = round(native**0.5)
    patches = embedding[:, 1:].reshape(1, side, side, -1).permute(0, 3, 1, 2)
    resized = functional.interpolate(
        patches,
        scale_factor=((grid[0] + 0.1) / side, (grid[1] + 0.1) / side),
        mode="bicubic",
    )
    assert resized.shape[-2:] == grid, f"{tuple(resized.shape)} for a grid of {grid}"
    return torch.cat([embedding[:, :1], resized.flatten(2).transpose(1, 2)], dim=1)
