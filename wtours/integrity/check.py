"""Refuses a video that cannot be used to its end, by walking its packets and decoding one picture.

Every other file of the project can then rely on a whole container, pictures that decode, and time
stamps that only go forward. What a video should be, and what its pictures show, is `verify`'s.
"""

import os
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av

from wtours.containers import promised_bytes
from wtours.errors import WtoursError
from wtours.integrity.container import (
    Walk,
    cut_short,
    open_container,
    picture_stream,
    walk_packets,
)
from wtours.integrity.facts import ROUNDING_S, VideoFacts, facts_of, span_of
from wtours.integrity.hashing import HashingReader
from wtours.integrity.timestamps import jumps_back


def check_video(path: str | Path) -> VideoFacts:
    """Return what the video at `path` is; raise where it must not be used.

    Packets are walked without decoding, so that the check costs one read of the file; a single
    picture is decoded, since rotation travels with pictures and to know that it can be done.

    Raises:
        WtoursError: the file is missing, empty, no video, sound only, cut short, unreadable in its
            middle, in a codec without a decoder, or its time stamps jump backwards.
    """
    return check_and_walk(path)[0]


def check_and_walk(path: str | Path) -> tuple[VideoFacts, Walk]:
    """Do as `check_video` does; also return the packets that it walked over."""
    path = Path(path)
    return _check(path, require_file(path), None)


def check_walk_and_hash(
    path: str | Path, *, progress: Callable[[int, int], None] | None = None
) -> tuple[VideoFacts, Walk, str]:
    """Do as `check_and_walk` does; also return the SHA-256 of the file, from the same read.

    Args:
        path: of the video.
        progress: called with (bytes hashed, bytes in all).

    Raises:
        WtoursError: as `check_video` does, or the disk does not give what is on it.
    """
    path = Path(path)
    size_bytes = require_file(path)
    with path.open("rb", buffering=0) as file:
        reader = HashingReader(file, progress=progress, name=str(path))
        facts, walk = _check(path, size_bytes, reader)
        sha256, _ = reader.finish()
    return facts, walk, sha256


def _check(path: Path, size_bytes: int, reader: HashingReader | None) -> tuple[VideoFacts, Walk]:
    name = str(path)
    if size_bytes == 0:
        raise empty(name)
    if missing := missing_bytes(path, size_bytes):
        raise cut_short(name, missing)
    with open_container(path, reader=reader) as container:
        stream = picture_stream(name, container)
        walk = walk_packets(name, container, stream)
        if jump := jump_back(walk, stream.time_base):
            raise WtoursError(
                f"{name}: {jump}",
                remedy="fetch or record it again, or cut it into two files at that place",
            )
        if fault := unread(walk) or short_of_header(container, stream, walk):
            raise cut_short(name, fault)
        with open_container(path) as again:
            rotation_deg = first_rotation_deg(name, again, stream.index)
        return facts_of(path, size_bytes, container, stream, walk, rotation_deg), walk


def require_file(path: Path) -> int:
    """Return the size in bytes of a file that can be read.

    Raises:
        WtoursError: there is none.
    """
    if not path.exists():
        raise WtoursError(
            f"{path}: there is no such file", remedy="check the name, or run `wtours fetch` first"
        )
    if not path.is_file():
        raise WtoursError(f"{path} is not a file", remedy="name a video file")
    if not os.access(path, os.R_OK):
        raise WtoursError(f"{path} may not be read", remedy=f"allow it: `chmod u+r {path}`")
    return path.stat().st_size


def empty(name: str) -> WtoursError:
    """Return the error of a file without a byte."""
    return WtoursError(f"{name} is empty (0 bytes)", remedy="delete it and fetch or copy it again")


def missing_bytes(path: Path, size_bytes: int) -> str:
    """Say by how much a file is shorter than its container announces, or ''."""
    promised = promised_bytes(path)
    if promised is None or promised <= size_bytes:
        return ""
    return f"it has {size_bytes} bytes of the {promised} that its container announces"


def unread(walk: Walk) -> str:
    """Say what of the packets could not be read, or ''."""
    if walk.stopped or not walk.damaged:
        return walk.stopped
    return f"{walk.damaged} packets are incomplete, {len(walk.pts)} pictures were read"


def short_of_header(container: Any, stream: Any, walk: Walk) -> str:
    """Say by how much all packets end before the header states that they do, or ''."""
    span = span_of(container, stream, walk)
    stated_s, end_s = span.container_end_s, span.packets_end_s
    if stated_s is None or stated_s - end_s <= ROUNDING_S:
        return ""
    return f"its container states {stated_s:.2f} s, its last packet ends at {end_s:.2f} s"


def jump_back(walk: Walk, time_base: Fraction) -> str:
    """Say where time stamps jump backwards, or ''."""
    jumps = jumps_back(walk.pts, walk.keyframes)
    if len(jumps) == 0:
        return ""
    at = int(jumps[0])
    before, after = int(walk.pts[:at].max()), int(walk.pts[at])
    before_s, after_s = (float((t - int(walk.pts[0])) * time_base) for t in (before, after))
    return f"time stamps jump backwards at packet {at}, from {before_s:.3f} s to {after_s:.3f} s"


def first_rotation_deg(name: str, container: Any, stream_index: int) -> int:
    """Decode the first picture; return how it has to be turned.

    Raises:
        WtoursError: not one picture can be decoded.
    """
    fault = "the decoder gives none"
    try:
        for frame in container.decode(container.streams[stream_index]):
            return int(frame.rotation)
    except av.FFmpegError as error:
        fault = str(error.strerror)
    raise WtoursError(
        f"{name}: no picture of it can be decoded ({fault})",
        remedy="delete it and fetch it again; `wtours doctor` shows which decoders there are",
    )
