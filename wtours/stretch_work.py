"""The work on one stretch, as any process does it: decode, keep, measure, cover, store."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import cv2

from wtours.frame_pass import StretchRecord, pass_over
from wtours.integrity import VideoFacts
from wtours.shard_settings import ShardSettings
from wtours.shards import TarWriter
from wtours.stages.blur import BlurStage, fit_short_side
from wtours.stages.cuts import CutStage
from wtours.stages.picture import PictureStage
from wtours.stretch_files import FinishedStretch, save_stretch
from wtours.stretches import Stretch
from wtours.video import Frame, VideoReader


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
    decoded: bool
    """Whether the stretch is the whole video, as it is decoded from its beginning."""
    kept: dict[int, int]
    """Frames that are kept, each with its tick."""
    settings: ShardSettings
    folder: Path
    """Where tar and record go."""
    tar: Path
    decoder_threads: int


def do_stretch(task: StretchTask, on_frame: Callable[[float], None]) -> None:
    """Do one stretch, and leave its tar and then its record in its folder.

    Args:
        task: what to do.
        on_frame: called after each frame with its time in seconds; may raise, to stop.

    Raises:
        UnexpectedFramesError: the frames are not those of the packets.
        WtoursError: a picture is damaged.
    """
    with (
        _one_thread(),
        VideoReader(task.facts, threads=task.decoder_threads) as reader,
    ):
        tar = TarWriter(task.tar)
        try:
            record = _pass(task, reader, tar, on_frame)
            tar_record = tar.close() if record.stored else None
        finally:
            tar.abandon()
    if tar_record is None:
        task.tar.unlink()
    finished = FinishedStretch(record=record, tar=tar_record)
    save_stretch(finished, task.folder, task.stretch.number)


def picture_stage(name: str, facts: VideoFacts, settings: ShardSettings) -> PictureStage:
    """Return the stage that makes the pictures of a video; loads the detectors."""
    size = fit_short_side(facts.width, facts.height, settings.short_side_px)
    blur, guards = None, None
    if settings.blur is not None:
        blur = BlurStage(settings.blur, settings.blur.open_detectors(), picture_size=size)
        guards = settings.blur.guard_rule(time_base=facts.time_base, size=size)
    return PictureStage(
        video=name, size=size, jpeg_quality=settings.jpeg_quality, blur=blur, guards=guards
    )


def _pass(
    task: StretchTask, reader: VideoReader, tar: TarWriter, on_frame: Callable[[float], None]
) -> StretchRecord:
    settings = task.settings
    record = pass_over(
        _frames(task, reader, on_frame),
        kept=task.kept,
        cuts=CutStage() if settings.cuts is not None else None,
        pictures=picture_stage(task.name, task.facts, settings),
        tar=tar,
        on_frame=on_frame,
        notes=lambda: reader.notes,
        own=range(task.stretch.first, task.stretch.end),
        neighbours=task.neighbours,
    )
    return record if settings.cuts is not None else replace(record, pts=task.stretch.pts)


def _frames(
    task: StretchTask, reader: VideoReader, on_frame: Callable[[float], None]
) -> Iterator[Frame]:
    """Give the frames that are looked at: all for cuts, otherwise those whose faces are."""
    if task.decoded:
        return iter(reader)
    if task.settings.cuts is not None:
        return reader.read(task.read)
    looked_at = task.neighbours.union(task.kept)
    wanted = frozenset(int(task.read.pts[index - task.read.first]) for index in looked_at)
    return reader.read(task.read, wanted=wanted, on_other=on_frame)


@contextmanager
def _one_thread() -> Iterator[None]:
    """Let OpenCV work in one thread, so that no result can depend on how many there are."""
    before = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        cv2.setNumThreads(before)
