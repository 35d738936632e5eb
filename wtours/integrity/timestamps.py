"""What the time stamps of a video's pictures tell: rate, gaps, jumps. Arrays in, numbers out.

Time stamps are in ticks of `time_base` seconds. "File order" is the order of the packets, in which
a picture may stand after one that is shown later; "shown order" is sorted.
"""

from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

Ticks = NDArray[np.int64]

_REORDER_PICTURES = 16
"""H.264 and HEVC let a picture stand at most this many places from where it is shown."""


def jumps_back(file_order: Ticks, keyframes: NDArray[np.bool_]) -> Ticks:
    """Return the places in file order at which time goes back, beyond what reordering explains.

    Pictures from a keyframe on are all shown after those before it (this holds for open groups of
    pictures too); anywhere else a picture may stand 16 places from where it is shown.

    Args:
        file_order: (n,) time stamps as the packets come.
        keyframes: (n,) which packets hold a keyframe.
    """
    if len(file_order) < 2:
        return np.empty(0, dtype=np.int64)
    places = np.arange(len(file_order))
    latest = np.maximum.accumulate(file_order)
    group_start = np.maximum.accumulate(np.where(keyframes, places, 0))
    before_group = latest[np.maximum(group_start - 1, 0)]
    joins = np.flatnonzero((group_start > 0) & (file_order < before_group))
    if len(joins):
        return joins
    shown_at = np.empty_like(places)
    shown_at[np.argsort(file_order, kind="stable")] = places
    return np.flatnonzero(places - shown_at > _REORDER_PICTURES)[:1]


def average_rate(shown: Ticks, time_base: Fraction, nominal: Fraction | None) -> Fraction:
    """Return pictures per second: the container's rate where it explains all times to two ticks.

    Otherwise it is measured. Matroska rounds to milliseconds: there 30000/1001 is truer than what
    the rounded times give.
    """
    intervals, ticks = len(shown) - 1, int(shown[-1] - shown[0])
    if ticks <= 0:
        return Fraction(nominal or 0)
    if nominal and abs(intervals / nominal / time_base - ticks) <= 2:
        return Fraction(nominal)
    return Fraction(intervals, ticks) / time_base


def is_variable(shown: Ticks) -> bool:
    """Whether distances between pictures differ from their median by more than 5 % and rounding."""
    intervals = np.diff(shown)
    if len(intervals) == 0:
        return False
    median = float(np.median(intervals))
    rounding = 1.0 if median >= 8 else 0.0  # a tick as long as a picture cannot be rounding
    return bool((np.abs(intervals - median) > max(rounding, 0.05 * median)).any())


def timing_notes(shown: Ticks, time_base: Fraction) -> list[str]:
    """Say what stands out in the distances between pictures: variation, gaps, doubled times."""
    notes = (variation_note(shown, time_base), gap_note(shown, time_base), repeated_note(shown))
    return [note for note in notes if note]


def variation_note(shown: Ticks, time_base: Fraction) -> str:
    """Say how far apart pictures are, or '' where they are equally far."""
    if not is_variable(shown):
        return ""
    intervals = np.diff(shown)
    low_s, high_s = (float(int(ticks) * time_base) for ticks in (intervals.min(), intervals.max()))
    return f"variable frame rate: pictures are {low_s:.4f} to {high_s:.4f} s apart"


def gap_note(shown: Ticks, time_base: Fraction) -> str:
    """Say where pictures are missing, or ''."""
    intervals = np.diff(shown)
    if len(intervals) == 0:
        return ""
    gaps = np.flatnonzero(intervals > 1.5 * np.median(intervals))
    if len(gaps) == 0:
        return ""
    at = int(gaps[np.argmax(intervals[gaps])])
    longest_s, at_s = (float(int(t) * time_base) for t in (intervals[at], shown[at] - shown[0]))
    return (
        f"{len(gaps)} gap{'s' if len(gaps) > 1 else ''} of over 1.5 frames, "
        f"the longest {longest_s:.3f} s at {at_s:.3f} s"
    )


def repeated_note(shown: Ticks) -> str:
    """Say how many pictures have the time of another one, or ''."""
    doubled = int((np.diff(shown) == 0).sum())
    return f"{doubled} pictures share the time stamp of the one before" if doubled else ""


def holes_s(shown: Ticks, time_base: Fraction) -> list[tuple[float, float]]:
    """Return where time jumps forward, and how far beyond the usual distance, both in s.

    A jump is over 0.2 s and over three usual distances: less is a picture or two left out.
    """
    intervals = np.diff(shown)
    if len(intervals) == 0:
        return []
    usual = float(np.median(intervals))
    holes = np.flatnonzero(intervals > max(3 * usual, float(Fraction(1, 5) / time_base)))
    return [
        (
            float(int(shown[at] - shown[0]) * time_base),
            (float(intervals[at]) - usual) * float(time_base),
        )
        for at in holes
    ]
