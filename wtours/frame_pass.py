"""One decode of a stretch of video for all stages, and the joining of what the stretches leave.

    frames -> cuts (every frame)
           -> picture (kept frames): lightness, faces covered, JPEG -> tar

What a stretch knows by itself is in its tar and its `StretchRecord`. What needs the frame before or
the whole video (scores at borders, cuts, segments) is decided in `join`, so that the answer is that
of one run over all frames, however the work was divided.
"""

from array import array
from collections.abc import Callable, Iterable, Sequence, Set
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from wtours.in_order import InOrder
from wtours.shards import Cut, JoinedVideo, Stored, VideoRecord, assign_segments, gaps
from wtours.shards.segments import Ints, nearest_frames
from wtours.shards.writer import TarWriter
from wtours.stages.cuts import CutSettings, SmallPicture, content_score, find_cuts
from wtours.stages.picture import MeasuredPicture, PictureStage, Thumbnail, measure_motion
from wtours.video import Shown

OneFrame = TypeVar("OneFrame", bound=Shown)
Scored = TypeVar("Scored", contravariant=True)
Keep = Callable[[int, Shown], Shown]


class Scorer(Protocol[Scored]):
    """What scores frames for cuts: `CutStage`."""

    def process_frame(self, frame: Scored, /) -> None:
        """Score one frame."""

    def finish(self) -> NDArray[np.float64]:
        """Return the scores of all frames."""

    def ends(self) -> tuple[SmallPicture, SmallPicture] | None:
        """Return the small pictures of the first and of the last frame."""


@dataclass(frozen=True, kw_only=True)
class Sampling:
    """Which ticks of a video have a picture, and which frame each takes."""

    ticks: Ints
    """(n,) ticks in order."""
    frames: Ints
    """(n,) number of the frame of each, not decreasing."""

    @property
    def kept(self) -> Ints:
        """(m,) frames that are kept, each once."""
        return np.unique(self.frames)

    @property
    def rows(self) -> Ints:
        """(n,) for each tick, the position of its frame in `kept`."""
        return np.searchsorted(self.kept, self.frames).astype(np.int64)

    def first_ticks(self, first: int, end: int) -> dict[int, int]:
        """Return the kept frames from `first` up to `end`, each with its first tick."""
        frames, at = np.unique(self.frames, return_index=True)
        within = (frames >= first) & (frames < end)
        return dict(zip(frames[within].tolist(), self.ticks[at[within]].tolist(), strict=True))


def sample(
    pts: Ints, *, time_base: Fraction, fps: Fraction | None, keyframes: Ints | None = None
) -> Sampling:
    """Return the sampling of a video's frames.

    Args:
        pts: (F,) time stamps of all frames.
        time_base: seconds a unit.
        fps: ticks a second; None: tick n is frame n.
        keyframes: (K,) time stamps, in order, of the frames that may be kept; each tick takes that
            nearest to its frame, of two equally near the earlier. None: all may be.
    """
    if fps is None:
        ticks = frames = np.arange(len(pts), dtype=np.int64)
    else:
        ticks, frames = nearest_frames(pts, time_base=time_base, fps=fps)
    if keyframes is not None:
        after = np.searchsorted(keyframes, pts[frames]).clip(0, len(keyframes) - 1)
        before = (after - 1).clip(0)
        earlier = pts[frames] - keyframes[before] <= np.abs(keyframes[after] - pts[frames])
        nearest = keyframes[np.where(earlier, before, after)]
        frames = np.searchsorted(pts, nearest).astype(np.int64)
    return Sampling(ticks=ticks, frames=frames)


@dataclass(frozen=True, kw_only=True)
class StretchRecord:
    """What one pass over a stretch of video leaves beside its pictures."""

    pts: Ints
    """(F,) time stamps of its frames."""
    scores: NDArray[np.float64] | None
    """(F,) change since the frame before, for cuts; 0 for the first. None: not asked for."""
    small: tuple[SmallPicture, SmallPicture] | None
    """Small pictures of its first and its last frame, for the scores at its borders."""
    stored: Sequence[Stored]
    """The pictures in the order of time, without their bytes."""
    motion: NDArray[np.float32]
    """(len(stored),) change since the picture before; NaN for the first."""
    thumbnails: tuple[Thumbnail, Thumbnail] | None
    """Of its first and its last picture; None without pictures."""
    notes: tuple[str, ...]
    """What is unusual, sentences."""
    starts: Ints | None = None
    """Time stamps of keyframes, where the frames of a whole video are not those that its packets
    announce."""


def pass_over(
    frames: Iterable[OneFrame],
    *,
    kept: dict[int, int],
    cuts: Scorer[OneFrame] | None,
    pictures: PictureStage,
    tar: TarWriter,
    on_frame: Callable[[float], None],
    notes: Callable[[], Sequence[str]],
    own: range | None = None,
    neighbours: Set[int] = frozenset(),
    beside: bool = False,
    keep: Keep = lambda tick, frame: frame,
) -> StretchRecord:
    """Go through the frames of one stretch once, for all stages.

    Args:
        frames: of the stretch, and those around it that were decoded for its neighbours.
        kept: frames that are kept, with their ticks.
        cuts: scores frames; None leaves cuts out.
        pictures: makes pictures of frames that are kept.
        tar: takes them.
        on_frame: called after each frame with its time in seconds.
        notes: asked at the end for what was unusual.
        own: the frames of the stretch; None: all of them.
        neighbours: frames that other stretches keep, and whose faces are covered in this one too.
        beside: make pictures in a thread beside the decoder's.
        keep: is given the tick of each kept frame, and the frame; returns what pictures are made
            of.
    """
    pts, stored, motion = array("q"), list[Stored](), list[float]()
    first: Thumbnail | None = None
    before: Thumbnail | None = None

    def store(ready: Iterable[MeasuredPicture]) -> None:
        nonlocal first, before
        for made in ready:
            stored.append(tar.add(made.picture))
            motion.append(np.nan if before is None else measure_motion(before, made.thumbnail))
            before = made.thumbnail
            first = made.thumbnail if first is None else first

    with InOrder(beside=beside) as in_order:
        for frame in frames:
            if own is None or frame.index in own:
                pts.append(frame.pts)
                if cuts is not None:
                    cuts.process_frame(frame)
                if frame.index in kept:
                    in_order(partial(_take, pictures, kept[frame.index], frame, keep, store))
            elif frame.index in neighbours:
                in_order(partial(_look, pictures, frame, store))
            on_frame(frame.pts_s)
    store(pictures.finish())
    return StretchRecord(
        pts=np.asarray(pts, dtype=np.int64),
        scores=None if cuts is None else cuts.finish(),
        small=None if cuts is None else cuts.ends(),
        stored=stored,
        motion=np.asarray(motion, dtype=np.float32),
        thumbnails=None if first is None or before is None else (first, before),
        notes=tuple(notes()),
    )


_Store = Callable[[Iterable[MeasuredPicture]], None]


def _take(pictures: PictureStage, tick: int, frame: Shown, keep: Keep, store: _Store) -> None:
    store(pictures.process_frame(tick, keep(tick, frame)))


def _look(pictures: PictureStage, frame: Shown, store: _Store) -> None:
    store(pictures.look_at(frame))


def join(
    records: Sequence[StretchRecord],
    video: VideoRecord,
    *,
    sampling: Sampling,
    fps: Fraction | None,
    cuts: CutSettings | None,
) -> JoinedVideo:
    """Decide what needs the whole video: cuts, gaps, segments, and what lies over borders.

    Args:
        records: of all stretches, in order.
        video: the video's record.
        sampling: which ticks have which frames.
        fps: ticks a second; None: every frame was kept.
        cuts: the cut detector's settings; None: no cuts.
    """
    pts = np.concatenate([record.pts for record in records])
    found: tuple[Cut, ...] = ()
    scores = None
    if cuts is not None:
        scores = joined_scores(records)
        found = find_cuts(scores, pts, time_base=video.time_base, rate=video.rate, settings=cuts)
    cut_frames = np.searchsorted(pts, [cut.pts for cut in found]).astype(np.int64)
    breaks = np.concatenate([cut_frames, gaps(pts, time_base=video.time_base, fps=fps)])
    motion = joined_motion(records)[sampling.rows]
    motion[1:][np.diff(sampling.rows) == 0] = 0  # both rows point to the same picture
    return JoinedVideo(
        record=video,
        stored=[stored for record in records for stored in record.stored],
        ticks=sampling.ticks,
        rows=sampling.rows,
        segments=assign_segments(sampling.ticks, sampling.frames, breaks=breaks),
        motion=motion,
        cuts=found,
        scores=None if scores is None else (pts, scores),
    )


def joined_scores(records: Sequence[StretchRecord]) -> NDArray[np.float64]:
    """Return (F,) scores of all frames; those at borders from the small pictures beside them."""
    parts: list[NDArray[np.float64]] = []
    last: SmallPicture | None = None
    for record in records:
        assert record.scores is not None
        assert record.small is not None
        scores = record.scores.copy()
        if last is not None:
            scores[0] = content_score(last, record.small[0])
        last = record.small[1]
        parts.append(scores)
    return np.concatenate(parts)


def joined_motion(records: Sequence[StretchRecord]) -> NDArray[np.float32]:
    """Return (m,) change of every picture since the one before; the first is NaN."""
    parts: list[NDArray[np.float32]] = []
    last: Thumbnail | None = None
    for record in records:
        if record.thumbnails is None:
            continue
        motion = record.motion.copy()
        if last is not None:
            motion[0] = measure_motion(last, record.thumbnails[0])
        last = record.thumbnails[1]
        parts.append(motion)
    return np.concatenate(parts)
