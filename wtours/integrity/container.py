"""Opens a video's container and walks its packets, without decoding and without judging."""

from array import array
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.stream import Disposition
from numpy.typing import NDArray

from wtours.containers import describe_head
from wtours.errors import WtoursError
from wtours.integrity.hashing import HashingReader
from wtours.integrity.timestamps import Ticks

# Containers that hold their own pictures. Playlists and scripts (HLS, DASH, concat) name other
# files and hosts, which a file from the internet must not do; stills are not videos.
_CONTAINERS = (
    "mov,mp4,matroska,webm,avi,mpegts,mpeg,mpegvideo,flv,asf,ogg,mxf,nut,ivf,gif,h264,hevc,m4v,"
    "wav,mp3,aac,flac"
)
_LIMITS = {"format_whitelist": _CONTAINERS, "protocol_whitelist": "file"}
_BUFFER_BYTES = 1 << 20
"""Read at once through Python, whose calls would otherwise cost more than the demuxer."""
REFETCH = "delete it and fetch or copy it again, to the end"


@dataclass(frozen=True, kw_only=True)
class Walk:
    """One pass over all packets; those of the picture stream in file order."""

    pts: Ticks
    keyframes: NDArray[np.bool_]
    sizes_bytes: NDArray[np.int64]
    last_duration: int
    end_s: float
    """End of the last packet of any stream, on the container's clock."""
    damaged: int
    """Packets, of any stream, that the demuxer could not read wholly."""
    stopped: str = ""
    """Why reading ended before the file did, where it did."""


def open_container(path: Path, *, reader: HashingReader | None = None, name: str = "") -> Any:
    """Open the container at `path`, through `reader` where one is given.

    Raises:
        WtoursError: it is none that holds videos, or too little of it is there. The message calls
            it `name`, or by its path.
    """
    source = str(path.absolute()) if reader is None else reader  # "a:b" is no protocol
    try:
        return av.open(
            source,
            "r",
            container_options=_LIMITS,
            buffer_size=_BUFFER_BYTES,
            metadata_errors="replace",  # a title in whatever encoding is no reason to stop
        )
    except av.FFmpegError as error:
        raise _not_a_video(path, name or str(path), str(error.strerror)) from error


def cut_short(name: str, finding: str) -> WtoursError:
    """Return the error of a file whose end, or whose middle, is missing."""
    return WtoursError(f"{name} is cut short or damaged: {finding}", remedy=REFETCH)


def _not_a_video(path: Path, name: str, fault: str) -> WtoursError:
    with path.open("rb") as file:
        head = file.read(1024)
    if head[4:8] == b"ftyp":
        return cut_short(name, "it begins as an MP4 file, but its index (moov) is missing")
    if head.startswith((b"\x1a\x45\xdf\xa3", b"RIFF")):
        return cut_short(name, f"it begins as a Matroska, WebM or AVI file ({fault})")
    kind = describe_head(head)
    return WtoursError(
        f"{name} is not a video but {kind}" if kind else f"{name} is not a video ({fault})",
        remedy="delete it and fetch it again, or name a video file",
    )


def picture_stream(name: str, container: Any) -> Any:
    """Return the stream with the pictures.

    Raises:
        WtoursError: there is none, or no decoder for it.
    """
    pictures = [
        stream
        for stream in container.streams.video
        if not stream.disposition & Disposition.attached_pic  # the cover of a piece of music
    ]
    if not pictures:
        raise WtoursError(
            f"{name} holds {'sound only' if container.streams.audio else 'no pictures'}",
            remedy="name the file with the video track; `wtours fetch` takes that one",
        )
    stream = pictures[0]
    if stream.codec_context is None:
        raise WtoursError(
            f"{name}: the installed PyAV has no decoder for its pictures",
            remedy="run `wtours doctor`, or convert the video to H.264",
        )
    return stream


def walk_packets(name: str, container: Any, stream: Any) -> Walk:
    """Go through all packets to the last one that can be read.

    Raises:
        WtoursError: a picture has no time stamp, or there is not one picture.
    """
    pts, keyframes, sizes_bytes = array("q"), array("b"), array("q")
    last_duration, damaged, stopped = 0, 0, ""
    ends: dict[int, int] = {}  # by stream, in its ticks; fractions are slow
    try:
        for packet in container.demux():
            if packet.size == 0:
                continue  # the empty packet that ends each stream
            damaged += bool(packet.is_corrupt)
            time = packet.pts if packet.pts is not None else packet.dts
            index = packet.stream.index
            if time is not None:
                end = time + (packet.duration or 0)
                if end > ends.get(index, 0):
                    ends[index] = end
            if index != stream.index or packet.is_discard:
                continue  # an edit list discards packets that only feed the decoder
            if time is None:
                raise _untimed(name, len(pts))
            pts.append(time)
            keyframes.append(packet.is_keyframe)
            sizes_bytes.append(packet.size)
            last_duration = packet.duration or last_duration
    except av.FFmpegError as error:
        stopped = f"reading fails after {len(pts)} pictures ({error.strerror})"
    if not pts:
        raise cut_short(name, stopped or "it holds not one picture")
    return Walk(
        pts=np.asarray(pts, dtype=np.int64),
        keyframes=np.asarray(keyframes, dtype=np.bool_),
        sizes_bytes=np.asarray(sizes_bytes, dtype=np.int64),
        last_duration=last_duration,
        end_s=max(
            (float(end * container.streams[index].time_base) for index, end in ends.items()),
            default=0.0,
        ),
        damaged=damaged,
        stopped=stopped,
    )


def _untimed(name: str, index: int) -> WtoursError:
    return WtoursError(
        f"{name}: picture {index} has no time stamp",
        remedy="put it into an MP4 or Matroska file with its frame rate stated",
    )
