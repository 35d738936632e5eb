"""Connected parts of masks, and boxes around them."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Mask = NDArray[np.bool_]
Box = tuple[int, int, int, int]
"""Left, top, right, bottom; right and bottom are the first that lie outside."""


def component_at(mask: Mask, place: tuple[int, int]) -> Mask:
    """Return the part of a mask connected with a place (row, column), which is in the mask.

    Connected is what shares a side, not a corner only.
    """
    assert mask[place], f"nothing at {place}"
    numbers, _ = ndimage.label(mask)
    part: Mask = numbers == numbers[place]
    return part


def largest_component(mask: Mask) -> Mask:
    """Return the largest connected part of a mask that is not empty; of equals the first."""
    assert mask.any(), "an empty mask has no parts"
    numbers, _ = ndimage.label(mask)
    part: Mask = numbers == np.bincount(numbers.ravel())[1:].argmax() + 1
    return part


def box_of(mask: Mask) -> Box:
    """Return the box around a mask that is not empty."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


def enlarge(box: Box, *, patch_px: int, size: tuple[int, int]) -> Box:
    """Return a box of patches in pixels, cut at the picture's width and height."""
    left, top, right, bottom = (side * patch_px for side in box)
    return left, top, min(right, size[0]), min(bottom, size[1])


def best_overlap(box: Box, truths: Sequence[Box]) -> float:
    """Return the largest intersection over union with one of the true boxes; 0 without any."""
    return max((_overlap(box, truth) for truth in truths), default=0.0)


def _overlap(one: Box, other: Box) -> float:
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    both = max(0, width) * max(0, height)
    return both / (_area(one) + _area(other) - both)


def _area(box: Box) -> int:
    return (box[2] - box[0]) * (box[3] - box[1])
