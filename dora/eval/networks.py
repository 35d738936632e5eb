"""Frozen networks as evaluations see them, wherever they come from.

An evaluation asks a network for one of three things: a feature of the whole picture, the tokens of
its last blocks, or what the last block's attention is made of. Backbones of this project and
timm's answer in the same shapes.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import NoReturn

import torch
from torch import Tensor, nn

from dora.data.colours import DEVIATION, MEAN
from dora.errors import DoraError
from dora.model.vit import Backbone

Colour = tuple[float, float, float]


@dataclass(frozen=True, kw_only=True)
class Traits:
    """What is to be known of a network before it computes; becomes part of every record."""

    architecture: str
    """For people: `ViT of 12 blocks, width 384, 6 heads`, or timm's name."""
    width: int
    """Width of its features and tokens (D)."""
    depth: int
    """Blocks; 1 where it has none that evaluations could read."""
    heads: int | None
    """Of the last block; None: its attention cannot be read."""
    patch_px: int | None
    """Side of a patch; None: it has no patch tokens."""
    image_px: int
    """Its native side."""
    feature: str = "[CLS]"
    """What stands for the whole picture: [CLS], or patch tokens pooled."""
    positions: str = "DINO's rule"
    """How its position embedding is resized for other sides."""
    mean: Colour = MEAN
    deviation: Colour = DEVIATION


@dataclass(frozen=True, kw_only=True)
class BlockTokens:
    """Tokens after each of the last L blocks and the final LayerNorm, the last block's last."""

    cls: Tensor
    """(L, M, D): [CLS], or what stands for it (`Traits.feature`)."""
    patches: Tensor
    """(L, M, N, D): patch tokens, row by row."""
    grid: tuple[int, int]
    """Patches in height and width; N is their product."""


@dataclass(frozen=True, kw_only=True)
class LastAttention:
    """What the attention of the last block is made of."""

    query: Tensor
    """(M, H, E+N, D/H): queries; E tokens come before the patches, [CLS] first."""
    key: Tensor
    """(M, H, E+N, D/H): keys."""
    grid: tuple[int, int]
    """Patches in height and width; N is their product."""
    extra: int = 1
    """Tokens before the patches (E): [CLS], and registers where there are any."""

    def cls_attention(self) -> Tensor:
        """Return how [CLS] attends to the patches, (M, H, N) float32.

        The softmax runs over all tokens; those of the extra tokens are dropped, not shared out.
        """
        with torch.autocast(self.query.device.type, enabled=False):
            query = self.query[:, :, :1].float() * self.query.shape[-1] ** -0.5
            attention = torch.softmax(query @ self.key.float().transpose(-2, -1), dim=-1)
        return attention[:, :, 0, self.extra :]

    def patch_keys(self) -> Tensor:
        """Return the keys of the patches, heads side by side, (M, N, D): LOST's features."""
        return self.key[:, :, self.extra :].transpose(1, 2).flatten(2)

    def patch_queries(self) -> Tensor:
        """Return the queries of the patches, heads side by side, (M, N, D)."""
        return self.query[:, :, self.extra :].transpose(1, 2).flatten(2)


class Frozen(nn.Module, ABC):
    """A network that is not trained any more. Images are (M, 3, h, w), normalised."""

    traits: Traits

    @abstractmethod
    def cls(self, images: Tensor) -> Tensor:
        """Return the feature of whole pictures after the final norm, (M, D)."""

    @abstractmethod
    def blocks(self, images: Tensor, *, n_last: int) -> BlockTokens:
        """Return tokens of the last blocks.

        Raises:
            DoraError: the network has none, or too few.
        """

    @abstractmethod
    def attend(self, images: Tensor) -> LastAttention:
        """Return queries and keys of the last block.

        Raises:
            DoraError: they cannot be read from this network.
        """

    def normalise(
        self, pictures: Tensor, *, mean: Colour | None = None, deviation: Colour | None = None
    ) -> Tensor:
        """Return (M, 3, h, w) uint8 as the float32 that the network was trained on.

        Args:
            pictures: on the network's device.
            mean: instead of the network's own.
            deviation: instead of the network's own.
        """
        own = self.traits
        chosen = (mean or own.mean, deviation or own.deviation)
        centre, spread = (torch.tensor(c, device=pictures.device)[:, None, None] for c in chosen)
        return pictures.float().div_(255).sub_(centre).div_(spread)

    def check_side(self, image_px: int) -> None:
        """Refuse a side of square pictures that does not divide into patches.

        Raises:
            DoraError: it does not.
        """
        patch_px = self.traits.patch_px or 1
        if image_px < 1 or image_px % patch_px:
            raise DoraError(
                f"pictures of {image_px} px do not divide into patches of {patch_px} px",
                remedy=f"use a multiple of {patch_px}",
            )

    def check_blocks(self, n_last: int) -> None:
        """Refuse a number of blocks that the network has not.

        Raises:
            DoraError: it has fewer.
        """
        if not 1 <= n_last <= self.traits.depth:
            raise DoraError(
                f"the last {n_last} blocks were asked of {self.traits.architecture}, "
                f"which has {self.traits.depth} to read",
                remedy=f"ask for 1 to {self.traits.depth}",
            )


class DinoNetwork(Frozen):
    """A backbone of this project: any file of DINO's parameter names, or untrained."""

    def __init__(self, backbone: Backbone) -> None:
        super().__init__()
        config = backbone.config
        self.backbone = backbone.eval().requires_grad_(False)
        self.traits = Traits(
            architecture=(
                f"ViT of {config.depth} blocks, width {config.width}, {config.heads} heads"
            ),
            width=config.width,
            depth=config.depth,
            heads=config.last_heads or config.heads,
            patch_px=config.patch_px,
            image_px=config.image_px,
        )

    def cls(self, images: Tensor) -> Tensor:
        """Return [CLS] after the final LayerNorm, (M, D)."""
        feature: Tensor = self.backbone(images)
        return feature

    def blocks(self, images: Tensor, *, n_last: int) -> BlockTokens:
        """Return tokens of the last blocks."""
        self.check_blocks(n_last)
        tokens, grid = self.backbone.intermediate_tokens(images, n_last)
        return BlockTokens(cls=tokens[:, :, 0], patches=tokens[:, :, 1:], grid=grid)

    def attend(self, images: Tensor) -> LastAttention:
        """Return queries and keys of the last block."""
        tokens = self.backbone(images, want_tokens=True)
        return LastAttention(query=tokens.query, key=tokens.key, grid=tokens.grid)


def refuse_reading(traits: Traits, what: str) -> NoReturn:
    """Say that a network has not what an evaluation reads.

    Raises:
        DoraError: always.
    """
    raise DoraError(
        f"{traits.architecture} has no {what} that could be read",
        remedy="evaluate a ViT, or choose an evaluation of whole pictures such as knn",
    )
