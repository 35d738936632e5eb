"""Whole videos with faces covered in every frame: `wtours blur` as a library call.

Detectors, guards and covering are those of the shards. Of a video `NAME.mp4` there is, at the end,

    OUT/NAME.mp4            every frame at its time, upright, 8 bits, BT.709, without sound
    OUT/NAME.boxes.parquet  every box that was covered
    OUT/NAME.blur.json      what it was made of, and how
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from wtours.blurred_record import make_record, plain, put_all_in_place, record_of, refused
from wtours.covering import Covering, Progress
from wtours.encoder_pipe import ENCODERS, Codec
from wtours.errors import WtoursError
from wtours.one_run import hold
from wtours.shard_inputs import ShardInput, find_inputs
from wtours.shard_settings import differences
from wtours.stages.blur import BlurSettings
from wtours.whole_file import file_sha256


@dataclass(frozen=True, kw_only=True)
class BlurredVideoSettings:
    """How a whole video is covered and encoded; stands in its record."""

    blur: BlurSettings = field(default_factory=lambda: BlurSettings(detection_px=720))
    """Detection sees 720 lines: a face of 10 px there has 30 in a 4K video. More lines find smaller
    faces, at a cost that grows with their square."""
    codec: Codec = "h264"
    """Of the video that is written."""

    def __post_init__(self) -> None:
        if self.codec not in ENCODERS:
            raise WtoursError(
                f"videos cannot be written as {self.codec!r}",
                remedy=f"choose one of {', '.join(ENCODERS)}",
            )

    def to_record(self) -> dict[str, Any]:
        """Return what the record says of them, in JSON's types."""
        return {"blur": self.blur.to_record(), "codec": self.codec, "encoder": ENCODERS[self.codec]}


@dataclass(frozen=True, kw_only=True)
class BlurredVideo:
    """One video that is there now."""

    name: str
    path: Path
    frames: int
    boxes: int
    """That were covered, guards included."""
    frames_with_boxes: int
    size_bytes: int
    notes: tuple[str, ...]
    """What is unusual about the video, sentences."""
    skipped: bool
    """It was there already, made of the same video with the same settings."""


def blur_videos(
    paths: Sequence[str | Path],
    *,
    out: str | Path,
    settings: BlurredVideoSettings | None = None,
    replace: bool = False,
    progress: Progress | None = None,
    finished: Callable[[BlurredVideo], None] | None = None,
) -> tuple[BlurredVideo, ...]:
    """Write videos anew with the faces of every frame covered, without sound.

    Each appears whole or not at all. One that is there already, of the same video and settings, is
    left as it is.

    Args:
        paths: videos, and folders of them.
        out: folder for them.
        settings: detector, covering and codec; the defaults where None.
        replace: make videos anew that are there already.
        progress: called as the work goes on.
        finished: called with each video as soon as it is there.

    Raises:
        WtoursError: a video is unusable, another one stands in its place, another run is at it,
            the encoder fails, or there is no room.
    """
    settings, out = settings or BlurredVideoSettings(), Path(out)
    inputs = find_inputs(paths)
    for video in inputs:
        _require_free(video, out / f"{video.name}.mp4", settings, replace=replace)
    made = []
    for video in inputs:
        with _told_of_disk(out):
            out.mkdir(parents=True, exist_ok=True)
        with hold(out / f"{video.name}.mp4", doing="made"):
            made.append(_blurred(video, out, settings, replace, progress))
        if finished is not None:
            finished(made[-1])
    return tuple(made)


def _require_free(
    video: ShardInput, target: Path, settings: BlurredVideoSettings, *, replace: bool
) -> None:
    """Refuse to write over the video itself, or over anything that was not asked for."""
    if target.exists() and target.samefile(video.facts.path):
        raise WtoursError(
            f"{target} is the video that is to be covered", remedy="give another --out"
        )
    if replace or not target.exists():
        return
    record = record_of(target)
    if record is None:
        raise refused(target, "has no record of being made by `wtours blur`")
    there, wanted = _flat(record["settings"]), _flat(plain(settings.to_record()))
    if there != wanted:
        raise refused(target, f"was made with {differences(there, wanted)}")


def _flat(settings: dict[str, Any]) -> dict[str, Any]:
    """Return settings in one level, so that a single one can be named where it differs."""
    return {key: value for key, value in settings.items() if key != "blur"} | {
        f"blur {key}": value for key, value in settings["blur"].items()
    }


def _blurred(
    video: ShardInput,
    out: Path,
    settings: BlurredVideoSettings,
    replace: bool,
    progress: Progress | None,
) -> BlurredVideo:
    target = out / f"{video.name}.mp4"
    sha256 = file_sha256(video.facts.path)
    record = record_of(target) if target.exists() and not replace else None
    if record is not None:
        if record["source"]["sha256"] != sha256:
            raise refused(target, f"was made of another video than {video.facts.path}")
        return _found(target, record, skipped=True)
    part = out / f".{video.name}.mp4.part"
    work = Covering(video, blur=settings.blur, codec=settings.codec)
    try:
        work.run(part, progress)
        with _told_of_disk(out):
            record = make_record(work, part, target, sha256=sha256, settings=settings.to_record())
            put_all_in_place(part, target, work.table(), record)
    finally:
        part.unlink(missing_ok=True)
    return _found(target, record, skipped=False)


@contextmanager
def _told_of_disk(out: Path) -> Iterator[None]:
    """Turn a full disk, or a folder that cannot be written to, into a sentence."""
    try:
        yield
    except OSError as fault:
        raise WtoursError(
            f"{out} cannot be written to ({fault.strerror or fault})",
            remedy="make room there, or name another folder with --out",
        ) from fault


def _found(target: Path, record: dict[str, Any], *, skipped: bool) -> BlurredVideo:
    return BlurredVideo(
        name=record["name"],
        path=target,
        frames=record["video"]["frames"],
        boxes=record["boxes"],
        frames_with_boxes=record["frames_with_boxes"],
        size_bytes=record["video"]["size_bytes"],
        notes=tuple(record["notes"]),
        skipped=skipped,
    )
