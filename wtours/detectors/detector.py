"""What every detector is to the rest: pictures in, boxes out."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from wtours.shards import Box

Pixels = NDArray[np.uint8]


class Detector(Protocol):
    """Finds things of one kind.

    The boxes of a picture depend on that picture alone: not on the others of the call, on the
    number of threads, or on what was looked at before.
    """

    @property
    def kind(self) -> str:
        """What it finds: `face` or `plate`."""

    def detect(self, pictures: Sequence[Pixels]) -> list[tuple[Box, ...]]:
        """Return the boxes of each (H, W, 3) uint8 RGB picture in its pixels, surest first."""


def sorted_boxes(boxes: Sequence[Box]) -> tuple[Box, ...]:
    """Return boxes in an order that follows from them: the surest first, then from the top."""
    return tuple(sorted(boxes, key=lambda box: (-box.score, box.y0, box.x0, box.y1, box.x1)))


def clipped(box: Sequence[float], *, size: tuple[int, int], score: float, kind: str) -> Box:
    """Return a box (x0, y0, x1, y1) as far as it lies in a picture of `size` (width, height)."""
    x0, y0, x1, y1 = (float(value) for value in box)
    width, height = size
    return Box(
        x0=min(max(x0, 0.0), width),
        y0=min(max(y0, 0.0), height),
        x1=min(max(x1, 0.0), width),
        y1=min(max(y1, 0.0), height),
        score=float(score),
        kind=kind,
    )
