"""COCO's average precision in plain loops (cocodataset.org/#detection-eval), for tests.

Boxes of a class, the surest first, each take the free true box that they overlap most, if by
enough. Precision is read at 101 recalls, as the best at that recall or beyond, and averaged over
overlaps of 0.50 to 0.95 and over the classes that occur. Crowds are not known here.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

OVERLAPS = np.arange(0.5, 0.951, 0.05)
MOST_BOXES = 100
"""Of a picture that count, the surest."""


@dataclass(frozen=True)
class Boxes:
    """Boxes of one picture; true ones have no scores."""

    boxes: np.ndarray
    classes: np.ndarray
    scores: np.ndarray | None = None


def average_precision(found: Sequence[Boxes], true: Sequence[Boxes]) -> tuple[float, float]:
    """Return AP over all overlaps, and AP at an overlap of one half, both 0 to 1."""
    classes = sorted({int(name) for picture in true for name in picture.classes})
    table = np.array(
        [[_of_class(found, true, name, overlap) for overlap in OVERLAPS] for name in classes]
    )
    return float(table.mean()), float(table[:, 0].mean())


def _of_class(found: Sequence[Boxes], true: Sequence[Boxes], name: int, overlap: float) -> float:
    outcomes: list[tuple[float, bool]] = []
    count = 0
    for guess, truth in zip(found, true, strict=True):
        targets = truth.boxes[truth.classes == name]
        count += len(targets)
        assert guess.scores is not None
        surest = np.argsort(-guess.scores, kind="stable")[:MOST_BOXES]
        free = [True] * len(targets)
        for number in surest:
            if guess.classes[number] != name:
                continue
            best, at = overlap - 1e-9, -1
            for index, target in enumerate(targets):
                shared = iou(guess.boxes[number], target)
                if free[index] and shared >= best:
                    best, at = shared, index
            if at >= 0:
                free[at] = False
            outcomes.append((float(guess.scores[number]), at >= 0))
    outcomes.sort(key=lambda outcome: -outcome[0])
    right = np.cumsum([hit for _, hit in outcomes])
    recall = right / count
    precision = right / np.arange(1, len(right) + 1)
    return float(
        np.mean(
            [
                max(precision[recall >= level - 1e-12], default=0.0)
                for level in np.linspace(0, 1, 101)
            ]
        )
    )


def iou(first: np.ndarray, second: np.ndarray) -> float:
    """Return the overlap of two boxes x0 y0 x1 y1: shared over united area."""
    across = min(first[2], second[2]) - max(first[0], second[0])
    down = min(first[3], second[3]) - max(first[1], second[1])
    shared = max(across, 0) * max(down, 0)
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (first, second)]
    return float(shared / (sum(areas) - shared))
