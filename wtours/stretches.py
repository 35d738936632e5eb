"""Where a video is cut into stretches: units of work that are decoded, resumed and stored alone.

Pure arithmetic on the time stamps of packets, known without decoding. A stretch begins at a
keyframe and holds the frames that are shown from it on, up to the next stretch; whether a frame
stands before or after that keyframe in the file does not matter.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from wtours.shards.segments import Ints


@dataclass(frozen=True, kw_only=True)
class Timeline:
    """The frames of a video in the order in which they are shown, and where decoding may begin."""

    pts: Ints
    """(F,) strictly increasing time stamps in units of the time base, from the first picture."""
    starts: Ints
    """Time stamps of the keyframes, a part of `pts`; the first is 0."""
    first_pts: int
    """Time stamp of the first picture on the container's clock."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Stretch:
    """Some frames of a timeline that follow each other."""

    number: int
    """Among the stretches of its video, from 0."""
    first: int
    """Number of its first frame."""
    pts: Ints
    """(n,) time stamps of its frames; the first is a keyframe's."""
    end_pts: int | None
    """Time stamp of the frame after it; None where the video ends."""
    first_pts: int
    """Time stamp of the video's first picture on the container's clock."""

    @property
    def start_pts(self) -> int:
        """Time stamp of its first frame."""
        return int(self.pts[0])

    @property
    def end(self) -> int:
        """Number of the frame after it."""
        return self.first + len(self.pts)

    def holds(self, pts: int) -> bool:
        """Whether a time stamp lies in it."""
        return self.start_pts <= pts and (self.end_pts is None or pts < self.end_pts)


def make_timeline(pts: Ints, keyframes: NDArray[np.bool_]) -> Timeline:
    """Return the timeline of packets in file order.

    Args:
        pts: (n,) time stamps; several pictures of one time count once, as when they are read.
        keyframes: (n,) which packets hold a keyframe.
    """
    first_pts = int(pts.min())
    shown = np.unique(pts - first_pts)
    starts = np.unique(pts[keyframes] - first_pts)
    if len(starts) == 0 or starts[0] != 0:
        starts = np.concatenate([[0], starts]).astype(np.int64)
    return Timeline(pts=shown, starts=starts, first_pts=first_pts)


def cut_into_stretches(
    timeline: Timeline, *, time_base: Fraction, length_s: float | Fraction
) -> tuple[Stretch, ...]:
    """Return the stretches of a video; each begins at the first keyframe from n times a length on.

    They follow from the time stamps and the length alone, and have every frame once.

    Args:
        timeline: of the whole video.
        time_base: seconds a unit of its time stamps.
        length_s: seconds of video in a stretch; one lasts longer where keyframes are rare.
    """
    exact = (
        length_s if isinstance(length_s, Fraction) else Fraction(length_s).limit_denominator(1000)
    )
    length = exact / time_base
    numbers = [int(start // length) for start in timeline.starts.tolist()]
    chosen = [
        start
        for at, start in enumerate(timeline.starts.tolist())
        if at == 0 or numbers[at] > numbers[at - 1]
    ]
    return stretches_from(timeline, chosen)


def even_length_s(timeline: Timeline, *, time_base: Fraction, most_s: float) -> Fraction:
    """Return the length that cuts a video into equal stretches, none longer than `most_s`.

    A video of 75 s is then two of 37.5 s, which two workers end together, and not 60 s and 15 s.
    """
    total_s = (int(timeline.pts[-1]) + 1) * time_base  # more than any frame's time
    return total_s / math.ceil(total_s / Fraction(most_s).limit_denominator(1000))


def whole(timeline: Timeline) -> tuple[Stretch, ...]:
    """Return all of a video as one stretch, for those that are read from their beginning."""
    return stretches_from(timeline, [0])


def with_neighbours(
    stretch: Stretch, timeline: Timeline, kept: Ints, *, reach_pts: int
) -> tuple[Stretch, frozenset[int]]:
    """Return what is to be decoded so that kept frames of a stretch know those in reach of them.

    Args:
        stretch: a part of the timeline.
        timeline: of the whole video.
        kept: (m,) numbers of the video's kept frames, in order.
        reach_pts: largest distance in time at which a frame counts, in units of the time base.

    Returns:
        The stretch, longer where frames beyond its ends are in reach (it begins at a keyframe all
        the same), and the numbers of those frames.
    """
    mine = (kept >= stretch.first) & (kept < stretch.end)
    pts = timeline.pts[kept]
    if not reach_pts or not mine.any():
        return stretch, frozenset()
    in_reach = (pts >= pts[mine][0] - reach_pts) & (pts <= pts[mine][-1] + reach_pts)
    beyond = kept[in_reach & ~mine].tolist()
    if not beyond:
        return stretch, frozenset()
    first, end = min(stretch.first, beyond[0]), max(stretch.end, beyond[-1] + 1)
    start = np.searchsorted(timeline.starts, timeline.pts[first], side="right") - 1
    first = int(np.searchsorted(timeline.pts, timeline.starts[start]))
    longer = replace(
        stretch,
        first=first,
        pts=timeline.pts[first:end],
        end_pts=int(timeline.pts[end]) if end < len(timeline.pts) else None,
    )
    return longer, frozenset(beyond)


def stretches_from(timeline: Timeline, starts: Sequence[int]) -> tuple[Stretch, ...]:
    """Return the stretches that begin at the given time stamps, the first of which is 0."""
    firsts = np.searchsorted(timeline.pts, starts).tolist()
    ends = [*firsts[1:], len(timeline.pts)]
    return tuple(
        Stretch(
            number=number,
            first=first,
            pts=timeline.pts[first:end],
            end_pts=int(timeline.pts[end]) if end < len(timeline.pts) else None,
            first_pts=timeline.first_pts,
        )
        for number, (first, end) in enumerate(zip(firsts, ends, strict=True))
    )
