"""From prototypes and the keys of each frame to attention over patches, and to masks of pixels."""

from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

from dora.train.distributed import mean_over_ranks


def track(prototypes_BKD: Tensor, keys_BTND: Tensor) -> Tensor:
    """Return where each object is in each frame, a softmax over patches, (T, K, B, N) (Eqs. 3, 6).

    Args:
        prototypes_BKD: refined (Eq. 6) or as discovered (Eq. 3).
        keys_BTND: patch keys of every frame, heads concatenated.
    """
    scaled_BKD = prototypes_BKD * prototypes_BKD.shape[-1] ** -0.5
    logits_BTKN = torch.einsum("bkd,btnd->btkn", scaled_BKD, keys_BTND)
    return logits_BTKN.softmax(dim=-1).permute(1, 2, 0, 3)


def above_mean(soft_TKBN: Tensor, *, scope: Literal["clip", "process", "global"]) -> Tensor:
    """Return binary masks, 1 where attention exceeds its mean, (T, K, B, N) of the same type.

    Attention is divided by its L2 norm over the patches first. Equality is not above: uniform
    attention gives an empty mask.

    Args:
        soft_TKBN: attention over patches.
        scope: the mean of one frame and object is taken over each clip alone, over all clips of
            this process (released code: a clip's mask depends on its neighbours), or over those
            of all processes.
    """
    unit_TKBN = functional.normalize(soft_TKBN, dim=-1)
    mean = unit_TKBN.mean(dim=(3,) if scope == "clip" else (2, 3), keepdim=True)
    if scope == "global":
        mean = mean_over_ranks(mean)
    return (unit_TKBN > mean).to(soft_TKBN.dtype)


def to_grid(mask_TKBN: Tensor, grid: tuple[int, int]) -> Tensor:
    """Return the masks object by object on the grid of patches, (K, B, T, gh, gw)."""
    return torch.unflatten(mask_TKBN.permute(1, 2, 0, 3), -1, grid)


def upsample(
    masks_KBThw: Tensor, size: tuple[int, int], *, how: Literal["nearest", "bilinear"]
) -> Tensor:
    """Return masks of pixels, (K, B, T, height, width).

    Args:
        masks_KBThw: masks on the grid of patches.
        size: height and width of the images, multiples of the grid's.
        how: each value fills its patch (released code), or is interpolated between the centres.
    """
    stack = masks_KBThw.flatten(0, 2)[:, None]
    align_corners = False if how == "bilinear" else None
    pixels = functional.interpolate(stack, size=size, mode=how, align_corners=align_corners)
    return torch.unflatten(pixels[:, 0], 0, masks_KBThw.shape[:3])


def apply_masks(
    masks_KBThw: Tensor, view_BTCHW: Tensor, *, how: Literal["nearest", "bilinear"]
) -> Tensor:
    """Return one masked video for each object, (K, B, T, 3, S, S) (Eq. 7).

    The view is normalised already, so that hidden pixels take the data's mean colour.
    """
    height, width = view_BTCHW.shape[-2:]
    return upsample(masks_KBThw, (height, width), how=how).unsqueeze(3) * view_BTCHW


def visible_patches(masks: Tensor, *, how: Literal["nearest", "bilinear"]) -> Tensor:
    """Return which patches are not wholly hidden, bool, shaped as the masks.

    Interpolated masks reach half a patch beyond their own: a patch shows something if it or any of
    its eight neighbours is above 0.

    Args:
        masks: (..., gh, gw), on the grid of patches.
        how: as in `upsample`.
    """
    if how == "nearest":
        return masks > 0
    grid = masks.flatten(0, -3)[:, None]
    shown = functional.max_pool2d(grid, kernel_size=3, stride=1, padding=1) > 0
    return shown.view(masks.shape)
