"""J, F and their summary by plain loops over pixels."""

import math
from collections.abc import Sequence

import numpy as np


def region(truth: np.ndarray, found: np.ndarray, void: np.ndarray) -> float:
    both = either = 0
    for a, b, skip in zip(truth.flat, found.flat, void.flat, strict=True):
        if not skip:
            both += bool(a and b)
            either += bool(a or b)
    return both / either if either else 1.0


def edge_pixels(mask: np.ndarray) -> set[tuple[int, int]]:
    """Pixels that differ from a neighbour to the right, below, or right and below."""
    height, width = mask.shape
    return {
        (y, x)
        for y in range(height)
        for x in range(width)
        for v, u in ((y, x + 1), (y + 1, x), (y + 1, x + 1))
        if v < height and u < width and mask[y, x] != mask[v, u]
    }


def boundary(
    truth: np.ndarray, found: np.ndarray, void: np.ndarray, *, tolerance: float = 0.008
) -> float:
    radius = math.ceil(tolerance * math.sqrt(truth.shape[0] ** 2 + truth.shape[1] ** 2))
    a, b = edge_pixels(truth & ~void), edge_pixels(found & ~void)
    if not a and not b:
        return 1.0
    precision = 1.0 if not b else _near(b, a, radius)
    recall = 1.0 if not a else _near(a, b, radius)
    if precision + recall == 0:
        return 0.0
    return 2 * precision * recall / (precision + recall)


def summary(scores: Sequence[float]) -> tuple[float, float, float]:
    """Mean, recall and decay; quarters counted in frames from 1, halves rounded up."""
    count = len(scores)
    edges = [math.floor(1 + (count - 1) * quarter / 4 + 0.5) for quarter in range(5)]
    first, last = scores[edges[0] - 1 : edges[1]], scores[edges[3] - 1 : edges[4]]
    decay = sum(first) / len(first) - sum(last) / len(last)
    return sum(scores) / count, sum(score > 0.5 for score in scores) / count, decay


def _near(points: set[tuple[int, int]], others: set[tuple[int, int]], radius: int) -> float:
    disc = [
        (dy, dx)
        for dy in range(-radius, radius + 1)
        for dx in range(-radius, radius + 1)
        if dy * dy + dx * dx <= radius * radius
    ]
    near = sum(any((y + dy, x + dx) in others for dy, dx in disc) for y, x in points)
    return near / len(points)
