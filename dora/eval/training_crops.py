"""What a linear probe is trained on: random crops and flips, drawn by seed, epoch and picture.

torchvision's RandomResizedCrop and RandomHorizontalFlip as DINO's eval_linear.py sets them: 8 to
100 % of the area, a ratio of 3/4 to 4/3, bilinear with antialiasing, half of them mirrored. What is
drawn is a function of the place alone, so that no number of workers or processes changes it.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torchvision.transforms.v2 import functional

from dora.data.crops import BOX_DRAWS, draw_boxes
from dora.data.draws import permutation, uniform_draws
from dora.eval.pictures import open_picture

PROBE_ORDER = 1 << 40
"""Purpose of the draws that order the pictures of an epoch; far from those of pretraining."""
PROBE_CROPS = PROBE_ORDER + 1
"""Purpose of the draws of a picture's crop and flip."""
SCALE = (0.08, 1.0)
"""Share of the area, smallest and largest."""


@dataclass(frozen=True, kw_only=True)
class Shown:
    """A training picture at one of its turns."""

    path: Path
    place: int
    """Its number in all epochs together: epoch x pictures + picture."""


def order_of_epoch(seed: int, *, epoch: int, pictures: int) -> Tensor:
    """Return the numbers of all pictures in the order in which an epoch shows them, (N,) int64."""
    return torch.from_numpy(permutation(seed, number=epoch, size=pictures, purpose=PROBE_ORDER))


def read_training_crop(shown: Shown, *, seed: int, image_px: int) -> Tensor:
    """Return the crop of a picture that is trained on, (3, image_px, image_px) uint8.

    Raises:
        DoraError: the file is no whole picture.
    """
    picture = open_picture(shown.path)
    box, mirrored = draw_crop(seed, place=shown.place, height=picture.height, width=picture.width)
    top, left, height, width = (int(edge) for edge in box)
    cropped = picture.crop((left, top, left + width, top + height))
    cropped = cropped.resize((image_px, image_px), Image.Resampling.BILINEAR)
    if mirrored:
        cropped = cropped.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    pixels: Tensor = functional.pil_to_tensor(cropped)
    return pixels


def draw_crop(seed: int, *, place: int, height: int, width: int) -> tuple[NDArray[np.int64], bool]:
    """Return (4,) top, left, height, width of a crop, and whether it is mirrored.

    Args:
        seed: of the probe.
        place: see `Shown`.
        height: of the picture, pixels.
        width: of the picture, pixels.
    """
    (draws,) = uniform_draws(seed, purpose=PROBE_CROPS, place=place, rows=1, columns=BOX_DRAWS + 1)
    box = draw_boxes(draws[:BOX_DRAWS], height=height, width=width, scale=SCALE)
    return box, bool(draws[-1] < 0.5)
