"""Boxes of views: how they are drawn, and how a view is cut out of its parent and resized.

Drawing (NumPy, from uniform numbers) is apart from applying, so that a clip gets the same views
wherever they are computed. Boxes are (top, left, height, width) in pixels of their parent.

The released code's precision is followed: the first crop and the global views are bilinear without
antialiasing on float pictures, cut off to 8 bits at the end; local crops are Pillow's antialiased
bicubic on the first crop, cut off to 8 bits.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.nn import functional

from dora.errors import DoraError

TRIES = 10
BOX_DRAWS = 2 * TRIES + 2
"""Uniform numbers that one box takes."""
RATIO = (3 / 4, 4 / 3)
"""Width over height of a box, smallest and largest."""


def draw_boxes(
    draws: NDArray[np.float64], *, height: int, width: int, scale: tuple[float, float]
) -> NDArray[np.int64]:
    """Return (..., 4) boxes as torchvision's RandomResizedCrop draws them.

    A share of the parent's area and a ratio are tried ten times; if no box fits, it is the largest
    centred one with an allowed ratio.

    Args:
        draws: (..., BOX_DRAWS) uniform in [0, 1).
        height: of the parent, pixels.
        width: of the parent, pixels.
        scale: share of the parent's area, smallest and largest.
    """
    area = height * width * (scale[0] + (scale[1] - scale[0]) * draws[..., :TRIES])
    low, high = np.log(RATIO)
    ratio = np.exp(low + (high - low) * draws[..., TRIES : 2 * TRIES])
    widths = np.rint(np.sqrt(area * ratio)).astype(np.int64)
    heights = np.rint(np.sqrt(area / ratio)).astype(np.int64)
    fits = (widths > 0) & (widths <= width) & (heights > 0) & (heights <= height)
    chosen = np.argmax(fits, axis=-1)[..., None]
    box_w = np.take_along_axis(widths, chosen, axis=-1)[..., 0]
    box_h = np.take_along_axis(heights, chosen, axis=-1)[..., 0]
    top = np.floor(draws[..., -2] * (height - box_h + 1)).astype(np.int64)
    left = np.floor(draws[..., -1] * (width - box_w + 1)).astype(np.int64)
    boxes = np.stack([top, left, box_h, box_w], axis=-1)
    return np.where(fits.any(axis=-1)[..., None], boxes, _centred_box(height, width))


def _centred_box(height: int, width: int) -> NDArray[np.int64]:
    box_h, box_w = height, width
    if width / height < RATIO[0]:
        box_h = round(width / RATIO[0])
    elif width / height > RATIO[1]:
        box_w = round(height * RATIO[1])
    return np.asarray([(height - box_h) // 2, (width - box_w) // 2, box_h, box_w])


def draw_plain_box(
    draws: NDArray[np.float64], *, height: int, width: int, px: int
) -> NDArray[np.int64]:
    """Return (4,), a box of px x px anywhere in the parent.

    Raises:
        DoraError: the parent is smaller.
    """
    if min(height, width) < px:
        raise DoraError(
            f"a picture of {width}x{height} px is smaller than the first crop of {px} px",
            remedy="make the shards with a larger --short-side, or lower augment.first_px",
        )
    top, left = (
        int(u * (side - px + 1)) for u, side in zip(draws[-2:], (height, width), strict=True)
    )
    return np.asarray([top, left, px, px])


def cut_first(frames: NDArray[np.uint8], box: NDArray[np.int64], *, px: int) -> Tensor:
    """Return the first crop of all frames, resized.

    Args:
        frames: (T, H, W, 3) uint8.
        box: (4,) for all frames.
        px: side of the crop.

    Returns:
        (T, 3, px, px) float32 in [0, 1].
    """
    top, left, height, width = box
    inside = frames[:, top : top + height, left : left + width]
    pixels = torch.from_numpy(np.ascontiguousarray(inside.transpose(0, 3, 1, 2)))
    return _resize(pixels.float().div_(255), px)


def cut_global(first: Tensor, box: NDArray[np.int64], *, px: int, flip: bool) -> Tensor:
    """Return one box of all frames, resized and perhaps mirrored, as uint8 (T, 3, px, px).

    Args:
        first: (T, 3, S, S) float32 in [0, 1], from `cut_first`.
        box: (4,) for all frames.
        px: side of the view.
        flip: whether it is mirrored left to right.
    """
    top, left, height, width = box
    view = _resize(first[:, :, top : top + height, left : left + width], px)
    return to_uint8(view.flip(-1) if flip else view)


def to_uint8(pixels: Tensor) -> Tensor:
    """Return pixels in [0, 1] cut off, not rounded, to 8 bits: as torchvision makes pictures."""
    return (pixels * 255).to(torch.uint8)


def cut_locals(
    first: NDArray[np.uint8],
    boxes: NDArray[np.int64],
    flips: NDArray[np.bool_],
    *,
    px: int,
) -> Tensor:
    """Return crops of every frame, resized by Pillow's bicubic, as uint8 (L, T, 3, px, px).

    Args:
        first: (T, S, S, 3) uint8.
        boxes: (L, T, 4).
        flips: (L, T), whether a crop is mirrored.
        px: side of the crops.
    """
    crops = np.empty((*boxes.shape[:2], 3, px, px), dtype=np.uint8)
    for t, pixels in enumerate(first):
        parent = Image.fromarray(pixels)
        for j in range(len(boxes)):
            top, left, height, width = (int(edge) for edge in boxes[j, t])
            # First cut, then resize: a kernel that reached outside the box would see more.
            crop = parent.crop((left, top, left + width, top + height))
            resized = np.asarray(crop.resize((px, px), Image.Resampling.BICUBIC))
            crops[j, t] = (resized[:, ::-1] if flips[j, t] else resized).transpose(2, 0, 1)
    return torch.from_numpy(crops)


def _resize(pixels: Tensor, px: int) -> Tensor:
    return functional.interpolate(
        pixels, size=(px, px), mode="bilinear", align_corners=False, antialias=False
    )
