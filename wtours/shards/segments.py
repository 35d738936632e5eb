"""Which ticks have pictures, and which ticks belong together: FORMAT.md, section Time.

Pure functions on integers and fractions; nothing here knows of files.
"""

from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]

LOCAL_INTERVALS = 31
"""Intervals around a gap whose median is the local frame interval."""
GAP_RATIO = 1.5
"""A gap is longer than this many local frame intervals."""


def nearest_frames(pts: Ints, *, time_base: Fraction, fps: Fraction) -> tuple[Ints, Ints]:
    """Return the ticks that have a picture, and the frame that each takes.

    Args:
        pts: (F,) strictly increasing time stamps in units of `time_base`, the first 0.
        time_base: seconds a unit.
        fps: ticks a second.

    Returns:
        (n,) ticks in order and (n,) frame numbers, not decreasing; a missing tick is left out.
    """
    # In units of time_base / (2 * scale) all of ticks, frames and half ticks are integers.
    tick_units = 1 / (fps * time_base)
    scale = tick_units.denominator
    tick = tick_units.numerator
    last = int(pts[-1])
    ticks = np.arange(last * scale // tick + 2, dtype=np.int64)
    targets = ticks * (2 * tick)
    frames = pts * (2 * scale)
    after = np.searchsorted(frames, targets, side="left").clip(0, len(frames) - 1)
    before = (after - 1).clip(0)
    takes_before = np.abs(targets - frames[before]) <= np.abs(frames[after] - targets)
    nearest = np.where(takes_before, before, after)
    within = np.abs(frames[nearest] - targets) <= tick + scale
    return ticks[within], nearest[within]


def gaps(pts: Ints, *, time_base: Fraction, fps: Fraction | None) -> Ints:
    """Return the frames that follow a gap.

    Args:
        pts: (F,) strictly increasing time stamps.
        time_base: seconds a unit.
        fps: ticks a second; None: every frame is kept.
    """
    intervals = np.diff(pts)
    if len(intervals) == 0:
        return np.empty(0, dtype=np.int64)
    half = LOCAL_INTERVALS // 2
    shortest = intervals.min()
    found = []
    # Only an interval over 1.5 times the shortest one can be a gap, so few medians are taken.
    for i in np.flatnonzero(intervals > GAP_RATIO * shortest):
        local = float(np.median(intervals[max(0, i - half) : i + half + 1]))
        noticed = fps is None or int(intervals[i]) * time_base * fps > 1
        if intervals[i] > GAP_RATIO * local and noticed:
            found.append(i + 1)
    return np.asarray(found, dtype=np.int64)


def assign_segments(ticks: Ints, frames: Ints, *, breaks: Ints) -> Ints:
    """Return the segment of every tick.

    Args:
        ticks: (n,) ticks that have pictures, in order.
        frames: (n,) the frame of each.
        breaks: frames that begin a shot or follow a gap, in any order.

    Returns:
        (n,) numbers that start at 0 and grow by one where a break or a missing tick lies between
        two rows.
    """
    if len(ticks) == 0:
        return np.empty(0, dtype=np.int64)
    passed = np.searchsorted(np.unique(breaks), frames, side="right")
    grows = (np.diff(ticks) > 1) | (np.diff(passed) > 0)
    return np.concatenate([[0], np.cumsum(grows)]).astype(np.int64)
