"""How well masks of an object fit the true ones: region (J), boundary (F), and both over time.

Measures of DAVIS (Perazzi et al., CVPR 2016, section 4; arXiv:1704.00675), as its published tool
computes them. Checked against plain versions of it in `tests/references/davis_scores.py`.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import KDTree

Mask = NDArray[np.bool_]
TOLERANCE = 0.008
"""How far a boundary may lie from the true one, as a share of the picture's diagonal."""
GOOD_FROM = 0.5
"""Recall counts the frames whose score is above."""
_QUARTERS = 4


@dataclass(frozen=True, kw_only=True)
class OverTime:
    """One measure of one object over the frames of a video."""

    mean: float
    recall: float
    """Share of the frames with a score above 0.5."""
    decay: float
    """Mean of the first quarter of the frames less that of the last."""


def region_score(truth: Mask, found: Mask, *, void: Mask | None = None) -> float:
    """Return J: the pixels in both masks over the pixels in either; 1 where both are empty.

    Args:
        truth: (h, w).
        found: (h, w).
        void: (h, w) pixels that do not count.
    """
    counted = np.ones_like(truth) if void is None else ~void
    either = np.count_nonzero((truth | found) & counted)
    if either == 0:
        return 1.0
    return np.count_nonzero(truth & found & counted) / either


def boundary_score(
    truth: Mask, found: Mask, *, void: Mask | None = None, tolerance: float = TOLERANCE
) -> float:
    """Return F: harmonic mean of how much of each boundary lies near the other one.

    A mask without a boundary, empty or filling the picture, agrees with its like alone.

    Args:
        truth: (h, w).
        found: (h, w).
        void: (h, w) pixels that belong to neither mask; their edge becomes that of the masks.
        tolerance: what is near, as a share of the diagonal, rounded up to whole pixels.
    """
    if void is not None:
        truth, found = truth & ~void, found & ~void
    near_px = tolerance_px(truth.shape, tolerance=tolerance)
    truth_points, found_points = np.argwhere(boundary(truth)), np.argwhere(boundary(found))
    if len(truth_points) == 0 or len(found_points) == 0:
        return float(len(truth_points) == len(found_points))
    precision = _share_near(found_points, truth_points, near_px=near_px)
    recall = _share_near(truth_points, found_points, near_px=near_px)
    if precision + recall == 0:
        return 0.0
    return 2 * precision * recall / (precision + recall)


def boundary(mask: Mask) -> Mask:
    """Return a mask's boundary, (h, w): pixels unlike that to the right, below or diagonally so.

    The border of the picture is no boundary.
    """
    wide = np.pad(mask, ((0, 1), (0, 1)), mode="edge")
    edge: Mask = (mask != wide[:-1, 1:]) | (mask != wide[1:, :-1]) | (mask != wide[1:, 1:])
    return edge


def tolerance_px(shape: tuple[int, ...], *, tolerance: float = TOLERANCE) -> int:
    """Return how many pixels a boundary may be off: 8 at 854x480."""
    return math.ceil(tolerance * math.hypot(*shape))


def summarise(scores: Sequence[float]) -> OverTime:
    """Return mean, recall and decay of an object's scores, one a frame.

    The quarters share their first and last frames, as in the published tool.

    Args:
        scores: in order of time; at least one.
    """
    values = np.asarray(scores, dtype=np.float64)
    # Halves are rounded up and not to even numbers, for which the tool adds a hair.
    edges = np.round(np.linspace(1, len(values), _QUARTERS + 1) + 1e-10).astype(np.int64) - 1
    first, last = values[edges[0] : edges[1] + 1], values[edges[-2] : edges[-1] + 1]
    return OverTime(
        mean=float(values.mean()),
        recall=float((values > GOOD_FROM).mean()),
        decay=float(first.mean() - last.mean()),
    )


def _share_near(points: NDArray[np.int64], others: NDArray[np.int64], *, near_px: int) -> float:
    """Return the share of points, (n, 2), with one of the others, (m, 2), within a disc."""
    # Squares of distances are whole numbers: a bound between two of them is exact.
    bound_px = math.sqrt(near_px**2 + 0.5)
    distances, _ = KDTree(others).query(points, distance_upper_bound=bound_px)
    return float(np.isfinite(distances).mean())
