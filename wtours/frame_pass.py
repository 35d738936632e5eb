"""One decode of a stretch of video for all stages, and the joining of what they leave.

    frames -> cuts (every frame)
           -> sample -> picture (kept frames): lightness, faces covered, JPEG -> tar

A stretch is now the whole video. What a stretch knows by itself is in `StretchRecord` and in the
tars; what needs the whole video (shots, segments) is decided in `join`, from numbers alone.
"""

from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wtours.shards import (
    Cut,
    JoinedVideo,
    ShardSetWriter,
    Stored,
    VideoRecord,
    assign_segments,
    gaps,
)
from wtours.shards.segments import Ints
from wtours.stages.cuts import CutSettings, CutStage, find_cuts
from wtours.stages.picture import PictureStage, measure_motion
from wtours.stages.sample import TickSampler
from wtours.video import Frame


@dataclass(frozen=True, kw_only=True)
class StretchRecord:
    """What one pass over a stretch of video leaves beside its pictures."""

    pts: Ints
    """(F,) time stamps of all frames."""
    scores: NDArray[np.float64] | None
    """(F,) change since the frame before, for cuts; None: not asked for."""
    ticks: Ints
    """(n,) ticks that have a picture."""
    frames: Ints
    """(n,) number of the frame of each."""
    rows: Ints
    """(n,) position of its picture in `stored`."""
    stored: Sequence[Stored]
    """The pictures in the order of time, without their bytes."""
    motion: NDArray[np.float32]
    """(len(stored),) change since the picture before; the first is NaN."""


class FramePass:
    """Feeds the frames of one stretch to every stage.

    Args:
        writer: takes the pictures.
        cuts: scores frames; None leaves cuts out.
        sampler: chooses the frames that are kept.
        pictures: makes pictures of them.
        tar_s: seconds of video in a tar.
        on_frame: called after each frame with its time in seconds.
    """

    def __init__(
        self,
        *,
        writer: ShardSetWriter,
        cuts: CutStage | None,
        sampler: TickSampler[Frame],
        pictures: PictureStage,
        tar_s: float,
        on_frame: Callable[[float], None],
    ) -> None:
        self._writer, self._cuts, self._sampler = writer, cuts, sampler
        self._pictures, self._tar_s, self._on_frame = pictures, tar_s, on_frame
        self._tar = 0
        self._stored: list[Stored] = []
        self._motion: list[float] = []
        self._thumbnail: NDArray[np.float32] | None = None

    def run(self, frames: Iterable[Frame]) -> StretchRecord:
        """Go through the frames once; return what was found."""
        pts, ticks, kept, rows = array("q"), array("q"), array("q"), array("q")
        for tick, frame in self._sampled(frames, pts):
            if not kept or kept[-1] != frame.index:
                self._store(tick, frame)
            ticks.append(tick)
            kept.append(frame.index)
            rows.append(len(self._stored) - 1)
        return StretchRecord(
            pts=_ints(pts),
            scores=None if self._cuts is None else self._cuts.finish(),
            ticks=_ints(ticks),
            frames=_ints(kept),
            rows=_ints(rows),
            stored=self._stored,
            motion=np.asarray(self._motion, dtype=np.float32),
        )

    def _sampled(self, frames: Iterable[Frame], pts: "array[int]") -> Iterator[tuple[int, Frame]]:
        for frame in frames:
            pts.append(frame.pts)
            if self._cuts is not None:
                self._cuts.process_frame(frame)
            yield from self._sampler.process_frame(frame)
            self._on_frame(frame.pts_s)
        yield from self._sampler.finish()

    def _store(self, tick: int, frame: Frame) -> None:
        made = self._pictures.process_frame(tick, frame)
        if int(frame.pts_s / self._tar_s) != self._tar:
            self._tar = int(frame.pts_s / self._tar_s)
            self._writer.start_tar()
        self._stored.append(self._writer.add(made.picture))
        self._motion.append(
            np.nan if self._thumbnail is None else measure_motion(self._thumbnail, made.thumbnail)
        )
        self._thumbnail = made.thumbnail


def join(
    record: StretchRecord,
    video: VideoRecord,
    *,
    fps: Fraction | None,
    cuts: CutSettings | None,
) -> JoinedVideo:
    """Decide what needs the whole video: cuts, gaps, segments, and motion between rows.

    Args:
        record: what the pass left.
        video: the video's record.
        fps: ticks a second; None: every frame was kept.
        cuts: the cut detector's settings; None: no cuts.
    """
    found: tuple[Cut, ...] = ()
    if cuts is not None and record.scores is not None:
        found = find_cuts(
            record.scores,
            record.pts,
            time_base=video.time_base,
            rate=video.rate,
            settings=cuts,
        )
    cut_frames = np.searchsorted(record.pts, [cut.pts for cut in found]).astype(np.int64)
    breaks = np.concatenate([cut_frames, gaps(record.pts, time_base=video.time_base, fps=fps)])
    return JoinedVideo(
        record=video,
        stored=record.stored,
        ticks=record.ticks,
        rows=record.rows,
        segments=assign_segments(record.ticks, record.frames, breaks=breaks),
        motion=_motion_of_rows(record),
        cuts=found,
    )


def _motion_of_rows(record: StretchRecord) -> NDArray[Any]:
    """Return (n,) change since the row before: none where both point to the same picture."""
    motion = record.motion[record.rows].copy()
    motion[1:][np.diff(record.rows) == 0] = 0
    return motion


def _ints(values: "array[int]") -> Ints:
    return np.frombuffer(values, dtype=np.int64).copy() if values else np.empty(0, dtype=np.int64)
