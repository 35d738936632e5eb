"""Reads a video once, for its packets and its hashes, and then looks at some of its keyframes."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from wtours.containers import promised_bytes
from wtours.errors import WtoursError
from wtours.integrity.check import (
    empty,
    first_rotation_deg,
    jump_back,
    missing_bytes,
    short_of_header,
    unread,
)
from wtours.integrity.container import (
    Walk,
    cut_short,
    open_container,
    picture_stream,
    walk_packets,
)
from wtours.integrity.facts import Span, VideoFacts, facts_of, size_notes, span_of
from wtours.integrity.hashing import DiskReadError, HashingReader
from wtours.integrity.looks import Looks, look_at_pictures
from wtours.integrity.movie_header import stated_length_s


@dataclass(kw_only=True)
class Reading:
    """What reading a file has shown, so far as it could be read."""

    container: str = ""
    """Why the file cannot be read to its end."""
    damaged: bool = False
    jump: str = ""
    facts: VideoFacts | None = None
    walk: Walk | None = None
    span: Span | None = None
    beyond: str = ""
    """How far the container states more than any packet reaches."""
    header_s: float | None = None
    """Length that the header of an MP4 file states."""
    looks: Looks = field(default_factory=Looks)
    size_notes: list[str] = field(default_factory=list)


def read_video(
    path: Path, name: str, size_bytes: int, reader: HashingReader, reading: Reading
) -> tuple[str, str | None]:
    """Fill in `reading`; return the hashes of all bytes, whatever is in them."""
    try:
        _read_packets(path, name, size_bytes, reader, reading)
    except DiskReadError:
        raise
    except WtoursError as error:
        reading.container = error.message
    hashes = reader.finish()
    if reading.walk is not None:
        try:
            _look(path, name, size_bytes, reading)
        except WtoursError as error:
            reading.container, reading.damaged = reading.container or error.message, True
    return hashes


def _read_packets(
    path: Path, name: str, size_bytes: int, reader: HashingReader, reading: Reading
) -> None:
    reading.damaged = True  # until it is known to be a container of something
    if size_bytes == 0:
        raise empty(name)
    missing = missing_bytes(path, size_bytes)
    with open_container(path, reader=reader, name=name) as container:
        reading.damaged = bool(missing)
        stream = picture_stream(name, container)
        walk = walk_packets(name, container, stream)
        reading.walk, reading.span = walk, span_of(container, stream, walk)
        reading.header_s = stated_length_s(path) if "mp4" in container.format.name else None
        reading.jump = jump_back(walk, stream.time_base)
        # Where two streams were joined, the jump is the fault, and not the packet torn by it.
        fault = missing or walk.stopped or ("" if reading.jump else unread(walk))
        reading.beyond = beyond = short_of_header(container, stream, walk)
        if fault or (beyond and not _is_complete(path, container, stream)):
            reading.container, reading.damaged = cut_short(name, fault or beyond).message, True


def _is_complete(path: Path, container: Any, stream: Any) -> bool:
    """Whether the container itself would show it, were its end missing.

    A fragmented MP4 file may end between two fragments, and a stream between any two packets; an
    index at one place (its count of pictures is then above 0), a Segment and RIFF chunks may not.
    """
    if "mp4" in container.format.name:
        return int(stream.frames) > 0
    return promised_bytes(path) is not None


def _look(path: Path, name: str, size_bytes: int, reading: Reading) -> None:
    """Decode the first picture, and some keyframes where the file is whole."""
    assert reading.walk is not None
    with open_container(path, name=name) as container:
        stream = picture_stream(name, container)
        rotation_deg = first_rotation_deg(name, container, stream.index)
        reading.facts = facts_of(path, size_bytes, container, stream, reading.walk, rotation_deg)
        reading.size_notes = size_notes(stream, reading.facts.width, reading.facts.height)
        if not reading.container and not reading.jump:
            reading.looks = look_at_pictures(container, stream, reading.walk)
