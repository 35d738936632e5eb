"""The work on one portion of a set, as any process does it: decode, keep, measure, cover, store.

A portion is what goes into one tar: one stretch of a long video, or several short videos.
"""

from array import array
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np

from wtours.detectors.detector import Detector
from wtours.errors import WtoursError
from wtours.frame_pass import StretchRecord, pass_over, sample
from wtours.integrity import VideoFacts
from wtours.portion_files import FinishedPortion, save_portion
from wtours.shard_settings import ShardSettings
from wtours.shards import TarWriter
from wtours.shards.schema import LeftOut
from wtours.stages.blur import BlurStage, fit_short_side
from wtours.stages.cuts import CutStage
from wtours.stages.picture import PictureStage
from wtours.stretches import Stretch, Timeline, whole
from wtours.unblurred import Unblurred
from wtours.unblurred_portion import FramesWriter, read_frames
from wtours.unblurred_record import DamagedFramesError, NotKeptError, find_frames, load_record
from wtours.video import Frame, UnexpectedFramesError, VideoReader

_Done = StretchRecord | LeftOut


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


@dataclass(frozen=True, kw_only=True)
class PortionTask:
    """Everything that a process has to know to fill one tar."""

    number: int
    """Of the portion in its set."""
    stretches: tuple[StretchTask, ...]
    settings: ShardSettings
    folder: Path
    """Where tar and record go."""
    tar: Path
    decoder_threads: int
    skip_bad: bool
    """Whether a video that is damaged is left out; otherwise it ends the work."""
    unblurred: Unblurred | None = None
    """Where its frames are kept as they are; None: nowhere."""

    @property
    def length_s(self) -> float:
        """Seconds of video in it."""
        return sum(stretch.length_s for stretch in self.stretches)


def do_portion(task: PortionTask, told: Callable[[float], None]) -> None:
    """Do one portion, and leave its tar and then its record in its folder.

    Args:
        task: what to do.
        told: called after each frame with the seconds of video that are done; may raise, to stop.

    Raises:
        UnexpectedFramesError: the frames of a long video are not those of its packets.
        WtoursError: a picture is damaged.
    """
    blur = task.settings.blur
    with _one_thread():
        detectors = () if blur is None else blur.open_detectors()
        tar = TarWriter(task.tar)
        try:
            done = _fill(task, detectors, tar, told)
            stored = any(isinstance(one, StretchRecord) and one.stored for one in done.records)
            tar_record = tar.close() if stored else None
        finally:
            tar.abandon()
    if tar_record is None:
        task.tar.unlink()
    save_portion(replace(done, tar=tar_record), task.folder, task.number)


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


def _fill(
    task: PortionTask,
    detectors: Sequence[Detector],
    tar: TarWriter,
    told: Callable[[float], None],
) -> FinishedPortion:
    """Fill the tar of a portion: from frames that were kept unblurred, or by decoding."""
    if task.unblurred is None:

        def decode(stretch: StretchTask, on_frame: Callable[[float], None]) -> _Done:
            return _do_stretch(stretch, task, detectors, tar, on_frame)

        return FinishedPortion(records=_each(task, decode, told), tar=None)
    mark, damage = tar.mark(), ""
    try:
        again = _from_unblurred(task, task.unblurred, detectors, tar)
        records = _each(task, again, told)
        used = any(isinstance(one, StretchRecord) for one in records)
        return FinishedPortion(records=records, tar=None, from_unblurred=used)
    except NotKeptError as fault:
        tar.back_to(mark)
        damage = str(fault)
    writer = FramesWriter(task.unblurred.folder, task.number)
    try:

        def keep(stretch: StretchTask, on_frame: Callable[[float], None]) -> _Done:
            return _do_stretch(stretch, task, detectors, tar, on_frame, writer)

        records = _each(task, keep, told)
        writer.finish()
    finally:
        writer.abandon()
    return FinishedPortion(records=records, tar=None, damage=damage)


def _each(
    task: PortionTask,
    do: Callable[[StretchTask, Callable[[float], None]], _Done],
    told: Callable[[float], None],
) -> tuple[_Done, ...]:
    """Do the stretches of a portion in order."""
    done, before_s = list[_Done](), 0.0
    for stretch in task.stretches:

        def on_frame(
            at_s: float, before_s: float = before_s, start_s: float = stretch.start_s
        ) -> None:
            told(before_s + max(0.0, at_s - start_s))

        done.append(do(stretch, on_frame))
        before_s += stretch.length_s
    return tuple(done)


def _from_unblurred(
    task: PortionTask, unblurred: Unblurred, detectors: Sequence[Detector], tar: TarWriter
) -> Callable[[StretchTask, Callable[[float], None]], _Done]:
    """Return how a stretch is done from the frames that were kept.

    Raises:
        NotKeptError: those of the portion, or of one beside it that guards need, cannot be used.
    """
    portion = load_record(unblurred.folder, task.number)
    kept_of = dict(zip((one.name for one in task.stretches), portion.stretches, strict=True))

    def again(stretch: StretchTask, on_frame: Callable[[float], None]) -> _Done:
        kept, facts = kept_of[stretch.name], stretch.facts
        if kept is None:  # damaged: decoding says in what, or ends the work
            return _do_stretch(stretch, task, detectors, tar, on_frame)
        if kept.starts is None and kept.ticks != stretch.kept:
            raise DamagedFramesError(f"{portion.tar} holds other frames than are kept now")
        places = find_frames(unblurred.folder, task.number, kept, neighbours=stretch.neighbours)
        record = pass_over(
            read_frames(places, width=facts.width, height=facts.height, time_base=facts.time_base),
            kept=kept.ticks,
            cuts=None,
            pictures=picture_stage(stretch.name, facts, task.settings, detectors),
            tar=tar,
            on_frame=on_frame,
            notes=lambda: kept.notes,
            own=range(stretch.stretch.first, stretch.stretch.end) if stretch.neighbours else None,
            neighbours=stretch.neighbours,
            beside=task.decoder_threads > 1,
        )
        return replace(
            record, pts=kept.pts, scores=kept.scores, small=kept.small, starts=kept.starts
        )

    return again


def _do_stretch(
    stretch: StretchTask,
    task: PortionTask,
    detectors: Sequence[Detector],
    tar: TarWriter,
    on_frame: Callable[[float], None],
    writer: FramesWriter | None = None,
) -> _Done:
    def attempt(one: StretchTask) -> StretchRecord:
        tar.back_to(mark)
        stage = picture_stage(one.name, one.facts, task.settings, detectors)
        if writer is not None and task.unblurred is not None:
            writer.begin_stretch(one.name, task.unblurred.sizes(one.facts, task.settings))
        with VideoReader(one.facts, threads=task.decoder_threads) as reader:
            return _pass(one, task, reader, stage, tar, on_frame, writer)

    def decode() -> StretchRecord:
        if not stretch.decoded:
            try:
                return attempt(stretch)
            except UnexpectedFramesError:
                if not stretch.alone:
                    raise
        again = _as_decoded(stretch, task.settings, on_frame)
        return replace(attempt(again), starts=again.starts)

    mark = tar.mark()
    try:
        record = decode()
    except WtoursError as fault:
        if not task.skip_bad:
            raise
        tar.back_to(mark)
        if writer is not None:
            writer.leave_out()
        return LeftOut(video=stretch.name, reason=fault.message)
    if writer is not None:
        writer.end_stretch(record)
    return record


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


def _pass(
    stretch: StretchTask,
    task: PortionTask,
    reader: VideoReader,
    stage: PictureStage,
    tar: TarWriter,
    on_frame: Callable[[float], None],
    writer: FramesWriter | None,
) -> StretchRecord:
    settings = task.settings
    record = pass_over(
        _frames(stretch, settings, reader, on_frame),
        kept=stretch.kept,
        cuts=CutStage() if settings.cuts is not None else None,
        pictures=stage,
        tar=tar,
        on_frame=on_frame,
        notes=lambda: reader.notes,
        own=range(stretch.stretch.first, stretch.stretch.end),
        neighbours=stretch.neighbours,
        beside=task.decoder_threads > 1,
        keep=(lambda tick, frame: frame) if writer is None else writer.keep,
    )
    return record if settings.cuts is not None else replace(record, pts=stretch.stretch.pts)


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


@contextmanager
def _one_thread() -> Iterator[None]:
    """Let OpenCV work in one thread, so that no result can depend on how many there are."""
    before = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        cv2.setNumThreads(before)
