"""The work on one portion of a set, as any process does it.

A portion is what goes into one tar: one stretch of a long video, or several short videos.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import cv2

from wtours.detectors.detector import Detector
from wtours.errors import WtoursError
from wtours.frame_pass import StretchRecord, pass_over
from wtours.portion_files import FinishedPortion, save_portion
from wtours.shard_settings import ShardSettings
from wtours.shards import TarWriter
from wtours.shards.schema import LeftOut
from wtours.stretch_work import StretchTask, decode_stretch, picture_stage
from wtours.unblurred import Unblurred
from wtours.unblurred_portion import FramesWriter, read_frames
from wtours.unblurred_record import DamagedFramesError, NotKeptError, find_frames, load_record

_Done = StretchRecord | LeftOut


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
    with one_opencv_thread():
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
    """Decode a stretch; where that is allowed, leave its video out if it is damaged."""

    def begin() -> FramesWriter | None:
        if writer is not None and task.unblurred is not None:
            sizes = task.unblurred.sizes(stretch.facts, task.settings)
            writer.begin_stretch(stretch.name, sizes)
        return writer

    mark = tar.mark()
    try:
        record = decode_stretch(
            stretch,
            task.settings,
            detectors,
            tar,
            on_frame,
            threads=task.decoder_threads,
            begin=begin,
        )
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


@contextmanager
def one_opencv_thread() -> Iterator[None]:
    """Let OpenCV work in one thread, so that no result can depend on how many there are."""
    before = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        cv2.setNumThreads(before)
