"""Curves as SVG paths in a plot that is 1,000 units wide and 100 high, drawn without a library."""

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
import pandas as pd

from analysis.figures.style import TimeUnit

Series: TypeAlias = "pd.Series[Any]"

WIDTH, HEIGHT = 1000.0, 100.0


def line_path(time_s: Series, low: Series, high: Series, *, duration_s: float, top: float) -> str:
    """Return a line through the least and the largest value of every row; NaN breaks it.

    Args:
        time_s: (n,) seconds.
        low: (n,) least value of each row.
        high: (n,) largest; where it is the least, too, the row is one point.
        duration_s: right edge.
        top: value of the upper edge; 0 is the lower.
    """
    x, y_low, y_high = _places(time_s, low, high, duration_s=duration_s, top=top)
    parts: list[str] = []
    for run in _runs(y_low):
        points: list[str] = []
        for number, place in enumerate(run):
            # Alternately up and down, so that the line goes through no row twice.
            ends = dict.fromkeys([y_low[place], y_high[place]][:: -1 if number % 2 else 1])
            points += [f"{_short(x[place])} {_short(end)}" for end in ends]
        # A point alone is a line of no length, which round ends make a dot.
        parts.append("M" + "L".join(points if len(points) > 1 else points * 2))
    return "".join(parts)


def area_path(time_s: Series, low: Series, high: Series, *, duration_s: float, top: float) -> str:
    """Return the area between two curves; NaN breaks it. Arguments as of `line_path`."""
    x, y_low, y_high = _places(time_s, low, high, duration_s=duration_s, top=top)
    parts: list[str] = []
    for run in _runs(y_low):
        above = [f"{_short(x[place])} {_short(y_high[place])}" for place in run]
        below = [f"{_short(x[place])} {_short(y_low[place])}" for place in reversed(run)]
        parts.append("M" + "L".join(above + below) + "Z")
    return "".join(parts)


def upright_path(times_s: Sequence[float], *, duration_s: float) -> str:
    """Return an upright line at each time; of lines that would fall on one another, one."""
    shares = np.asarray(times_s, dtype=np.float64) / max(duration_s, 1e-3)
    places = np.unique(np.rint(shares * WIDTH * 2) / 2)
    return "".join(f"M{_short(x)} 0V{HEIGHT:.0f}" for x in places)


def time_labels(duration_s: float, unit: TimeUnit) -> list[tuple[float, str]]:
    """Return share of the width and text of 3 to 9 labels of the axis of time, the first at 0.

    >>> time_labels(100, TimeUnit(name="s", seconds=1))
    [(0.0, '0'), (0.2, '20'), (0.4, '40'), (0.6, '60'), (0.8, '80'), (1.0, '100 s')]
    """
    length = max(duration_s, 1e-3) / unit.seconds
    raw = length / 6
    size = 10.0 ** np.floor(np.log10(raw))
    step = float(size * min(factor for factor in (1, 2, 5, 10) if factor * size >= raw * 0.9999))
    number = int(length / step + 1e-9)
    texts = [f"{place * step:.6g}" for place in range(number + 1)]
    texts[-1] += f" {unit.name}"
    return [(place * step / length, text) for place, text in enumerate(texts)]


def _places(
    time_s: Series, low: Series, high: Series, *, duration_s: float, top: float
) -> tuple[Any, Any, Any]:
    x = time_s.to_numpy(dtype="float64") / max(duration_s, 1e-3) * WIDTH
    y_low, y_high = (HEIGHT * (1 - each.to_numpy(dtype="float64") / top) for each in (low, high))
    return x.round(1), y_low.round(1), y_high.round(1)


def _runs(values: "np.ndarray[Any, Any]") -> list[list[int]]:
    """Return the places of each stretch without NaN."""
    known = np.flatnonzero(~np.isnan(values))
    if not len(known):
        return []
    return [run.tolist() for run in np.split(known, np.flatnonzero(np.diff(known) > 1) + 1)]


def _short(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")
