"""Arithmetic of boxes: (n, 4) float32, x0 y0 x1 y1 in pixels."""

import math

import torch
from torch import Tensor
from torchvision.ops import nms

_LARGEST_LOG_SCALE = math.log(1000 / 16)
"""A stage may enlarge a box by at most this, so that exp() cannot overflow."""


def refine_boxes(boxes: Tensor, deltas: Tensor, *, weights: tuple[float, float]) -> Tensor:
    """Return boxes moved and scaled by the output of a box head (arXiv:1311.2524, appendix C).

    Args:
        boxes: (n, 4).
        deltas: (n, 4) shift of the centre in sizes of the box, and log of the scale, both
            multiplied by their weight.
        weights: of shifts and of scales.
    """
    size = boxes[:, 2:] - boxes[:, :2]
    centre = boxes[:, :2] + 0.5 * size
    centre = centre + deltas[:, :2] / weights[0] * size
    size = size * torch.exp((deltas[:, 2:] / weights[1]).clamp(max=_LARGEST_LOG_SCALE))
    return torch.cat([centre - 0.5 * size, centre + 0.5 * size], dim=1)


def clip_boxes(boxes: Tensor, height: int, width: int) -> Tensor:
    """Return boxes cut at the edges of a picture; one outside becomes empty and stays."""
    x0, y0, x1, y1 = boxes.unbind(dim=1)
    clipped = (x0.clamp(0, width), y0.clamp(0, height), x1.clamp(0, width), y1.clamp(0, height))
    return torch.stack(clipped, dim=1)


def suppress_by_class(boxes: Tensor, scores: Tensor, classes: Tensor, *, iou: float) -> Tensor:
    """Return indices of boxes, best first, that no better box of their class overlaps by > `iou`.

    Classes are set apart by a shift of one class beside another, in float64. In float32, as
    torchvision's `batched_nms` and upstream have it, the shift of class 20,000 rounds boxes to
    2 pixels.
    """
    if len(boxes) == 0:
        return torch.empty(0, dtype=torch.int64, device=boxes.device)
    reach = boxes.max() - boxes.min() + 1
    apart = boxes.double() + (classes.double() * reach.double())[:, None]
    kept: Tensor = nms(apart, scores.double(), iou)
    return kept
