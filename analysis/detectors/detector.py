"""What every object detector gives: labelled boxes, and what made them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True, eq=False)
class Detections:
    """What was found in one picture, the surest first."""

    boxes: NDArray[np.float32]
    """(n, 4) x0 y0 x1 y1 in pixels of the given picture, with x0 < x1 and y0 < y1."""
    scores: NDArray[np.float32]
    """(n,) in [0, 1], descending."""
    classes: NDArray[np.int64]
    """(n,) index into the detector's `names`."""

    def __post_init__(self) -> None:
        count = len(self.scores)
        assert self.boxes.shape == (count, 4)
        assert self.scores.shape == self.classes.shape == (count,)
        assert self.boxes.dtype == self.scores.dtype == np.float32
        assert self.classes.dtype == np.int64
        assert bool((np.diff(self.scores) <= 0).all())

    def __len__(self) -> int:
        return len(self.scores)


class ObjectDetector(Protocol):
    """Finds objects of known classes in pictures.

    Detectors keep boxes from a low score on (0.3 unless told otherwise), so that statistics at
    higher thresholds are made from the same boxes, without running the detector again.
    """

    @property
    def names(self) -> Sequence[str]:
        """Name of each class, in the order of `Detections.classes`."""
        ...

    def describe(self) -> dict[str, Any]:
        """What a record needs to know: `detector`, `weights_sha256`, `settings`."""
        ...

    def detect(self, images: Sequence[NDArray[np.uint8]]) -> list[Detections]:
        """Find the objects of pictures, (H, W, 3) RGB, all of one size; of none, nothing."""
        ...
