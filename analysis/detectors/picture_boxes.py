"""What a network says of one picture to `Detections`: within the picture, not empty, in order."""

import numpy as np
from numpy.typing import ArrayLike

from analysis.detectors.detector import Detections


def detections_within(
    boxes: ArrayLike,
    scores: ArrayLike,
    classes: ArrayLike,
    *,
    size: tuple[int, int],
    threshold: float,
) -> Detections:
    """Return boxes as far as they lie in the picture, without empty ones, the surest first.

    Args:
        boxes: (n, 4) x0 y0 x1 y1 in pixels of the picture.
        scores: (n,); a box needs `threshold` or more.
        classes: (n,) index into the detector's names.
        size: height and width of the picture.
        threshold: 0 to 1.
    """
    height, width = size
    limits = np.array([width, height, width, height], dtype=np.float32)
    within = np.asarray(boxes, dtype=np.float32).reshape(-1, 4).clip(0, limits)
    score = np.asarray(scores, dtype=np.float32).clip(0, 1)
    kept = (within[:, :2] < within[:, 2:]).all(axis=1) & (score >= np.float32(threshold))
    order = np.flatnonzero(kept)[np.argsort(-score[kept], kind="stable")]
    return Detections(
        boxes=within[order],
        scores=score[order],
        classes=np.asarray(classes, dtype=np.int64)[order],
    )
