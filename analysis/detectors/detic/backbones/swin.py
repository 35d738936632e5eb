"""Swin Transformer (arXiv:2103.14030): attention in windows, shifted in every other block.

Maps travel as (B, H, W, D). Pictures come padded to a multiple of 32, so that merging always
halves an even map; windows are padded here. Letters: S windows a map, N tokens a window, H heads.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn


@dataclass(frozen=True, kw_only=True)
class SwinSizes:
    """Sizes of a Swin Transformer; the defaults are Swin-B."""

    width: int = 128
    """Channels of the first stage; each further stage has twice as many."""
    depths: tuple[int, ...] = (2, 2, 18, 2)
    """Blocks a stage."""
    heads: tuple[int, ...] = (4, 8, 16, 32)
    """Attention heads a stage."""
    window: int = 7
    """Side of a window, in tokens."""

    @property
    def out_widths(self) -> tuple[int, ...]:
        """Channels of the three maps that come out."""
        return tuple(self.width * 2**stage for stage in (1, 2, 3))


class SwinBackbone(nn.Module):
    """Picture to the maps of stages 1, 2 and 3 (counted from 0), each through its own norm."""

    def __init__(self, sizes: SwinSizes) -> None:
        super().__init__()
        self.patch_embed = PatchEmbedding(sizes.width)
        last = len(sizes.depths) - 1
        self.layers = nn.ModuleList(
            Stage(sizes.width * 2**i, depth, heads, window=sizes.window, merges=i < last)
            for i, (depth, heads) in enumerate(zip(sizes.depths, sizes.heads, strict=True))
        )
        self.norm1, self.norm2, self.norm3 = (nn.LayerNorm(width) for width in sizes.out_widths)

    def forward(self, image: Tensor) -> list[Tensor]:
        """Return maps (B, D, H, W) at strides 8, 16, 32 of pictures (B, 3, H, W)."""
        map_BHWD, maps = self.patch_embed(image), []
        norms = (None, self.norm1, self.norm2, self.norm3)
        for stage, norm in zip(self.layers, norms, strict=True):
            assert isinstance(stage, Stage)
            map_BHWD = stage(map_BHWD)
            if norm is not None:
                maps.append(norm(map_BHWD).permute(0, 3, 1, 2).contiguous())
            if stage.downsample is not None:
                map_BHWD = stage.downsample(map_BHWD)
        return maps


class PatchEmbedding(nn.Module):
    """Patches of 4 x 4 pixels to tokens."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(3, width, kernel_size=4, stride=4)
        self.norm = nn.LayerNorm(width)

    def forward(self, image: Tensor) -> Tensor:
        """Return (B, H/4, W/4, D) of (B, 3, H, W)."""
        embedded: Tensor = self.norm(self.proj(image).permute(0, 2, 3, 1))
        return embedded


class Stage(nn.Module):
    """Blocks at one resolution. `downsample` leads to the next stage and is called by the owner.

    The published keys have the merging at the end of a stage; its output is taken before that.
    """

    def __init__(self, width: int, depth: int, heads: int, *, window: int, merges: bool) -> None:
        super().__init__()
        self.window = window
        self.blocks = nn.ModuleList(
            Block(width, heads, window=window, shift=window // 2 if j % 2 else 0)
            for j in range(depth)
        )
        self.downsample = PatchMerging(width) if merges else None

    def forward(self, map_BHWD: Tensor) -> Tensor:
        """Return the map after the blocks, before merging."""
        _, height, width, _ = map_BHWD.shape
        mask_SNN = shift_mask(height, width, window=self.window, device=map_BHWD.device)
        for block in self.blocks:
            map_BHWD = block(map_BHWD, mask_SNN)
        return map_BHWD


class Block(nn.Module):
    """Window attention and an MLP, both residual; `shift` is 0 or half a window."""

    def __init__(self, width: int, heads: int, *, window: int, shift: int) -> None:
        super().__init__()
        self.window, self.shift = window, shift
        self.norm1 = nn.LayerNorm(width)
        self.attn = WindowAttention(width, heads, window=window)
        self.norm2 = nn.LayerNorm(width)
        self.mlp = MLP(width)

    def forward(self, map_BHWD: Tensor, mask_SNN: Tensor) -> Tensor:
        """Return the map; `mask_SNN` is used where windows are shifted."""
        _, height, width, _ = map_BHWD.shape
        # Padding follows the norm: padded tokens are zeros and take part in the attention.
        normed = F.pad(
            self.norm1(map_BHWD), (0, 0, 0, -width % self.window, 0, -height % self.window)
        )
        padded = normed.shape[1:3]
        if self.shift:
            normed = normed.roll((-self.shift, -self.shift), dims=(1, 2))
        windows_BSND = split_windows(normed, self.window)
        attended = self.attn(windows_BSND, mask_SNN if self.shift else None)
        attended = join_windows(attended, self.window, *padded)
        if self.shift:
            attended = attended.roll((self.shift, self.shift), dims=(1, 2))
        map_BHWD = map_BHWD + attended[:, :height, :width]
        result: Tensor = map_BHWD + self.mlp(self.norm2(map_BHWD))
        return result


class WindowAttention(nn.Module):
    """Attention among the tokens of a window, with a learned bias for each relative position."""

    relative_index: Tensor

    def __init__(self, width: int, heads: int, *, window: int) -> None:
        super().__init__()
        self.heads, self.scale = heads, (width // heads) ** -0.5
        self.relative_position_bias_table = nn.Parameter(torch.zeros((2 * window - 1) ** 2, heads))
        self.register_buffer("relative_index", relative_index(window), persistent=False)
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)

    def forward(self, windows_BSND: Tensor, mask_SNN: Tensor | None) -> Tensor:
        """Return (B, S, N, D); `mask_SNN` is added to the attention before the softmax."""
        qkv = self.qkv(windows_BSND).unflatten(-1, (3, self.heads, -1))
        query, key, value = qkv.permute(3, 0, 1, 4, 2, 5)  # each (B, S, H, N, D/H)
        bias_HNN = self.relative_position_bias_table[self.relative_index].permute(2, 0, 1)
        attention = (query * self.scale) @ key.transpose(-1, -2) + bias_HNN
        if mask_SNN is not None:
            attention = attention + mask_SNN[:, None]
        mixed = attention.softmax(dim=-1).to(value.dtype) @ value
        result: Tensor = self.proj(mixed.transpose(2, 3).flatten(-2))
        return result


class MLP(nn.Module):
    """Two layers, four times as wide between them, exact GELU."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(width, 4 * width)
        self.fc2 = nn.Linear(4 * width, width)

    def forward(self, tokens: Tensor) -> Tensor:
        """Return tokens of the same shape."""
        result: Tensor = self.fc2(F.gelu(self.fc1(tokens)))
        return result


class PatchMerging(nn.Module):
    """Two by two tokens to one of twice the width."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(4 * width)
        self.reduction = nn.Linear(4 * width, 2 * width, bias=False)

    def forward(self, map_BHWD: Tensor) -> Tensor:
        """Return (B, H/2, W/2, 2D); the four go down the first column, then down the second."""
        corners = [map_BHWD[:, row::2, column::2] for column in (0, 1) for row in (0, 1)]
        merged: Tensor = self.reduction(self.norm(torch.cat(corners, dim=-1)))
        return merged


def split_windows(map_BHWD: Tensor, window: int) -> Tensor:
    """Return (B, S, N, D): the windows in reading order, and in each its tokens likewise."""
    batch, height, width, channels = map_BHWD.shape
    tiles = map_BHWD.reshape(batch, height // window, window, width // window, window, channels)
    return tiles.transpose(2, 3).reshape(batch, -1, window**2, channels)


def join_windows(windows_BSND: Tensor, window: int, height: int, width: int) -> Tensor:
    """Return (B, H, W, D), the inverse of `split_windows`; both sides are whole windows."""
    batch, _, _, channels = windows_BSND.shape
    shape = (batch, height // window, width // window, window, window, channels)
    return windows_BSND.reshape(shape).transpose(2, 3).reshape(batch, height, width, channels)


def relative_index(window: int) -> Tensor:
    """Return (N, N): row of the bias table for a query token (first axis) and a key token."""
    # On the CPU by name: models are built on the meta device, which keeps no values.
    token = torch.arange(window**2, device="cpu")
    rows, columns = token // window, token % window
    down = rows[:, None] - rows[None] + window - 1
    right = columns[:, None] - columns[None] + window - 1
    return down * (2 * window - 1) + right


def shift_mask(height: int, width: int, *, window: int, device: torch.device) -> Tensor:
    """Return (S, N, N) for shifted windows: 0, or -100 between tokens that are no neighbours.

    After the shift the last windows hold tokens of opposite edges of the map. Regions that belong
    together are told by the last window and the last half window of each axis (padded sizes).
    """
    regions = []
    for side in (height, width):
        padded = side + -side % window
        place = torch.arange(padded, device=device)
        regions.append((place >= padded - window).int() + (place >= padded - window // 2).int())
    label_HW = 3 * regions[0][:, None] + regions[1][None]
    label_SN = split_windows(label_HW[None, :, :, None], window)[0, :, :, 0]
    return -100.0 * (label_SN[:, :, None] != label_SN[:, None, :])
