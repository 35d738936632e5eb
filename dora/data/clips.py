"""Which frames make a clip: index arithmetic only, no time is compared and no picture opened.

A clip of T frames, `stride_s` apart, is the ticks s, s + n, ..., s + (T - 1) n of one segment of
one video, n = floor(stride_s * fps + 1/2) and at least 1 (wtours/shards/FORMAT.md). A segment has
no missing ticks and an index is sorted by video and tick, so that neighbouring ticks of a segment
are neighbouring rows: a segment of m ticks is m - (T - 1) n starts in a row.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import floor

import numpy as np
from numpy.typing import NDArray

from dora.config import ClipConfig
from dora.errors import DoraError


@dataclass(frozen=True, kw_only=True)
class SetIndex:
    """What the index of one shard set says about which ticks belong together.

    Rows are sorted by video and tick.
    """

    name: str
    """Folder of the set, for messages."""
    videos: NDArray[np.int32]
    """(rows,) number of each row's video."""
    ticks: NDArray[np.int64]
    """(rows,)"""
    segments: NDArray[np.int32]
    """(rows,) number of the segment, from 0 in each video."""
    kept_rates: tuple[Fraction, ...]
    """Ticks per second of each video, by its number."""

    def __post_init__(self) -> None:
        assert self.videos.shape == self.ticks.shape == self.segments.shape


@dataclass(frozen=True, kw_only=True)
class ClipTable:
    """All clips of some shard sets, numbered from 0: sets, rows, in their order.

    Starts that follow each other are one entry, so that the table is as long as the number of
    segments and not of frames.
    """

    frames: int
    """Frames per clip (T)."""
    sets: NDArray[np.int32]
    """(entries,) number of the shard set."""
    first_rows: NDArray[np.int64]
    """(entries,) row of the first start."""
    row_strides: NDArray[np.int64]
    """(entries,) rows between neighbouring frames of a clip (n)."""
    ends: NDArray[np.int64]
    """(entries,) number of clips up to this entry and with it."""

    def __len__(self) -> int:
        return int(self.ends[-1]) if len(self.ends) else 0

    def rows(self, number: int) -> tuple[int, NDArray[np.int64]]:
        """Return the number of the shard set and the (T,) rows of its index of one clip."""
        if not 0 <= number < len(self):
            raise IndexError(f"clip {number} of {len(self)}")
        entry = int(np.searchsorted(self.ends, number, side="right"))
        before = int(self.ends[entry - 1]) if entry else 0
        start = self.first_rows[entry] + (number - before)
        return int(self.sets[entry]), start + np.arange(self.frames) * self.row_strides[entry]


def stride_in_ticks(stride_s: float, kept_rate: Fraction) -> int:
    """Return n, the ticks between neighbouring frames, at least 1.

    The stride is the decimal number that the user wrote: 0.3 s at 5 ticks a second are 1.5 ticks,
    hence 2, although the nearest binary fraction lies below 0.3.
    """
    return max(1, floor(Fraction(repr(float(stride_s))) * kept_rate + Fraction(1, 2)))


def find_clips(indices: Sequence[SetIndex], clip: ClipConfig) -> ClipTable:
    """Return the table of all clips of the sets, which may differ in their kept rates.

    Raises:
        DoraError: no segment is long enough for a clip.
    """
    sets, first_rows, strides, starts = [], [], [], []
    for number, index in enumerate(indices):
        first, length = _segment_rows(index)
        n = _strides(index, clip)[index.videos[first]]
        count = length - (clip.frames - 1) * n
        fits = count > 0
        sets.append(np.full(int(fits.sum()), number, dtype=np.int32))
        first_rows.append(first[fits])
        strides.append(n[fits])
        starts.append(count[fits])
    if not sum(len(entries) for entries in sets):
        raise _no_clip(indices, clip)
    return ClipTable(
        frames=clip.frames,
        sets=np.concatenate(sets),
        first_rows=np.concatenate(first_rows),
        row_strides=np.concatenate(strides),
        ends=np.cumsum(np.concatenate(starts)),
    )


def _segment_rows(index: SetIndex) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the first row and the number of rows of every segment."""
    rows = len(index.ticks)
    if rows == 0:
        return np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64)
    breaks = np.diff(index.videos) != 0
    breaks |= np.diff(index.segments) != 0
    first = np.concatenate([[0], np.flatnonzero(breaks) + 1])
    length = np.diff(first, append=rows)
    spans = index.ticks[first + length - 1] - index.ticks[first]
    assert np.array_equal(spans, length - 1), f"{index.name}: a segment with a missing tick"
    return first, length


def _strides(index: SetIndex, clip: ClipConfig) -> NDArray[np.int64]:
    ticks = [stride_in_ticks(clip.stride_s, rate) for rate in index.kept_rates]
    return np.asarray(ticks, dtype=np.int64)


def _no_clip(indices: Sequence[SetIndex], clip: ClipConfig) -> DoraError:
    longest_s = Fraction(0)
    for index in indices:
        first, length = _segment_rows(index)
        for video, ticks in zip(index.videos[first], length, strict=True):
            longest_s = max(longest_s, (int(ticks) - 1) / index.kept_rates[video])
    names = ", ".join(index.name for index in indices)
    clip_s = (clip.frames - 1) * clip.stride_s
    return DoraError(
        f"no clip fits into the shards {names}: the longest stretch without a cut or gap is "
        f"{float(longest_s):.4g} s, and a clip of {clip.frames} frames, {clip.stride_s:g} s apart, "
        f"spans {clip_s:.4g} s",
        remedy="take fewer frames (clip.frames), a shorter stride (clip.stride_s), or make the "
        "shards with a higher rate (wtours shard --fps) if the stride is below one kept frame",
    )
