"""The length that an MP4 file's header states, which FFmpeg leaves out of account.

FFmpeg adds up the samples of an MP4 file instead; players show what the header states.
"""

from pathlib import Path
from typing import BinaryIO


def stated_length_s(path: Path) -> float | None:
    """Return the length in the movie header `mvhd` (ISO/IEC 14496-12, 8.2.2), s.

    None where there is no such header, or where it leaves the length to fragments.
    """
    with path.open("rb") as file:
        size_bytes = file.seek(0, 2)
        movie = _find_box(file, b"moov", 0, size_bytes)
        header = movie and _find_box(file, b"mvhd", *movie)
        if not header:
            return None
        file.seek(header[0])
        content = file.read(32)
    if len(content) < 32:
        return None
    long = content[0] == 1
    scale = int.from_bytes(content[20:24] if long else content[12:16], "big")
    length = int.from_bytes(content[24:32] if long else content[16:20], "big")
    unknown = 2**64 - 1 if long else 2**32 - 1
    return length / scale if scale and length not in (0, unknown) else None


def _find_box(file: BinaryIO, kind: bytes, start: int, end: int) -> tuple[int, int] | None:
    """Return where the content of the first box of a kind begins and ends, within a range."""
    while start + 8 <= end:
        file.seek(start)
        head = file.read(16)
        length, header_bytes = int.from_bytes(head[:4], "big"), 8
        if length == 1:  # a 64-bit length follows the name
            length, header_bytes = int.from_bytes(head[8:16], "big"), 16
        elif length == 0:  # up to the end
            length = end - start
        if length < header_bytes:
            return None
        if head[4:8] == kind:
            return start + header_bytes, min(start + length, end)
        start += length
    return None
