"""ViTs by name: the three of DINO, and whatever timm calls a plain ViT of 16 px patches."""

from dataclasses import dataclass, replace
from typing import cast

import timm
import torch
from timm.layers.attention import Attention
from timm.models.vision_transformer import Block, VisionTransformer
from torch import nn

from dora.config import ModelConfig
from dora.errors import ConfigError
from dora.model.vit import LAYER_NORM_EPSILON, build_backbone


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """What tells plain ViTs apart, but for the side of patches and pictures."""

    width: int
    depth: int
    heads: int


ARCHITECTURES = {
    "vit_tiny": Sizes(width=192, depth=12, heads=3),
    "vit_small": Sizes(width=384, depth=12, heads=6),
    "vit_base": Sizes(width=768, depth=12, heads=12),
}
PATCH_PX = 16
EXAMPLE = "vit_large_patch16_224"


def with_architecture(model: ModelConfig, name: str) -> ModelConfig:
    """Return a network of the width, depth and heads of a named one, with patches of 16 px.

    The side of pictures stays that of the run's views, whatever a name of timm says.

    Args:
        model: what to start from.
        name: vit_tiny, vit_small, vit_base, or a name that timm knows.

    Raises:
        ConfigError: timm knows no such name, or it is no plain ViT with patches of 16 px.
    """
    sizes = ARCHITECTURES.get(name) or _sizes_of_timm(name)
    return replace(
        model,
        width=sizes.width,
        depth=sizes.depth,
        heads=sizes.heads,
        patch_px=PATCH_PX,
    )


def _sizes_of_timm(name: str) -> Sizes:
    if not timm.is_model(name):
        near = [found for found in timm.list_models(f"*{name}*") if "patch16" in found][:5]
        raise ConfigError(
            f"--arch {name}: no network of that name is known",
            remedy=f"use one of {', '.join((*ARCHITECTURES, *(near or [EXAMPLE])))}",
        )
    with torch.device("meta"):  # shapes without memory
        try:
            network = timm.create_model(name, num_classes=0)
        except Exception as fault:  # some networks of timm need more than this release of torch
            raise _refused(name, f"cannot be built ({fault})") from fault
        found = _sizes_if_plain(name, network)
    return found


def _sizes_if_plain(name: str, network: nn.Module) -> Sizes:
    """Return the sizes of a network that computes what `Backbone` does, by parts and shapes."""
    if not isinstance(network, VisionTransformer):
        raise _refused(name, f"is a {type(network).__name__}")
    patch_px, width = network.patch_embed.patch_size, network.embed_dim
    if patch_px != (PATCH_PX, PATCH_PX):
        raise _refused(name, f"has patches of {patch_px[0]} px")
    heads = cast(Attention, cast(Block, network.blocks[0]).attn).num_heads
    image_px = network.patch_embed.img_size[0]
    plain = build_backbone(
        ModelConfig(width=width, depth=len(network.blocks), heads=heads, image_px=image_px)
    )
    shapes, expected = (
        {key: tuple(value.shape) for key, value in one.state_dict().items()}
        for one in (network, plain)
    )
    for key in sorted({*shapes, *expected}):
        if key not in expected:
            raise _refused(name, f"has a parameter {key} more")
        if shapes.get(key) != expected[key]:
            raise _refused(name, f"has no {key} of {expected[key]}")
    for key, part in network.named_modules():
        if isinstance(part, nn.LayerNorm) and part.eps != LAYER_NORM_EPSILON:
            raise _refused(name, f"has a {key} of epsilon {part.eps:g}")
        if key.endswith("mlp.act") and not (type(part) is nn.GELU and part.approximate == "none"):
            raise _refused(name, f"has the activation {part}")
    return Sizes(width=width, depth=len(network.blocks), heads=heads)


def _refused(name: str, what: str) -> ConfigError:
    return ConfigError(
        f"--arch {name} {what}, so it is no plain ViT with patches of {PATCH_PX} px, which "
        "the tracker reads",
        remedy=f"use {', '.join(ARCHITECTURES)}, or a name such as {EXAMPLE}",
    )
