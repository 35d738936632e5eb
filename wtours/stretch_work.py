"""The work on one stretch of a video: decode it, keep frames, measure and cover them."""

from array import array
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from wtours.detectors.detector import Detector
from wtours.errors import WtoursError
from wtours.frame_pass import StretchRecord, pass_over, sample
from wtours.integrity import VideoFacts
from wtours.shard_settings import ShardSettings
from wtours.shards import TarWriter
from wtours.stages.blur import BlurStage, fit_short_side
from wtours.stages.cuts import CutStage
from wtours.stages.picture import PictureStage
from wtours.stretches import Stretch, Timeline, whole
from wtours.unblurred_portion import FramesWriter
from wtours.video import Frame, UnexpectedFramesError, VideoReader


@dataclass(frozen=True, kw_only=True)
class StretchTask:
    """Everything that a process has to know to do one stretch."""

    name: str
    """Of the video."""
    facts: VideoFacts
    stretch: Stretch
    read: Stretch
    """What is decoded: the stretch, and what its guards need on both sides."""
    neighbours: frozenset[int]
    """Frames in `read` that other stretches keep, and whose faces are covered in this one too."""
    kept: dict[int, int]
    """Frames that are kept, each with its tick."""
    starts: np.ndarray[tuple[int], np.dtype[np.int64]]
    """Time stamps of the video's keyframes."""
    alone: bool
    """Whether the stretch is the whole video, so that it can be decoded from the beginning where
    its packets announce other frames than it has."""
    decoded: bool
    """Whether that is known of it already."""

    @property
    def length_s(self) -> float:
        """Seconds of video in the stretch."""
        end_pts = self.stretch.end_pts
        end_s = self.facts.duration_s if end_pts is None else self._time_s(end_pts)
        return max(0.0, end_s - self.start_s)

    @property
    def start_s(self) -> float:
        """Time of its first frame, in seconds."""
        return self._time_s(self.stretch.start_pts)

    def _time_s(self, pts: int) -> float:
        return float(pts * self.facts.time_base)


def decode_stretch(
    stretch: StretchTask,
    settings: ShardSettings,
    detectors: Sequence[Detector],
    tar: TarWriter,
    on_frame: Callable[[float], None],
    *,
    threads: int,
    begin: Callable[[], FramesWriter | None] = lambda: None,
) -> StretchRecord:
    """Decode a stretch, and put the pictures of its kept frames into a tar.

    Args:
        stretch: what to do.
        settings: what is kept, and how.
        detectors: of faces and plates.
        tar: takes the pictures; those of an attempt that failed are taken out again.
        on_frame: called after each frame with its time in seconds; may raise, to stop.
        threads: of the decoder; with more than one, pictures are made beside it.
        begin: called before each attempt; returns what keeps the frames as they are, if anything.

    Raises:
        UnexpectedFramesError: the frames of a part of a video are not those of its packets. (A
            video that is one stretch is decoded from its beginning instead.)
        WtoursError: a picture is damaged.
    """
    mark = tar.mark()

    def attempt(one: StretchTask) -> StretchRecord:
        tar.back_to(mark)
        writer = begin()
        with VideoReader(one.facts, threads=threads) as reader:
            record = pass_over(
                _frames(one, settings, reader, on_frame),
                kept=one.kept,
                cuts=CutStage() if settings.cuts is not None else None,
                pictures=picture_stage(one.name, one.facts, settings, detectors),
                tar=tar,
                on_frame=on_frame,
                notes=lambda: reader.notes,
                own=range(one.stretch.first, one.stretch.end),
                neighbours=one.neighbours,
                beside=threads > 1,
                keep=(lambda tick, frame: frame) if writer is None else writer.keep,
            )
        return record if settings.cuts is not None else replace(record, pts=one.stretch.pts)

    if not stretch.decoded:
        try:
            return attempt(stretch)
        except UnexpectedFramesError:
            if not stretch.alone:
                raise
    again = _as_decoded(stretch, settings, on_frame)
    return replace(attempt(again), starts=again.starts)


def picture_stage(
    name: str,
    facts: VideoFacts,
    settings: ShardSettings,
    detectors: Sequence[Detector] | None = None,
) -> PictureStage:
    """Return the stage that makes the pictures of a video.

    Args:
        name: of the video.
        facts: of the video.
        settings: how its pictures are made.
        detectors: of faces and plates; None loads them.
    """
    size = fit_short_side(facts.width, facts.height, settings.short_side_px)
    blur, guards = None, None
    if settings.blur is not None:
        found_by = settings.blur.open_detectors() if detectors is None else detectors
        blur = BlurStage(settings.blur, found_by, picture_size=size)
        guards = settings.blur.guard_rule(time_base=facts.time_base, size=size)
    return PictureStage(
        video=name, size=size, jpeg_quality=settings.jpeg_quality, blur=blur, guards=guards
    )


def _as_decoded(
    stretch: StretchTask, settings: ShardSettings, on_frame: Callable[[float], None]
) -> StretchTask:
    """Return the same whole video with the frames that decoding it from its beginning gives."""
    times = array("q")
    with VideoReader(stretch.facts) as reader:
        for frame in reader:
            times.append(frame.pts)
            on_frame(stretch.start_s)  # time does not go on, but a stop is heard
        pts = np.asarray(times, dtype=np.int64)
        if not len(pts):
            raise WtoursError(
                f"{stretch.facts.path} has no frame that can be decoded",
                remedy="fetch it again, or leave it out",
            )
        first_pts = reader.first_pts
    announced = stretch.starts + stretch.stretch.first_pts - first_pts
    starts = np.union1d(pts[:1], np.intersect1d(pts, announced))
    sampling = sample(
        pts,
        time_base=stretch.facts.time_base,
        fps=settings.kept_fps,
        keyframes=starts if settings.sampling == "keyframes" else None,
    )
    (only,) = whole(Timeline(pts=pts, starts=starts, first_pts=first_pts))
    kept = sampling.first_ticks(only.first, only.end)
    return replace(stretch, stretch=only, read=only, kept=kept, starts=starts, decoded=True)


def _frames(
    stretch: StretchTask,
    settings: ShardSettings,
    reader: VideoReader,
    on_frame: Callable[[float], None],
) -> Iterator[Frame]:
    """Give the frames that are looked at: all for cuts, otherwise those whose faces are."""
    if stretch.decoded:
        return iter(reader)
    if settings.cuts is not None:
        return reader.read(stretch.read, noted=stretch.stretch)
    looked_at = stretch.neighbours.union(stretch.kept)
    wanted = frozenset(int(stretch.read.pts[index - stretch.read.first]) for index in looked_at)
    return reader.read(stretch.read, wanted=wanted, on_other=on_frame, noted=stretch.stretch)
