"""What YOLOX (arXiv:2107.08430) does around its network, as its published evaluation does it.

The picture is scaled to fit the top left corner of the input, the rest is grey (114); blue comes
first, values stay 0 to 255. The network gives a row for each cell of grids of stride 8, 16, 32 (and
64): centre and logarithm of the size in units of the stride, then how sure it is of an object and
of each class.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Pixels = NDArray[np.uint8]

GREY = 114
"""Value of the input around a picture."""
STRIDES = (8, 16, 32, 64)
"""The first three, or all four."""
NMS_IOU = 0.65
"""Overlap from which on the less sure of two boxes of a class goes; that of YOLOX's evaluation."""
_LARGEST_LOG = 12.0
"""e^12 strides is larger than any picture; beyond, float32 would overflow."""


def scale_to_fit(image: Pixels, height: int, width: int) -> Pixels:
    """Return a picture (h, w, 3) as large as it fits into (height, width), its shape kept."""
    import cv2

    ratio = fitting_ratio(image.shape[:2], (height, width))
    across, down = max(1, int(image.shape[1] * ratio)), max(1, int(image.shape[0] * ratio))
    scaled = cv2.resize(image, (across, down), interpolation=cv2.INTER_LINEAR)
    return np.asarray(scaled, dtype=np.uint8)


def fill(inputs: NDArray[Any], images: Sequence[Pixels]) -> None:
    """Write pictures (h, w, 3), red first, into inputs (B, 3, H, W), blue first; the rest is grey.

    Args:
        inputs: of any float type; as many as there are pictures, or more, which are not touched.
        images: as large as they fit.
    """
    import cv2

    for canvas, image in zip(inputs, images, strict=False):
        down, across, _ = image.shape
        for plane, values in zip(canvas, reversed(cv2.split(image)), strict=True):
            plane[:down, :across] = values
        canvas[:, :down, across:] = GREY
        canvas[:, down:] = GREY


def fitting_ratio(size: Sequence[int], into: tuple[int, int]) -> float:
    """Return by how much a picture of (height, width) is scaled to fit into another."""
    return min(into[0] / size[0], into[1] / size[1])


def grid_of(height: int, width: int, strides: Sequence[int]) -> Floats:
    """Return (N, 3): column, row and stride of each cell, in the order of the model's output."""
    parts = []
    for stride in strides:
        rows, columns = np.mgrid[: height // stride, : width // stride]
        parts.append(np.stack([columns.ravel(), rows.ravel(), np.full(rows.size, stride)], axis=1))
    return np.concatenate(parts).astype(np.float32)


def sure_rows(raw: Floats, threshold: float) -> tuple[NDArray[np.int64], Floats, NDArray[np.int64]]:
    """Return the rows (n,) whose best class reaches the threshold, with its score and number.

    Args:
        raw: (N, 5 + C) output of the network.
        threshold: least product of how sure it is of an object and of the class.
    """
    rows = np.flatnonzero(raw[:, 4] >= threshold)  # no class makes it surer
    classes = raw[rows, 5:].argmax(axis=1)
    scores = raw[rows, 4] * raw[rows, 5 + classes]
    sure = scores >= threshold
    return rows[sure], scores[sure], classes[sure]


def decode(raw: Floats, cells: Floats) -> Floats:
    """Return centre and size in pixels of the input, (n, 4), from the outputs of these cells."""
    stride = cells[:, 2:]
    centre = (raw[:, :2] + cells[:, :2]) * stride
    size = np.exp(np.minimum(raw[:, 2:4], _LARGEST_LOG)) * stride
    return np.concatenate([centre, size], axis=1)


def corners(boxes: Floats) -> Floats:
    """Return x0 y0 x1 y1 of boxes given by centre and size, (n, 4)."""
    half = boxes[:, 2:4] / 2
    return np.concatenate([boxes[:, :2] - half, boxes[:, :2] + half], axis=1)


def suppress(
    boxes: Floats, scores: Floats, classes: NDArray[np.int64], *, iou: float
) -> NDArray[np.int64]:
    """Return which boxes stay, the surest first: of a class, none overlaps a surer one too far."""
    order = np.argsort(-scores, kind="stable")
    areas = np.prod((boxes[:, 2:] - boxes[:, :2]).clip(0), axis=1)
    kept = []
    while len(order):
        first, order = order[0], order[1:]
        kept.append(first)
        low = np.maximum(boxes[order, :2], boxes[first, :2])
        high = np.minimum(boxes[order, 2:], boxes[first, 2:])
        shared = np.prod((high - low).clip(0), axis=1)
        union = (areas[order] + areas[first] - shared).clip(np.finfo(np.float32).tiny)
        order = order[(shared / union <= iou) | (classes[order] != classes[first])]
    return np.array(kept, dtype=np.int64)
