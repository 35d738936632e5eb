"""A backbone for pictures of one size, of torch's own parts alone, which torch can write as code.

It computes what `dora.model.vit.Backbone` does without tokens. The position embedding is resized by
DINO's rule once, so that whoever reads the file needs no rule.
"""

from typing import cast

import torch
from timm.layers.attention import Attention
from timm.layers.mlp import Mlp
from timm.models.vision_transformer import Block
from torch import Tensor, nn
from torch.nn import functional

from dora.model.vit import Backbone, resize_position_embedding


class FixedVit(nn.Module):
    """Images, (M, 3, S, S), normalised, to [CLS] after the final LayerNorm, (M, D).

    Args:
        backbone: whose parameters it takes.
        image_px: S, a multiple of the patch side.
    """

    def __init__(self, backbone: Backbone, *, image_px: int) -> None:
        super().__init__()
        side = image_px // backbone.config.patch_px
        self.image_px = image_px
        self.cls_token = nn.Parameter(backbone.cls_token.detach().clone())
        resized = resize_position_embedding(backbone.pos_embed.detach(), (side, side))
        self.pos_embed = nn.Parameter(resized.clone())
        self.patches = cast(nn.Conv2d, backbone.patch_embed.proj)
        self.blocks = nn.ModuleList([FixedBlock(cast(Block, block)) for block in backbone.blocks])
        self.norm = backbone.norm

    def forward(self, images: Tensor) -> Tensor:
        """Return the features, (M, D).

        Raises:
            ValueError: the images have another size.
        """
        if images.dim() != 4 or images.size(1) != 3:
            raise ValueError("images are to be of the shape (number, 3, height, width)")
        if images.size(2) != self.image_px or images.size(3) != self.image_px:
            raise ValueError("images of another height or width than this network was exported for")
        patches = self.patches(images).flatten(2).transpose(1, 2)
        cls = self.cls_token.expand(images.size(0), -1, -1)
        tokens = torch.cat([cls, patches], dim=1) + self.pos_embed
        for block in self.blocks:
            tokens = block(tokens)
        normed: Tensor = self.norm(tokens[:, 0])
        return normed


class FixedBlock(nn.Module):
    """Tokens, (M, N+1, D), to tokens: timm's pre-norm block."""

    def __init__(self, block: Block) -> None:
        super().__init__()
        attention, mlp = cast(Attention, block.attn), cast(Mlp, block.mlp)
        self.heads = int(attention.num_heads)
        self.norm1, self.norm2 = block.norm1, block.norm2
        self.qkv, self.proj = attention.qkv, attention.proj
        self.fc1, self.fc2 = mlp.fc1, mlp.fc2

    def forward(self, tokens: Tensor) -> Tensor:
        """Return the tokens after attention and MLP."""
        number, length, width = tokens.size(0), tokens.size(1), tokens.size(2)
        qkv = self.qkv(self.norm1(tokens))
        qkv = qkv.view(number, length, 3, self.heads, width // self.heads).permute(2, 0, 3, 1, 4)
        mixed = functional.scaled_dot_product_attention(qkv[0], qkv[1], qkv[2])
        tokens = tokens + self.proj(mixed.transpose(1, 2).reshape(number, length, width))
        added: Tensor = self.fc2(functional.gelu(self.fc1(self.norm2(tokens))))
        return tokens + added
