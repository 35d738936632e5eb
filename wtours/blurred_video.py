"""Whole videos with faces covered in every frame: `wtours blur` as a library call.

Detectors, guards and covering are those of the shards. Of a video `NAME.mp4` there is, at the end,

    OUT/NAME.mp4            every frame at its time, upright, 8 bits, BT.709, without sound
    OUT/NAME.boxes.parquet  every box that was covered
    OUT/NAME.blur.json      what it was made of, and how
"""

import json
from array import array
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from av.stream import Disposition

from wtours.encoder_pipe import ENCODERS, Codec, EncoderPipe, encoder_version
from wtours.errors import WtoursError
from wtours.integrity import check_and_walk
from wtours.one_run import hold
from wtours.provenance import tool_versions
from wtours.shard_inputs import ShardInput, find_inputs
from wtours.shard_settings import differences
from wtours.shards import Box
from wtours.stages.blur import BlurSettings, BlurStage
from wtours.stages.guard import GuardWindow, Seen
from wtours.video import Frame, VideoReader
from wtours.whole_file import file_sha256, put_in_place, write_whole

Progress = Callable[[str, float, float], None]
"""Name of the video, seconds of it done, seconds in all."""

RECORD_VERSION = 1
BOXES_SCHEMA = pa.schema(
    [
        ("frame", pa.int64()),
        ("pts", pa.int64()),
        ("time_s", pa.float64()),
        ("x0", pa.float32()),
        ("y0", pa.float32()),
        ("x1", pa.float32()),
        ("y1", pa.float32()),
        ("score", pa.float32()),
        ("kind", pa.string()),
    ]
)
"""A row a box, in the order of time: frame from 0, pts in units of the video's time base from its
first picture, corners in pixels of the video, x1 and y1 exclusive."""


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
    record = _record_of(target)
    if record is None:
        raise _refused(target, "has no record of being made by `wtours blur`")
    there, wanted = _flat(record["settings"]), _flat(_plain(settings.to_record()))
    if there != wanted:
        raise _refused(target, f"was made with {differences(there, wanted)}")


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
    record = _record_of(target) if target.exists() and not replace else None
    if record is not None:
        if record["source"]["sha256"] != sha256:
            raise _refused(target, f"was made of another video than {video.facts.path}")
        return _found(target, record, skipped=True)
    part = out / f".{video.name}.mp4.part"
    work = _Covering(video, settings)
    try:
        work.run(part, progress)
        with _told_of_disk(out):
            record = _make_record(video, sha256, settings, work, part, target)
            _put_in_place(part, target, work.table(), record)
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


_Found = tuple[Frame, tuple[Box, ...]]
"""A frame that waits for its guards, as it was decoded (half the size of RGB), and its boxes."""


class _Covering:
    """Covers the frames of one video, and keeps what is known of them."""

    def __init__(self, video: ShardInput, settings: BlurredVideoSettings) -> None:
        self.video, self.settings = video, settings
        self.pts = array("q")
        self.boxes: list[tuple[int, Box]] = []
        self.notes: tuple[str, ...] = ()

    def run(self, part: Path, progress: Progress | None) -> None:
        """Write the video under a name that is not final."""
        facts, blur = self.video.facts, self.settings.blur
        size = (facts.width, facts.height)
        stage = BlurStage(blur, blur.open_detectors(), picture_size=size)
        window = GuardWindow[_Found](blur.guard_rule(time_base=facts.time_base, size=size))
        with (
            VideoReader(facts) as reader,
            EncoderPipe(
                part,
                codec=self.settings.codec,
                size=size,
                time_base=facts.time_base,
                rate=facts.average_rate,
                pixel_aspect=_pixel_aspect(facts.path, turned=facts.rotation_deg % 180 != 0),
            ) as encoder,
        ):
            for frame in reader:
                boxes = stage.find(frame)
                for ready in window.add(Seen(pts=frame.pts, boxes=boxes), (frame, boxes)):
                    self._write(encoder, stage, *ready)
                if progress is not None:
                    progress(self.video.name, frame.pts_s, facts.duration_s)
            for ready in window.finish():
                self._write(encoder, stage, *ready)
            encoder.finish()
            if progress is not None:
                progress(self.video.name, facts.duration_s, facts.duration_s)
            self.notes = tuple(reader.notes)
        _require_times(part, [stamp * facts.time_base for stamp in self.pts])

    def _write(
        self, encoder: EncoderPipe, stage: BlurStage, found: _Found, guards: Sequence[Box]
    ) -> None:
        """Cover a frame whose guards are known."""
        frame, boxes = found
        covered = (*boxes, *guards)
        encoder.write(stage.cover(frame.image, covered), frame.pts)
        self.boxes += [(len(self.pts), box) for box in covered]
        self.pts.append(frame.pts)

    def table(self) -> pa.Table:
        """Return the boxes of all frames."""
        base = self.video.facts.time_base
        rows = [
            {
                "frame": frame,
                "pts": self.pts[frame],
                "time_s": float(self.pts[frame] * base),
                **{name: getattr(box, name) for name in BOXES_SCHEMA.names[3:]},
            }
            for frame, box in self.boxes
        ]
        return pa.Table.from_pylist(rows, schema=BOXES_SCHEMA)


def _require_times(written: Path, times_s: Sequence[Fraction]) -> None:
    """Compare the times of the frames that were written with those that were read.

    Raises:
        WtoursError: a frame is missing, doubled, or at another time.
    """
    facts, walk = check_and_walk(written)
    found = np.sort(walk.pts).tolist()
    if [(stamp - found[0]) * facts.time_base for stamp in found] != times_s:
        raise WtoursError(
            f"{written.parent}: ffmpeg wrote {len(found)} pictures at other times than the "
            f"{len(times_s)} that it was given",
            remedy="give another --codec",
        )


def _make_record(
    video: ShardInput,
    sha256: str,
    settings: BlurredVideoSettings,
    work: _Covering,
    part: Path,
    target: Path,
) -> dict[str, Any]:
    facts = video.facts
    return {
        "record_version": RECORD_VERSION,
        "name": video.name,
        "source": {
            "file": facts.path.name,
            "sha256": sha256,
            "size_bytes": facts.size_bytes,
            "attribution": video.attribution,
            "provenance": video.provenance,
        },
        "settings": _plain(settings.to_record()),
        "video": {
            "file": target.name,
            "sha256": file_sha256(part),
            "size_bytes": part.stat().st_size,
            "frames": len(work.pts),
            "width": facts.width,
            "height": facts.height,
            "time_base": str(facts.time_base),
        },
        "boxes": len(work.boxes),
        "frames_with_boxes": len({frame for frame, _ in work.boxes}),
        "notes": list(work.notes),
        "tools": tool_versions() | {"ffmpeg": encoder_version()},
    }


def _put_in_place(part: Path, target: Path, boxes: pa.Table, record: dict[str, Any]) -> None:
    """Give all three files their names, the video last: where it is, the others are too."""
    target.unlink(missing_ok=True)
    table = target.with_suffix(".boxes.parquet")
    table_part = table.with_name(f".{table.name}.part")
    try:
        pq.write_table(boxes, table_part, compression="zstd")
        put_in_place(table_part, table)
    finally:
        table_part.unlink(missing_ok=True)
    write_whole(_record_path(target), json.dumps(record, indent=2, ensure_ascii=False) + "\n")
    put_in_place(part, target)


def _record_path(target: Path) -> Path:
    return target.with_suffix(".blur.json")


def _record_of(target: Path) -> dict[str, Any] | None:
    """Return the record of a video, or None where there is none of this version."""
    try:
        record = json.loads(_record_path(target).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (UnicodeDecodeError, json.JSONDecodeError) as fault:
        raise _refused(_record_path(target), "is no JSON") from fault
    known = isinstance(record, dict) and record.get("record_version") == RECORD_VERSION
    return record if known else None


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


def _refused(path: Path, finding: str) -> WtoursError:
    return WtoursError(
        f"{path} exists already and {finding}",
        remedy="give another --out, or --replace to make it anew",
    )


def _plain(values: dict[str, Any]) -> dict[str, Any]:
    """Return values as they come back out of JSON."""
    return dict(json.loads(json.dumps(values)))


def _pixel_aspect(path: Path, *, turned: bool) -> Fraction:
    """Return the width of a pixel in heights, as it is shown."""
    with av.open(str(path), metadata_errors="replace") as container:
        pictures = container.streams.video
        stream = next(s for s in pictures if not s.disposition & Disposition.attached_pic)
        aspect = Fraction(stream.sample_aspect_ratio or 1)
    return 1 / aspect if turned and aspect else aspect or Fraction(1)
