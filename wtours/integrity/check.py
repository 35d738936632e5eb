"""What is wrong with a video file, found by walking its packets and decoding one picture.

`check_video` raises where a video must not be used, and notes what a user should know of one that
may be. Every other file of the project can then rely on a whole container, pictures that decode,
and time stamps that only go forward.
"""

import os
from array import array
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.stream import Disposition
from numpy.typing import NDArray

from wtours.containers import describe_head, promised_bytes
from wtours.errors import WtoursError
from wtours.integrity.timestamps import Ticks, average_rate, is_variable, jumps_back, timing_notes

# Containers that hold their own pictures. Playlists and scripts (HLS, DASH, concat) name other
# files and hosts, which a file from the internet must not do; stills are not videos.
_CONTAINERS = (
    "mov,mp4,matroska,webm,avi,mpegts,mpeg,mpegvideo,flv,asf,ogg,mxf,nut,ivf,gif,h264,hevc,m4v,"
    "wav,mp3,aac,flac"
)
_MISSING_S = 1.0
"""A container may state this much more than its packets hold; rounding and sound stay far below."""


@dataclass(frozen=True, kw_only=True)
class VideoFacts:
    """What a whole video was measured to be; nothing in it is taken from what somebody states."""

    path: Path
    size_bytes: int
    width: int
    """Pixels, as shown: after rotation."""
    height: int
    """Pixels, as shown: after rotation."""
    rotation_deg: int
    """Counterclockwise turn that shows a stored picture upright, as PyAV gives it; mostly 0."""
    codec: str
    container: str
    time_base: Fraction
    """Seconds of one tick of the time stamps."""
    average_rate: Fraction
    """Pictures per second over the whole video."""
    duration_s: float
    """From the first picture's appearance to the last one's disappearance."""
    container_duration_s: float | None
    """What the container states, sound included; None where it states nothing."""
    packets: int
    """Packets with a picture that is shown: the number of frames that decoding gives."""
    variable_rate: bool
    notes: tuple[str, ...]
    """What is unusual but usable, a phrase each."""


@dataclass(frozen=True, kw_only=True)
class _Walk:
    """One pass over all packets; time stamps of the picture stream, in file order."""

    pts: Ticks
    keyframes: NDArray[np.bool_]
    last_duration: int
    end_s: float
    """End of the last packet of any stream, on the container's clock."""
    damaged: int
    """Packets, of any stream, that the demuxer could not read wholly."""


def check_video(path: str | Path) -> VideoFacts:
    """Return what the video at `path` is; raise where it must not be used.

    Packets are walked without decoding, so that the check costs one read of the file; a single
    picture is decoded, since rotation travels with pictures and to know that it can be done.

    Raises:
        WtoursError: the file is missing, empty, no video, sound only, cut short, unreadable in its
            middle, in a codec without a decoder, or its time stamps jump backwards.
    """
    path = Path(path)
    size_bytes = _require_file(path)
    _require_whole_container(path, size_bytes)
    with _open(path) as container:
        stream = _picture_stream(path, container)
        walk = _walk_packets(path, container, stream)
        _require_forward(path, walk, stream.time_base)
        _require_to_the_end(path, container, walk)
        rotation_deg = _first_rotation_deg(path, stream.index)
        return _facts(path, size_bytes, container, stream, walk, rotation_deg)


def _require_file(path: Path) -> int:
    if not path.exists():
        raise WtoursError(
            f"{path}: there is no such file", remedy="check the name, or run `wtours fetch` first"
        )
    if not path.is_file():
        raise WtoursError(f"{path} is not a file", remedy="name a video file")
    if not os.access(path, os.R_OK):
        raise WtoursError(f"{path} may not be read", remedy=f"allow it: `chmod u+r {path}`")
    size_bytes = path.stat().st_size
    if size_bytes == 0:
        raise WtoursError(
            f"{path} is empty (0 bytes)", remedy="delete it and fetch or copy it again"
        )
    return size_bytes


def _require_whole_container(path: Path, size_bytes: int) -> None:
    promised = promised_bytes(path)
    if promised is not None and promised > size_bytes:
        raise _cut_short(
            path, f"it has {size_bytes} bytes of the {promised} that its container announces"
        )


def _cut_short(path: Path, finding: str) -> WtoursError:
    return WtoursError(
        f"{path} is cut short or damaged: {finding}",
        remedy="delete it and fetch or copy it again, to the end",
    )


def _open(path: Path) -> Any:
    limits = {"format_whitelist": _CONTAINERS, "protocol_whitelist": "file"}
    try:
        return av.open(str(path.absolute()), container_options=limits)  # "a:b" is no protocol
    except av.FFmpegError as error:
        raise _not_a_video(path, str(error.strerror)) from error


def _not_a_video(path: Path, fault: str) -> WtoursError:
    with path.open("rb") as file:
        head = file.read(1024)
    if head[4:8] == b"ftyp":
        return _cut_short(path, "it begins as an MP4 file, but its index (moov) is missing")
    if head.startswith((b"\x1a\x45\xdf\xa3", b"RIFF")):
        return _cut_short(path, f"it begins as a Matroska, WebM or AVI file ({fault})")
    kind = describe_head(head)
    return WtoursError(
        f"{path} is not a video but {kind}" if kind else f"{path} is not a video ({fault})",
        remedy="delete it and fetch it again, or name a video file",
    )


def _picture_stream(path: Path, container: Any) -> Any:
    pictures = [
        stream
        for stream in container.streams.video
        if not stream.disposition & Disposition.attached_pic  # the cover of a piece of music
    ]
    if not pictures:
        raise WtoursError(
            f"{path} holds {'sound only' if container.streams.audio else 'no pictures'}",
            remedy="name the file with the video track; `wtours fetch` takes that one",
        )
    stream = pictures[0]
    if stream.codec_context is None:
        raise WtoursError(
            f"{path}: the installed PyAV has no decoder for its pictures ({stream.codec_tag})",
            remedy="run `wtours doctor`, or convert the video to H.264",
        )
    return stream


def _walk_packets(path: Path, container: Any, stream: Any) -> _Walk:
    pts, keyframes, last_duration, end_s, damaged = array("q"), array("b"), 0, 0.0, 0
    try:
        for packet in container.demux():
            if packet.size == 0:
                continue  # the empty packet that ends each stream
            damaged += bool(packet.is_corrupt)
            time = packet.pts if packet.pts is not None else packet.dts
            if time is not None:
                end_s = max(end_s, float((time + (packet.duration or 0)) * packet.time_base))
            if packet.stream.index != stream.index or packet.is_discard:
                continue  # an edit list discards packets that only feed the decoder
            if time is None:
                raise _untimed(path, len(pts))
            pts.append(time)
            keyframes.append(packet.is_keyframe)
            last_duration = packet.duration or last_duration
    except av.FFmpegError as error:
        finding = f"reading fails after {len(pts)} pictures ({error.strerror})"
        raise _cut_short(path, finding) from error
    if not pts:
        raise _cut_short(path, "it holds not one picture")
    return _Walk(
        pts=np.asarray(pts, dtype=np.int64),
        keyframes=np.asarray(keyframes, dtype=np.bool_),
        last_duration=last_duration,
        end_s=end_s,
        damaged=damaged,
    )


def _untimed(path: Path, index: int) -> WtoursError:
    return WtoursError(
        f"{path}: picture {index} has no time stamp",
        remedy="put it into an MP4 or Matroska file with its frame rate stated",
    )


def _require_to_the_end(path: Path, container: Any, walk: _Walk) -> None:
    if walk.damaged:
        raise _cut_short(
            path, f"{walk.damaged} packets are incomplete, {len(walk.pts)} pictures were read"
        )
    if container.duration is None:
        return
    stated_s = (container.duration + (container.start_time or 0)) / av.time_base
    if stated_s - walk.end_s > _MISSING_S:
        raise _cut_short(
            path,
            f"its container states {stated_s:.2f} s, its last packet ends at {walk.end_s:.2f} s",
        )


def _require_forward(path: Path, walk: _Walk, time_base: Fraction) -> None:
    jumps = jumps_back(walk.pts, walk.keyframes)
    if len(jumps) == 0:
        return
    at = int(jumps[0])
    before, after = int(walk.pts[:at].max()), int(walk.pts[at])
    before_s, after_s = (float((t - int(walk.pts[0])) * time_base) for t in (before, after))
    raise WtoursError(
        f"{path}: time stamps jump backwards at packet {at}, from {before_s:.3f} s "
        f"to {after_s:.3f} s",
        remedy="fetch or record it again, or cut it into two files at that place",
    )


def _first_rotation_deg(path: Path, stream_index: int) -> int:
    fault = "the decoder gives none"
    try:
        with _open(path) as container:
            for frame in container.decode(container.streams[stream_index]):
                return int(frame.rotation)
    except av.FFmpegError as error:
        fault = str(error.strerror)
    raise WtoursError(
        f"{path}: no picture of it can be decoded ({fault})",
        remedy="delete it and fetch it again; `wtours doctor` shows which decoders there are",
    )


def _facts(
    path: Path, size_bytes: int, container: Any, stream: Any, walk: _Walk, rotation_deg: int
) -> VideoFacts:
    shown, time_base = np.sort(walk.pts), Fraction(stream.time_base)
    rate = average_rate(shown, time_base, stream.average_rate)
    last_ticks = walk.last_duration or (1 / rate / time_base if rate else 0)
    end_s = float((int(shown[-1]) + last_ticks) * time_base)
    width, height = stream.codec_context.width, stream.codec_context.height
    if rotation_deg % 180 != 0:
        width, height = height, width
    stated = container.duration
    return VideoFacts(
        path=path,
        size_bytes=size_bytes,
        width=width,
        height=height,
        rotation_deg=rotation_deg,
        codec=stream.codec_context.codec.canonical_name,
        container=container.format.name,
        time_base=time_base,
        average_rate=rate,
        duration_s=float((int(shown[-1] - shown[0]) + last_ticks) * time_base),
        container_duration_s=None if stated is None else stated / av.time_base,
        packets=len(shown),
        variable_rate=is_variable(shown),
        notes=(
            *timing_notes(shown, time_base),
            *_shape_notes(stream, width, height, rotation_deg),
            *_tail_notes(walk.end_s - end_s),
        ),
    )


def _shape_notes(stream: Any, width: int, height: int, rotation_deg: int) -> list[str]:
    notes = []
    if rotation_deg:
        notes.append(f"rotation metadata: turned by {rotation_deg} degrees, {width}x{height} shown")
    if width % 2 or height % 2:
        notes.append(f"odd size: {width}x{height}")
    aspect = stream.sample_aspect_ratio
    if aspect and aspect != 1:
        notes.append(f"pixels are not square: {aspect.numerator}:{aspect.denominator}")
    return notes


def _tail_notes(without_picture_s: float) -> list[str]:
    if without_picture_s > _MISSING_S:
        return [f"the pictures end {without_picture_s:.2f} s before the sound"]
    return []
