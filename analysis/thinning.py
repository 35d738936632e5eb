"""Fewer rows of a curve for drawing, with every minimum and maximum kept."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

Floats = np.ndarray[Any, np.dtype[np.float64]]


def thin(time_s: Floats, values: Mapping[str, Floats], *, points: int) -> pd.DataFrame:
    """Return curves in about `points` rows of equal time, with the extremes of each row.

    Columns: `time_s`, the mean time of the row's values; `NAME_low` and `NAME_high`, the smallest
    and largest of a row's values, NaN where all are. Up to `points` values every value is a row of
    its own. Where time is missing for longer than a row (and 1.5 steps), a row of NaN breaks the
    line, as in `envelope` of lightness.

    Args:
        time_s: (n,) seconds, not decreasing.
        values: by name, (n,) each.
        points: over 0.
    """
    columns = ["time_s", *(f"{name}_{end}" for name in values for end in ("low", "high"))]
    if len(time_s) == 0:
        return pd.DataFrame({name: np.empty(0) for name in columns})
    first, broken = _rows(time_s, points=points)
    counts = np.diff(first, append=len(time_s))
    table = {"time_s": np.add.reduceat(time_s, first) / counts}
    for name, column in values.items():
        plain = np.asarray(column, dtype=np.float64)
        table[f"{name}_low"] = np.fmin.reduceat(plain, first)
        table[f"{name}_high"] = np.fmax.reduceat(plain, first)
    rows = pd.DataFrame(table)
    middle_s = (time_s[first[broken] - 1] + time_s[first[broken]]) / 2
    breaks = pd.DataFrame({"time_s": middle_s}, index=broken - 0.5).reindex(columns=columns)
    together = rows if breaks.empty else pd.concat([rows, breaks])
    return together.sort_index().reset_index(drop=True)[columns]


def _rows(time_s: Floats, *, points: int) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Return where each row starts, and which rows come after a break."""
    row_s = (time_s[-1] - time_s[0]) / points if len(time_s) > points else 0.0
    steps_s = np.diff(time_s)
    break_s = max(1.5 * float(np.median(steps_s)), row_s) if len(steps_s) else 0.0
    run = np.concatenate(([0], np.cumsum(steps_s > break_s)))
    place = np.floor((time_s - time_s[0]) / row_s) if row_s else np.arange(len(time_s))
    place = np.minimum(place, max(points, len(time_s) if not row_s else points) - 1)
    fresh = np.concatenate(([True], (np.diff(place) > 0) | (np.diff(run) > 0)))
    first = np.flatnonzero(fresh)
    broken = np.flatnonzero(np.concatenate(([False], np.diff(run[first]) > 0)))
    return first, broken
