"""From the pixels of pictures to the network's input, and back to the pixels with boxes."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from wtours import WtoursError

MEAN = (123.675, 116.28, 103.53)
STD = (58.395, 57.12, 57.375)
"""Of ImageNet, red, green and blue, in grey levels of 0 to 255."""
MULTIPLE_PX = 32
"""Sides of the input; another number changes the results, since group norm sees the padding."""


@dataclass(frozen=True, kw_only=True)
class PictureSize:
    """To what size pictures are scaled, their shape kept."""

    short_px: int = 800
    """Shorter side."""
    long_px: int = 1333
    """Limit of the longer side, which goes before the shorter side."""

    def __post_init__(self) -> None:
        if not 1 <= self.short_px <= self.long_px:
            raise WtoursError(
                f"pictures cannot have a shorter side of {self.short_px} px "
                f"and a longer side of {self.long_px} px",
                remedy="give a shorter side of at least 1 px, not above the longer one",
            )

    def scaled(self, height: int, width: int) -> tuple[int, int]:
        """Return height and width after scaling; halves are rounded up."""
        scale = self.short_px / min(height, width)
        scaled = [
            float(self.short_px) if height <= width else scale * height,
            float(self.short_px) if width <= height else scale * width,
        ]
        if max(scaled) > self.long_px:
            scale = self.long_px / max(scaled)
            scaled = [side * scale for side in scaled]
        return max(1, math.floor(scaled[0] + 0.5)), max(1, math.floor(scaled[1] + 0.5))


def check_pictures(images: Sequence[NDArray[np.uint8]]) -> None:
    """Refuse what is no batch of RGB pictures of one size.

    Raises:
        WtoursError: no picture, another type or shape, an empty picture, different sizes.
    """
    if len(images) == 0:
        raise WtoursError("there are no pictures to look at", remedy="give at least one")
    for number, image in enumerate(images):
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or image.size == 0:
            raise WtoursError(
                f"picture {number} has shape {image.shape} and type {image.dtype}",
                remedy="give (height, width, 3) uint8 in the order red, green, blue",
            )
        if image.shape != images[0].shape:
            raise WtoursError(
                f"picture {number} is {image.shape[1]}x{image.shape[0]}, but picture 0 is "
                f"{images[0].shape[1]}x{images[0].shape[0]}",
                remedy="give pictures of one size at a time; padding would change what is found",
            )


def resize(image: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    """Return the picture scaled as Pillow does it: bilinear, averaging where it shrinks."""
    scaled = Image.fromarray(image).resize((width, height), Image.Resampling.BILINEAR)
    return np.array(scaled)


def normalise(images_BHWC: Tensor) -> Tensor:
    """Return (B, 3, H', W') float32 of uint8 pictures: normalised, then padded with zeros."""
    mean = torch.tensor(MEAN, device=images_BHWC.device)
    std = torch.tensor(STD, device=images_BHWC.device)
    values = ((images_BHWC.float() - mean) / std).permute(0, 3, 1, 2)
    height, width = values.shape[-2:]
    return F.pad(values, (0, -width % MULTIPLE_PX, 0, -height % MULTIPLE_PX)).contiguous()


def boxes_in_original(
    boxes: Tensor, scaled: tuple[int, int], original: tuple[int, int]
) -> tuple[Tensor, Tensor]:
    """Return boxes in pixels of the original picture, and which of them (n,) are not empty.

    Args:
        boxes: (n, 4) in pixels of the scaled picture.
        scaled: its height and width.
        original: height and width of the original.
    """
    (height, width), (from_height, from_width) = original, scaled
    factor = boxes.new_tensor([width / from_width, height / from_height] * 2)
    limit = boxes.new_tensor([width, height] * 2)
    moved = (boxes * factor).clamp(min=0).minimum(limit)
    return moved, (moved[:, 2:] > moved[:, :2]).all(dim=1)
