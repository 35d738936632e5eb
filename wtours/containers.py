"""What the outermost bytes of a file say: how long it should be, and what it is if it is no video.

A demuxer goes as far as a file reaches and often stops in silence, so that a file cut between two
pictures looks shorter rather than damaged. The outer structure of a container states its length.
"""

import os
from pathlib import Path
from typing import BinaryIO

VIDEO_EXTENSIONS = frozenset(
    {"mp4", "m4v", "mov", "webm", "mkv", "avi", "ts", "mpg", "mpeg", "flv", "ogv", "wmv"}
)
"""Endings of file names, in lower case, that a video may keep."""

_MP4_FIRST = {
    b"ftyp",
    b"styp",
    b"moov",
    b"mdat",
    b"free",
    b"skip",
    b"wide",
    b"pnot",
    b"moof",
    b"sidx",
}
_EBML = b"\x1a\x45\xdf\xa3"
_SEGMENT = b"\x18\x53\x80\x67"


def promised_bytes(path: Path) -> int | None:
    """Return how many bytes the container at `path` announces, or None where it announces nothing.

    More than the file has means that its end is missing. MP4 and MOV: the sum of the top boxes
    (ISO/IEC 14496-12, 4.2). Matroska and WebM: header and Segment (RFC 8794, RFC 9559). AVI: its
    RIFF chunks.
    """
    with path.open("rb") as file:
        head = file.read(12)
        if head[4:8] in _MP4_FIRST:
            return _sum_of_boxes(file)
        if head[:4] == _EBML:
            return _end_of_segment(file)
        if head[:4] == b"RIFF":
            return _sum_of_riff_chunks(file)
    return None


def describe_head(head: bytes) -> str:
    """Say what the first bytes of a file that is no video look like, or '' if nothing familiar.

    >>> describe_head(b"<!DOCTYPE html><title>Sign in</title>")
    'a web page (HTML)'
    """
    start = head.lstrip()[:256].lower()
    if any(tag in start for tag in (b"<!doctype html", b"<html", b"<head")):
        return "a web page (HTML)"
    if start.startswith((b"<?xml", b"{", b"[")):
        return "a text answer (XML or JSON)"
    if head and all(byte >= 32 or byte in b"\t\n\r\f" for byte in head):
        return "text"
    return ""


def _size_bytes(file: BinaryIO) -> int:
    return os.fstat(file.fileno()).st_size


def _sum_of_boxes(file: BinaryIO) -> int:
    offset, size_bytes = 0, _size_bytes(file)
    while offset < size_bytes:
        file.seek(offset)
        header = file.read(16)
        if not header[:8].strip(b"\0"):
            return size_bytes  # zeros appended as padding
        if len(header) < 8:
            return offset + 8
        length = int.from_bytes(header[:4], "big")
        if length == 1:  # a 64-bit length follows the name
            length = int.from_bytes(header[8:16], "big")
        if length < 8:  # 0: up to the end of the file; 2 to 7 are no boxes
            return size_bytes
        offset += length
    return offset


def _end_of_segment(file: BinaryIO) -> int | None:
    file.seek(4)
    header_bytes = _read_vint(file)
    if header_bytes is None:
        return None
    file.seek(header_bytes, os.SEEK_CUR)
    if file.read(4) != _SEGMENT:
        return None
    segment_bytes = _read_vint(file)
    return None if segment_bytes is None else file.tell() + segment_bytes


def _read_vint(file: BinaryIO) -> int | None:
    """Read a variable-length size (RFC 8794, 6); None for "unknown", as live recordings have."""
    first = file.read(1)
    if not first or first[0] == 0:
        return None
    length = 9 - first[0].bit_length()
    rest = file.read(length - 1)
    value = int.from_bytes(bytes([first[0] & (0xFF >> length)]) + rest, "big")
    return None if value == (1 << 7 * length) - 1 else value


def _sum_of_riff_chunks(file: BinaryIO) -> int | None:
    offset, size_bytes = 0, _size_bytes(file)
    while offset < size_bytes:
        file.seek(offset)
        header = file.read(8)
        if header[:4] not in (b"RIFF", b"LIST", b"JUNK", b"idx1"):
            return max(offset, 0) or None
        length = int.from_bytes(header[4:8], "little")
        if length == 0:  # never finished by its recorder; the packets then tell
            return None
        offset += 8 + length + length % 2
    return offset
