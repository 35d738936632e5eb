"""Which frames make a clip: index arithmetic only, no time is compared and no picture opened.

A clip of T frames, `stride_s` apart, is the ticks s, s + n, ..., s + (T - 1) n of one segment of
one video, n = floor(stride_s * fps + 1/2) and at least 1 (wtours/shards/FORMAT.md). A segment has
no missing ticks and an index is sorted by video and tick, so that neighbouring ticks of a segment
are neighbouring rows: a segment of m ticks is m - (T - 1) n starts in a row. A clip belongs to the
tar of its first frame and may reach into the next.

With `cross_cuts`, segments that follow each other without a missing tick count as one stretch.
Breaks of that kind are cuts, and pauses between frames of less than two ticks.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from math import floor
from typing import Self

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
    tars: NDArray[np.int32]
    """(rows,) number of the tar with the row's picture, from 0 in the set."""
    kept_rates: tuple[Fraction, ...]
    """Ticks per second of each video, by its number."""
    video_names: tuple[str, ...]
    """By the same number."""
    remote: bool = False
    """Whether the tars are elsewhere, and fetched one by one."""

    def __post_init__(self) -> None:
        assert self.videos.shape == self.ticks.shape == self.segments.shape == self.tars.shape
        assert len(self.kept_rates) == len(self.video_names)

    @property
    def label(self) -> str:
        """Return the last part of the name, by which a user speaks of the set."""
        return self.name.rstrip("/").rsplit("/", 1)[-1]


@dataclass(frozen=True, kw_only=True)
class VideoName:
    """What a video is called, and where it is."""

    label: str
    """The shard set's."""
    video: str


@dataclass(frozen=True, kw_only=True)
class ClipRuns:
    """Some clips, as runs of consecutive numbers that each lie in one tar."""

    firsts: NDArray[np.int64]
    """(runs,) number of the first clip."""
    counts: NDArray[np.int64]
    """(runs,) clips."""
    tars: NDArray[np.int32]
    """(runs,) number of the tar."""

    @classmethod
    def whole(cls, clips: int) -> Self:
        """Return clips 0, 1, ... of a single tar."""
        return cls(
            firsts=np.zeros(1, dtype=np.int64),
            counts=np.asarray([clips], dtype=np.int64),
            tars=np.zeros(1, dtype=np.int32),
        )

    def __len__(self) -> int:
        return int(self._ends[-1]) if len(self._ends) else 0

    def numbers(self, places: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the (n,) numbers of the clips that come (n,) `places` after the first of these."""
        run = np.searchsorted(self._ends, places, side="right")
        return self.firsts[run] + places - (self._ends[run] - self.counts[run])

    @cached_property
    def _ends(self) -> NDArray[np.int64]:
        return np.cumsum(self.counts)


@dataclass(frozen=True, kw_only=True)
class ClipTable:
    """All clips of some shard sets, numbered from 0: sets, rows, in their order.

    Starts that follow each other in a segment and a tar are one entry, so that the table is as
    long as there are segments and tars, and not frames.
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
    videos: NDArray[np.int32]
    """(entries,) number of the video, counted over the sets."""
    tars: NDArray[np.int32]
    """(entries,) number of the tar with the first frames, counted over the sets."""
    names: tuple[VideoName, ...]
    """Of each video, by its number."""
    index_rows: int
    """Rows of all indices."""
    remote: bool
    """Whether a set's tars are elsewhere."""

    def __len__(self) -> int:
        return int(self.ends[-1]) if len(self.ends) else 0

    def runs(self, entries: NDArray[np.bool_] | None = None) -> ClipRuns:
        """Return all clips, or those of the (entries,) chosen."""
        chosen = slice(None) if entries is None else entries
        counts = np.diff(self.ends, prepend=0)
        return ClipRuns(
            firsts=(self.ends - counts)[chosen], counts=counts[chosen], tars=self.tars[chosen]
        )

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
    parts = []
    videos = tars = 0
    for number, index in enumerate(indices):
        parts.append(_entries(index, clip, set_number=number, videos=videos, tars=tars))
        videos += len(index.video_names)
        tars += int(index.tars.max(initial=-1)) + 1
    entries = np.concatenate(parts)
    if not len(entries):
        raise _no_clip(indices, clip)
    return ClipTable(
        frames=clip.frames,
        sets=entries["set"],
        first_rows=entries["first_row"],
        row_strides=entries["stride"],
        ends=np.cumsum(entries["starts"]),
        videos=entries["video"],
        tars=entries["tar"],
        names=tuple(
            VideoName(label=index.label, video=video)
            for index in indices
            for video in index.video_names
        ),
        index_rows=sum(len(index.ticks) for index in indices),
        remote=any(index.remote for index in indices),
    )


_ENTRY = np.dtype(
    [
        *((name, np.int32) for name in ("set", "video", "tar")),
        *((name, np.int64) for name in ("first_row", "stride", "starts")),
    ]
)


def _entries(
    index: SetIndex, clip: ClipConfig, *, set_number: int, videos: int, tars: int
) -> NDArray[np.void]:
    """Return a set's entries; its videos and tars are counted from the numbers given."""
    first, length = _stretch_rows(index, clip)
    n = _strides(index, clip)[index.videos[first]]
    count = length - (clip.frames - 1) * n
    first, length, n = (values[count > 0] for values in (first, length, n))
    last_start = first + count[count > 0] - 1
    # A stretch's first row begins an entry, and so does every row at which a tar does.
    new_tar = np.flatnonzero(np.diff(index.tars) != 0) + 1
    begins = np.union1d(first, new_tar[_inside(new_tar, first, last_start)])
    stretch = np.searchsorted(first, begins, side="right") - 1
    entries = np.empty(len(begins), dtype=_ENTRY)
    entries["set"] = set_number
    entries["video"] = index.videos[begins] + videos
    entries["tar"] = index.tars[begins] + tars
    entries["first_row"] = begins
    entries["stride"] = n[stretch]
    entries["starts"] = np.minimum(np.append(begins[1:], len(index.ticks)), last_start[stretch] + 1)
    entries["starts"] -= begins
    return entries


def _inside(
    rows: NDArray[np.int64], first: NDArray[np.int64], last: NDArray[np.int64]
) -> NDArray[np.bool_]:
    """Return which rows lie in one of the stretches from `first` to `last`, which are sorted."""
    stretch = np.searchsorted(first, rows, side="right") - 1
    inside: NDArray[np.bool_] = (stretch >= 0) & (rows <= last[stretch]) if len(first) else rows < 0
    return inside


def _stretch_rows(index: SetIndex, clip: ClipConfig) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the first row and the number of rows of every stretch that clips lie within."""
    rows = len(index.ticks)
    if rows == 0:
        return np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64)
    breaks = np.diff(index.videos) != 0
    if clip.cross_cuts:
        breaks |= np.diff(index.ticks) != 1
    else:
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
        first, length = _stretch_rows(index, clip)
        for video, ticks in zip(index.videos[first], length, strict=True):
            longest_s = max(longest_s, (int(ticks) - 1) / index.kept_rates[video])
    names = ", ".join(index.name for index in indices)
    breaks = "gap" if clip.cross_cuts else "cut or gap"
    clip_s = (clip.frames - 1) * clip.stride_s
    return DoraError(
        f"no clip fits into the shards {names}: the longest stretch without a {breaks} is "
        f"{float(longest_s):.4g} s, and a clip of {clip.frames} frames, {clip.stride_s:g} s apart, "
        f"spans {clip_s:.4g} s",
        remedy="take fewer frames (clip.frames), a shorter stride (clip.stride_s), or make the "
        "shards with a higher rate (wtours shard --fps) if the stride is below one kept frame",
    )
