"""The covered boxes of a shard set, and which of them an audit shows."""

import random
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from wtours.shards import Box, ShardSet, column_values
from wtours.stages.cover import half_axes

Numbers = NDArray[np.float64]
Places = NDArray[np.int64]

_APART_S = 5.0
"""Boxes of the lowest scores are not shown twice within this time at one place."""
_GRID = 8
"""Points along each side of a box at which it is asked whether they are covered."""


@dataclass(frozen=True, kw_only=True, eq=False)
class CoveredBoxes:
    """The boxes of a set's index, those of every picture once."""

    rows: Places
    """Rows of the index, one a picture."""
    time_s: Numbers
    """Of every row."""
    keys: list[str]
    """Of every row."""
    parents: Places
    """(n,) row of each box."""
    corners: Numbers
    """(n, 4) x0, y0, x1, y1."""
    scores: Numbers
    """(n,)"""
    kinds: list[str]
    """(n,)"""

    @classmethod
    def read(cls, shards: ShardSet) -> "CoveredBoxes":
        """Read the boxes of a set."""
        table = shards.table(["key", "time_s", "tar", "offset", "boxes"])
        places = np.stack([column_values(table[name]) for name in ("tar", "offset")])
        new = np.ones(len(table), dtype=bool)
        new[1:] = (np.diff(places, axis=1) != 0).any(axis=0)  # else it shares the picture before
        lists = table["boxes"].combine_chunks()
        lengths = np.diff(column_values(pa.chunked_array([lists.offsets])))
        parents = np.repeat(np.arange(len(table)), lengths)
        flat = lists.flatten()

        def values(name: str) -> Numbers:
            return column_values(pa.chunked_array([flat.field(name)])).astype(np.float64)

        kept = new[parents]
        corners = np.stack([values(name) for name in ("x0", "y0", "x1", "y1")], axis=1)
        kinds = flat.field("kind").to_pylist()
        return cls(
            rows=np.flatnonzero(new),
            time_s=column_values(table["time_s"]),
            keys=table["key"].to_pylist(),
            parents=parents[kept],
            corners=corners[kept],
            scores=values("score")[kept],
            kinds=[kind for kind, stays in zip(kinds, kept, strict=True) if stays],
        )

    def at(self, number: int) -> tuple[int, Box]:
        """Return the row of a box, and the box."""
        x0, y0, x1, y1 = self.corners[number].tolist()
        box = Box(
            x0=x0, y0=y0, x1=x1, y1=y1, score=float(self.scores[number]), kind=self.kinds[number]
        )
        return int(self.parents[number]), box

    def of_row(self, row: int) -> list[Box]:
        """Return the boxes of a row."""
        first, end = np.searchsorted(self.parents, [row, row + 1])
        return [self.at(number)[1] for number in range(first, end)]


def lowest(boxes: CoveredBoxes, count: int) -> list[int]:
    """Return numbers of the boxes of the lowest scores, found in their pictures, from the lowest.

    A thing that is found again and again is there once in five seconds.
    """
    found = [
        number
        for number in np.argsort(boxes.scores, kind="stable").tolist()
        if not boxes.kinds[number].endswith("-guard")
    ]
    return [found[n] for n in once(boxes.time_s[boxes.parents[found]], boxes.corners[found], count)]


def once(time_s: Numbers, corners: Numbers, count: int) -> list[int]:
    """Return numbers of the first boxes, without those that are near an earlier one.

    Args:
        time_s: (n,) times of the boxes.
        corners: (n, 4) x0, y0, x1, y1.
        count: how many to return at the most.
    """
    chosen: list[int] = []
    middles, sides = (corners[:, :2] + corners[:, 2:]) / 2, corners[:, 2:] - corners[:, :2]
    for number in range(len(time_s)):
        if len(chosen) >= count:
            break
        apart = np.abs(middles[chosen] - middles[number]).max(axis=1, initial=0.0)
        soon = np.abs(time_s[chosen] - time_s[number]) < _APART_S
        if not ((apart < sides[number].max()) & soon).any():
            chosen.append(number)
    return chosen


def drawn(boxes: CoveredBoxes, count: int, *, seed: int, without: Sequence[int]) -> list[int]:
    """Return numbers of boxes drawn at random among the others, in the order of time."""
    left = sorted(set(range(len(boxes.scores))) - set(without))
    return sorted(random.Random(seed).sample(left, min(count, len(left))))


def spread(rows: Places, count: int) -> list[int]:
    """Return that many of some rows, evenly spread; all of them where there are fewer."""
    if len(rows) <= count:
        return [int(row) for row in rows]
    at = (np.arange(count) + 0.5) * len(rows) / count
    return [int(row) for row in rows[at.astype(np.int64)]]


def hidden_share(box: Box, covering: Sequence[Box], *, margin: float) -> float:
    """Return how much of a box lies under the covers of others, 0 to 1."""
    across = box.x0 + (np.arange(_GRID) + 0.5) / _GRID * (box.x1 - box.x0)
    down = box.y0 + (np.arange(_GRID) + 0.5) / _GRID * (box.y1 - box.y0)
    hidden = np.zeros((_GRID, _GRID), dtype=bool)
    for other in covering:
        half = half_axes(np.asarray([other.x1 - other.x0, other.y1 - other.y0]), margin)
        if half.min() <= 0:
            continue
        x, y = (across - (other.x0 + other.x1) / 2) / half[0], down - (other.y0 + other.y1) / 2
        hidden |= x[None, :] ** 2 + (y[:, None] / half[1]) ** 2 <= 1
    return float(hidden.mean())
